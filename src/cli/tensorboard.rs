//! What `train --tensorboard` logs: two logs, so that TensorBoard draws training and validation into one chart.

use super::said::confusion_files;
use crate::report::tensorboard::{Log, Scalars};
use crate::spec::Spec;
use crate::train::history::{BranchResult, Epoch, total_loss, validation_losses};
use crate::train::run::RunFolder;
use anyhow::Result;

/// The logs of a training under way.
pub struct Board {
    train: Log,
    validation: Log,
}

impl Board {
    /// Begins the logs of a run, or goes on with them behind the epochs that are done. Nobody knows the learning rate of
    /// those that were not logged.
    pub fn open(run: &RunFolder, done: &[Epoch]) -> Result<Board> {
        let [train, validation] = run.tensorboard();
        Ok(Board {
            train: Log::open(&train, done.iter().map(|epoch| of_side(&epoch.train)).collect())?,
            validation: Log::open(
                &validation,
                done.iter().map(|epoch| of_side(&epoch.validation)).collect(),
            )?,
        })
    }

    /// Adds the last one of some epochs.
    pub fn add(&self, spec: &Spec, epochs: &[Epoch]) -> Result<()> {
        let Some((epoch, before)) = epochs.split_last() else { return Ok(()) };
        self.train.add(epoch.epoch, of_training(spec, epoch, before))?;
        Ok(self.validation.add(epoch.epoch, of_side(&epoch.validation))?)
    }

    /// Adds the pictures of a finished run.
    pub fn add_pictures(&self, run: &RunFolder, spec: &Spec, epochs: usize) -> Result<()> {
        let confusions = confusion_files(spec).into_iter().map(|(file, _)| file);
        for file in std::iter::once("predictions.png".to_string()).chain(confusions) {
            let png = run.plot(&file);
            if png.is_file() {
                self.validation.add_picture(epochs, file.trim_end_matches(".png"), &png)?;
            }
        }
        Ok(())
    }
}

/// The learning rate is that of the epoch's first step.
fn of_training(spec: &Spec, epoch: &Epoch, before: &[Epoch]) -> Scalars {
    let mut scalars = of_side(&epoch.train);
    let rate = spec.optimizer.clone().learning_rate().map(|rate| *rate);
    let factor =
        spec.training.rate_factor(before.len() as f64) * spec.training.reduced(&validation_losses(before));
    let rate = rate.map(|rate| (rate * factor) as f32);
    scalars.extend(rate.map(|rate| ("learning_rate".into(), rate)));
    scalars.push(("seconds".into(), epoch.seconds as f32));
    scalars
}

/// The total loss, and the loss and metric of each branch.
fn of_side(results: &[BranchResult]) -> Scalars {
    let mut scalars = vec![("loss".to_string(), total_loss(results) as f32)];
    for result in results {
        scalars.push((format!("{}_loss", result.target.name), result.loss as f32));
        scalars.push((result.target.metric_name(), result.metric as f32));
    }
    scalars
}
