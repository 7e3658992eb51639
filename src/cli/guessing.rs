//! Tells how a model does beside the best answers that do not look at the sample.

use crate::data::samples::Samples;
use crate::data::split::Split;
use crate::file::FileError;
use crate::spec::Spec;
use crate::train::guess::{Comparison, Guess, Guesses};
use crate::train::history::{BranchResult, Epoch, best};
use crate::train::run::RunFolder;

/// What a run without success may try.
const ADVICE: &str = " Another --seed, more --epochs or a smaller --lr may help";

/// Notes what the training labels come to, for evaluations to come.
pub fn write(run: &RunFolder, spec: &Spec, samples: &Samples, split: &Split) -> Result<(), FileError> {
    Guesses::of_training(spec, samples, &split.train).write(&run.guessing())
}

/// The last words of a training: each branch of the best epoch beside its guess, and a warning where it has learned
/// nothing. Returns the same for the report, as names and values.
pub fn last_words(spec: &Spec, samples: &Samples, split: &Split, epochs: &[Epoch]) -> Vec<(String, String)> {
    let Some(best) = best(epochs) else { return Vec::new() };
    let guesses = Guesses::of_training(spec, samples, &split.train);
    let compared = guesses.compare(spec, &best.validation, samples, &split.validation);
    let mut facts = Vec::new();
    for comparison in &compared {
        let target = &comparison.result.target.name;
        let said = sentence(comparison);
        log::info!("{target} after epoch {}, the best: {said}", best.epoch);
        facts.push((format!("{target}, best epoch"), said));
    }
    for comparison in &compared {
        if let Some((name, value)) = warn(comparison, "validation", ADVICE) {
            facts.push((name, value));
        }
    }
    facts
}

/// Warns of branches that do no better on these samples, those of `side`, than a guess from the run's training labels.
pub fn warn_of(
    run: &RunFolder,
    spec: &Spec,
    samples: &Samples,
    side: &str,
    asked: &[usize],
    results: &[BranchResult],
) -> Result<(), FileError> {
    if let Some(guesses) = Guesses::read(&run.guessing())? {
        for comparison in guesses.compare(spec, results, samples, asked) {
            warn(&comparison, side, "");
        }
    }
    Ok(())
}

/// Warns if the branch has learned nothing; returns what a report says of it.
fn warn(comparison: &Comparison, side: &str, advice: &str) -> Option<(String, String)> {
    if !comparison.is_no_better() {
        return None;
    }
    let target = &comparison.result.target.name;
    let verdict = if comparison.has_nothing_to_learn() {
        let label = match &comparison.guess {
            Guess::Number { median, .. } => median.to_string(),
            Guess::Classes(counts) => comparison.result.target.class(Guess::commonest(counts)),
        };
        format!("there is nothing to learn: all labels are {label}")
    } else {
        {
            let chance =
                if comparison.is_better_by_chance() { ", as far as so few samples can tell" } else { "" };
            format!("no better than guessing{chance}. On {side}: {}.{advice}", numbers(comparison))
        }
    };
    log::warn!("warning: {target}: {verdict}");
    Some((format!("warning: {target}"), verdict))
}

/// The metric beside the guess's.
fn sentence(comparison: &Comparison) -> String {
    let Comparison { result, guess, score } = comparison;
    let shown = |metric| result.target.shown_metric(metric, 2);
    match guess {
        Guess::Number { median, .. } => format!(
            "off by {} on average; always saying {median}, the training set's median, would be off by {:.2}",
            shown(result.metric),
            score.metric
        ),
        Guess::Classes(counts) => format!(
            "{} right; the training set's commonest class, {}, would be right for {}",
            shown(result.metric),
            result.target.class(Guess::commonest(counts)),
            shown(score.metric)
        ),
    }
}

/// Loss and metric beside the guess's.
fn numbers(comparison: &Comparison) -> String {
    let Comparison { result, guess, score } = comparison;
    let shown = |metric| result.target.shown_metric(metric, 2);
    let metric = match guess {
        Guess::Number { .. } => format!("off by {}", shown(result.metric)),
        Guess::Classes(_) => format!("{} right", shown(result.metric)),
    };
    let loss = format!("loss {:.4} (by guessing: {:.4})", result.loss, score.loss);
    format!("{metric} (by guessing: {}), {loss}", shown(score.metric))
}
