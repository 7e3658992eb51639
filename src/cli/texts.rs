//! Reviews: how they are read, and what a model says of them.

use super::set::warn_of_copies;
use super::vocabulary::vocabulary_of;
use super::{Outcome, message, print, print_data};
use crate::data::faces::Labels;
use crate::data::reviews::check::Summary;
use crate::data::reviews::synthetic;
use crate::data::reviews::{ReadOptions, Reviews, SkippedRows, TextOptions, Texts, Vocabulary, read};
use crate::data::split::Split;
use crate::measure::confusion::{Confusion, chosen_class, probabilities};
use crate::ops::Metric;
use crate::report::confusion::confusion_matrix;
use crate::report::{ReportError, save_png};
use crate::spec::{DataSpec, InputSpec, Spec, TextSpec, Tokens};
use crate::train::run::RunFolder;
use crate::train::{TrainError, Trainer};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The built-in set is the same for every training.
const BUILT_IN_SEED: u64 = 0;
/// Words named for a prediction.
const NAMED_WORDS: usize = 5;

/// Rows named a reason when reviews are skipped.
const NAMED_ROWS: usize = 3;

/// Which columns of a CSV hold reviews.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Columns {
    /// The column of the reviews' texts, if it is not plain from its name
    #[arg(long, value_name = "NAME")]
    pub text_column: Option<String>,
    /// The column of the reviews' sentiment, if it is not plain from its name
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
}

impl Columns {
    /// Whether the user has named one.
    pub fn are_named(&self) -> bool {
        self.text_column.is_some() || self.label_column.is_some()
    }

    fn options(&self, labels: Labels, classes: Option<Vec<String>>) -> ReadOptions {
        let Self { text_column, label_column } = self.clone();
        ReadOptions { text_column, label_column, labels, classes }
    }
}

/// At least so many reviews of the built-in set.
pub fn built_in(count: usize) -> Reviews {
    synthetic::reviews(BUILT_IN_SEED, synthetic::COUNT.max(count as u32))
}

/// Reads labelled reviews, or writes the built-in set. `classes` are those of a trained model.
pub fn load(data: &DataSpec, classes: Option<Vec<String>>) -> Result<Reviews> {
    let Some(path) = &data.path else { return Ok(built_in(0)) };
    let columns = Columns { text_column: data.text_column.clone(), label_column: data.label_column.clone() };
    let loaded = read(path, &columns.options(Labels::Required, classes))?;
    tell_skipped(&loaded.skipped);
    Ok(loaded.reviews)
}

/// Whether a path is named like a table of texts.
pub fn is_table(path: &Path) -> bool {
    let known = ["csv", "tsv", "tab"];
    path.extension().is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Says which rows were left out and why.
fn tell_skipped(skipped: &SkippedRows) {
    for group in skipped.by_reason() {
        log::warn!("skipped {}: {} ({})", group.count, group.reason, group.named(NAMED_ROWS));
    }
}

/// Prints what `data check` tells of a CSV.
pub fn check(path: &Path, split: Option<&Path>, columns: &Columns, json: bool) -> Result<Outcome> {
    let loaded = read(path, &columns.options(Labels::Required, None))?;
    let split = match split {
        Some(path) => {
            let split = Split::from_csv(path, &loaded.reviews)?.0;
            warn_of_copies(path, &loaded.reviews, &split);
            split
        }
        None => Split::seeded(&loaded.reviews, 0),
    };
    let training = training(&loaded.reviews, &split);
    let vocabulary = match Vocabulary::build(TextOptions::default(), loaded.reviews.classes.clone(), training)
    {
        Ok(vocabulary) => vocabulary,
        // Too few words to train on are no reason not to tell of the rows.
        Err(error) => {
            tell_skipped(&loaded.skipped);
            return Err(error.into());
        }
    };
    let summary = Summary::of(&loaded, &split, &vocabulary);
    if let Some(warning) = summary.warning() {
        log::warn!("warning: {warning}");
    }
    if json {
        print_data(serde_json::to_string(&summary)?)?
    } else {
        print(summary.to_string().trim_end())?
    }
    Ok(Outcome::Done)
}

/// Numbers the words of reviews, with the vocabulary of a run or one of the training reviews.
pub fn numbered(
    reviews: Reviews,
    split: &Split,
    known: Option<Vocabulary>,
    spec: &mut Spec,
) -> Result<Texts> {
    let InputSpec::Text(text) = &mut spec.input else { bail!("the model does not read texts") };
    let vocabulary = match known {
        Some(vocabulary) => vocabulary,
        None => {
            let tokens = *text.tokens.get_or_insert(Tokens::UnicodeWords);
            let &mut TextSpec { length, min_count, keep_negations, distinct, .. } = text;
            let options = TextOptions { tokens, keep_negations, distinct, min_count, length };
            let vocabulary = Vocabulary::build(options, reviews.classes.clone(), training(&reviews, split))?;
            let (stems, kept) = (vocabulary.distinct_stems(), vocabulary.stems().len());
            log::info!(
                "words: {stems} stems in the training reviews, {kept} of them {min_count} times or more"
            );
            vocabulary
        }
    };
    text.vocabulary = vocabulary.rows();
    require_classes(spec, vocabulary.classes())?;
    Ok(Texts::new(reviews, vocabulary))
}

/// The reviews to train on.
fn training<'a>(reviews: &'a Reviews, split: &Split) -> Vec<&'a str> {
    split.train.iter().map(|&index| reviews.texts[index].as_str()).collect()
}

