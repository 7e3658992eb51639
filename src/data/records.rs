//! What is known of samples without their contents: names and labels.

use super::DataError;
use super::csv::short;
use super::error::shown_path;
use super::labels::base_name;
use super::skipped::Skipped;
use super::split::Side;
use super::table::{Table, plain};
use crate::spec::{Branch, EVERY, Spec};
use crate::tasks::{Kind, MAX_CLASSES, Target};
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

    /// Completes a model's targets by the columns: makes one of each column that can be one where the model says so,
    /// and fills in kinds, units, ranges and classes.
    ///
    /// # Errors
    /// When a target has no column, or one that cannot be what the model says: names the model's line.
    pub fn settle(&self, spec: &mut Spec) -> Result<(), DataError> {
        self.expand(spec)?;
        for place in 0..spec.targets.len() {
            let target = &spec.targets[place];
            let settled = self.settled(asked(spec, target)).map_err(|reason| {
                let of = self
                    .table
                    .file
                    .as_ref()
                    .map_or(String::new(), |file| format!(" of {}", shown_path(file)));
                spec.error(target.line, format!("target {:?}: {reason}; see the columns{of}", target.name))
            })?;
            spec.targets[place] = settled;
        }
        Ok(())
    }

    /// Says what a model's settled targets are, and which classes cannot be both learned and measured.
    pub fn tell_settled(&self, spec: &Spec) {
        spec.targets.iter().for_each(|target| self.tell_target(target));
    }

    fn tell_target(&self, target: &Target) {
        let Ok(column) = self.table.column_of(target) else { return };
        let kind = target.kind.map_or("", |kind| kind.name());
        let of = match target.classes.len() {
            0 => String::new(),
            count if count <= TOLD => format!(": {}", target.classes.join(", ")),
            count => format!(" of {count}"),
        };
        log::info!("target {}: the column {}, {kind}{of}", target.name, column.name);
        if target.classes.is_empty() {
            return;
        }
        for (class, _) in column.counts().into_iter().filter(|(_, count)| *count == 1) {
            let first = (0..self.len()).find(|&sample| column.cell(sample) == Some(class.as_str()));
            let place = first.map_or(String::new(), |sample| self.place(sample));
            log::warn!(
                "warning: {}: the class `{class}` has a single {}, {place}: it cannot be both learned and measured; add \
                 others, or leave it out",
                target.name,
                self.key.noun()
            );
        }
    }

    fn settled(&self, target: Target) -> Result<Target, String> {
        let column = self.table.column_of(&target)?;
        let name = &column.name;
        let known = column.as_target();
        // Classes that the model names say how many there are, whichever of them occur.
        let named = Kind::of_classes(target.classes.len());
        let kind = target.kind.or(named).or(known.as_ref().and_then(|known| known.kind)).ok_or_else(|| {
            let different = column.counts().len();
            match different {
                0 => format!("the column `{name}` has no label"),
                1 => format!(
                    "every label in the column `{name}` is `{}`; there must be two classes to tell apart",
                    column.counts()[0].0
                ),
                _ => format!(
                    "the column `{name}` has {different} different labels, more than {MAX_CLASSES} or nearly as many \
                     as samples; name the column with the labels, by --label-column or in [[target]]"
                ),
            }
        })?;
        let known = known.filter(|known| known.kind == Some(kind));
        let wrong = match (kind.takes(0), &target) {
            (false, Target { unit: Some(_), .. }) => Some(("unit", "a number")),
            (false, Target { range: Some(_), .. }) => Some(("range", "a number")),
            (true, Target { classes, .. }) if !classes.is_empty() => Some(("classes", "classes")),
            _ => None,
        };
        if let Some((key, of)) = wrong {
            return Err(format!(
                "{key} is for {of}, and the column `{name}` is {kind}; leave it out, or say the kind that is meant"
            ));
        }
        let mut classes = target.classes.clone();
        if classes.is_empty() {
            let counts = column.counts();
            let values: Vec<&str> = counts.iter().map(|(value, _)| value.as_str()).collect();
            classes = match known.as_ref().filter(|known| !known.classes.is_empty()) {
                Some(known) => known.classes.clone(),
                None => kind.classes(&values).map_err(|reason| format!("the column `{name}`: {reason}"))?,
            };
        }
        if !kind.takes(classes.len()) {
            return Err(format!(
                "it is {kind}, which cannot tell {} classes apart: {}",
                classes.len(),
                classes.join(", ")
            ));
        }
        let column = Some(name.clone()).filter(|name| *name != target.name);
        // Of columns that a model does not know, it may ask both: each has what fits it.
        let is_number = kind.takes(0);
        let (unit, range) = known.map_or((None, None), |known| (known.unit, known.range));
        Ok(Target {
            column,
            kind: Some(kind),
            unit: target.unit.or(unit),
            range: target.range.or(range),
            classes,
            standardize: target.standardize && is_number,
            balance: target.balance && !is_number,
            ..target
        })
    }

    /// Makes a target and a branch of each column, in the place of those that stand for every one.
    fn expand(&self, spec: &mut Spec) -> Result<(), DataError> {
        let Some(place) = spec.targets.iter().position(|target| target.name == EVERY) else { return Ok(()) };
        let every = spec.targets[place].clone();
        let taken: Vec<String> = spec
            .targets
            .iter()
            .map(|target| plain(target.column.as_deref().unwrap_or(&target.name)))
            .collect();
        let wanted = spec.data.label_column.as_deref();
        let columns: Vec<_> = match wanted {
            Some(name) => self.table.column(name).into_iter().collect(),
            None => self.table.targets(),
        };
        for column in self.table.columns.iter().filter(|column| column.as_target().is_none()) {
            log::warn!(
                "the column {} is no target: it has {} different labels and {} missing ones",
                column.name,
                column.counts().len(),
                column.missing()
            );
        }
        let mut targets: Vec<Target> = Vec::new();
        for column in columns.into_iter().filter(|column| !taken.contains(&plain(&column.name))) {
            if column.counts().len() < 2 {
                continue;
            }
            let name = self.target_name(&column.name, spec, &targets);
            let has_classes = column.as_target().is_some_and(|target| target.has_classes());
            targets.push(Target {
                name,
                column: Some(column.name.clone()),
                // Each has what fits it.
                unit: every.unit.clone().filter(|_| !has_classes),
                range: every.range.filter(|_| !has_classes),
                ..every.clone()
            });
        }
        if targets.is_empty() {
            let columns: Vec<&str> = self.table.columns.iter().map(|column| column.name.as_str()).collect();
            let columns = if columns.is_empty() { "no column at all".into() } else { columns.join(", ") };
            let message = format!(
                "no column of the data can be a target: it needs two different labels, and at most {MAX_CLASSES} if \
                 they are no numbers; there is {columns}"
            );
            return Err(spec.error(every.line, message).into());
        }
        let branch_place = spec.branches.iter().position(|branch| branch.target == EVERY);
        if let Some(branch_place) = branch_place {
            let template = spec.branches[branch_place].clone();
            let branches = targets.iter().map(|target| Branch {
                name: target.name.clone(),
                target: target.name.clone(),
                ..template.clone()
            });
            spec.branches.splice(branch_place..=branch_place, branches.collect::<Vec<_>>());
        }
        spec.targets.splice(place..=place, targets);
        Ok(())
    }

    /// A name for the target of a column: letters, digits and _, and no other's.
    fn target_name(&self, column: &str, spec: &Spec, others: &[Target]) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let name: String = column.trim().chars().map(plain).collect();
        let name = if name.is_empty() { "label".to_owned() } else { name };
        let is_taken = |name: &String| {
            let known = |target: &Target| target.name == *name;
            let is_branch = spec.branches.iter().any(|branch| branch.name == *name);
            is_branch || spec.is_taken(name) || spec.targets.iter().any(known) || others.iter().any(known)
        };
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(name)
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

    /// Fills in what follows from the training labels: means and standard deviations, and the weights of classes.
    pub fn settle_training(&self, spec: &mut Spec, train: &[usize]) {
        for (target, answers) in spec.targets.iter_mut().zip(&self.answers) {
            let occurs = |class: usize| answers.iter().flatten().any(|&label| label as usize == class);
            let absent: Vec<&str> = (0..target.classes.len())
                .filter(|&class| !occurs(class))
                .map(|class| target.classes[class].as_str())
                .collect();
            if !absent.is_empty() {
                log::warn!(
                    "warning: {}: there is no {} of: {}",
                    target.name,
                    self.key.noun(),
                    absent.join(", ")
                );
            }
            let labels: Vec<f32> = train.iter().filter_map(|&sample| answers[sample]).collect();
            if target.balance && target.class_weights.is_empty() {
                target.class_weights = target.rules().balance(&labels, target).unwrap_or_default();
                let told: Vec<String> = (target.classes.iter().zip(&target.class_weights))
                    .map(|(class, weight)| format!("{class} {weight:.3}"))
                    .collect();
                log::info!("{}: classes are balanced; a label weighs: {}", target.name, told.join(", "));
            }
            if target.standardize && target.mean_and_deviation.is_none() {
                target.mean_and_deviation = Some(mean_and_deviation(&labels));
            }
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

/// Classes that are named where a target is told of.
const TOLD: usize = 12;

/// A target with the column that the user names, if there is only one.
fn asked(spec: &Spec, target: &Target) -> Target {
    let named = spec.data.label_column.clone().filter(|_| spec.targets.len() == 1);
    Target { column: named.or_else(|| target.column.clone()), ..target.clone() }
}

/// The mean and the standard deviation, 1 where all are the same.
fn mean_and_deviation(labels: &[f32]) -> [f32; 2] {
    let count = labels.len().max(1) as f64;
    let mean = labels.iter().map(|&label| f64::from(label)).sum::<f64>() / count;
    let variance = labels.iter().map(|&label| (f64::from(label) - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt() as f32;
    [mean as f32, if deviation.is_normal() { deviation } else { 1.0 }]
}

/// Finds photos by what a split file calls them.
pub(in crate::data) struct Names<'a> {
    by_path: HashMap<&'a str, usize>,
    /// `None` where several photos in different folders are called the same.
    by_base: HashMap<&'a str, Option<usize>>,
}

impl<'a> Names<'a> {
    pub(in crate::data) fn of(all: &'a [String]) -> Names<'a> {
        let mut names = Names { by_path: HashMap::new(), by_base: HashMap::new() };
        for (index, name) in all.iter().enumerate() {
            names.by_path.insert(name, index);
            names.by_base.entry(base_name(name)).and_modify(|found| *found = None).or_insert(Some(index));
        }
        names
    }

    pub(in crate::data) fn find(&self, name: &str) -> Result<Option<usize>, String> {
        // Exactly as written comes first: a name may contain what is cleaned away here.
        let slashed = name.trim().replace('\\', "/");
        let path = slashed.strip_prefix("./").unwrap_or(&slashed);
        if let Some(&index) = self.by_path.get(name).or_else(|| self.by_path.get(path)) {
            return Ok(Some(index));
        }
        match self.by_base.get(base_name(path)) {
            Some(None) => Err(format!(
                "`{}` could be any of several photos of that name; give its folder as `data check` shows it",
                short(name)
            )),
            Some(&found) => Ok(found),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
