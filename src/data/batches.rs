//! From samples to what the host writes before every step.

use super::error::DataError;
use crate::ops::{BATCH_COUNT, BATCH_EPOCH, BATCH_RATES, BATCH_SEED, BATCH_WORDS, Rates};
use crate::rng::{Generator, Stream, key};
use crate::spec::AugmentSpec;
use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;

/// Samples that a model learns from or is asked about, numbered from 0.
pub trait Dataset: Sync {
    /// What the model sees of `chosen` samples in a batch of `size`: names of the plan's inputs and their
    /// bytes. Rows after the chosen ones are filled up.
    ///
    /// # Errors
    /// When they lie in a file that cannot be read.
    fn inputs(
        &self,
        chosen: &[usize],
        size: usize,
        variation: Option<Variation>,
    ) -> Result<Vec<Input>, DataError>;

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
    pub factor: f32,
}

impl Batch {
    /// The same batch at this share of the learning rate.
    pub fn at_rate(mut self, factor: f64) -> Batch {
        self.factor = factor as f32;
        self
    }

    /// See [`BATCH_WORDS`].
    pub fn words(&self, rates: Rates) -> [u32; BATCH_WORDS] {
        let mut words = [0; BATCH_WORDS];
        words[..BATCH_RATES].copy_from_slice(&self.head);
        words[BATCH_RATES..].copy_from_slice(&rates.words());
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
///
/// # Errors
/// Those of [`Dataset::inputs`].
pub fn batch(
    samples: &dyn Dataset,
    chosen: &[usize],
    size: usize,
    variation: Option<Variation>,
) -> Result<Batch, DataError> {
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
    let inputs = samples.inputs(chosen, size, variation)?;
    Ok(Batch { inputs, sample, answers, weights, head, factor: 1.0 })
}

/// Batches that are made before they are asked for, so that reading them does not hold up the device.
const AHEAD: usize = 2;

/// Calls `visit` with the number and the batch of each `size` samples of `order`, from batch `first` on, while another
/// thread makes the next ones, until it says to stop.
///
/// # Errors
/// Those of [`batch`] and of `visit`.
pub fn each_batch<E: From<DataError>>(
    samples: &dyn Dataset,
    order: &[usize],
    size: usize,
    first: usize,
    variation: Option<Variation>,
    mut visit: impl FnMut(usize, &[usize], Batch) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let batches = || order.chunks(size).enumerate().skip(first);
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        // Once nobody receives any more, it ends.
        scope.spawn(move || {
            let mut batches = batches().map(|(_, chosen)| batch(samples, chosen, size, variation));
            batches.try_for_each(|batch| sender.send(batch))
        });
        for ((number, chosen), batch) in batches().zip(receiver) {
            if visit(number, chosen, batch?)?.is_break() {
                break;
            }
        }
        Ok(())
    })
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

    /// The sample that cannot be read.
    const UNREADABLE: usize = 99;

    impl Dataset for Numbers {
        fn inputs(
            &self,
            chosen: &[usize],
            _size: usize,
            _variation: Option<Variation>,
        ) -> Result<Vec<Input>, DataError> {
            if chosen.contains(&UNREADABLE) {
                return Err(DataError::CacheDamaged { path: "numbers".into() });
            }
            Ok(vec![("photos", chosen.iter().map(|&index| index as u8).collect())])
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
        let batch = batch(&Numbers, &[3, 2], 3, None).unwrap();
        assert_eq!(batch.words(Rates::STILL)[BATCH_COUNT], 2);
        assert_eq!(batch.sample, [3, 2, 0]);
        assert_eq!(batch.inputs, [("photos", vec![3, 2])]);
        assert_eq!(batch.answers, [[30.0, 20.0, 0.0], [0.0, 20.0, 0.0]]);
        assert_eq!(batch.weights, [[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]);
    }

    #[test]
    fn batches_come_in_their_order_from_the_first_to_the_last_that_is_asked_for() {
        let order: Vec<usize> = (0..10).collect();
        let visited = |first, last| {
            let mut visited = Vec::new();
            each_batch(&Numbers, &order, 3, first, None, |number, chosen, batch| {
                assert_eq!(batch.inputs[0].1, chosen.iter().map(|&index| index as u8).collect::<Vec<_>>());
                visited.push((number, chosen.to_vec()));
                Ok::<_, DataError>(if number == last {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            })
            .unwrap();
            visited
        };
        assert_eq!(visited(1, 2), [(1, vec![3, 4, 5]), (2, vec![6, 7, 8])]);
        assert_eq!(visited(2, 9), [(2, vec![6, 7, 8]), (3, vec![9])]);
    }

    #[test]
    fn a_batch_that_cannot_be_read_ends_the_others() {
        let mut visited = Vec::new();
        let error = each_batch(&Numbers, &[1, 2, UNREADABLE, 4], 1, 0, None, |number, _, _| {
            visited.push(number);
            Ok::<_, DataError>(ControlFlow::Continue(()))
        });
        assert!(matches!(error, Err(DataError::CacheDamaged { .. })));
        assert_eq!(visited, [0, 1]);
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
