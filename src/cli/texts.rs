//! What a model says of texts that it is asked about.

use super::vocabulary::{fill_classes, vocabulary_of};
use super::{Outcome, message, print_data};
use crate::data::records::{Key, Records};
use crate::data::reviews::{ReadOptions, Texts, Vocabulary, read};
use crate::data::samples::{Inputs, Samples, is_table, tell_skipped_rows};
use crate::measure::confusion::probabilities;
use crate::spec::Spec;
use crate::tasks::Target;
use crate::train::run::RunFolder;
use crate::train::{TrainError, Trainer};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Words named for a prediction.
const NAMED_WORDS: usize = 5;

/// Which columns of a CSV hold reviews.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Columns {
    /// The column of the reviews' texts, if it is not plain from its name
    #[arg(long, value_name = "NAME")]
    pub text_column: Option<String>,
    /// The column of the only target's labels, if it is not plain from its name
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
}

impl Columns {
    /// Whether the user has named one.
    pub fn are_named(&self) -> bool {
        self.text_column.is_some() || self.label_column.is_some()
    }

    /// What is read of a table.
    pub fn options(&self) -> ReadOptions {
        let Self { text_column, label_column } = self.clone();
        ReadOptions { text_column, label_column }
    }
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
    let mut spec = spec.clone();
    fill_classes(&mut spec, &vocabulary);
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
        let mut columns: Vec<String> =
            spec.tasks().flat_map(|(_, target)| columns_of(target, &spec)).collect();
        columns.extend(["words".into(), "text".into()]);
        print_data(columns.join(","))?;
    }
    for text in &texts {
        let answer = Answered::of(text, &spec, &vocabulary, &mut trainer)?;
        answer.print(text, &spec, json)?;
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
        let loaded = read(argument, &columns.options())?;
        tell_skipped_rows(&loaded.skipped);
        return Ok(loaded.texts);
    }
    let bytes = std::fs::read(argument).with_context(|| format!("{} cannot be read", argument.display()))?;
    let text = String::from_utf8(bytes)
        .with_context(|| format!("{} is not UTF-8; save it as UTF-8", argument.display()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_string).collect())
}

/// The columns of a target in a table of predictions: of classes, `label` and `probability` where there is no other
/// target.
fn columns_of(target: &Target, spec: &Spec) -> Vec<String> {
    match (target.classes.is_empty(), spec.targets.len()) {
        (true, _) => vec![target.name.clone()],
        (false, 1) => vec!["label".into(), "probability".into()],
        (false, _) => vec![target.name.clone(), format!("{}_probability", target.name)],
    }
}

/// What a model says of one text.
struct Answered {
    /// Of each branch.
    answers: Vec<crate::tasks::Answer>,
    /// Words by how much the first branch's answer falls without them, the most first: in probability, or in the unit
    /// of a number.
    words: Vec<(String, f64)>,
}

impl Answered {
    /// Asks for the text, and for the text without each of its words.
    fn of(text: &str, spec: &Spec, vocabulary: &Vocabulary, trainer: &mut Trainer) -> Result<Self> {
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
        let count = variants.len();
        let names = (0..count).map(|row| row.to_string()).collect();
        let texts = Inputs::Texts(Texts::of_tokens(&variants, vocabulary.clone()));
        let variants = Samples::new(Records::unlabelled(Key::Row, names), texts, spec);
        let outputs = outputs(&variants, trainer, count)?;
        let answers: Vec<_> =
            spec.tasks().zip(&outputs).map(|((_, target), values)| target.answer(&values[0])).collect();
        let mut words = Vec::new();
        if let (Some((_, target)), Some(values), Some(answer)) =
            (spec.tasks().next(), outputs.first(), answers.first())
        {
            let strength = |values: &[f32]| match answer.class {
                Some(class) => probabilities(values)[class],
                None => target.answer(values).number.map_or(0.0, f64::from),
            };
            let whole = strength(&values[0]);
            words = (places.values().zip(&values[1..]))
                .map(|(&position, values)| {
                    (text[encoded.places[position].clone()].to_lowercase(), whole - strength(values))
                })
                .collect();
        }
        words.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        words.truncate(NAMED_WORDS);
        Ok(Self { answers, words })
    }

    fn print(&self, text: &str, spec: &Spec, json: bool) -> Result<()> {
        let told = spec.tasks().zip(&self.answers);
        if json {
            let mut line = serde_json::Map::new();
            for ((_, target), answer) in told {
                let columns = columns_of(target, spec);
                let value =
                    answer.number.map_or_else(|| target.shown(answer).into(), serde_json::Value::from);
                line.insert(columns[0].clone(), value);
                if let (Some(column), Some(probability)) = (columns.get(1), answer.probability) {
                    line.insert(column.clone(), probability.into());
                }
            }
            let words: Vec<serde_json::Value> = (self.words.iter())
                .map(|(word, weight)| serde_json::json!({ "word": word, "weight": weight }))
                .collect();
            line.insert("words".into(), words.into());
            line.insert("text".into(), text.into());
            return Ok(print_data(serde_json::Value::Object(line))?);
        }
        let mut fields: Vec<String> = Vec::new();
        for ((_, target), answer) in told {
            fields.push(answer.number.map_or_else(|| target.shown(answer), |number| format!("{number:.2}")));
            fields.extend(answer.probability.map(|probability| format!("{probability:.4}")));
        }
        let is_number = self.answers.first().is_some_and(|answer| answer.number.is_some());
        let word = |(word, weight): &(String, f64)| match is_number {
            true => format!("{word} {weight:+.2}"),
            false => format!("{word} {:+.1} %", 100.0 * weight),
        };
        fields.push(self.words.iter().map(word).collect::<Vec<_>>().join("; "));
        fields.push(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
        Ok(print_data(csv_line(&fields)?)?)
    }
}

/// A line of CSV.
pub fn csv_line(fields: &[String]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields)?;
    let line = String::from_utf8(writer.into_inner().map_err(|error| error.into_error())?)?;
    Ok(line.trim_end_matches('\n').to_owned())
}

/// For each branch, its values for each of the first samples.
fn outputs(samples: &Samples, trainer: &mut Trainer, count: usize) -> Result<Vec<Vec<Vec<f32>>>, TrainError> {
    let asked: Vec<usize> = (0..count).collect();
    let outputs = trainer.predict(samples, &asked)?;
    let rows = |values: &Vec<f32>| {
        values.chunks((values.len() / count.max(1)).max(1)).map(<[f32]>::to_vec).collect()
    };
    Ok(outputs.iter().map(rows).collect())
}