/// Fails if a run's vocabulary is not that of these training reviews: they are others, in as many rows.
pub fn require_the_same(texts: &Texts, split: &Split) -> Result<()> {
    let (known, reviews) = (&texts.vocabulary, &texts.reviews);
    let theirs = Vocabulary::build(known.options(), reviews.classes.clone(), training(reviews, split));
    match theirs {
        Ok(theirs) if theirs.stems() == known.stems() => Ok(()),
        _ => bail!("these are not the reviews that the run was trained on; give those by --data"),
    }
}

/// Fails if the model cannot tell so many classes.
fn require_classes(spec: &Spec, classes: &[String]) -> Result<()> {
    let graph = crate::graph::Graph::new(spec, 1)?;
    for branch in &graph.branches {
        let outputs = graph.nodes[branch.node].shape.len();
        let told = match branch.target.metric(&branch.loss) {
            Metric::ClassAccuracy => outputs,
            _ => 2,
        };
        if told != classes.len() {
            bail!(
                "the reviews have {} classes ({}), but branch {:?} tells {told}; end it with a dense layer of \
                 out_features = {} and loss = {{ op = \"softmax_cross_entropy\" }}",
                classes.len(),
                classes.join(", "),
                branch.name,
                classes.len()
            );
        }
    }
    Ok(())
}

/// What a model says of each of `asked`: its first branch's values.
fn answers(texts: &Texts, trainer: &mut Trainer, asked: &[usize]) -> Result<Vec<Vec<f32>>, TrainError> {
    let outputs = trainer.predict(texts, asked)?.into_iter().next().unwrap_or_default();
    let width = outputs.len() / asked.len().max(1);
    Ok(outputs.chunks(width.max(1)).map(<[f32]>::to_vec).collect())
}

/// What a model makes of labelled reviews.
pub fn confusion(texts: &Texts, trainer: &mut Trainer, asked: &[usize]) -> Result<Confusion> {
    let answers = answers(texts, trainer, asked)?;
    let truths = asked.iter().map(|&index| texts.reviews.labels[index]);
    let pairs = truths.zip(&answers).filter_map(|(truth, values)| Some((truth?, chosen_class(values))));
    Ok(Confusion::of(texts.vocabulary.classes(), pairs))
}

/// Prints counts, precision, recall and F1.
pub fn print_confusion(confusion: &Confusion) -> io::Result<()> {
    let Confusion { classes, counts } = confusion;
    print("")?;
    let columns: String = classes.iter().map(|class| format!("{:>12}", shortened(class))).collect();
    print(format_args!("{:<12}{columns}   taken for", ""))?;
    for (class, row) in classes.iter().zip(counts) {
        let row: String = row.iter().map(|count| format!("{count:>12}")).collect();
        print(format_args!("{:<12}{row}", shortened(class)))?;
    }
    print("")?;
    print(format_args!("{:<12}{:>12}{:>12}{:>12}", "", "precision", "recall", "F1"))?;
    for (index, class) in classes.iter().enumerate() {
        let score = confusion.score(index);
        print(format_args!(
            "{:<12}{:>12.4}{:>12.4}{:>12.4}",
            shortened(class),
            score.precision,
            score.recall,
            score.f1
        ))?;
    }
    print(format_args!("accuracy    {:>12.4}", confusion.accuracy()))
}

fn shortened(class: &str) -> String {
    let plain = class.chars().map(|c| if c.is_control() { '?' } else { c });
    let mut text: String = plain.collect();
    if text.chars().count() > 11 {
        text = text.chars().take(10).chain(['…']).collect();
    }
    text
}

/// The same for machines.
pub fn confusion_json(confusion: &Confusion) -> serde_json::Value {
    let scores: serde_json::Map<String, serde_json::Value> = (confusion.classes.iter().enumerate())
        .map(|(index, class)| {
            let score = confusion.score(index);
            let numbers = serde_json::json!({
                "precision": score.precision, "recall": score.recall, "f1": score.f1,
            });
            (class.clone(), numbers)
        })
        .collect();
    serde_json::json!({ "classes": confusion.classes, "counts": confusion.counts, "scores": scores })
}

/// Draws the matrix with labels and counts.
pub fn draw_confusion(confusion: &Confusion, path: &Path) -> Result<(), ReportError> {
    let title = format!("Validation reviews: {:.1} % right", 100.0 * confusion.accuracy());
    save_png(&confusion_matrix(&title, &confusion.classes, &confusion.counts), path)
}

