//! How long a model is trained, and how its learning rate goes.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::path::PathBuf;

/// How long and in what portions to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSpec {
    /// Samples a step.
    pub batch: usize,
    /// Passes over the training set.
    pub epochs: usize,
    /// Random seed for initial weights, order, augmentation and dropout.
    #[serde(default)]
    pub seed: u64,
    /// Whether kernels may do at once what several layers do.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub fuse: bool,
    /// How the learning rate changes over the training.
    #[serde(default)]
    pub schedule: Schedule,
    /// Epochs, or a part of one, in which the learning rate rises linearly from a hundredth.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warmup_epochs: f64,
    /// Whether, and when, the learning rate is reduced because the validation loss no longer falls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plateau: Option<Plateau>,
    /// Epochs without a lower validation loss after which training ends; 0: it does not end early.
    #[serde(default, skip_serializing_if = "is_none")]
    pub patience: usize,
    /// The decay of an exponential moving average of the weights, which is what is validated and saved as the best
    /// weights. `None`: the weights themselves are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// The largest Euclidean norm that the gradient of all parameters together may have; a longer one is scaled to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Weights to begin with: a safetensors file, or a run folder. Those that fit by name and shape are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
}

/// How the learning rate changes over a training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls along half a cosine to zero after the last step (Loshchilov and Hutter, 2017, without
    /// restarts).
    Cosine,
    /// It rises along half a cosine from 1/25 to the whole rate in the first 30 % of the training, and falls along
    /// another to 1/250,000 (Smith and Topin, 2018, with PyTorch's shares). Momentum stays.
    OneCycle,
}

/// The share of the training in which one cycle rises.
const RISE: f64 = 0.3;
/// The share of the rate that one cycle begins with.
const FIRST: f64 = 1.0 / 25.0;
/// The share of the rate that one cycle ends with.
const LAST: f64 = FIRST / 1e4;

/// The share of the rate that a warm-up begins with.
const COLD: f64 = 0.01;

/// From `from` to `to` along half a cosine, of which the share `done` lies behind.
fn half_cosine(from: f64, to: f64, done: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * done).cos()) / 2.0
}

impl Schedule {
    /// The share of the learning rate that a step uses, when `done` of the training, 0 to 1, lies behind.
    pub fn factor(self, done: f64) -> f64 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => (1.0 + (PI * done).cos()) / 2.0,
            Schedule::OneCycle if done < RISE => half_cosine(FIRST, 1.0, done / RISE),
            Schedule::OneCycle => half_cosine(1.0, LAST, (done - RISE) / (1.0 - RISE)),
        }
    }
}

/// When the learning rate is reduced because the validation loss no longer falls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    /// Epochs without a lower validation loss after which the rate is reduced.
    pub patience: usize,
    /// What it is multiplied by then.
    #[serde(default = "usual_factor")]
    pub factor: f64,
}

fn usual_factor() -> f64 {
    Plateau::FACTOR
}

/// How many of the last losses are not below the lowest one before them.
fn since_lowest(losses: &[f64]) -> usize {
    let lowest = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
    lowest.map_or(0, |lowest| losses.len() - 1 - lowest)
}

impl Plateau {
    /// The factor if none is said.
    pub const FACTOR: f64 = 0.1;

    /// What the learning rate is multiplied by after epochs with these validation losses.
    pub fn factor_after(self, losses: &[f64]) -> f64 {
        let (mut factor, mut lowest, mut waited) = (1.0, f64::INFINITY, 0);
        for &loss in losses {
            waited += 1;
            if loss < lowest {
                (lowest, waited) = (loss, 0);
            } else if waited >= self.patience {
                (factor, waited) = (factor * self.factor, 0);
            }
        }
        factor
    }
}

impl TrainingSpec {
    /// The share of the learning rate that a step uses after `epochs` epochs, with parts of one, unless a plateau reduces
    /// it.
    pub fn rate_factor(&self, epochs: f64) -> f64 {
        if epochs < self.warmup_epochs {
            return COLD + (1.0 - COLD) * epochs / self.warmup_epochs;
        }
        let (done, all) = (epochs - self.warmup_epochs, self.epochs as f64 - self.warmup_epochs);
        self.schedule.factor((done / all).min(1.0))
    }

    /// How far the moving average of the weights moves towards them in a step, counted from 1: 1 - min(ema,
    /// (step - 1) / (step + 8)), so that it begins with the weights and forgets them quickly at first. 0 without one.
    pub fn ema_share(&self, step: u32) -> f32 {
        let early = 9.0 / (f64::from(step.max(1)) + 8.0);
        self.ema.map_or(0.0, |decay| early.max(1.0 - decay) as f32)
    }

    /// What a plateau multiplies the learning rate by after epochs with these validation losses.
    pub fn reduced(&self, losses: &[f64]) -> f64 {
        self.plateau.map_or(1.0, |plateau| plateau.factor_after(losses))
    }

    /// Whether the learning rate depends on the number of epochs that are planned.
    pub fn rate_follows_epochs(&self) -> bool {
        self.schedule != Schedule::Constant
    }

    /// Whether every step has the same learning rate.
    pub fn rate_is_constant(&self) -> bool {
        self.schedule == Schedule::Constant && self.warmup_epochs == 0.0 && self.plateau.is_none()
    }

    /// Whether training ends before its last epoch, after epochs with these validation losses.
    pub fn ends_early(&self, losses: &[f64]) -> bool {
        self.patience > 0 && since_lowest(losses) >= self.patience
    }

