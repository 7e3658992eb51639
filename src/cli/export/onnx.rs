//! `faceshader export onnx`
//!
//! Writes a trained model as an ONNX file, and for one that reads texts how they become token ids.

use crate::cli::eval::Weights;
use crate::cli::vocabulary::{fill_classes, known_vocabulary};
use crate::cli::{Outcome, print};
use crate::export::metadata::Facts;
use crate::export::onnx::model;
use crate::export::token_rules::rules;
use crate::file::write_whole;
use crate::train::checkpoint::load;
use crate::train::run::RunFolder;
use anyhow::Result;
use std::path::PathBuf;

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
    let weights = arguments.weights.file(&run, &spec)?;
    let (tensors, _) = load(&weights)?;
    let facts =
        Facts { date: jiff::Timestamp::now().to_string(), weights: arguments.weights.name().to_string() };
    write_whole(&arguments.out, &model(&spec, &tensors, &weights, &facts)?)?;
    print(arguments.out.display())?;
    if let Some(vocabulary) = &vocabulary {
        let beside = arguments.out.with_extension("tokens.json");
        write_whole(&beside, (serde_json::to_string_pretty(&rules(vocabulary))? + "\n").as_bytes())?;
        print(beside.display())?;
    }
    Ok(Outcome::Done)
}
