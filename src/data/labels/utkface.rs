//! UTKFace's names: `age_gender_race_date`.

use std::fmt;

use serde::Serialize;

use super::{Labelled, Way};
use crate::data::skipped::Skipped;
use crate::data::table::{Column, Table};
use crate::tasks::Target;

/// See the module.
pub const WAY: Way = Way { name: "UTKFace names", fits, label };

/// The highest age, in years, that a name may tell.
pub const MAX_AGE: u32 = 150;

/// The races that UTKFace tells apart, by its numbers.
const RACES: [&str; 5] = ["white", "black", "asian", "indian", "others"];

/// Whether at least half of the names are such.
fn fits(names: &[String]) -> bool {
    let fitting = names.iter().filter(|name| FaceLabel::from_file_name(name).is_ok()).count();
    fitting > 0 && 2 * fitting >= names.len()
}

/// The columns age, gender and race. A name that is no such is skipped.
fn label(names: &[String]) -> Labelled {
    let age = Target {
        unit: Some("years".into()),
        range: Some([0.0, MAX_AGE as f32]),
        ..Target::new("age", "number")
    };
    let classes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let gender = Target { classes: classes(&["male", "female"]), ..Target::new("gender", "binary") };
    let race = Target { classes: classes(&RACES), ..Target::new("race", "classes") };
    let mut columns: Vec<Column> = [age, gender, race].into_iter().map(Column::known).collect();
    let (mut kept, mut skipped) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        match FaceLabel::from_file_name(name) {
            Ok(FaceLabel { age, gender, race }) => {
                columns[0].push(Some(&age.to_string()));
                columns[1].push(Some(&gender.to_string()));
                columns[2].push(RACES.get(usize::from(race)).copied());
                kept.push(index);
            }
            Err(error) => {
                let reason = format!("the name tells no label: {error}");
                skipped.push(Skipped { file: name.clone(), reason });
            }
        }
    }
    Labelled { table: Table { columns, ..Table::default() }, kept, skipped, ..Labelled::default() }
}

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
    /// UTKFace's number, from 0 to 4.
    pub race: u8,
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

impl FaceLabel {
    /// Reads the label off a UTKFace name, `age_gender_race_date` and any extensions.
    ///
    /// `name` may contain folders, such as `train_test/28_1_0_20170117180708809.jpg.chip.jpg`.
    ///
    /// # Errors
    /// When a field is missing or no such number: the reason, without the name.
    pub fn from_file_name(name: &str) -> Result<FaceLabel, LabelError> {
        let base = super::base_name(name);
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
        let is_race = |race: &u8| usize::from(*race) < RACES.len();
        let race = Some(race).filter(|race| race.len() == 1).and_then(|race| race.parse().ok());
        let race = race.filter(is_race).ok_or(LabelError::Race)?;
        // Copies and hand-made files have something behind it: `2017 `, `2017 (1)`.
        if !date.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(LabelError::Date);
        }
        Ok(FaceLabel { age, gender, race })
    }

    /// A UTKFace name that tells this label, such as `28_1_0_20170100000000007.jpg.chip.jpg`.
    ///
    /// `index` fills the last digits of the date: names of different indices
    /// below 10^11 differ.
    pub fn file_name(&self, index: usize) -> String {
        format!("{}_{}_{}_201701{index:011}.jpg.chip.jpg", self.age, self.gender as u8, self.race)
    }
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
        assert_eq!(
            FaceLabel::from_file_name(name),
            Ok(FaceLabel { age: 28, gender: Gender::Female, race: 0 })
        );
        assert_eq!(
            FaceLabel::from_file_name("0_0_4_1.PNG"),
            Ok(FaceLabel { age: 0, gender: Gender::Male, race: 4 })
        );
        assert!(FaceLabel::from_file_name("150_0_4_1.png").is_ok());
        let odd = Ok(FaceLabel { age: 24, gender: Gender::Male, race: 1 });
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
        let label = FaceLabel { age: 7, gender: Gender::Male, race: 0 };
        let name = label.file_name(42);
        assert_eq!(name, "7_0_0_20170100000000042.jpg.chip.jpg");
        assert_eq!(FaceLabel::from_file_name(&name), Ok(label));
        assert_ne!(name, label.file_name(43));
    }
}
