//! What is known of a face, and the UTKFace file names that say it.

use std::fmt;

/// The two genders that UTKFace tells apart, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gender {
    /// 0 in a file name, target 0.0.
    Male = 0,
    /// 1 in a file name, target 1.0.
    Female = 1,
}

impl fmt::Display for Gender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gender::Male => "male",
            Gender::Female => "female",
        })
    }
}

/// The label of one photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FaceLabel {
    /// In years.
    pub age: u32,
    /// Male or female.
    pub gender: Gender,
}
