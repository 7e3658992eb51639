//! Which samples are for training and which for validation.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use super::error::{DataError, open_file};
use super::faces::Photos;
use super::label::base_name;
use crate::rng::{Generator, Stream};

/// What can be split: photos by their paths, reviews by the numbers of their rows.
pub trait Samples: Sized {
    /// The header of the column that names them in a split file.
    const KEY: &'static str;
    /// What one of them is called.
    const NAME: &'static str;

    /// One a sample, no two alike.
    fn names(&self) -> &[String];

    /// Finds samples by what a split file calls them: an index, `None` where there is no such sample,
    /// or what is wrong with the name.
    fn finder(&self) -> impl Fn(&str) -> Result<Option<usize>, String>;

    /// Only these samples, in this order.
    fn chosen(&self, indices: &[usize]) -> Self;
}

/// Indices of [`Samples`], each list in ascending order. No sample is in both; some may be in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What the model learns from.
    pub train: Vec<usize>,
    /// What it is measured on.
    pub validation: Vec<usize>,
}

/// Where a split file and the samples do not match. Neither is an error: a split may be written for
/// more samples than are there, or for a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SplitNotes {
    /// Rows that name no sample, of what was skipped as well.
    pub rows_without_sample: usize,
    /// Samples that no row names. They are left out.
    pub samples_without_row: usize,
}

/// What the generator's sample number tells apart within [`Stream::Split`].
const SPLIT: u32 = 0;
const LIMIT_TRAIN: u32 = 1;
const LIMIT_VALIDATION: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Train,
    Validation,
}

impl Split {
    /// 80 % for training, 20 % for validation, and at least one each of two samples or more.
    ///
    /// The samples' names count only through their order: any set of as many gives the same split
    /// of its sorted names. A single sample is for training.
    pub fn seeded(samples: &impl Samples, seed: u64) -> Split {
        let names = samples.names();
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| names[a].cmp(&names[b]));
        Generator::new(seed, 0, SPLIT, Stream::Split).shuffle(&mut order);
        let train = order.split_off(one_in_each((names.len() + 2) / 5, names.len()));
        Split { train, validation: order }.sorted()
    }

    /// Reads rows of `file,split` for photos, `row,split` for reviews, where split is `train`, or else
    /// `test`, `val` or `validation`, which all three mean validation. Other columns are ignored.
    ///
    /// A row names the photo with that path, or else the one whose file is called the same; or the
    /// review in that row of its file, from 0 below the header.
    ///
    /// # Errors
    /// Names the file, and the line where there is one: no such file, a missing column, another
    /// value, a name that fits several samples, a sample on both sides, a side without a sample.
    pub fn from_csv<S: Samples>(path: &Path, samples: &S) -> Result<(Split, SplitNotes), DataError> {
        Self::read_csv(path, samples, &[Side::Train, Side::Validation])
    }

    /// The same for an evaluation, which needs no training samples.
    pub fn validation_from_csv<S: Samples>(
        path: &Path,
        samples: &S,
    ) -> Result<(Split, SplitNotes), DataError> {
        Self::read_csv(path, samples, &[Side::Validation])
    }

    fn read_csv<S: Samples>(
        path: &Path,
        samples: &S,
        needed: &[Side],
    ) -> Result<(Split, SplitNotes), DataError> {
        let line_error = |line, reason| DataError::SplitLine { path: path.to_owned(), line, reason };
        let csv_error = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            line_error(line, format!("not a row of CSV: {error}"))
        };
        let file = open_file(path)?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(file);
        let headers = reader.headers().map_err(csv_error)?.clone();
        let column = |column| {
            let found = headers.iter().position(|header| header.eq_ignore_ascii_case(column));
            found.ok_or(DataError::SplitColumn { path: path.to_owned(), column, key: S::KEY })
        };
        let (key_column, split_column) = (column(S::KEY)?, column("split")?);
        let find = samples.finder();
        let count = samples.names().len();
        let mut sides: Vec<Option<Side>> = vec![None; count];
        let mut notes = SplitNotes::default();
        let (mut train_rows, mut validation_rows) = (0, 0);
        for record in reader.records() {
            let record = record.map_err(csv_error)?;
            let line = record.position().map_or(0, csv::Position::line);
            let field = |column| record.get(column).unwrap_or_default();
            let (name, value) = (field(key_column), field(split_column).trim());
            let side = match value.to_ascii_lowercase().as_str() {
                "train" => Side::Train,
                "test" | "val" | "validation" => Side::Validation,
                _ => {
                    let reason = format!("split `{value}` is none of train, test, val and validation");
                    return Err(line_error(line, reason));
                }
            };
            match side {
                Side::Train => train_rows += 1,
                Side::Validation => validation_rows += 1,
            }
            let Some(index) = find(name).map_err(|reason| line_error(line, reason))? else {
                notes.rows_without_sample += 1;
                continue;
            };
            if sides[index].is_some_and(|before| before != side) {
                let reason = format!("`{name}` is in both train and test; delete one of its two rows");
                return Err(line_error(line, reason));
            }
            sides[index] = Some(side);
        }
        let on = |side| (0..count).filter(|&index| sides[index] == Some(side)).collect::<Vec<_>>();
        let split = Split { train: on(Side::Train), validation: on(Side::Validation) };
        for (indices, side, name, rows) in [
            (&split.train, Side::Train, "train", train_rows),
            (&split.validation, Side::Validation, "validation", validation_rows),
        ] {
            if indices.is_empty() && needed.contains(&side) {
                let side = name;
                return Err(DataError::SplitSide { path: path.to_owned(), sample: S::NAME, side, rows });
            }
        }
        notes.samples_without_row = sides.iter().filter(|side| side.is_none()).count();
        Ok((split, notes))
    }

    /// Leaves out the samples on neither side. Positions, which number the samples in all randomness,
    /// then depend on nothing but the split itself.
    pub fn compact<S: Samples>(self, samples: S) -> (S, Split) {
        let mut chosen: Vec<usize> = self.train.iter().chain(&self.validation).copied().collect();
        if chosen.len() == samples.names().len() {
            return (samples, self);
        }
        chosen.sort_unstable();
        let kept = samples.chosen(&chosen);
        let place = |index: &usize| chosen.binary_search(index).unwrap_or_default();
        let train = self.train.iter().map(place).collect();
        let validation = self.validation.iter().map(place).collect();
        (kept, Split { train, validation })
    }

    /// Keeps `limit` samples in all (two at least), chosen by `seed`, in the proportion of the two
    /// sides and with at least one in each that has one.
    pub fn limited(self, limit: usize, seed: u64) -> Split {
        let limit = limit.max(2);
        let total = self.train.len() + self.validation.len();
        if total <= limit {
            return self;
        }
        if self.train.is_empty() || self.validation.is_empty() {
            let train = self.train.len().min(limit);
            let validation = self.validation.len().min(limit);
            return self.keep(train, validation, seed);
        }
        // To the nearest; 128 bits, for the product.
        let share = (2 * limit as u128 * self.validation.len() as u128 + total as u128) / (2 * total as u128);
        let validation = one_in_each(share as usize, limit);
        self.keep(limit - validation, validation, seed)
    }

    /// Rows of `file,split` or `row,split` with `train` and `test`, in the samples' order.
    pub fn to_csv<S: Samples>(&self, samples: &S) -> String {
        let mut rows: Vec<(usize, &str)> = self.train.iter().map(|&index| (index, "train")).collect();
        rows.extend(self.validation.iter().map(|&index| (index, "test")));
        rows.sort_unstable();
        let mut text = format!("{},split\n", S::KEY);
        for (index, side) in rows {
            let name = &samples.names()[index];
            if name.contains([',', '"', '\n', '\r']) || name.trim() != name {
                text.push_str(&format!("\"{}\",{side}\n", name.replace('"', "\"\"")));
            } else {
                text.push_str(&format!("{name},{side}\n"));
            }
        }
        text
    }

    /// Writes [`to_csv`](Self::to_csv).
    ///
    /// # Errors
    /// Those of `writer`.
    pub fn write_csv(&self, samples: &impl Samples, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(self.to_csv(samples).as_bytes())
    }

    fn keep(mut self, train: usize, validation: usize, seed: u64) -> Split {
        Generator::new(seed, 0, LIMIT_TRAIN, Stream::Split).shuffle(&mut self.train);
        Generator::new(seed, 0, LIMIT_VALIDATION, Stream::Split).shuffle(&mut self.validation);
        self.train.truncate(train);
        self.validation.truncate(validation);
        self.sorted()
    }

    fn sorted(mut self) -> Split {
        self.train.sort_unstable();
        self.validation.sort_unstable();
        self
    }
}

