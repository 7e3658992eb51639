//! `train --init`: a training that begins with weights of another one, or of another program.

use super::eval::Weights;
use crate::data::reviews::Vocabulary;
use crate::file::checksum;
use crate::train::Trainer;
use crate::train::foreign::{Fit, read};
use crate::train::run::{RunFolder, VOCABULARY_NOTE};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The file of weights that the user means: the file itself, or the best weights of a run, or its last ones where no
/// epoch was finished.
pub fn file_of(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} does not exist; --init takes a safetensors file or a run folder", path.display());
    }
    let file = if path.is_dir() {
        let (run, spec) = RunFolder::open(path).context("--init takes a safetensors file or a run folder")?;
        let weights = if run.best().exists() { Weights::Best } else { Weights::Last };
        weights.file(&run, &spec)?
    } else {
        path.to_path_buf()
    };
    std::path::absolute(&file).with_context(|| format!("{} is no path", file.display()))
}

/// Lets the training begin with the weights of a file that fit, and tells which do.
pub fn take(trainer: &mut Trainer, file: &Path, vocabulary: Option<&Vocabulary>) -> Result<()> {
    let (tensors, notes) = read(file)?;
    let ours = vocabulary.map(Vocabulary::to_json).transpose()?.map(|json| checksum(&json));
    let theirs = notes.get(VOCABULARY_NOTE);
    let other_words = theirs.is_some() && theirs != ours.as_ref();
    let fit = trainer.take_weights(&tensors, file, other_words)?;
    tell(&fit, file);
    if ours.is_some() && theirs.is_none() {
        log::warn!(
            "warning: {} does not say of which vocabulary it is; the rows of an embedding have to be in the order of the \
             run's vocabulary.json",
            file.display()
        );
    }
    Ok(())
}

fn tell(fit: &Fit, file: &Path) {
    let (taken, all) = (fit.taken.len(), fit.taken.len() + fit.left.len());
    log::info!("initial weights: {taken} of the model's {all} are taken from {}", file.display());
    log::info!("  taken: {}", fit.taken.join(", "));
    for (name, reason) in &fit.left {
        log::info!("  not taken: {name}: {reason}");
    }
    for (name, shape) in &fit.unused {
        log::info!("  not in the model: {name} ({shape})");
    }
}
