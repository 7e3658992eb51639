//! What is known of a face, and the UTKFace file names that say it.

use std::fmt;

use serde::Serialize;

/// The two genders that UTKFace tells apart, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// 0 in a file name, target 0.0.
    Male = 0,
    /// 1 in a file name, target 1.0.
    Female = 1,
}

impl fmt::Display for Gender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Gender::Male => "male",
            Gender::Female => "female",
        })
    }
}

/// The label of one photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct FaceLabel {
    /// In years.
    pub age: u32,
    /// Male or female.
    pub gender: Gender,
}

/// Why a file name tells no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LabelError {
    /// Nothing in the name looks like UTKFace's fields.
    #[error("the name is not age_gender_race_date")]
    NotUtkFace,
    /// The first field.
    #[error("the age is not a number")]
    AgeNotANumber,
    /// The first field, above [`MAX_AGE`].
    #[error("the age is above 150")]
    AgeTooHigh,
    /// The second field.
    #[error("gender is neither 0 nor 1")]
    Gender,
    /// Three fields in place of four: the real set has a few such names.
    #[error("no race field in the name")]
    NoRace,
    /// The third field.
    #[error("race is not a number from 0 to 4")]
    Race,
    /// The fourth field.
    #[error("the date does not begin with a digit")]
    Date,
}

pub use crate::spec::MAX_AGE;

impl FaceLabel {
    /// Reads the label off a UTKFace name, `age_gender_race_date` and any extensions.
    ///
    /// `name` may contain folders, such as `train_test/28_1_0_20170117180708809.jpg.chip.jpg`.
    ///
    /// # Errors
    /// When a field is missing or no such number: the reason, without the name.
    pub fn from_file_name(name: &str) -> Result<FaceLabel, LabelError> {
        let base = base_name(name);
        let stem = base.split('.').next().unwrap_or(base);
        let fields: Vec<&str> = stem.split('_').collect();
        let (age, gender, race, date) = match fields[..] {
            [age, gender, race, date] => (age, gender, race, date),
            [age, gender, date] if [age, gender, date].into_iter().all(is_number) => {
                return Err(LabelError::NoRace);
            }
            _ => return Err(LabelError::NotUtkFace),
        };
        if !is_number(age) {
            return Err(LabelError::AgeNotANumber);
        }
        let age = age.parse().ok().filter(|&age| age <= MAX_AGE).ok_or(LabelError::AgeTooHigh)?;
        let gender = match gender {
            "0" => Gender::Male,
            "1" => Gender::Female,
            _ => return Err(LabelError::Gender),
        };
        if !matches!(race, "0" | "1" | "2" | "3" | "4") {
            return Err(LabelError::Race);
        }
        // Copies and hand-made files have something behind it: `2017 `, `2017 (1)`.
        if !date.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(LabelError::Date);
        }
        Ok(FaceLabel { age, gender })
    }

    /// A UTKFace name that tells this label, such as `28_1_0_20170100000000007.jpg.chip.jpg`.
    ///
    /// The race is 0, and `index` fills the last digits of the date: names of different indices
    /// below 10^11 differ.
    pub fn file_name(&self, index: usize) -> String {
        format!("{}_{}_0_201701{index:011}.jpg.chip.jpg", self.age, self.gender as u8)
    }
}

/// The part of a path behind its last `/`.
pub fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn is_number(field: &str) -> bool {
    !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_utkface_name_tells_age_and_gender() {
        let name = "train_test/28_1_0_20170117180708809.jpg.chip.jpg";
        assert_eq!(FaceLabel::from_file_name(name), Ok(FaceLabel { age: 28, gender: Gender::Female }));
        assert_eq!(FaceLabel::from_file_name("0_0_4_1.PNG"), Ok(FaceLabel { age: 0, gender: Gender::Male }));
        assert!(FaceLabel::from_file_name("150_0_4_1.png").is_ok());
        let odd = Ok(FaceLabel { age: 24, gender: Gender::Male });
        for name in ["24_0_1_2017 .jpg", "24_0_1_20170116 (1).jpg", "24_0_1_2017-01-16.jpg", "24_0_1_2017"] {
            assert_eq!(FaceLabel::from_file_name(name), odd, "{name}");
        }
    }

    #[test]
    fn a_broken_name_says_what_is_wrong() {
        for (name, error) in [
            ("61_1_20170109142408075.jpg.chip.jpg", LabelError::NoRace),
            ("IMG_1234.jpg", LabelError::NotUtkFace),
            ("a_b_c.jpg", LabelError::NotUtkFace),
            ("1_0_0_5_6.jpg", LabelError::NotUtkFace),
            (".jpg", LabelError::NotUtkFace),
            ("x_0_0_5.jpg", LabelError::AgeNotANumber),
            ("-3_0_0_5.jpg", LabelError::AgeNotANumber),
            ("_0_0_5.jpg", LabelError::AgeNotANumber),
            ("151_0_0_5.jpg", LabelError::AgeTooHigh),
            ("99999999999_0_0_5.jpg", LabelError::AgeTooHigh),
            ("20_3_0_5.jpg", LabelError::Gender),
            ("20_0_5_5.jpg", LabelError::Race),
            ("20_0__5.jpg", LabelError::Race),
            ("20_0_0_.jpg", LabelError::Date),
            ("20_0_0_today.jpg", LabelError::Date),
        ] {
            assert_eq!(FaceLabel::from_file_name(name), Err(error), "{name}");
        }
    }

    #[test]
    fn a_written_name_reads_back() {
        let label = FaceLabel { age: 7, gender: Gender::Male };
        let name = label.file_name(42);
        assert_eq!(name, "7_0_0_20170100000000042.jpg.chip.jpg");
        assert_eq!(FaceLabel::from_file_name(&name), Ok(label));
        assert_ne!(name, label.file_name(43));
    }
}
