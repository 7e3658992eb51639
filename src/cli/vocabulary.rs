//! The vocabulary of a run, which must be that of its model.

use crate::data::reviews::{TextOptions, Vocabulary};
use crate::spec::{InputSpec, Spec, TextSpec};
use crate::train::run::RunFolder;
use anyhow::{Context, Result, bail};

/// The vocabulary of a run whose model reads texts.
pub fn known_vocabulary(run: &RunFolder, spec: &Spec) -> Result<Option<Vocabulary>> {
    match &spec.input {
        InputSpec::Photo(_) => Ok(None),
        InputSpec::Text(_) => vocabulary_of(run, spec).map(Some),
    }
}

/// The vocabulary of a run, whose model is `spec`.
pub fn vocabulary_of(run: &RunFolder, spec: &Spec) -> Result<Vocabulary> {
    let path = run.vocabulary();
    let vocabulary = Vocabulary::read(&path).context("a run that reads texts needs its vocabulary")?;
    let InputSpec::Text(text) = &spec.input else { bail!("the model does not read texts") };
    if let Some(difference) = misfit(&vocabulary, text) {
        bail!(
            "{} does not belong to {}: {difference}; take both from one run",
            path.display(),
            run.config().display()
        );
    }
    Ok(vocabulary)
}

/// Gives targets the classes of the vocabulary, in a run from before models had targets.
pub fn fill_classes(spec: &mut Spec, vocabulary: &Vocabulary) {
    for target in spec.targets.iter_mut().filter(|target| target.classes.is_empty()) {
        if target.has_classes() {
            target.classes = vocabulary.classes().to_vec();
        }
    }
}

/// Where a vocabulary is not that of a model: its numbers would be of other words, or of none.
fn misfit(vocabulary: &Vocabulary, text: &TextSpec) -> Option<String> {
    let ours = vocabulary.options();
    let &TextSpec { length, vocabulary: rows, min_count, keep_negations, negation_window, distinct, tokens } =
        text;
    // A run in which it is not said is from before there was a choice.
    let tokens = tokens.unwrap_or_default();
    let theirs = TextOptions { tokens, keep_negations, negation_window, distinct, min_count, length };
    let pairs = [
        ("length", ours.length.to_string(), theirs.length.to_string()),
        ("min_count", ours.min_count.to_string(), theirs.min_count.to_string()),
        ("keep_negations", ours.keep_negations.to_string(), theirs.keep_negations.to_string()),
        ("negation_window", ours.negation_window.to_string(), theirs.negation_window.to_string()),
        ("distinct", ours.distinct.to_string(), theirs.distinct.to_string()),
        ("tokens", format!("{:?}", ours.tokens), format!("{:?}", theirs.tokens)),
        ("number of words and padding", vocabulary.rows().to_string(), rows.to_string()),
    ];
    let (name, ours, theirs) = pairs.into_iter().find(|(_, ours, theirs)| ours != theirs)?;
    Some(format!("its {name} is {ours}, but the model's is {theirs}"))
}
