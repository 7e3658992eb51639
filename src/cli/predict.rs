//! `faceshader predict`

use super::backend::AdapterArguments;
use super::data::GRID;
use super::eval::Weights;
use super::progress::{Bars, bar};
use super::said::{draw_predictions, told};
use super::storage::Memory;
use super::texts::csv_line;
use super::{Outcome, Usage, print_data, texts};
use crate::data::DataError;
use crate::data::error::shown_path;
use crate::data::labels::WAYS;
use crate::data::load::survey;
use crate::data::photos::Photos;
use crate::data::records::{Key, Records};
use crate::data::samples::{Inputs, Samples, read_photos, tell_skipped};
use crate::data::skipped::Skipped;
use crate::data::source::Source;
use crate::data::storage::Storage;
use crate::report::picture::Told;
use crate::spec::{PhotoSpec, Spec};
use crate::tasks::{Answer, Target};
use crate::train::Trainer;
use crate::train::run::RunFolder;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run folder
    run: PathBuf,
    /// Photos, folders, zips or tar.gz files; for a model that reads texts: texts, or files with one a line
    /// or of CSV
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    columns: texts::Columns,
    /// Which weights of the run to use
    #[arg(long, default_value = "best")]
    weights: Weights,
    /// Where to write the picture of the first 20 photos; RUN/plots/predict.png if not given
    #[arg(long)]
    picture: Option<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArguments,
    /// Skip the short check of the kernels before an adapter's first use
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    memory: Memory,
    /// One line of JSON a photo or text instead of CSV
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<Outcome> {
    let (run, spec) = RunFolder::open(&arguments.run)?;
    let Some(size) = spec.input.photo() else {
        let mut trainer = Trainer::new(arguments.adapter.open_proven(!arguments.no_verify)?, &spec)?;
        trainer.load_weights(&arguments.weights.file(&run, &spec)?)?;
        if arguments.picture.is_some() {
            return Err(Usage("--picture is for photos".into()).into());
        }
        return texts::predict(&run, &spec, trainer, &arguments.paths, &arguments.columns, arguments.json);
    };
    let mut trainer = Trainer::new(arguments.adapter.open_proven(!arguments.no_verify)?, &spec)?;
    trainer.load_weights(&arguments.weights.file(&run, &spec)?)?;
    if !arguments.json {
        print_data(csv_line(&header(&spec))?)?;
    }
    let shown = Photos::new(size.width as u32, size.height as u32);
    let mut asking = Asking { trainer, spec: &spec, json: arguments.json, shown, answers: Vec::new() };
    let (storage, mut failed) = (arguments.memory.storage(None), Vec::new());
    for path in &arguments.paths {
        let mut answer = |samples: &Samples| asking.answer(path, samples);
        let (skipped, error) = read(path, size, &spec, &storage, &mut answer)?;
        asking.tell_skipped(path, &skipped)?;
        // A path that cannot be read does not stop the others.
        if let Some(error) = error {
            log::error!("{error}");
            asking.refuse(path, &error)?;
            failed.push(shown_path(path));
        }
    }
    if asking.answers.is_empty() {
        bail!("there is no photo to predict");
    }
    let picture = arguments.picture.unwrap_or_else(|| run.plot("predict.png"));
    draw_predictions(&picture, "Predicted, and in brackets true", &asking.shown, &asking.answers)
        .context("the predictions are complete, but not their picture; choose a place with --picture")?;
    log::info!("picture: {}", shown_path(&picture));
    if !failed.is_empty() {
        bail!(
            "{} of {} paths could not be read, or not to their end: {}",
            failed.len(),
            arguments.paths.len(),
            failed.join(", ")
        );
    }
    Ok(Outcome::Done)
}

/// What of a path has no answer: photos that cannot be used, and why the path could not be read to its end.
type Unanswered = (Vec<Skipped>, Option<DataError>);

