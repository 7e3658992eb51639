//! Which samples are for training, which for validation, and which for a test at the end.

mod copies;
mod file;

pub use copies::{Apart, Content, Copies};

use super::records::Records;
use crate::rng::{Generator, Stream};
use crate::spec::Fold;

/// Indices of samples, each list in ascending order. No sample is in two; some may be in none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// What the model learns from.
    pub train: Vec<usize>,
    /// What it is measured on after every epoch: the best epoch is chosen by it.
    pub validation: Vec<usize>,
    /// What it is measured on once, at the end. Most splits have none.
    pub test: Vec<usize>,
}

/// The part of a split that a sample is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// To learn from.
    Train,
    /// To choose by.
    Validation,
    /// To measure with at the end.
    Test,
}

impl Side {
    /// The side that this word, in any case, is used for: `train` or `training`; `val`, `valid`, `validation` or
    /// `dev`; `test` or `testing`.
    pub fn named(word: &str) -> Option<Side> {
        Some(match word.to_ascii_lowercase().as_str() {
            "train" | "training" => Side::Train,
            "val" | "valid" | "validation" | "dev" => Side::Validation,
            "test" | "testing" => Side::Test,
            _ => return None,
        })
    }

    /// In messages and results.
    pub fn name(self) -> &'static str {
        match self {
            Side::Train => "train",
            Side::Validation => "validation",
            Side::Test => "test",
        }
    }
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
const LIMIT_TEST: u32 = 3;
const FOLD: u32 = 4;

impl Split {
    /// 80 % for training, 20 % for validation, and at least one each of two samples or more. Copies of
    /// one sample are on one side; a set without copies is split as [`by_names`](Self::by_names) does.
    pub fn seeded(names: &[String], contents: &[Content], seed: u64) -> Split {
        Copies::of(names, contents).together(Split::by_names(names, seed))
    }

    /// As the source has them on sides. Where there is none to validate with, those for the test are.
    pub fn of_sides(sides: &[Side]) -> Split {
        let on = |side| (0..sides.len()).filter(|&index| sides[index] == side).collect::<Vec<_>>();
        let mut split =
            Split { train: on(Side::Train), validation: on(Side::Validation), test: on(Side::Test) };
        if split.validation.is_empty() {
            split.validation = std::mem::take(&mut split.test);
        }
        split
    }

    /// 80 % for training, 20 % for validation, and at least one each of two samples or more.
    ///
    /// The samples' names count only through their order: any set of as many gives the same split
    /// of its sorted names. A single sample is for training.
    pub fn by_names(names: &[String], seed: u64) -> Split {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| names[a].cmp(&names[b]));
        Generator::new(seed, 0, SPLIT, Stream::Split).shuffle(&mut order);
        let train = order.split_off(one_in_each((names.len() + 2) / 5, names.len()));
        Split { train, validation: order, test: Vec::new() }.sorted()
    }

    /// The training samples alone, one fold of which is for validation. Folds are the same for every seed, and together
    /// they hold every training sample once.
    pub fn fold(self, names: &[String], Fold { number, of }: Fold) -> Split {
        let mut order = self.train;
        order.sort_by(|&a, &b| names[a].cmp(&names[b]));
        Generator::new(0, 0, FOLD, Stream::Split).shuffle(&mut order);
        let edge = |part: usize| part * order.len() / of;
        let (first, end) = (edge(number - 1), edge(number));
        let validation = order[first..end].to_vec();
        let train = [&order[..first], &order[end..]].concat();
        Split { train, validation, test: Vec::new() }.sorted()
    }

    /// Every side, empty ones too.
    pub fn sides(&self) -> [(Side, &Vec<usize>); 3] {
        [(Side::Train, &self.train), (Side::Validation, &self.validation), (Side::Test, &self.test)]
    }

    /// How many samples there are on all sides together.
    pub fn len(&self) -> usize {
        self.sides().iter().map(|(_, indices)| indices.len()).sum()
    }

    /// Whether every side is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a trained model is measured on: the test samples if there are any, or else those for
    /// validation.
    pub fn measured(&self) -> Side {
        if self.test.is_empty() { Side::Validation } else { Side::Test }
    }

    /// The samples on a side.
    pub fn on(&self, side: Side) -> &[usize] {
        match side {
            Side::Train => &self.train,
            Side::Validation => &self.validation,
            Side::Test => &self.test,
        }
    }

    /// Leaves out the samples on no side, and returns the places of the others. Positions, which number the samples
    /// in all randomness, then depend on nothing but the split itself.
    pub fn compact(self, samples: Records) -> (Records, Vec<usize>, Split) {
        let mut chosen: Vec<usize> = self.sides().iter().flat_map(|(_, indices)| *indices).copied().collect();
        chosen.sort_unstable();
        if chosen.len() == samples.len() {
            return (samples, chosen, self);
        }
        let place = |index: &usize| chosen.binary_search(index).ok();
        let split = self.within(place);
        (samples.chosen(&chosen), chosen, split)
    }

    /// The split of samples that have moved to other places, or are gone.
    pub fn within(&self, place: impl Fn(&usize) -> Option<usize>) -> Split {
        let [train, validation, test] =
            self.sides().map(|(_, indices)| indices.iter().filter_map(&place).collect::<Vec<_>>());
        Split { train, validation, test }
    }

    /// Keeps `limit` samples in all (two at least), chosen by `seed`, in the proportion of the sides and
    /// with at least one in each that has one.
    pub fn limited(self, limit: usize, seed: u64) -> Split {
        let total = self.len();
        let limit = limit.max(if self.test.is_empty() { 2 } else { 3 });
        if total <= limit {
            return self;
        }
        if self.train.is_empty() || self.validation.is_empty() {
            return self.keep([limit; 3], seed);
        }
        // To the nearest; 128 bits, for the product.
        let share = |indices: &[usize]| {
            ((2 * limit as u128 * indices.len() as u128 + total as u128) / (2 * total as u128)) as usize
        };
        let test = if self.test.is_empty() { 0 } else { share(&self.test).clamp(1, limit - 2) };
        let validation = one_in_each(share(&self.validation), limit - test);
        self.keep([limit - validation - test, validation, test], seed)
    }

    fn keep(mut self, counts: [usize; 3], seed: u64) -> Split {
        let sides = [
            (&mut self.train, LIMIT_TRAIN),
            (&mut self.validation, LIMIT_VALIDATION),
            (&mut self.test, LIMIT_TEST),
        ];
        for ((indices, number), count) in sides.into_iter().zip(counts) {
            Generator::new(seed, 0, number, Stream::Split).shuffle(indices);
            indices.truncate(count);
        }
        self.sorted()
    }

    fn sorted(mut self) -> Split {
        for indices in [&mut self.train, &mut self.validation, &mut self.test] {
            indices.sort_unstable();
        }
        self
    }
}

/// `part` of `total`, moved so that both it and the rest have one, where that can be.
fn one_in_each(part: usize, total: usize) -> usize {
    if total < 2 { 0 } else { part.clamp(1, total - 1) }
}
