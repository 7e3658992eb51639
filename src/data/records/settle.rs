//! What a model leaves open, and its data tell: targets, kinds, classes, and what follows from training labels.

use super::{Records, asked};
use crate::data::DataError;
use crate::data::error::{shown, shown_path};
use crate::data::table::plain;
use crate::spec::{Branch, EVERY, PREDICTED, Spec};
use crate::tasks::{Kind, MAX_CLASSES, Target};

/// Classes that are named where a target is told of.
const TOLD: usize = 12;

impl Records {
    /// Completes a model's targets by the columns: makes one of each column that can be one where the model says so,
    /// and fills in kinds, units, ranges and classes.
    ///
    /// # Errors
    /// When a target has no column, or one that cannot be what the model says: names the model's line.
    pub fn settle(&self, spec: &mut Spec) -> Result<(), DataError> {
        self.expand(spec)?;
        for place in 0..spec.targets.len() {
            let target = &spec.targets[place];
            if PREDICTED.contains(&target.name.as_str()) {
                let reason = "predictions have a column of that name; choose another";
                return Err(spec.error(target.line, format!("target {:?}: {reason}", target.name)).into());
            }
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
            count if count <= TOLD => format!(": {}", shown(&target.classes.join(", "))),
            count => format!(" of {count}"),
        };
        log::info!("target {}: the column {}, {kind}{of}", target.name, shown(&column.name));
        if target.classes.is_empty() {
            return;
        }
        for (class, _) in column.counts().into_iter().filter(|(_, count)| *count == 1) {
            let first = (0..self.len()).find(|&sample| column.cell(sample) == Some(class.as_str()));
            let place = first.map_or(String::new(), |sample| self.place(sample));
            log::warn!(
                "warning: {}: the class `{}` has a single {}, {place}: it cannot be both learned and measured; add \
                 others, or leave it out",
                target.name,
                shown(&class),
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
            is_branch
                || spec.is_taken(name)
                || PREDICTED.contains(&name.as_str())
                || spec.targets.iter().any(known)
                || others.iter().any(known)
        };
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(name)
    }

    /// Fills in what follows from the training labels: means and standard deviations, and the weights of classes.
    pub fn settle_training(&self, spec: &mut Spec, train: &[usize]) {
        for (target, answers) in spec.targets.iter_mut().zip(&self.answers) {
            let occurs = |class: usize| {
                train.iter().any(|&sample| answers[sample].is_some_and(|label| label as usize == class))
            };
            let absent: Vec<&str> = (0..target.classes.len())
                .filter(|&class| !occurs(class))
                .map(|class| target.classes[class].as_str())
                .collect();
            if !absent.is_empty() {
                log::warn!(
                    "warning: {}: there is no {} to learn from of: {}",
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
}

/// The mean and the standard deviation, 1 where all are the same.
pub(super) fn mean_and_deviation(labels: &[f32]) -> [f32; 2] {
    let count = labels.len().max(1) as f64;
    let mean = labels.iter().map(|&label| f64::from(label)).sum::<f64>() / count;
    let variance = labels.iter().map(|&label| (f64::from(label) - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt() as f32;
    [mean as f32, if deviation.is_normal() { deviation } else { 1.0 }]
}
