//! The learning rate range test (Smith, 2017, *Cyclical Learning Rates for Training Neural Networks*): a short training
//! whose rate rises from step to step, until the loss runs away.

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
    /// The total loss of its batch, before the step.
    pub loss: f64,
    /// The same, smoothed along the steps.
    pub smoothed: f64,
}

/// How much of the smoothed loss stays from step to step.
const SMOOTHING: f64 = 0.9;
/// A smoothed loss this many times the lowest one has run away.
const RUN_AWAY: f64 = 4.0;
/// Steps before which nothing is believed: the smoothed loss still follows single batches.
const SETTLED: usize = 5;

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
    let (mut rates, mut losses) = (Vec::new(), Vec::new());
    'epochs: for epoch in 0.. {
        let variation = Variation { augment: &spec.augment, seed, epoch };
        for chosen in order(&split.train, seed, epoch).chunks(size) {
            let rate = range.rate(rates.len());
            let batch = batch(samples, chosen, size, Some(variation))?.at_rate(rate / base);
            let loss = trainer.measured_step(&batch)?;
            rates.push(rate);
            losses.push(loss);
            progress(losses.len());
            let smoothed = smoothed(&losses);
            let lowest = smoothed.iter().copied().fold(f64::INFINITY, f64::min);
            let has_run_away = losses.len() > SETTLED && smoothed[losses.len() - 1] > RUN_AWAY * lowest;
            let ends = losses.len() == range.steps || has_run_away || !loss.is_finite();
            if ends || stop.load(Ordering::Relaxed) {
                break 'epochs;
            }
        }
    }
    // What ran away is no number to draw.
    let numbers = losses.iter().take_while(|loss| loss.is_finite()).count();
    let (rates, losses) = (&rates[..numbers], &losses[..numbers]);
    let points = rates.iter().zip(losses).zip(smoothed(losses));
    Ok(points.map(|((&rate, &loss), smoothed)| Point { rate, loss, smoothed }).collect())
}

/// What a test proposes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// A tenth of the rate with the lowest smoothed loss: where the loss still falls, and well below where it runs away.
    pub rate: f64,
    /// The rate where the smoothed loss falls fastest along the logarithm of the rate.
    pub steepest: f64,
    /// The rate with the lowest smoothed loss.
    pub lowest: f64,
}

/// What the points of a test propose; `None` if the loss never fell.
pub fn propose(points: &[Point]) -> Option<Proposal> {
    let settled = points.get(SETTLED..)?;
    let lowest = (0..settled.len()).min_by(|&a, &b| settled[a].smoothed.total_cmp(&settled[b].smoothed))?;
    if lowest == 0 {
        return None;
    }
    let slope = |at: usize| {
        let [before, after] = [&settled[at - 1], &settled[at]];
        (after.smoothed - before.smoothed) / (after.rate / before.rate).ln()
    };
    let steepest = (1..=lowest).min_by(|&a, &b| slope(a).total_cmp(&slope(b)))?;
    let lowest = settled[lowest].rate;
    Some(Proposal { rate: lowest / 10.0, steepest: settled[steepest].rate, lowest })
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
        let proposal = propose(&points(Range { from: 1e-6, to: 1.0, steps: 200 })).unwrap();
        // Smoothing lags behind by about ten steps, which are 0.7 of a power of ten here.
        assert!((5e-3..5e-2).contains(&proposal.lowest), "{proposal:?}");
        assert!((5e-4..5e-3).contains(&proposal.steepest), "{proposal:?}");
        assert!((proposal.rate - proposal.lowest / 10.0).abs() < 1e-12);
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
