//! `faceshader predict`

use super::backend::AdapterArguments;
use super::data::GRID;
use super::eval::Weights;
use super::progress::bar;
use super::report::{Answer, draw_predictions};
use super::{Outcome, Usage, message, photos, print_data, texts};
use crate::data::DataError;
use crate::data::error::shown_path;
use crate::data::faces::{Labels, Loaded, Photos, Skipped};
use crate::spec::Spec;
use crate::train::Trainer;
use crate::train::run::RunFolder;
use anyhow::{Context, Result, bail};
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
        print_data("file,age,gender,probability,error")?;
    }
    let shown = Photos::new(size.width as u32, size.height as u32);
    let mut asking = Asking { trainer, spec: &spec, json: arguments.json, shown, answers: Vec::new() };
    let mut failed = Vec::new();
    for path in &arguments.paths {
        match photos::read(path, size, Labels::Optional) {
            Ok(loaded) => asking.answer(path, &loaded)?,
            // A path that cannot be read does not stop the others.
            Err(error) => {
                log::error!("{}", message(&error));
                asking.refuse(path, &error)?;
                failed.push(shown_path(path));
            }
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
        bail!("{} of {} paths gave no photo: {}", failed.len(), arguments.paths.len(), failed.join(", "));
    }
    Ok(Outcome::Done)
}

/// A model, and the first photos that it was asked about.
struct Asking<'a> {
    trainer: Trainer<'a>,
    spec: &'a Spec,
    json: bool,
    shown: Photos,
    answers: Vec<(usize, Answer)>,
}

impl Asking<'_> {
    /// Predicts batch by batch, and prints each batch's rows as soon as they are known.
    fn answer(&mut self, path: &Path, loaded: &Loaded) -> Result<()> {
        let photos = &loaded.photos;
        let all: Vec<usize> = (0..photos.len()).collect();
        let bar = bar("predicting", Some(all.len()));
        for batch in all.chunks(self.trainer.evaluation_batch()) {
            let outputs = self.trainer.predict(photos, batch)?;
            let mut rows = Vec::new();
            for (place, &index) in batch.iter().enumerate() {
                let answer = Answer::new(self.spec, &outputs, place);
                if self.shown.len() < GRID[0] {
                    let name = photos.names[index].clone();
                    self.answers.push((self.shown.len(), answer));
                    self.shown.push(name, photos.labels[index], photos.photo(index));
                }
                rows.push(row(&given_name(path, &photos.names[index]), Ok(&answer), self.json)?);
            }
            bar.suspend(|| rows.iter().try_for_each(print_data))?;
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        self.tell_skipped(path, &loaded.skipped)
    }

    /// Prints why there is no answer for anything in a path.
    fn refuse(&self, path: &Path, error: &anyhow::Error) -> Result<()> {
        match error.downcast_ref() {
            Some(DataError::NoneUsable { skipped, .. }) => self.tell_skipped(path, skipped),
            _ => Ok(print_data(row(&path.to_string_lossy(), Err(&message(error)), self.json)?)?),
        }
    }

    fn tell_skipped(&self, path: &Path, skipped: &[Skipped]) -> Result<()> {
        for Skipped { file, reason } in skipped {
            print_data(row(&given_name(path, file), Err(reason), self.json)?)?;
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

/// One line of CSV or JSON. What the model does not tell stays empty.
fn row(file: &str, answer: Result<&Answer, &str>, json: bool) -> Result<String> {
    let (age, gender) = answer.map_or((None, None), |answer| (answer.age, answer.gender()));
    let error = answer.err();
    if json {
        let mut line = serde_json::json!({
            "file": file,
            "age": age,
            "gender": gender.map(|(gender, _)| gender.to_string()),
            "probability": gender.map(|(_, probability)| probability),
        });
        if let Some(error) = error {
            line["error"] = error.into();
        }
        return Ok(line.to_string());
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        file,
        &age.map_or(String::new(), |age| format!("{age:.2}")),
        &gender.map_or(String::new(), |(gender, _)| gender.to_string()),
        &gender.map_or(String::new(), |(_, probability)| format!("{probability:.4}")),
        error.unwrap_or_default(),
    ])?;
    let line = String::from_utf8(writer.into_inner().map_err(|error| error.into_error())?)?;
    Ok(line.trim_end_matches('\n').to_owned())
}
