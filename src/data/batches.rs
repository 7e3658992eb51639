//! From samples to what the host writes before every step.

use crate::ops::{BATCH_COUNT, BATCH_EPOCH, BATCH_RATES, BATCH_SEED, BATCH_WORDS, rate_words};
use crate::rng::{Generator, Stream, key};
use crate::spec::AugmentSpec;

/// Samples that a model learns from or is asked about, numbered from 0.
pub trait Dataset {
    /// What the model sees of `chosen` samples in a batch of `size`: names of the plan's inputs and their
    /// bytes. Rows after the chosen ones are filled up.
    fn inputs(&self, chosen: &[usize], size: usize, variation: Option<Variation>) -> Vec<Input>;

    /// How many targets the model has.
    fn targets(&self) -> usize;

    /// The label of a sample for one of the model's targets, where it is known.
    fn answer(&self, sample: usize, target: usize) -> Option<f32>;

    /// What a sample counts in the loss of one of the model's targets; 0 without a label.
    fn weight(&self, sample: usize, target: usize) -> f32 {
        f32::from(self.answer(sample, target).is_some())
    }
}

/// The name of one of the plan's inputs, and its bytes.
pub type Input = (&'static str, Vec<u8>);

/// The inputs of one step. The last batch of an epoch may be shorter; it is filled up, and
/// [`BATCH_COUNT`] says how many samples are real.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// What the model sees.
    pub inputs: Vec<Input>,
    /// (N), the number of each sample in its set.
    pub sample: Vec<u32>,
    /// For each target (N), the labels; 0 for samples without one.
    pub answers: Vec<Vec<f32>>,
    /// For each target (N), what each sample counts in the loss; 0 for samples without a label.
    pub weights: Vec<Vec<f32>>,
    /// Those of [`BATCH_WORDS`] that come before the rates.
    head: [u32; BATCH_RATES],
    /// What the learning rate is multiplied by.
    factor: f32,
}

impl Batch {
    /// The same batch at this share of the learning rate.
    pub fn at_rate(mut self, factor: f64) -> Batch {
        self.factor = factor as f32;
        self
    }

    /// See [`BATCH_WORDS`] and [`Operator::corrections`](crate::ops::Operator::corrections).
    pub fn words(&self, corrections: [f32; 2]) -> [u32; BATCH_WORDS] {
        let mut words = [0; BATCH_WORDS];
        words[..BATCH_RATES].copy_from_slice(&self.head);
        words[BATCH_RATES..].copy_from_slice(&rate_words(self.factor, corrections));
        words
    }
}

/// How the samples of a batch are varied.
#[derive(Debug, Clone, Copy)]
pub struct Variation<'a> {
    /// By how much at most.
    pub augment: &'a AugmentSpec,
    /// Of all randomness.
    pub seed: u64,
    /// From 0.
    pub epoch: u32,
}

/// Puts `chosen` samples, at most `size`, into a batch of `size`. Without a variation they stay as they
/// are.
pub fn batch(samples: &dyn Dataset, chosen: &[usize], size: usize, variation: Option<Variation>) -> Batch {
    let chosen = &chosen[..chosen.len().min(size)];
    let mut head = [0; BATCH_RATES];
    head[BATCH_COUNT] = chosen.len() as u32;
    if let Some(Variation { seed, epoch, .. }) = variation {
        head[BATCH_EPOCH] = epoch;
        head[BATCH_SEED..BATCH_SEED + 2].copy_from_slice(&key(seed));
    }
    let mut sample: Vec<u32> = chosen.iter().map(|&index| index as u32).collect();
    sample.resize(size, 0);
    let of_each = |value: &dyn Fn(usize, usize) -> f32| {
        let filled = |target| {
            let mut values: Vec<f32> = chosen.iter().map(|&index| value(index, target)).collect();
            values.resize(size, 0.0);
            values
        };
        (0..samples.targets()).map(filled).collect::<Vec<_>>()
    };
    let answers = of_each(&|index, target| samples.answer(index, target).unwrap_or(0.0));
    let weights = of_each(&|index, target| samples.weight(index, target));
    Batch { inputs: samples.inputs(chosen, size, variation), sample, answers, weights, head, factor: 1.0 }
}

/// The order of an epoch's samples.
pub fn order(samples: &[usize], seed: u64, epoch: u32) -> Vec<usize> {
    let mut order = samples.to_vec();
    Generator::new(seed, epoch, 0, Stream::Order).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sample n has the label 10 n for its first target, and for its second only if n is even.
    struct Numbers;

    impl Dataset for Numbers {
        fn inputs(&self, chosen: &[usize], _size: usize, _variation: Option<Variation>) -> Vec<Input> {
            vec![("photos", chosen.iter().map(|&index| index as u8).collect())]
        }

        fn targets(&self) -> usize {
            2
        }

        fn answer(&self, sample: usize, target: usize) -> Option<f32> {
            (target == 0 || sample.is_multiple_of(2)).then_some(10.0 * sample as f32)
        }
    }

    #[test]
    fn a_short_batch_is_filled_up_and_says_so() {
        let batch = batch(&Numbers, &[3, 2], 3, None);
        assert_eq!(batch.words([1.0; 2])[BATCH_COUNT], 2);
        assert_eq!(batch.sample, [3, 2, 0]);
        assert_eq!(batch.inputs, [("photos", vec![3, 2])]);
        assert_eq!(batch.answers, [[30.0, 20.0, 0.0], [0.0, 20.0, 0.0]]);
        assert_eq!(batch.weights, [[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]);
    }

    #[test]
    fn every_epoch_has_its_own_order_of_the_same_samples() {
        let samples: Vec<usize> = (0..100).collect();
        let (first, second) = (order(&samples, 5, 0), order(&samples, 5, 1));
        assert_ne!(first, second);
        assert_eq!(first, order(&samples, 5, 0));
        let mut sorted = second;
        sorted.sort_unstable();
        assert_eq!(sorted, samples);
    }
}
