//! What `data check` says of a data set: a row a photo, and totals.

use std::fmt;

use serde::Serialize;

use super::error::shown;
use super::faces::{Loaded, Photos, SkippedGroup, by_reason};
use super::label::Gender;
use super::source::Ignored;
use super::split::Copies;

/// One photo in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row<'a> {
    /// The path within the source.
    pub file: &'a str,
    /// In years; `None` where the name tells no label.
    pub age: Option<u32>,
    /// `None` where the name tells no label.
    pub gender: Option<Gender>,
}

/// The photos' rows, in their order.
pub fn rows(photos: &Photos) -> impl Iterator<Item = Row<'_>> {
    photos.names.iter().zip(&photos.labels).map(|(name, label)| Row {
        file: name,
        age: label.map(|label| label.age),
        gender: label.map(|label| label.gender),
    })
}

/// Prints the photos as aligned columns: file, age, gender; `-` where the name tells no label.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a>(pub &'a Photos);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
        writeln!(f, "{:width$}  age  gender", "file")?;
        for Row { file, age, gender } in rows(self.0) {
            let file = shown(file);
            match (age, gender) {
                (Some(age), Some(gender)) => writeln!(f, "{file:width$}  {age:>3}  {gender}")?,
                _ => writeln!(f, "{file:width$}    -  -")?,
            }
        }
        Ok(())
    }
}

/// Ages in years.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ages {
    /// The youngest.
    pub min: u32,
    /// Half are at most this old; between the two in the middle where their number is even.
    pub median: f64,
    /// The sum over the number.
    pub mean: f64,
    /// The oldest.
    pub max: u32,
}

impl Ages {
    /// `None` of no ages.
    pub fn of(mut ages: Vec<u32>) -> Option<Ages> {
        ages.sort_unstable();
        let (&min, &max) = (ages.first()?, ages.last()?);
        let count = ages.len();
        let middle = f64::from(ages[(count - 1) / 2]) + f64::from(ages[count / 2]);
        let mean = ages.iter().map(|&age| f64::from(age)).sum::<f64>() / count as f64;
        Some(Ages { min, median: middle / 2.0, mean, max })
    }
}

/// The totals below the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Usable ones.
    pub photos: usize,
    /// Photos of men and boys.
    pub male: usize,
    /// Photos of women and girls.
    pub female: usize,
    /// Photos whose names tell no label, where that is no reason to skip them.
    pub unlabelled: usize,
    /// `None` if there is no label.
    pub age: Option<Ages>,
    /// Photos with the same pixels as one before them.
    pub copies: usize,
    /// Photos that cannot be used, and files that are only named like photos.
    pub skipped: usize,
    /// Those by reason, the most frequent first.
    pub skipped_by_reason: Vec<SkippedGroup>,
    /// Files that are no photos.
    pub ignored_files: usize,
    /// Those by what they are.
    pub ignored_by_kind: Ignored,
    /// What the user should know of a damaged archive.
    pub warning: Option<String>,
}

impl Summary {
    /// Counts what was loaded.
    pub fn of(loaded: &Loaded) -> Summary {
        let labels = &loaded.photos.labels;
        let count = |gender| labels.iter().flatten().filter(|label| label.gender == gender).count();
        Summary {
            photos: loaded.photos.len(),
            male: count(Gender::Male),
            female: count(Gender::Female),
            unlabelled: labels.iter().filter(|label| label.is_none()).count(),
            age: Ages::of(labels.iter().flatten().map(|label| label.age).collect()),
            copies: Copies::of(&loaded.photos).count(),
            skipped: loaded.skipped.len(),
            skipped_by_reason: by_reason(&loaded.skipped),
            ignored_files: loaded.ignored.total(),
            ignored_by_kind: loaded.ignored.clone(),
            warning: loaded.warning.clone(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "photos   {:>6}", self.photos)?;
        writeln!(f, "  male   {:>6}", self.male)?;
        writeln!(f, "  female {:>6}", self.female)?;
        if self.unlabelled > 0 {
            writeln!(f, "  no label {:>4}", self.unlabelled)?;
        }
        if let Some(Ages { min, median, mean, max }) = self.age {
            writeln!(f, "age      min {min}, median {median}, mean {mean:.1}, max {max}")?;
        }
        if self.copies > 0 {
            writeln!(f, "copies   {:>6}  photos with the same pixels as another", self.copies)?;
        }
        writeln!(f, "skipped  {:>6}", self.skipped)?;
        for group in &self.skipped_by_reason {
            writeln!(f, "  {:>4}  {}", group.files.len(), shown(&group.reason))?;
            for file in group.files.iter().take(NAMED) {
                writeln!(f, "        {}", shown(file))?;
            }
            if group.files.len() > NAMED {
                writeln!(f, "        and {} more, which --json names", group.files.len() - NAMED)?;
            }
        }
        let kinds = if self.ignored_files > 0 { ": " } else { "" };
        writeln!(
            f,
            "ignored  {:>6}  files that are no photos{kinds}{}",
            self.ignored_files, self.ignored_by_kind
        )?;
        if let Some(warning) = &self.warning {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// Files named a reason.
const NAMED: usize = 10;
