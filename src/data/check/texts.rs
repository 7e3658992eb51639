//! What is said of texts.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::columns::{self, ColumnSummary};
use crate::data::error::shown;
use crate::data::reviews::tokens::{Form, tokens};
use crate::data::reviews::{Loaded, Vocabulary, contents};
use crate::data::skipped::SkippedReason;
use crate::data::split::{Copies, Split};
use crate::spec::Tokens;

/// Tokens of one form that no vocabulary has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DroppedForm {
    /// What they are made of.
    pub form: Form,
    /// How many there are.
    pub tokens: usize,
    /// The most frequent ones.
    pub examples: Vec<String>,
}

/// Examples of a form that is dropped, and characters of each.
const EXAMPLES: (usize, usize) = (3, 20);
/// A warning is due where more than one token in so many is dropped.
const DROPPED_ONE_IN: usize = 10;

/// The totals of a set of reviews.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextSummary {
    /// Usable ones.
    pub reviews: usize,
    /// What is known of them.
    pub columns: Vec<ColumnSummary>,
    /// Reviews to train on.
    pub train: usize,
    /// Reviews to validate with.
    pub validation: usize,
    /// Reviews to measure with at the end.
    #[serde(skip_serializing_if = "is_zero")]
    pub test: usize,
    /// Reviews whose text is that of an earlier one.
    pub copies: usize,
    /// Reviews to measure with whose text is on another side of the split as well.
    pub copies_apart: usize,
    /// Different stems of the training reviews.
    pub stems: usize,
    /// Those that are frequent enough to have a number.
    pub kept: usize,
    /// What all reviews are cut into.
    pub tokens: usize,
    /// Those that are dropped because they are not made of letters only.
    pub tokens_dropped: usize,
    /// Those by what they are made of.
    pub tokens_dropped_by_form: Vec<DroppedForm>,
    /// Rows that cannot be used.
    pub skipped: usize,
    /// Those by reason, the most frequent first.
    pub skipped_by_reason: Vec<SkippedReason>,
}

impl TextSummary {
    /// Counts what was loaded, split, and numbered.
    pub fn of(loaded: &Loaded, split: &Split, vocabulary: &Vocabulary) -> TextSummary {
        let texts = &loaded.texts;
        let copies = Copies::of(&loaded.records.names, &contents(texts));
        let rule = vocabulary.options().tokens;
        let (tokens, dropped) = dropped(texts, rule);
        TextSummary {
            reviews: texts.len(),
            columns: ColumnSummary::all(&loaded.records.table),
            train: split.train.len(),
            validation: split.validation.len(),
            test: split.test.len(),
            copies: copies.count(),
            copies_apart: copies.apart(split).samples,
            stems: vocabulary.distinct_stems(),
            kept: vocabulary.stems().len(),
            tokens,
            tokens_dropped: dropped.iter().map(|form| form.tokens).sum(),
            tokens_dropped_by_form: dropped,
            skipped: loaded.skipped.len(),
            skipped_by_reason: loaded.skipped.by_reason(),
        }
    }

    /// What to say where so many tokens are dropped that the model misses much of the texts.
    pub fn warning(&self) -> Option<String> {
        if self.tokens_dropped * DROPPED_ONE_IN <= self.tokens {
            return None;
        }
        let forms: Vec<String> = self.tokens_dropped_by_form.iter().map(DroppedForm::to_string).collect();
        let percent = 100.0 * self.tokens_dropped as f64 / self.tokens as f64;
        Some(format!("{percent:.0} % of the tokens are dropped for their form: {}", forms.join(", ")))
    }
}

impl fmt::Display for DroppedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let examples: Vec<String> = self.examples.iter().map(|example| shown(example)).collect();
        let more = if self.tokens > examples.len() { ", …" } else { "" };
        write!(f, "{}: {} ({}{more})", self.form.plural(), self.tokens, examples.join(", "))
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// How many tokens there are, and those that are dropped for their form.
fn dropped(texts: &[String], rule: Tokens) -> (usize, Vec<DroppedForm>) {
    type Counts = (usize, HashMap<(Form, String), usize>);
    let counted = |(mut all, mut counts): Counts, text: &String| {
        for token in tokens(text, rule) {
            all += 1;
            if token.form != Form::Word {
                let example = token.text.chars().take(EXAMPLES.1).collect();
                *counts.entry((token.form, example)).or_default() += 1;
            }
        }
        (all, counts)
    };
    let (all, counts) = texts.par_iter().fold(Counts::default, counted).reduce(Counts::default, |a, b| {
        let (mut all, mut counts) = a;
        all += b.0;
        b.1.into_iter().for_each(|(form, count)| *counts.entry(form).or_default() += count);
        (all, counts)
    });
    let mut forms: BTreeMap<Form, Vec<(usize, String)>> = BTreeMap::new();
    for ((form, example), count) in counts {
        forms.entry(form).or_default().push((count, example));
    }
    let told = |(form, mut examples): (Form, Vec<(usize, String)>)| {
        examples.sort_unstable_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        let tokens = examples.iter().map(|(count, _)| count).sum();
        let examples = examples.into_iter().take(EXAMPLES.0).map(|(_, example)| example).collect();
        DroppedForm { form, tokens, examples }
    };
    (all, forms.into_iter().map(told).collect())
}

impl fmt::Display for TextSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "reviews    {:>7}", self.reviews)?;
        columns::write(f, &self.columns)?;
        writeln!(f, "training   {:>7}", self.train)?;
        writeln!(f, "validation {:>7}", self.validation)?;
        if self.test > 0 {
            writeln!(f, "test       {:>7}", self.test)?;
        }
        if self.copies > 0 {
            writeln!(f, "copies     {:>7}  of earlier reviews", self.copies)?;
        }
        if self.copies_apart > 0 {
            writeln!(f, "  apart    {:>7}  on another side of the split", self.copies_apart)?;
        }
        writeln!(f, "stems      {:>7}  in the training reviews", self.stems)?;
        writeln!(f, "  kept     {:>7}", self.kept)?;
        writeln!(f, "tokens     {:>7}", self.tokens)?;
        writeln!(f, "  dropped  {:>7}  not made of letters only", self.tokens_dropped)?;
        for form in &self.tokens_dropped_by_form {
            writeln!(f, "           {form}")?;
        }
        writeln!(f, "skipped    {:>7}", self.skipped)?;
        for group in &self.skipped_by_reason {
            writeln!(f, "  {:>7}  {}", group.count, group.reason)?;
            writeln!(f, "           {}", group.named(usize::MAX))?;
        }
        Ok(())
    }
}
