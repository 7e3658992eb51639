//! Tells how a model does beside the best answers that do not look at the sample.

use super::set::Set;
use crate::data::label::Gender;
use crate::data::split::Split;
use crate::file::FileError;
use crate::spec::{Spec, Target};
use crate::train::guess::{Comparison, Guess, Guesses};
use crate::train::history::{BranchResult, Epoch, best};
use crate::train::run::RunFolder;

/// What a run without success may try.
const ADVICE: &str = " Another --seed, more --epochs or a smaller --lr may help";

/// Notes what the training labels come to, for evaluations to come.
pub fn write(run: &RunFolder, spec: &Spec, samples: &Set, split: &Split) -> Result<(), FileError> {
    Guesses::of_training(spec, samples.dataset(), &split.train).write(&run.guessing())
}

/// The last words of a training: each branch of the best epoch beside its guess, and a warning where it has learned
/// nothing. Returns the same for the report, as names and values.
pub fn last_words(spec: &Spec, samples: &Set, split: &Split, epochs: &[Epoch]) -> Vec<(String, String)> {
    let Some(best) = best(epochs) else { return Vec::new() };
    let dataset = samples.dataset();
    let guesses = Guesses::of_training(spec, dataset, &split.train);
    let compared = guesses.compare(&best.validation, dataset, &split.validation);
    let mut facts = Vec::new();
    for comparison in &compared {
        let target = comparison.result.target.name();
        let said = sentence(comparison, samples);
        log::info!("{target} after epoch {}, the best: {said}", best.epoch);
        facts.push((format!("{target}, best epoch"), said));
    }
    for comparison in &compared {
        if let Some((name, value)) = warn(comparison, samples, "validation", ADVICE) {
            facts.push((name, value));
        }
    }
    facts
}

/// Warns of branches that do no better on these samples, those of `side`, than a guess from the run's training labels.
pub fn warn_of(
    run: &RunFolder,
    samples: &Set,
    side: &str,
    asked: &[usize],
    results: &[BranchResult],
) -> Result<(), FileError> {
    if let Some(guesses) = Guesses::read(&run.guessing())? {
        for comparison in guesses.compare(results, samples.dataset(), asked) {
            warn(&comparison, samples, side, "");
        }
    }
    Ok(())
}

/// Warns if the branch has learned nothing; returns what a report says of it.
fn warn(comparison: &Comparison, samples: &Set, side: &str, advice: &str) -> Option<(String, String)> {
    if !comparison.is_no_better() {
        return None;
    }
    let target = comparison.result.target.name();
    let verdict = if comparison.has_nothing_to_learn() {
        let label = match &comparison.guess {
            Guess::Number { median, .. } => median.to_string(),
            Guess::Classes(counts) => class_name(samples, comparison.result.target, Guess::commonest(counts)),
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
fn sentence(comparison: &Comparison, samples: &Set) -> String {
    let Comparison { result, guess, score } = comparison;
    match guess {
        Guess::Number { median, .. } => format!(
            "off by {:.2} years on average; always saying {median}, the training set's median, would be off by {:.2}",
            result.metric, score.metric
        ),
        Guess::Classes(counts) => format!(
            "{:.2} % right; the training set's commonest class, {}, would be right for {:.2} %",
            100.0 * result.metric,
            class_name(samples, result.target, Guess::commonest(counts)),
            100.0 * score.metric
        ),
    }
}

/// Loss and metric beside the guess's.
fn numbers(comparison: &Comparison) -> String {
    let Comparison { result, guess, score } = comparison;
    let (metric, guessed) = match guess {
        Guess::Number { .. } => {
            (format!("off by {:.2} years", result.metric), format!("{:.2} years", score.metric))
        }
        Guess::Classes(_) => {
            (format!("{:.2} % right", 100.0 * result.metric), format!("{:.2} %", 100.0 * score.metric))
        }
    };
    let loss = format!("loss {:.4} (by guessing: {:.4})", result.loss, score.loss);
    format!("{metric} (by guessing: {guessed}), {loss}")
}

/// What a class is called.
fn class_name(samples: &Set, target: Target, class: usize) -> String {
    match samples {
        Set::Reviews(texts) => texts.vocabulary.classes().get(class).cloned().unwrap_or(class.to_string()),
        Set::Faces(_) if target == Target::Gender => {
            (if class == Gender::Female as usize { Gender::Female } else { Gender::Male }).to_string()
        }
        Set::Faces(_) => class.to_string(),
    }
}