    /// What is wrong with it.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self) -> Result<(), String> {
        let refuse = |message: String| Err(message);
        if self.batch == 0 {
            return refuse("the batch is 0; it must be at least 1".into());
        }
        if self.epochs == 0 {
            return refuse("there are 0 epochs; it must be at least 1".into());
        }
        if !(self.warmup_epochs >= 0.0 && self.warmup_epochs <= self.epochs as f64 / 2.0) {
            return refuse(format!(
                "warmup_epochs is {}; it must be from 0 to half of the {} epochs",
                self.warmup_epochs, self.epochs
            ));
        }
        if self.warmup_epochs > 0.0 && self.schedule == Schedule::OneCycle {
            return refuse("the schedule one_cycle has a warm-up of its own; leave warmup_epochs out".into());
        }
        if let Some(Plateau { patience, factor }) = self.plateau {
            if patience == 0 {
                return refuse("patience of plateau is 0; it must be at least 1".into());
            }
            if !(factor > 0.0 && factor < 1.0) {
                return refuse(format!("factor of plateau is {factor}; it must be above 0 and below 1"));
            }
            if self.schedule != Schedule::Constant {
                return refuse("plateau is for a constant schedule; leave one of both out".into());
            }
        }
        if let Some(decay) = self.ema
            && !(decay > 0.0 && decay < 1.0)
        {
            return refuse(format!("ema is {decay}; it must be above 0 and below 1, such as 0.999"));
        }
        if let Some(norm) = self.clip_norm
            && !((norm as f32).is_normal() && norm > 0.0)
        {
            return refuse(format!("clip_norm is {norm}; it must be above 0 and finite"));
        }
        Ok(())
    }
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_none(value: &usize) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(text: &str) -> TrainingSpec {
        toml::from_str(&format!("batch = 20\nepochs = 10\n{text}")).unwrap()
    }

    #[test]
    fn schedules_begin_at_the_whole_rate() {
        assert_eq!([0.0, 0.5, 1.0].map(|done| Schedule::Constant.factor(done)), [1.0; 3]);
        assert_eq!([0.0, 1.0].map(|done| Schedule::Cosine.factor(done)), [1.0, 0.0]);
        assert!((Schedule::Cosine.factor(1.0 / 3.0) - 0.75).abs() < 1e-15);
    }

    #[test]
    fn one_cycle_is_that_of_pytorch() {
        // torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1, total_steps=11).
        let theirs = [
            (0.0, 0.04),
            (0.1, 0.28),
            (0.2, 0.76),
            (0.3, 1.0),
            (0.4, 0.9504844),
            (0.65, 0.5000020),
            (1.0, 4e-6),
        ];
        for (done, want) in theirs {
            let got = Schedule::OneCycle.factor(done);
            assert!((got - want).abs() < 1e-6, "{done}: {got}, not {want}");
        }
    }

    #[test]
    fn a_warm_up_rises_to_the_whole_rate_and_the_schedule_takes_the_rest() {
        let spec = training("schedule = \"cosine\"\nwarmup_epochs = 2.0");
        let rates = [0.0, 1.0, 2.0, 6.0, 10.0, 12.0].map(|epochs| spec.rate_factor(epochs));
        for (got, want) in rates.into_iter().zip([0.01, 0.505, 1.0, 0.5, 0.0, 0.0]) {
            assert!((got - want).abs() < 1e-15, "{rates:?}");
        }
        // Without one, nothing is different from before there was any.
        let plain = training("schedule = \"cosine\"");
        assert_eq!(plain.rate_factor(3.3), Schedule::Cosine.factor(3.3 / 10.0));
    }

    #[test]
    fn a_plateau_reduces_the_rate_and_counts_anew() {
        let plateau = Plateau { patience: 2, factor: 0.5 };
        let losses = [3.0, 2.0, 2.0, 2.5, 2.1, 2.2, 1.0, 1.0];
        let factors: Vec<f64> = (0..=8).map(|done| plateau.factor_after(&losses[..done])).collect();
        assert_eq!(factors, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25]);
        let spec = training("plateau = { patience = 2 }");
        assert_eq!((spec.reduced(&losses[..4]), training("").reduced(&losses)), (0.1, 1.0));
    }

    #[test]
    fn patience_counts_epochs_since_the_lowest_loss() {
        let spec = training("patience = 2");
        assert!(!spec.ends_early(&[]));
        assert!(!spec.ends_early(&[2.0, 1.0, 1.0]), "an equal loss is not lower");
        assert!(spec.ends_early(&[2.0, 1.0, 1.0, 1.5]));
        assert!(!spec.ends_early(&[2.0, 1.0, 1.5, 0.9]));
        assert!(!training("").ends_early(&[1.0; 10]), "it never ends early if not asked to");
    }

    #[test]
    fn an_average_begins_with_the_weights_and_then_moves_by_its_decay() {
        let spec = training("ema = 0.75");
        assert_eq!([1, 10, 28, 29, 1000].map(|step| spec.ema_share(step)), [1.0, 0.5, 0.25, 0.25, 0.25]);
        assert_eq!(training("").ema_share(5), 0.0);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = [
            ("warmup_epochs = 6.0", "half of the 10 epochs"),
            ("warmup_epochs = -1.0", "from 0"),
            ("warmup_epochs = 1.0\nschedule = \"one_cycle\"", "of its own"),
            ("plateau = { patience = 0 }", "at least 1"),
            ("plateau = { patience = 1, factor = 1.0 }", "below 1"),
            ("plateau = { patience = 1 }\nschedule = \"cosine\"", "constant"),
            ("ema = 1.0", "0.999"),
            ("ema = nan", "0.999"),
            ("clip_norm = 0.0", "above 0"),
            ("clip_norm = 1e60", "finite"),
        ];
        for (text, reason) in refused {
            let error = training(text).check().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        training("warmup_epochs = 5.0\nema = 0.99\nclip_norm = 1.0").check().unwrap();
    }
}
