//! Texts of a table, or the built-in set.

use super::choose::{accepted, choose};
use super::photos::tell_skipped;
use super::{Failed, Inputs, Purpose, Samples};
use crate::data::records::Records;
use crate::data::reviews::{ReadOptions, TextOptions, Texts, Vocabulary, contents, read, synthetic};
use crate::data::skipped::SkippedRows;
use crate::data::split::Split;
use crate::spec::{InputSpec, Spec, TextSpec, Tokens};
use anyhow::bail;

/// The built-in set is the same for every training.
const BUILT_IN_SEED: u64 = 0;
/// Rows named a reason when reviews are skipped.
const NAMED_ROWS: usize = 3;

/// At least so many reviews of the built-in set.
pub fn built_in_reviews(count: usize) -> (Vec<String>, Records) {
    synthetic::reviews(BUILT_IN_SEED, synthetic::COUNT.max(count as u32))
}

/// Texts and their split, numbered with the vocabulary of a run or one of the training texts.
pub(super) fn load(
    spec: &mut Spec,
    purpose: Purpose,
    vocabulary: Option<Vocabulary>,
) -> Result<(Samples, Split), Failed> {
    let (texts, records) = match &spec.data.path {
        None => built_in_reviews(0),
        Some(path) => {
            let options = ReadOptions {
                text_column: spec.data.text_column.clone(),
                label_column: spec.data.label_column.clone(),
            };
            let loaded = read(path, &options)?;
            tell_skipped_rows(&loaded.skipped);
            (loaded.texts, loaded.records)
        }
    };
    if purpose == Purpose::Training {
        records.settle(spec)?;
        records.tell_settled(spec);
    }
    if let Some(vocabulary) = &vocabulary {
        // A run from before models had targets.
        for target in spec.targets.iter_mut().filter(|target| target.classes.is_empty()) {
            if target.has_classes() {
                target.classes = vocabulary.classes().to_vec();
            }
        }
    }
    let (records, labelled, notes) = records.answer(spec)?;
    tell_skipped(&notes);
    let (records, chosen, split) = choose(records, spec, purpose)?;
    let mut texts: Vec<Option<String>> = texts.into_iter().map(Some).collect();
    let texts: Vec<String> = chosen.iter().filter_map(|&place| texts[labelled[place]].take()).collect();
    let split = accepted(&records, &contents(&texts), split, spec, purpose)?;
    if purpose == Purpose::Training {
        records.settle_training(spec, &split.train);
    }
    let is_known = vocabulary.is_some();
    let texts = numbered(texts, &split.train, vocabulary, spec)?;
    if is_known && purpose == Purpose::Resuming {
        require_the_same(&texts, &split)?;
    }
    Ok((Samples::new(records, Inputs::Texts(texts), spec), split))
}

/// Says which rows were left out and why.
pub fn tell_skipped_rows(skipped: &SkippedRows) {
    for group in skipped.by_reason() {
        log::warn!("skipped {}: {} ({})", group.count, group.reason, group.named(NAMED_ROWS));
    }
}

/// Numbers the words of texts, with the vocabulary of a run or one of the training texts. Its size is written into
/// the model.
pub(super) fn numbered(
    texts: Vec<String>,
    train: &[usize],
    known: Option<Vocabulary>,
    spec: &mut Spec,
) -> Result<Texts, Failed> {
    let classes = spec.targets.first().map_or(Vec::new(), |target| target.classes.clone());
    let InputSpec::Text(text) = &mut spec.input else { bail!("the model does not read texts") };
    let vocabulary = match known {
        Some(vocabulary) => vocabulary,
        None => {
            let tokens = *text.tokens.get_or_insert(Tokens::UnicodeWords);
            let &mut TextSpec { length, min_count, keep_negations, negation_window, distinct, .. } = text;
            let options =
                TextOptions { tokens, keep_negations, negation_window, distinct, min_count, length };
            let training: Vec<&str> = train.iter().map(|&index| texts[index].as_str()).collect();
            let vocabulary = Vocabulary::build(options, classes, training)?;
            let (stems, kept) = (vocabulary.distinct_stems(), vocabulary.stems().len());
            log::info!(
                "words: {stems} stems in the training reviews, {kept} of them {min_count} times or more"
            );
            vocabulary
        }
    };
    text.vocabulary = vocabulary.rows();
    Ok(Texts::new(texts, vocabulary))
}

/// Fails if a run's vocabulary is not that of these training texts: they are others, in as many rows.
fn require_the_same(texts: &Texts, split: &Split) -> Result<(), Failed> {
    let known = &texts.vocabulary;
    let training: Vec<&str> = split.train.iter().map(|&index| texts.texts[index].as_str()).collect();
    let theirs = Vocabulary::build(known.options(), known.classes().to_vec(), training);
    match theirs {
        Ok(theirs) if theirs.stems() == known.stems() => Ok(()),
        _ => bail!("these are not the reviews that the run was trained on; give those by --data"),
    }
}