/// `part` of `total`, moved so that both it and the rest have one, where that can be.
fn one_in_each(part: usize, total: usize) -> usize {
    if total < 2 { 0 } else { part.clamp(1, total - 1) }
}

impl Samples for Photos {
    const KEY: &'static str = "file";
    const NAME: &'static str = "photo";

    fn names(&self) -> &[String] {
        &self.names
    }

    fn finder(&self) -> impl Fn(&str) -> Result<Option<usize>, String> {
        let names = Names::of(&self.names);
        move |name| names.find(name)
    }

    fn chosen(&self, indices: &[usize]) -> Photos {
        let mut chosen = Photos::new(self.width, self.height);
        for &index in indices {
            chosen.push(self.names[index].clone(), self.labels[index], self.photo(index));
        }
        chosen
    }
}

/// Finds photos by what a split file calls them.
pub(super) struct Names<'a> {
    by_path: HashMap<&'a str, usize>,
    /// `None` where several photos in different folders are called the same.
    by_base: HashMap<&'a str, Option<usize>>,
}

impl<'a> Names<'a> {
    pub(super) fn of(all: &'a [String]) -> Names<'a> {
        let mut names = Names { by_path: HashMap::new(), by_base: HashMap::new() };
        for (index, name) in all.iter().enumerate() {
            names.by_path.insert(name, index);
            names.by_base.entry(base_name(name)).and_modify(|found| *found = None).or_insert(Some(index));
        }
        names
    }

    pub(super) fn find(&self, name: &str) -> Result<Option<usize>, String> {
        // Exactly as written comes first: a name may contain what is cleaned away here.
        let slashed = name.trim().replace('\\', "/");
        let path = slashed.strip_prefix("./").unwrap_or(&slashed);
        if let Some(&index) = self.by_path.get(name).or_else(|| self.by_path.get(path)) {
            return Ok(Some(index));
        }
        match self.by_base.get(base_name(path)) {
            Some(None) => Err(format!(
                "`{name}` could be any of several photos of that name; give its folder as `data check` shows it"
            )),
            Some(&found) => Ok(found),
            None => Ok(None),
        }
    }
}
