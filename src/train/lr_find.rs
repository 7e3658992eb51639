//! The learning rate range test (Smith, 2017, *Cyclical Learning Rates for Training Neural Networks*): a short training
//! whose rate rises from step to step, until the loss runs away.
//!
//! Batches differ more than rates do: from the loss of each batch the loss is taken that the best answer without a look
//! at the samples has on the same batch, and the mean of that over all batches is added.

use super::guess::Guesses;
use super::history::{BranchResult, total_loss};
use super::{TrainError, Trainer};
use crate::data::batches::{Dataset, Variation, batch, order};
use crate::data::split::Split;
use crate::spec::Spec;
use std::sync::atomic::{AtomicBool, Ordering};

/// From where to where the rate rises, and in how many steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The rate of the first step.
    pub from: f64,
    /// The rate of the last step.
    pub to: f64,
    /// Steps, at least 2.
    pub steps: usize,
}

impl Range {
    /// The rate of a step, from 0; each is the one before it times the same factor.
    pub fn rate(&self, step: usize) -> f64 {
        self.from * (self.to / self.from).powf(step as f64 / (self.steps - 1).max(1) as f64)
    }
}

/// One step of the test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Its learning rate.
    pub rate: f64,
    /// The total loss of its batch, before the step, as if all batches were equally hard.
    pub loss: f64,
    /// The same, smoothed along the steps.
    pub smoothed: f64,
}

/// How much of the smoothed loss stays from step to step.
const SMOOTHING: f64 = 0.95;
/// A smoothed loss this many times the lowest one has run away.
const RUN_AWAY: f64 = 4.0;
/// The share of the steps before which nothing is believed: the smoothed loss still follows single batches.
const SETTLED: f64 = 0.1;
/// As many steps are believed at least.
const BELIEVED: usize = 5;

/// Smooths losses by an exponential moving average without the bias of its beginning.
fn smoothed(losses: &[f64]) -> Vec<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let next = |loss: &f64| {
        sum = SMOOTHING * sum + (1.0 - SMOOTHING) * loss;
        weight = SMOOTHING * weight + (1.0 - SMOOTHING);
        sum / weight
    };
    losses.iter().map(next).collect()
}

/// Trains with rising rates, until the loss has run away, the steps are done, or the user asks to stop. `progress` gets
/// the steps done.
///
/// # Errors
/// Those of a training, but for a loss that runs away, which is what the test is for.
pub fn find(
    trainer: &mut Trainer,
    spec: &Spec,
    samples: &dyn Dataset,
    split: &Split,
    range: Range,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Point>, TrainError> {
    let base = spec.optimizer.clone().learning_rate().map_or(1.0, |rate| *rate);
    let (seed, size) = (spec.training.seed, spec.training.batch);
    let guesses = Guesses::of_training(spec, samples, &split.train);
    let (mut rates, mut losses, mut guessed) = (Vec::new(), Vec::new(), Vec::new());
    'epochs: for epoch in 0.. {
        let variation = Variation { augment: &spec.augment, seed, epoch };
        for chosen in order(&split.train, seed, epoch).chunks(size) {
            let rate = range.rate(rates.len());
            let batch = batch(samples, chosen, size, Some(variation))?.at_rate(rate / base);
            let results = trainer.measured_results(&batch)?;
            // A branch without a label in the batch has no loss; any other one without has run away.
            let is_labelled = |result: &BranchResult| {
                let place = spec.targets.iter().position(|target| target.name == result.target.name);
                chosen.iter().any(|&index| place.is_some_and(|place| samples.answer(index, place).is_some()))
            };
            let known: Vec<BranchResult> = results.into_iter().filter(is_labelled).collect();
            if known.is_empty() {
                continue;
            }
            let compared = guesses.compare(spec, &known, samples, chosen);
            let loss = total_loss(&known);
            rates.push(rate);
            losses.push(loss);
            guessed.push(compared.iter().map(|of| of.result.weight * of.score.loss).sum::<f64>());
            progress(losses.len());
            let smoothed = smoothed(&losses);
            let lowest = smoothed.iter().copied().fold(f64::INFINITY, f64::min);
            let has_run_away = losses.len() >= 20 && smoothed[losses.len() - 1] > RUN_AWAY * lowest;
            let ends = losses.len() == range.steps || has_run_away || !loss.is_finite();
            if ends || stop.load(Ordering::Relaxed) {
                break 'epochs;
            }
        }
    }
    // What ran away is no number to draw.
    let numbers = losses.iter().take_while(|loss| loss.is_finite()).count();
    let hardness = guessed[..numbers].iter().sum::<f64>() / numbers.max(1) as f64;
    let losses: Vec<f64> =
        losses.iter().zip(&guessed).take(numbers).map(|(loss, guessed)| loss - guessed + hardness).collect();
    let points = rates.iter().zip(&losses).zip(smoothed(&losses));
    Ok(points.map(|((&rate, &loss), smoothed)| Point { rate, loss, smoothed }).collect())
}

