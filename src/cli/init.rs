//! `train --init`: a training that begins with weights of another one, or of another program.

use super::eval::Weights;
use crate::data::reviews::Vocabulary;
use crate::file::checksum;
use crate::spec::Spec;
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

/// Warns of what the run that weights come from learned otherwise, though its layers fit. `None` of other files.
fn warn_of_meanings(file: &Path, spec: &Spec) {
    let run = file.parent().and_then(Path::parent);
    let Some(Ok((_, theirs))) = run.map(RunFolder::open) else { return };
    for target in &spec.targets {
        let Some(other) = theirs.targets.iter().find(|other| other.name == target.name) else { continue };
        let differs = match () {
            () if other.classes != target.classes => "its classes, or their order",
            () if other.mean_and_deviation != target.mean_and_deviation => "its mean or deviation",
            () => continue,
        };
        log::warn!(
            "warning: target {}: {differs} differ from those of the run that the weights come from; what its last layer \
             begins with means something else",
            target.name
        );
    }
    if let (Some(photo), Some(other)) = (spec.input.photo(), theirs.input.photo())
        && photo.range != other.range
    {
        log::warn!("warning: [input] range differs from that of the run that the weights come from");
    }
}

/// Lets the training begin with the weights of a file that fit, and tells which do.
pub fn take(trainer: &mut Trainer, spec: &Spec, file: &Path, vocabulary: Option<&Vocabulary>) -> Result<()> {
    let (tensors, notes) = read(file)?;
    let ours = vocabulary.map(Vocabulary::to_json).transpose()?.map(|json| checksum(&json));
    let theirs = notes.get(VOCABULARY_NOTE);
    let other_words = theirs.is_some() && theirs != ours.as_ref();
    let fit = trainer.take_weights(&tensors, file, other_words)?;
    tell(&fit, file);
    warn_of_meanings(file, spec);
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
