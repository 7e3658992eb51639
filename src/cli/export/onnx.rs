//! `faceshader export onnx`
//!
//! Writes a trained model as an ONNX file, and for one that reads texts how they become token ids.

use crate::cli::eval::Weights;
use crate::cli::vocabulary::{fill_classes, known_vocabulary};
use crate::cli::{Outcome, print};
use crate::data::error::shown_path;
use crate::export::metadata::Facts;
use crate::export::onnx::model;
use crate::export::token_rules::rules;
use crate::file::write_whole;
use crate::spec::{CropSpec, Faces};
use crate::train::checkpoint::load;
use crate::train::run::RunFolder;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run folder
    run: PathBuf,
    /// The file to write, such as model.onnx; beside that of a model for texts, model.tokens.json says how texts become
    /// token ids
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which weights of the run to use
    #[arg(long, default_value = "best")]
    weights: Weights,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let (run, mut spec) = RunFolder::open(&arguments.run)?;
    let vocabulary = known_vocabulary(&run, &spec)?;
    if let Some(vocabulary) = &vocabulary {
        fill_classes(&mut spec, vocabulary);
    }
    // All that is written, and never over anything.
    let tokens = vocabulary.as_ref().map(|vocabulary| (tokens_file(&arguments.out), vocabulary));
    for file in std::iter::once(&arguments.out).chain(tokens.as_ref().map(|(file, _)| file)) {
        if file.exists() && !file.is_dir() {
            bail!("{} exists; name another file by --out, or delete it", shown_path(file));
        }
    }
    if let Some(photo) =
        spec.input.photo().filter(|photo| photo.faces.is_some_and(|faces| faces != Faces::Whole))
    {
        let CropSpec { side, right, down } = photo.crop;
        log::info!(
            "the exported model takes photos that are faces, cropped as its training photos were (side {side}, right {right}, \
             down {down}); `faceshader data crop` cuts faces out of others"
        );
    }
    let weights = arguments.weights.file(&run, &spec)?;
    let (tensors, _) = load(&weights)?;
    let facts =
        Facts { date: jiff::Timestamp::now().to_string(), weights: arguments.weights.name().to_string() };
    let model = model(&spec, &tensors, &weights, &facts)?;
    // A model without its rules would be of no use, rules without a model do no harm.
    if let Some((file, vocabulary)) = &tokens {
        write_whole(file, (serde_json::to_string_pretty(&rules(vocabulary))? + "\n").as_bytes())?;
    }
    write_whole(&arguments.out, &model)?;
    for file in std::iter::once(&arguments.out).chain(tokens.as_ref().map(|(file, _)| file)) {
        print(file.display())?;
    }
    Ok(Outcome::Done)
}

/// Where the rules for token ids lie: beside the model, under its name.
fn tokens_file(model: &Path) -> PathBuf {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    model.with_file_name(format!("{}.tokens.json", name.strip_suffix(".onnx").unwrap_or(&name)))
}