/// What a test proposes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// A tenth of the edge.
    pub rate: f64,
    /// The rate with the lowest smoothed loss.
    pub lowest: f64,
    /// The largest rate at which the smoothed loss still has half of what it had fallen by.
    pub edge: f64,
}

/// What the points of a test propose; `None` if the loss never fell.
pub fn propose(points: &[Point]) -> Option<Proposal> {
    let (first, settled) = points.split_at((points.len() as f64 * SETTLED) as usize);
    let by_loss = |a: &&Point, b: &&Point| a.smoothed.total_cmp(&b.smoothed);
    let (lowest, begin) = (settled.iter().min_by(by_loss)?, first.last()?);
    let half = (begin.smoothed + lowest.smoothed) / 2.0;
    let edge = settled.iter().rfind(|point| point.smoothed <= half)?;
    // What rises from its beginning on is lowest there.
    let falls =
        settled.len() >= BELIEVED && lowest.rate > settled[0].rate && lowest.smoothed < begin.smoothed;
    falls.then_some(Proposal { rate: edge.rate / 10.0, lowest: lowest.rate, edge: edge.rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that falls fastest at 1e-3, is lowest at 1e-2, and runs away.
    fn points(range: Range) -> Vec<Point> {
        let loss = |rate: f64| {
            let falls = 1.0 - 0.9 / (1.0 + (1e-3 / rate).powi(2));
            falls + (rate / 3e-2).powi(2)
        };
        let losses: Vec<f64> = (0..range.steps).map(|step| loss(range.rate(step))).collect();
        let rows = losses.iter().zip(smoothed(&losses)).enumerate();
        rows.map(|(step, (&loss, smoothed))| Point { rate: range.rate(step), loss, smoothed }).collect()
    }

    #[test]
    fn rates_rise_by_the_same_factor_from_end_to_end() {
        let range = Range { from: 1e-6, to: 1.0, steps: 7 };
        let rates: Vec<f64> = (0..7).map(|step| range.rate(step)).collect();
        assert!(
            rates
                .iter()
                .zip([-6, -5, -4, -3, -2, -1, 0])
                .all(|(rate, power)| (rate.log10() - f64::from(power)).abs() < 1e-12)
        );
    }

    #[test]
    fn a_rate_below_the_lowest_loss_is_proposed() {
        let proposal = propose(&points(Range { from: 1e-6, to: 1.0, steps: 400 })).unwrap();
        // Smoothing lags behind by about twenty steps, which are 0.7 of a power of ten here.
        assert!((5e-3..5e-2).contains(&proposal.lowest), "{proposal:?}");
        assert!((2e-2..2e-1).contains(&proposal.edge), "{proposal:?}");
        assert!((proposal.rate - proposal.edge / 10.0).abs() < 1e-12);
    }

    #[test]
    fn a_loss_that_never_falls_proposes_nothing() {
        let rising: Vec<Point> =
            (0..50).map(f64::from).map(|x| Point { rate: 1.1_f64.powf(x), loss: x, smoothed: x }).collect();
        assert_eq!(propose(&rising), None);
        assert_eq!(propose(&rising[..3]), None);
        assert_eq!(propose(&[]), None);
    }

    #[test]
    fn smoothing_has_no_bias_at_its_beginning() {
        assert!(smoothed(&[5.0; 30]).iter().all(|&loss| (loss - 5.0).abs() < 1e-12));
        let step = smoothed(&[1.0, 1.0, 2.0]);
        assert!(step[2] > 1.0 && step[2] < 2.0);
    }
}