/// Reads the photos of a path, as many at a time as memory may take, and hands them to `answer` with their labels
/// where their names tell them. An error is one of `answer`.
fn read(
    path: &Path,
    size: &PhotoSpec,
    spec: &Spec,
    storage: &Storage,
    answer: &mut dyn FnMut(&Samples) -> Result<()>,
) -> Result<Unanswered> {
    let listed = Source::open(path).and_then(|source| Ok((survey(&source)?, source)));
    let (listed, source) = match listed {
        Ok(listed) => listed,
        Err(error) => return Ok((Vec::new(), Some(error))),
    };
    if let Some(warning) = &listed.warning {
        log::warn!("warning: {warning}");
    }
    if listed.ignored.total() > 0 {
        log::info!("ignored {} files that are no photos: {}", listed.ignored.total(), listed.ignored);
    }
    let truths = truths(&listed.names, spec);
    let at_once = storage.photos([size.width as u32, size.height as u32]).max(1);
    let (mut all_skipped, mut read, mut failed) = (listed.skipped, 0, None);
    for (part, names) in listed.names.chunks(at_once).enumerate() {
        let (photos, kept, skipped) =
            match read_photos(&source, size, names, names, storage, &Bars::default()) {
                Ok(photos) => photos,
                Err(DataError::NoneUsable { skipped, .. }) => {
                    all_skipped.extend(skipped);
                    continue;
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
        read += kept.len();
        all_skipped.extend(skipped);
        let names = kept.iter().map(|&place| names[place].clone()).collect();
        let of_target =
            |truths: &Vec<Option<f32>>| kept.iter().map(|&place| truths[part * at_once + place]).collect();
        let answers = truths.iter().map(of_target).collect();
        let records = Records { answers, ..Records::unlabelled(Key::File, names) };
        answer(&Samples::new(records, Inputs::Photos(photos), spec))?;
    }
    all_skipped.sort();
    all_skipped.dedup();
    if read == 0 && failed.is_none() {
        return Ok((Vec::new(), Some(DataError::NoneUsable { path: path.to_owned(), skipped: all_skipped })));
    }
    tell_skipped(&all_skipped);
    Ok((all_skipped, failed))
}

/// The labels of photos, as far as their names tell them.
fn truths(names: &[String], spec: &Spec) -> Vec<Vec<Option<f32>>> {
    let unknown = || spec.targets.iter().map(|_| vec![None; names.len()]).collect();
    let Some(way) = WAYS.iter().find(|way| (way.fits)(names)) else { return unknown() };
    let labelled = (way.label)(names);
    let known = labelled.kept.iter().map(|&place| names[place].clone()).collect();
    let records = Records { table: labelled.table, ..Records::unlabelled(Key::File, known) };
    let Ok((records, ..)) = records.answer(spec) else { return unknown() };
    let places: HashMap<&String, usize> = records.names.iter().zip(0..).collect();
    let of_target = |answers: &Vec<Option<f32>>| -> Vec<Option<f32>> {
        names.iter().map(|name| places.get(name).and_then(|&place| answers[place])).collect()
    };
    records.answers.iter().map(of_target).collect()
}

/// A model, and the first photos that it was asked about.
struct Asking<'a> {
    trainer: Trainer<'a>,
    spec: &'a Spec,
    json: bool,
    shown: Photos,
    answers: Vec<(usize, Vec<Told>)>,
}

impl Asking<'_> {
    /// Predicts batch by batch, and prints each batch's rows as soon as they are known.
    fn answer(&mut self, path: &Path, samples: &Samples) -> Result<()> {
        let all: Vec<usize> = (0..samples.records.len()).collect();
        let bar = bar("predicting", Some(all.len()));
        for batch in all.chunks(self.trainer.evaluation_batch()) {
            let outputs = self.trainer.predict(samples, batch)?;
            let mut rows = Vec::new();
            for (place, &index) in batch.iter().enumerate() {
                let of_branch = |((_, target), values): ((_, &Target), &Vec<f32>)| {
                    let width = values.len() / batch.len();
                    target.answer(&values[place * width..][..width])
                };
                let answers: Vec<Answer> = self.spec.tasks().zip(&outputs).map(of_branch).collect();
                if let Some(photos) = samples.photos().filter(|_| self.shown.len() < GRID[0]) {
                    let of_target = |((branch, target), answer): ((_, &Target), &Answer)| {
                        told(target, answer, samples.records.answers[self.spec.target_place(branch)][index])
                    };
                    let told = self.spec.tasks().zip(&answers).map(of_target).collect();
                    self.answers.push((self.shown.len(), told));
                    self.shown.push(&photos.photo(index)?);
                }
                let name = given_name(path, &samples.records.names[index]);
                rows.push(row(&name, Ok(&answers), self.spec, self.json)?);
            }
            bar.suspend(|| rows.iter().try_for_each(print_data))?;
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Prints why there is no answer for anything in a path.
    fn refuse(&self, path: &Path, error: &DataError) -> Result<()> {
        match error {
            DataError::NoneUsable { skipped, .. } => self.tell_skipped(path, skipped),
            _ => {
                let name = path.to_string_lossy();
                Ok(print_data(row(&name, Err(&error.to_string()), self.spec, self.json)?)?)
            }
        }
    }

    fn tell_skipped(&self, path: &Path, skipped: &[Skipped]) -> Result<()> {
        for Skipped { file, reason } in skipped {
            print_data(row(&given_name(path, file), Err(reason), self.spec, self.json)?)?;
        }
        Ok(())
    }
}

/// What the user knows a photo by: the path as given, and behind it the way within a folder or archive.
fn given_name(path: &Path, inner: &str) -> String {
    // A single photo's name within itself is that of its file.
    let is_photo = path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy() == inner);
    let given = if is_photo { path.to_owned() } else { path.join(inner) };
    given.to_string_lossy().into_owned()
}

/// The columns of a target: its name, and of classes that of the probability, which has no name of its own where no
/// other target has classes.
fn columns_of(target: &Target, spec: &Spec) -> Vec<String> {
    let with_classes = spec.targets.iter().filter(|target| !target.classes.is_empty()).count();
    match (target.classes.is_empty(), with_classes) {
        (true, _) => vec![target.name.clone()],
        (false, 1) => vec![target.name.clone(), "probability".into()],
        (false, _) => vec![target.name.clone(), format!("{}_probability", target.name)],
    }
}

fn header(spec: &Spec) -> Vec<String> {
    let mut columns = vec!["file".to_string()];
    columns.extend(spec.tasks().flat_map(|(_, target)| columns_of(target, spec)));
    columns.push("error".into());
    columns
}

/// One line of CSV or JSON. What the model does not tell stays empty.
fn row(file: &str, answers: Result<&Vec<Answer>, &str>, spec: &Spec, json: bool) -> Result<String> {
    let mut line = serde_json::Map::new();
    line.insert("file".into(), file.into());
    let mut fields = vec![file.to_string()];
    for (place, (_, target)) in spec.tasks().enumerate() {
        let answer = answers.ok().map(|answers| &answers[place]);
        let columns = columns_of(target, spec);
        let value = answer.map(|answer| match answer.number {
            Some(number) => (number.into(), format!("{number:.2}")),
            None => (serde_json::Value::from(target.shown(answer)), target.shown(answer)),
        });
        let (value, field) = value.unwrap_or_default();
        line.insert(columns[0].clone(), value);
        fields.push(field);
        if let Some(column) = columns.get(1) {
            let probability = answer.and_then(|answer| answer.probability);
            line.insert(column.clone(), probability.into());
            fields.push(probability.map_or(String::new(), |probability| format!("{probability:.4}")));
        }
    }
    if let Err(error) = answers {
        line.insert("error".into(), error.into());
    }
    fields.push(answers.err().unwrap_or_default().into());
    if json { Ok(serde_json::Value::Object(line).to_string()) } else { csv_line(&fields) }
}
