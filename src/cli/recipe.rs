//! How a model is trained, where the command line says something else than the model's file.

use super::{Usage, above_zero, at_least_one};
use crate::ops::Op;
use crate::spec::{Freeze, Plateau, Schedule, Spec};
use anyhow::Result;

/// Flags that overwrite the model's file.
#[derive(Debug, Clone, clap::Args)]
pub struct Recipe {
    /// How the learning rate changes over the training
    #[arg(long)]
    schedule: Option<ScheduleArgument>,
    /// Epochs, or a part of one, in which the learning rate rises linearly
    #[arg(long, value_name = "EPOCHS", value_parser = at_least_zero)]
    warmup_epochs: Option<f64>,
    /// Multiply the learning rate by 0.1, or the factor in the model's file, after so many epochs without a lower
    /// validation loss
    #[arg(long, value_name = "EPOCHS", value_parser = at_least_one)]
    plateau: Option<usize>,
    /// Decay of an exponential moving average of the weights, such as 0.999: it is what is validated and saved as best
    #[arg(long, value_name = "DECAY", value_parser = below_one)]
    ema: Option<f64>,
    /// Scale gradients down whose global norm is larger
    #[arg(long, value_name = "NORM", value_parser = above_zero)]
    clip_norm: Option<f64>,
    /// Decoupled weight decay of the optimizer adam, as in AdamW
    #[arg(long, value_name = "DECAY", value_parser = at_least_zero)]
    weight_decay: Option<f64>,
    /// Share of a class label's probability that is spread over all classes, such as 0.1
    #[arg(long, value_name = "SHARE", value_parser = below_one)]
    label_smoothing: Option<f64>,
    /// Layers that keep the weights they begin with, by name; * stands for any letters: --freeze 'conv*,norm*'
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    freeze: Vec<String>,
}

/// Schedules, for the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ScheduleArgument {
    /// It stays
    Constant,
    /// It falls along half a cosine to zero
    Cosine,
    /// It rises for 30 % of the training and then falls to nearly zero
    OneCycle,
}

impl From<ScheduleArgument> for Schedule {
    fn from(argument: ScheduleArgument) -> Schedule {
        match argument {
            ScheduleArgument::Constant => Schedule::Constant,
            ScheduleArgument::Cosine => Schedule::Cosine,
            ScheduleArgument::OneCycle => Schedule::OneCycle,
        }
    }
}

fn at_least_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (value as f32).is_finite() && value >= 0.0 => Ok(value),
        _ => Err("it must be a number of at least 0, such as 0.5".into()),
    }
}

fn below_one(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("it must be a number of at least 0 and below 1, such as 0.1".into()),
    }
}

impl Recipe {
    /// Writes the flags into a model.
    ///
    /// # Errors
    /// Where the model has nothing that a flag would change, or flags do not go together.
    pub fn apply(self, spec: &mut Spec) -> Result<()> {
        let training = &mut spec.training;
        if let Some(schedule) = self.schedule {
            training.schedule = schedule.into();
            // The flag is the last word: what does not go together with it goes.
            if training.schedule == Schedule::OneCycle && self.warmup_epochs.is_none() {
                training.warmup_epochs = 0.0;
            }
            if training.schedule != Schedule::Constant && self.plateau.is_none() {
                training.plateau = None;
            }
        }
        training.warmup_epochs = self.warmup_epochs.unwrap_or(training.warmup_epochs);
        if let Some(patience) = self.plateau {
            let factor = training.plateau.map_or(Plateau::FACTOR, |plateau| plateau.factor);
            training.plateau = Some(Plateau { patience, factor });
        }
        match self.ema {
            Some(0.0) => training.ema = None,
            Some(decay) => training.ema = Some(decay),
            None => {}
        }
        training.clip_norm = self.clip_norm.or(training.clip_norm);
        if let Some(decay) = self.weight_decay {
            let name = spec.optimizer.name();
            let place = spec.optimizer.weight_decay();
            *place.ok_or_else(|| Usage(format!("--weight-decay: the optimizer {name} has none")))? = decay;
        }
        if let Some(share) = self.label_smoothing {
            smooth(spec, share)?;
        }
        if !self.freeze.is_empty() {
            spec.frozen.push(Freeze { layers: self.freeze, line: 1 });
        }
        Ok(())
    }
}

/// Smooths the labels of all targets that are classes. A loss that is not said is said from here on.
fn smooth(spec: &mut Spec, share: f64) -> Result<()> {
    let mut smoothed = 0;
    for place in 0..spec.branches.len() {
        let kind = spec.target(&spec.branches[place]).kind;
        let branch = &mut spec.branches[place];
        if branch.loss.is_none()
            && let Some(kind) = kind
        {
            branch.loss = Some(Op::parse(kind.losses()[0], serde_json::json!({}))?);
        }
        if let Some(place) = branch.loss.as_mut().and_then(Op::label_smoothing) {
            *place = share;
            smoothed += 1;
        }
    }
    match smoothed {
        0 => Err(Usage(
            "--label-smoothing is for classes, and no target of this model is known to be any; say kind = \"classes\" or \
             \"binary\" in its [[target]]"
                .into(),
        )
        .into()),
        _ => Ok(()),
    }
}