/// What `predict` is asked: texts, or files with a text a line.
pub fn predict(
    run: &RunFolder,
    spec: &Spec,
    mut trainer: Trainer,
    asked: &[PathBuf],
    columns: &Columns,
    json: bool,
) -> Result<Outcome> {
    let vocabulary = vocabulary_of(run, spec)?;
    require_classes(spec, vocabulary.classes())?;
    let mut failed = Vec::new();
    let mut texts = Vec::new();
    for argument in asked {
        match lines_of(argument, columns) {
            Ok(lines) => texts.extend(lines),
            Err(error) => {
                log::error!("{}", message(&error));
                failed.push(argument.display().to_string());
            }
        }
    }
    if texts.is_empty() {
        bail!("there is no text to predict");
    }
    if !json {
        print_data("label,probability,words,text")?;
    }
    for text in &texts {
        let answer = Answer::of(text, &vocabulary, &mut trainer)?;
        answer.print(text, &vocabulary, json)?;
    }
    if !failed.is_empty() {
        bail!("{} of {} files cannot be read: {}", failed.len(), asked.len(), failed.join(", "));
    }
    Ok(Outcome::Done)
}

/// The lines of a file, the reviews of a CSV, or the argument itself where it is no file.
fn lines_of(argument: &Path, columns: &Columns) -> Result<Vec<String>> {
    if argument.is_dir() {
        bail!("{} is a folder; name the files in it", argument.display());
    }
    if !argument.is_file() {
        let text = argument.to_str().context("the text is not UTF-8")?;
        if argument.exists() {
            bail!("{text} is not a plain file; copy its contents into one and give that");
        }
        let is_txt = argument.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt"));
        let is_named_like_a_file = is_txt || is_table(argument);
        if is_named_like_a_file && !text.contains(char::is_whitespace) {
            bail!("{text} is not there");
        }
        return Ok(vec![text.to_string()]);
    }
    if is_table(argument) {
        let loaded = read(argument, &columns.options(Labels::Optional, None))?;
        tell_skipped(&loaded.skipped);
        return Ok(loaded.reviews.texts);
    }
    let bytes = std::fs::read(argument).with_context(|| format!("{} cannot be read", argument.display()))?;
    let text = String::from_utf8(bytes)
        .with_context(|| format!("{} is not UTF-8; save it as UTF-8", argument.display()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_string).collect())
}

/// What a model says of one text.
struct Answer {
    class: usize,
    probability: f64,
    /// Words by how much the probability falls without them, the most first.
    words: Vec<(String, f64)>,
}

impl Answer {
    /// Asks for the text, and for the text without each of its words.
    fn of(text: &str, vocabulary: &Vocabulary, trainer: &mut Trainer) -> Result<Self> {
        let encoded = vocabulary.encode(text);
        if encoded.places.is_empty() {
            log::warn!("no word of {text:?} is known to the model; its answer is that to an empty text");
        }
        let mut places: BTreeMap<u32, usize> = BTreeMap::new();
        for (position, &number) in encoded.tokens.iter().take(encoded.places.len()).enumerate() {
            places.entry(number).or_insert(position);
        }
        let without = |left_out: u32| {
            let mut tokens: Vec<u32> =
                encoded.tokens.iter().copied().filter(|&number| number != left_out).collect();
            tokens.resize(encoded.tokens.len(), 0);
            tokens
        };
        let variants: Vec<Vec<u32>> = std::iter::once(encoded.tokens.clone())
            .chain(places.keys().map(|&number| without(number)))
            .collect();
        let variants = Texts::of_tokens(&variants, vocabulary.clone());
        let asked: Vec<usize> = (0..=places.len()).collect();
        let answers = answers(&variants, trainer, &asked)?;
        let class = chosen_class(&answers[0]);
        let probability = probabilities(&answers[0])[class];
        let mut words: Vec<(String, f64)> = places
            .values()
            .zip(&answers[1..])
            .map(|(&position, values)| {
                let word = text[encoded.places[position].clone()].to_lowercase();
                (word, probability - probabilities(values)[class])
            })
            .collect();
        words.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        words.truncate(NAMED_WORDS);
        Ok(Self { class, probability, words })
    }

    fn print(&self, text: &str, vocabulary: &Vocabulary, json: bool) -> Result<()> {
        let label = &vocabulary.classes()[self.class];
        if json {
            let words: Vec<serde_json::Value> = (self.words.iter())
                .map(|(word, weight)| serde_json::json!({ "word": word, "weight": weight }))
                .collect();
            let line = serde_json::json!({
                "label": label, "probability": self.probability, "words": words, "text": text,
            });
            return Ok(print_data(line)?);
        }
        let words: Vec<String> =
            self.words.iter().map(|(word, weight)| format!("{word} {:+.1} %", 100.0 * weight)).collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writer.write_record([label, &format!("{:.4}", self.probability), &words.join("; "), &plain])?;
        let line = String::from_utf8(writer.into_inner().map_err(|error| error.into_error())?)?;
        Ok(print_data(line.trim_end())?)
    }
}
