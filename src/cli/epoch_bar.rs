//! The bar of a training: epoch, step, samples a second, and the time left for the epoch and for all of them.

use super::progress::{clock, styled};
use crate::train::Progress;
use indicatif::ProgressBar;
use std::time::Instant;

/// Steps after which older ones count half as much in what a step takes.
const MEMORY: f64 = 200.0;

/// How long steps take, as a mean over the last ones.
#[derive(Debug, Default)]
struct Mean {
    secs: f64,
    steps: f64,
}

impl Mean {
    fn add(&mut self, secs: f64) {
        if self.steps > MEMORY {
            self.secs /= 2.0;
            self.steps /= 2.0;
        }
        self.secs += secs;
        self.steps += 1.0;
    }

    /// Seconds a step; `None` before the first.
    fn of_one(&self) -> Option<f64> {
        (self.steps > 0.0).then(|| self.secs / self.steps)
    }
}

/// How fast a training is, and how much is left of it.
#[derive(Debug, Default)]
struct Pace {
    step: Mean,
    /// Of a batch of the validation.
    batch: Mean,
    /// Steps and validation batches of an epoch, as far as they are known.
    steps: usize,
    batches: usize,
}

impl Pace {
    /// One more step or batch took `secs`.
    fn add(&mut self, progress: Progress, secs: f64) {
        match progress {
            Progress::Training(_, all) => {
                self.steps = all;
                self.step.add(secs);
            }
            Progress::Validation(_, all) => {
                self.batches = all;
                self.batch.add(secs);
            }
        }
    }

    /// Seconds left for the epoch, and for all epochs if so many come after it. Before the first validation nobody
    /// knows how long one takes.
    fn left(&self, progress: Progress, epochs_after: usize) -> Option<(f64, f64)> {
        let training = |steps: usize| Some(steps as f64 * self.step.of_one()?);
        let validation = |batches: usize| batches as f64 * self.batch.of_one().unwrap_or(0.0);
        let epoch = match progress {
            Progress::Training(done, all) => training(all - done.min(all))? + validation(self.batches),
            Progress::Validation(done, all) => validation(all - done.min(all)),
        };
        let whole = training(self.steps).unwrap_or(0.0) + validation(self.batches);
        Some((epoch, epoch + epochs_after as f64 * whole))
    }
}

/// The bar of all epochs of a training.
pub struct EpochBar {
    epochs: usize,
    /// Samples a step.
    batch: usize,
    pace: Pace,
    bar: ProgressBar,
    /// When the step before was done.
    at: Instant,
}

impl EpochBar {
    /// Of a training with so many epochs in all, and so many samples a step.
    pub fn new(epochs: usize, batch: usize) -> Self {
        let (pace, bar, at) = (Pace::default(), ProgressBar::hidden(), Instant::now());
        Self { epochs, batch, pace, bar, at }
    }

    /// Begins an epoch, numbered from 0.
    pub fn begin(&mut self, epoch: usize) {
        self.bar = styled("{prefix} {wide_bar} {count} {msg}", None);
        self.bar.set_prefix(format!("epoch {}/{}", epoch + 1, self.epochs));
        self.at = Instant::now();
    }

    /// Shows that one more step or batch of the epoch, numbered from 0, is done.
    pub fn show(&mut self, epoch: usize, progress: Progress) {
        let (done, all, name) = match progress {
            Progress::Training(done, all) => (done, all, ""),
            Progress::Validation(done, all) => (done, all, " validation"),
        };
        self.pace.add(progress, self.at.elapsed().as_secs_f64());
        self.at = Instant::now();
        self.bar.set_prefix(format!("epoch {}/{}{name}", epoch + 1, self.epochs));
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(self.message(epoch, progress));
    }

    fn message(&self, epoch: usize, progress: Progress) -> String {
        let rate = match (progress, self.pace.step.of_one()) {
            (Progress::Training(..), Some(secs)) => {
                format!("{:.0} samples/s, ", self.batch as f64 / secs.max(1e-9))
            }
            _ => String::new(),
        };
        match self.pace.left(progress, self.epochs.saturating_sub(epoch + 1)) {
            Some((epoch, all)) => format!("{rate}{} left, {} for all", clock(epoch), clock(all)),
            None => rate,
        }
    }

    /// Does something that prints, while the bar is away.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_counts_steps_validations_and_epochs_to_come() {
        let mut pace = Pace::default();
        assert_eq!(pace.left(Progress::Training(0, 10), 2), None);
        pace.add(Progress::Training(4, 10), 0.5);
        // Half a second a step; validation is not known yet.
        assert_eq!(pace.left(Progress::Training(4, 10), 2), Some((3.0, 13.0)));
        pace.add(Progress::Validation(1, 4), 0.25);
        assert_eq!(pace.left(Progress::Validation(1, 4), 2), Some((0.75, 12.75)));
        assert_eq!(pace.left(Progress::Training(0, 10), 1), Some((6.0, 12.0)));
        assert_eq!(pace.left(Progress::Validation(4, 4), 0), Some((0.0, 0.0)));
    }

    #[test]
    fn old_steps_are_forgotten() {
        let mut mean = Mean::default();
        for _ in 0..1000 {
            mean.add(1.0);
        }
        for _ in 0..2000 {
            mean.add(3.0);
        }
        assert!((mean.of_one().unwrap() - 3.0).abs() < 0.01);
    }
}
