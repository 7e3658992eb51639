//! `faceshader predict`

use super::backend::AdapterArguments;
use super::eval::Weights;
use super::report::{Answer, draw_predictions};
use super::{Outcome, Usage, message, photos, print_data, texts};
use crate::data::faces::{Labels, Photos};
use crate::train::Trainer;
use crate::train::run::RunFolder;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

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
        trainer.load_weights(&arguments.weights.file(&run)?)?;
        if arguments.picture.is_some() {
            return Err(Usage("--picture is for photos".into()).into());
        }
        return texts::predict(&run, &spec, trainer, &arguments.paths, &arguments.columns, arguments.json);
    };
    let mut all = Photos::new(size.width as u32, size.height as u32);
    let mut failed = Vec::new();
    for path in &arguments.paths {
        // A path that cannot be read does not stop the others.
        match photos::read(path, size, Labels::Optional) {
            Ok(loaded) => {
                let photos = loaded.photos;
                for index in 0..photos.len() {
                    all.push(photos.names[index].clone(), photos.labels[index], photos.photo(index));
                }
            }
            Err(error) => {
                log::error!("{}", message(&error));
                failed.push(path.display().to_string());
            }
        }
    }
    if all.is_empty() {
        bail!("there is no photo to predict");
    }
    let mut trainer = Trainer::new(arguments.adapter.open_proven(!arguments.no_verify)?, &spec)?;
    trainer.load_weights(&arguments.weights.file(&run)?)?;
    let samples: Vec<usize> = (0..all.len()).collect();
    let outputs = trainer.predict(&all, &samples)?;
    let answers: Vec<(usize, Answer)> =
        samples.iter().map(|&index| (index, Answer::new(&spec, &outputs, index))).collect();
    if !arguments.json {
        print_data("file,age,gender,probability")?;
    }
    for (index, answer) in &answers {
        print_answer(&all.names[*index], answer, arguments.json)?;
    }
    let picture = arguments.picture.unwrap_or_else(|| run.plot("predict.png"));
    draw_predictions(&picture, "Predicted, and in brackets true", &all, &answers)
        .context("the predictions are complete, but not their picture; choose a place with --picture")?;
    log::info!("picture: {}", picture.display());
    if !failed.is_empty() {
        bail!("{} of {} paths gave no photo: {}", failed.len(), arguments.paths.len(), failed.join(", "));
    }
    Ok(Outcome::Done)
}

/// One line of CSV or JSON. What the model does not tell stays empty.
fn print_answer(file: &str, answer: &Answer, json: bool) -> Result<()> {
    let gender = answer.gender();
    if json {
        let line = serde_json::json!({
            "file": file,
            "age": answer.age,
            "gender": gender.map(|(gender, _)| gender.to_string()),
            "probability": gender.map(|(_, probability)| probability),
        });
        print_data(line)?;
        return Ok(());
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        file,
        &answer.age.map_or(String::new(), |age| format!("{age:.2}")),
        &gender.map_or(String::new(), |(gender, _)| gender.to_string()),
        &gender.map_or(String::new(), |(_, probability)| format!("{probability:.4}")),
    ])?;
    let line = String::from_utf8(writer.into_inner().map_err(|error| error.into_error())?)?;
    Ok(print_data(line.trim_end())?)
}
