//! Reviews and their classes: where they come from, and how they become numbers.
pub mod check;
mod columns;
mod delimiter;
pub mod porter;
mod read;
mod rows;
mod skipped;
pub mod synthetic;
mod texts;
pub mod tokens;
pub mod vocabulary;
pub mod words;

#[cfg(test)]
mod tests;

pub use delimiter::delimiter;
pub use read::{Loaded, ReadOptions, parse, read};
pub use rows::line_ends;
pub use skipped::{SkippedReason, SkippedRows};
pub use texts::Texts;
pub use vocabulary::{TextOptions, Vocabulary};

use std::collections::HashMap;

use rayon::prelude::*;

use super::split::{Content, Contents, Samples};
use columns::short;

/// Texts in memory, and the classes that they belong to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reviews {
    /// N numbers of the rows that the reviews stand in, from 0 below the header.
    pub names: Vec<String>,
    /// N texts, as they were written.
    pub texts: Vec<String>,
    /// N places in `classes`; `None` where there is no label.
    pub labels: Vec<Option<usize>>,
    /// The names of the classes, in their order: of two, the second is the positive one.
    pub classes: Vec<String>,
}

impl Reviews {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

impl Samples for Reviews {
    const KEY: &'static str = "row";
    const NAME: &'static str = "review";

    fn names(&self) -> &[String] {
        &self.names
    }

    fn finder(&self) -> impl Fn(&str) -> Result<Option<usize>, String> {
        let by_row: HashMap<&str, usize> =
            self.names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        move |name| match name.trim().parse::<u64>() {
            Ok(row) => Ok(by_row.get(row.to_string().as_str()).copied()),
            Err(_) => Err(format!("row `{}` is no number of a row; the first review has row 0", short(name))),
        }
    }

    fn chosen(&self, indices: &[usize]) -> Reviews {
        Reviews {
            names: indices.iter().map(|&index| self.names[index].clone()).collect(),
            texts: indices.iter().map(|&index| self.texts[index].clone()).collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            classes: self.classes.clone(),
        }
    }
}

impl Contents for Reviews {
    /// Of the words and signs, with one space in place of all white space between them.
    fn contents(&self) -> Vec<Content> {
        let content = |text: &String| {
            let mut hasher = blake3::Hasher::new();
            for piece in text.split_whitespace() {
                hasher.update(piece.as_bytes()).update(b" ");
            }
            hasher.finalize().into()
        };
        self.texts.par_iter().map(content).collect()
    }
}
