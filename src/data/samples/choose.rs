//! Which samples are taken, and what for.

use super::{Failed, Purpose};
use crate::data::error::shown_path;
use crate::data::records::Records;
use crate::data::split::{Content, Copies, Split};
use crate::spec::Spec;
use crate::tasks::Target;
use anyhow::bail;
use std::path::Path;

/// Splits samples by what they are called, and leaves out those on no side. Returns the places of the others.
pub(super) fn choose(
    samples: Records,
    spec: &Spec,
    purpose: Purpose,
) -> Result<(Records, Vec<usize>, Split), Failed> {
    let mut chosen = match (&spec.data.split, &samples.sides) {
        _ if purpose == Purpose::EvaluationOfAll => {
            Split { validation: (0..samples.len()).collect(), ..Split::default() }
        }
        (Some(path), _) => from_csv(path, &samples, purpose)?,
        (None, Some(sides)) => Split::of_sides(sides),
        (None, None) if spec.data.fold.is_some() => {
            Split { train: (0..samples.len()).collect(), ..Split::default() }
        }
        (None, None) => Split::by_names(&samples.names, spec.training.seed),
    };
    if let Some(limit) = spec.data.limit {
        // Folds are those of the same samples for every seed.
        let seed = if spec.data.fold.is_some() { 0 } else { spec.training.seed };
        chosen = chosen.limited(limit, seed);
    }
    if let Some(fold) = spec.data.fold {
        chosen = chosen.fold(&samples.names, fold);
    }
    Ok(chosen.compact(samples))
}

/// The split of samples, once it is known which of them are copies: those are kept on one side of a seeded
/// split, and told of in one that was given.
pub(super) fn accepted(
    samples: &Records,
    contents: &[Content],
    chosen: Split,
    spec: &Spec,
    purpose: Purpose,
) -> Result<Split, Failed> {
    let (copies, noun) = (Copies::of(&samples.names, contents), samples.key.noun());
    let given = match (&spec.data.split, &samples.sides) {
        (Some(path), _) => Some(shown_path(path)),
        (None, Some(_)) => Some("the folders train, val and test".into()),
        (None, None) => None,
    };
    let chosen = match given {
        _ if purpose == Purpose::EvaluationOfAll => chosen,
        Some(given) if spec.data.fold.is_none() => {
            if purpose == Purpose::Training {
                warn_of_copies(&given, samples, contents, &chosen);
            }
            chosen
        }
        _ => {
            if copies.count() > 0 {
                let count = copies.count();
                log::info!("{count} {noun}s are copies of others; those of one {noun} are kept on one side");
            }
            copies.together(chosen)
        }
    };
    require_sides(samples, &spec.targets, samples.len() - copies.count(), &chosen, purpose)?;
    if needs_training(purpose) {
        let (train, validation) = (chosen.train.len(), chosen.validation.len());
        let test = match chosen.test.len() {
            0 => String::new(),
            test => format!(", {test} for a test at the end"),
        };
        log::info!("{noun}s: {train} to train on, {validation} to validate with{test}");
    }
    Ok(chosen)
}

fn needs_training(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Training | Purpose::Resuming)
}

/// Fails if a side that is needed has no sample, of so many different ones, or no label of a target.
pub(super) fn require_sides(
    samples: &Records,
    targets: &[Target],
    different: usize,
    chosen: &Split,
    purpose: Purpose,
) -> Result<(), Failed> {
    let none_to_measure = chosen.validation.is_empty() && chosen.test.is_empty();
    let noun = samples.key.noun();
    if none_to_measure || (chosen.train.is_empty() && needs_training(purpose)) {
        bail!("{different} different {noun}s are too few: training and validation need at least one each");
    }
    if needs_training(purpose) {
        for (answers, target) in samples.answers.iter().zip(targets) {
            for (side, indices) in [("train on", &chosen.train), ("validate with", &chosen.validation)] {
                if indices.iter().all(|&index| answers[index].is_none()) {
                    bail!("no {noun} to {side} has a label of {}; give more that have one", target.name);
                }
            }
        }
    }
    Ok(())
}

fn from_csv(path: &Path, samples: &Records, purpose: Purpose) -> Result<Split, Failed> {
    let (name, file) = (samples.key.noun(), shown_path(path));
    let (chosen, notes) = match purpose {
        Purpose::Evaluation | Purpose::EvaluationOfAll => Split::measured_from_csv(path, samples)?,
        Purpose::Training | Purpose::Resuming => Split::from_csv(path, samples)?,
    };
    let (gone, unnamed) = (notes.rows_without_sample, notes.samples_without_row);
    if gone > 0 && purpose == Purpose::Resuming {
        bail!(
            "{gone} {name}s of {file} are gone; a training goes on only with the {name}s it began with. If they \
             have moved, name their new place by --data"
        );
    }
    if gone > 0 {
        log::warn!("{file}: {gone} rows name no {name} that is there");
    }
    if unnamed > 0 && purpose != Purpose::Resuming {
        log::warn!("{file}: {unnamed} {name}s have no row and are left out");
    }
    Ok(chosen)
}

/// Says which samples are on two sides of a split that was given by a file or by folders.
pub fn warn_of_copies(given: &str, samples: &Records, contents: &[Content], split: &Split) {
    let apart = Copies::of(&samples.names, contents).apart(split);
    if apart.samples == 0 {
        return;
    }
    let pair = |&(copy, original): &(usize, usize)| {
        let names = &samples.names;
        format!("{} of {}", names[copy].escape_debug(), names[original].escape_debug())
    };
    let named: Vec<String> = apart.first.iter().map(pair).collect();
    let more = if apart.samples > named.len() { ", …" } else { "" };
    log::warn!(
        "warning: {given}: {} {noun}s to measure with are copies of {noun}s on another side: {key} {}{more}; what is \
         measured on them is too good; without --split, copies are kept on one side",
        apart.samples,
        named.join(", "),
        noun = samples.key.noun(),
        key = samples.key.column(),
    );
}
