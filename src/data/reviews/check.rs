//! What is said of a set of reviews before it is trained on.

use std::fmt;

use serde::Serialize;

use super::vocabulary::Vocabulary;
use super::words::tokens_without_letters_only;
use super::{Loaded, Reviews};
use crate::data::error::shown;
use crate::data::faces::{SkippedGroup, by_reason};
use crate::data::split::Split;

/// How many reviews have one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The label.
    pub class: String,
    /// How many have it.
    pub reviews: usize,
}

/// The totals of a set of reviews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Usable ones.
    pub reviews: usize,
    /// Those by class, in the order of the classes.
    pub classes: Vec<ClassCount>,
    /// Reviews to train on.
    pub train: usize,
    /// Reviews to validate with.
    pub validation: usize,
    /// Different stems of the training reviews.
    pub stems: usize,
    /// Those that are frequent enough to have a number.
    pub kept: usize,
    /// Pieces between white space, in all reviews.
    pub tokens: usize,
    /// Those that are dropped because they are not made of letters only.
    pub tokens_dropped: usize,
    /// Rows that cannot be used.
    pub skipped: usize,
    /// Those by reason, the most frequent first.
    pub skipped_by_reason: Vec<SkippedGroup>,
}

impl Summary {
    /// Counts what was loaded, split, and numbered.
    pub fn of(loaded: &Loaded, split: &Split, vocabulary: &Vocabulary) -> Summary {
        let Reviews { texts, labels, classes, .. } = &loaded.reviews;
        let count = |place| labels.iter().filter(|label| **label == Some(place)).count();
        Summary {
            reviews: loaded.reviews.len(),
            classes: classes
                .iter()
                .enumerate()
                .map(|(place, class)| ClassCount { class: class.clone(), reviews: count(place) })
                .collect(),
            train: split.train.len(),
            validation: split.validation.len(),
            stems: vocabulary.distinct_stems(),
            kept: vocabulary.stems().len(),
            tokens: texts.iter().map(|text| text.split_whitespace().count()).sum(),
            tokens_dropped: texts.iter().map(|text| tokens_without_letters_only(text)).sum(),
            skipped: loaded.skipped.len(),
            skipped_by_reason: by_reason(&loaded.skipped),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "reviews    {:>7}", self.reviews)?;
        for ClassCount { class, reviews } in &self.classes {
            writeln!(f, "  {reviews:>7}  {}", shown(class))?;
        }
        writeln!(f, "training   {:>7}", self.train)?;
        writeln!(f, "validation {:>7}", self.validation)?;
        writeln!(f, "stems      {:>7}  in the training reviews", self.stems)?;
        writeln!(f, "  kept     {:>7}", self.kept)?;
        writeln!(f, "tokens     {:>7}", self.tokens)?;
        writeln!(f, "  dropped  {:>7}  not made of letters only", self.tokens_dropped)?;
        writeln!(f, "skipped    {:>7}", self.skipped)?;
        for group in &self.skipped_by_reason {
            writeln!(f, "  {:>7}  {}", group.files.len(), group.reason)?;
            for line in &group.files {
                writeln!(f, "           {line}")?;
            }
        }
        Ok(())
    }
}
