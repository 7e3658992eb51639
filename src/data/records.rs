//! What is known of samples without their contents: names and labels.

mod settle;

use super::DataError;
use super::csv::short;
use super::names::Names;
use super::skipped::Skipped;
use super::split::Side;
use super::table::Table;
use crate::spec::Spec;
use crate::tasks::Target;
use std::collections::HashMap;

/// What samples are called in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Key {
    /// Photos, by their paths within their source.
    #[default]
    File,
    /// Texts, by the numbers of their rows, from 0 below the header.
    Row,
}

impl Key {
    /// The header of the column that names them.
    pub fn column(self) -> &'static str {
        match self {
            Key::File => "file",
            Key::Row => "row",
        }
    }

    /// What one of them is called.
    pub fn noun(self) -> &'static str {
        match self {
            Key::File => "photo",
            Key::Row => "review",
        }
    }
}

/// Samples by name, with their labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Records {
    /// What the names are.
    pub key: Key,
    /// One a sample, no two alike.
    pub names: Vec<String>,
    /// Their labels as they are written.
    pub table: Table,
    /// The side of each, where their source has sides.
    pub sides: Option<Vec<Side>>,
    /// For each target of the model, what a branch should answer for each sample, where that is known.
    pub answers: Vec<Vec<Option<f32>>>,
}

/// Finds a sample by what a file calls it: its index, `None` where there is no such sample, or what is wrong with
/// the name.
pub type Finder<'a> = Box<dyn Fn(&str) -> Result<Option<usize>, String> + 'a>;

impl Records {
    /// Samples of which only the names are known.
    pub fn unlabelled(key: Key, names: Vec<String>) -> Records {
        Records { key, names, ..Records::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Only these samples, in this order.
    pub fn chosen(&self, samples: &[usize]) -> Records {
        let answers =
            |answers: &Vec<Option<f32>>| samples.iter().map(|&sample| answers[sample]).collect::<Vec<_>>();
        Records {
            key: self.key,
            names: samples.iter().map(|&sample| self.names[sample].clone()).collect(),
            table: self.table.chosen(samples),
            sides: self.sides.as_ref().map(|sides| samples.iter().map(|&sample| sides[sample]).collect()),
            answers: self.answers.iter().map(answers).collect(),
        }
    }

    /// See [`Finder`].
    pub fn finder(&self) -> Finder<'_> {
        match self.key {
            Key::File => {
                let names = Names::of(&self.names);
                Box::new(move |name| names.find(name))
            }
            Key::Row => {
                let by_row: HashMap<&str, usize> =
                    self.names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
                Box::new(move |name| match name.trim().parse::<u64>() {
                    Ok(row) => Ok(by_row.get(row.to_string().as_str()).copied()),
                    Err(_) => Err(format!(
                        "row `{}` is no number of a row; the first review has row 0",
                        short(name)
                    )),
                })
            }
        }
    }

    /// Reads the labels of a model's settled targets, and leaves out the samples that have none of them. Returns the
    /// others and their places, and the cells that cannot be read, which count as missing.
    ///
    /// # Errors
    /// When a target has no column, or most cells of it cannot be read: names the first.
    pub fn answer(self, spec: &Spec) -> Result<(Records, Vec<usize>, Vec<Skipped>), DataError> {
        let mut notes = Vec::new();
        let mut answers = Vec::new();
        let mut is_told = vec![false; self.len()];
        for target in &spec.targets {
            let column = self.table.column_of(&asked(spec, target)).map_err(|reason| {
                let reason = format!("target {:?}: {reason}; name the column by --label-column", target.name);
                DataError::Labels { reason }
            })?;
            let mut read: HashMap<&str, Result<f32, String>> = HashMap::new();
            let mut labels = Vec::with_capacity(self.len());
            let mut bad: Vec<(usize, String)> = Vec::new();
            for sample in 0..self.len() {
                let Some(cell) = column.cell(sample) else {
                    labels.push(None);
                    continue;
                };
                let label = read.entry(cell).or_insert_with(|| target.rules().label(cell, target));
                if let Err(reason) = label {
                    bad.push((sample, reason.clone()));
                }
                labels.push(label.as_ref().ok().copied());
            }
            let cells = self.len() - column.missing();
            if let Some((sample, reason)) = bad.first().filter(|_| 2 * bad.len() > cells) {
                let reason = format!(
                    "{}: {reason}, in the column `{}`, nor can {} others of its {cells} cells be read; name another \
                     column, or correct them",
                    self.place(*sample),
                    column.name,
                    bad.len() - 1
                );
                return Err(DataError::Labels { reason });
            }
            for (sample, reason) in bad {
                is_told[sample] = true;
                let reason = format!("{reason}, in the column `{}`", column.name);
                notes.push(Skipped { file: self.place(sample), reason });
            }
            answers.push(labels);
        }
        let is_known = |sample: &usize| answers.iter().any(|labels| labels[*sample].is_some());
        let (kept, empty): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(is_known);
        notes.extend(
            empty
                .into_iter()
                .filter(|&sample| !is_told[sample])
                .map(|sample| Skipped { file: self.place(sample), reason: "the label is empty".into() }),
        );
        let records = Records { answers, ..self };
        let chosen = if kept.len() == records.len() { records } else { records.chosen(&kept) };
        Ok((chosen, kept, notes))
    }

    /// Where the labels of a sample stand.
    fn place(&self, sample: usize) -> String {
        match (self.table.place(sample), self.key) {
            (Some(place), Key::File) => place.to_string(),
            (Some(_), Key::Row) => format!("line {}", self.table.lines[sample]),
            (None, _) => self.names[sample].clone(),
        }
    }

    /// Labels made up for the targets of a model that has no data: each of its own for a sample.
    pub fn invent(&mut self, spec: &Spec) {
        let invented = |target: &Target| {
            (0..self.len()).map(|sample| Some(target.rules().invented(sample, target))).collect()
        };
        self.answers = spec.targets.iter().map(invented).collect();
    }
}

/// A target with the column that the user names, if there is only one.
fn asked(spec: &Spec, target: &Target) -> Target {
    let named = spec.data.label_column.clone().filter(|_| spec.targets.len() == 1);
    Target { column: named.or_else(|| target.column.clone()), ..target.clone() }
}

#[cfg(test)]
mod tests;
