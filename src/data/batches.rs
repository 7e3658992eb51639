//! From samples to what the host writes before every step.

use crate::data::faces::Photos;
use crate::data::label::{FaceLabel, Gender};
use crate::ops::augment::{IDENTITY, TRANSFORM};
use crate::ops::{BATCH_COUNT, BATCH_EPOCH, BATCH_RATES, BATCH_SEED, BATCH_WORDS, rate_words};
use crate::rng::{Generator, Stream, key};
use crate::spec::{AugmentSpec, Target};

/// Samples that a model learns from or is asked about, numbered from 0.
pub trait Dataset {
    /// What the model sees of `chosen` samples in a batch of `size`: names of the plan's inputs and their
    /// bytes. Rows after the chosen ones are filled up.
    fn inputs(&self, chosen: &[usize], size: usize, variation: Option<Variation>) -> Vec<Input>;

    /// What a branch should answer for a sample, where that is known.
    fn answer(&self, sample: usize, target: Target) -> Option<f32>;
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
    /// Those of [`BATCH_WORDS`] that come before the rates.
    head: [u32; BATCH_RATES],
    /// What the learning rate is multiplied by.
    factor: f32,
    /// For each of [`Target::ALL`] (N), what a branch should answer.
    answers: [Vec<f32>; Target::ALL.len()],
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

    /// (N), what a branch should answer; 0 for samples without a label.
    pub fn targets(&self, target: Target) -> &[f32] {
        &self.answers[target as usize]
    }
}

/// What a branch should answer for a photo with this label.
pub fn answer(label: FaceLabel, target: Target) -> Option<f32> {
    match target {
        Target::Age => Some(label.age as f32),
        Target::Gender => Some(f32::from(u8::from(label.gender == Gender::Female))),
        Target::Class => None,
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
    let answers = Target::ALL.map(|target| {
        let known = |&index: &usize| samples.answer(index, target).unwrap_or(0.0);
        let mut answers: Vec<f32> = chosen.iter().map(known).collect();
        answers.resize(size, 0.0);
        answers
    });
    Batch { inputs: samples.inputs(chosen, size, variation), sample, head, factor: 1.0, answers }
}

impl Dataset for Photos {
    /// `photos`: (N, height, width, 3) bytes; `transform`: (N, 6), see [`crate::ops::augment`].
    fn inputs(&self, chosen: &[usize], size: usize, variation: Option<Variation>) -> Vec<Input> {
        let photo_bytes = self.width as usize * self.height as usize * 3;
        let mut photos = vec![0; size * photo_bytes];
        let mut transforms = IDENTITY.repeat(size);
        for (n, &index) in chosen.iter().enumerate() {
            photos[n * photo_bytes..][..photo_bytes].copy_from_slice(self.photo(index));
            if let Some(variation) = variation {
                let transform = draw_transform(variation, index as u32, self.width, self.height);
                transforms[n * TRANSFORM..][..TRANSFORM].copy_from_slice(&transform);
            }
        }
        vec![("photos", photos), ("transform", bytemuck::cast_slice(&transforms).to_vec())]
    }

    fn answer(&self, sample: usize, target: Target) -> Option<f32> {
        self.labels[sample].and_then(|label| answer(label, target))
    }
}

/// The order of an epoch's samples.
pub fn order(samples: &[usize], seed: u64, epoch: u32) -> Vec<usize> {
    let mut order = samples.to_vec();
    Generator::new(seed, epoch, 0, Stream::Order).shuffle(&mut order);
    order
}

/// Rotates, zooms and flips about the middle of the photo: from a pixel of the varied photo to where
/// it is read in the original, in signed 16.16 fixed point.
fn draw_transform(variation: Variation, sample: u32, width: u32, height: u32) -> [i32; TRANSFORM] {
    let Variation { augment, seed, epoch } = variation;
    let mut generator = Generator::new(seed, epoch, sample, Stream::Augment);
    let mut within = |reach: f64| reach * (2.0 * f64::from(generator.unit()) - 1.0);
    let angle = within(augment.rotation_degrees).to_radians();
    let zoom = [1.0 + within(augment.zoom), 1.0 + within(augment.zoom)];
    let mirrored = if f64::from(generator.unit()) < augment.flip_probability { -1.0 } else { 1.0 };
    let (sin, cos) = angle.sin_cos();
    let rows = [[cos * zoom[0] * mirrored, -sin * zoom[1]], [sin * zoom[0] * mirrored, cos * zoom[1]]];
    let middle = [f64::from(width - 1) / 2.0, f64::from(height - 1) / 2.0];
    let fixed = |value: f64| (value * 65_536.0).round() as i32;
    let mut transform = [0; TRANSFORM];
    for (axis, row) in rows.iter().enumerate() {
        let shift = middle[axis] - row[0] * middle[0] - row[1] * middle[1];
        transform[3 * axis..3 * axis + 3].copy_from_slice(&[fixed(row[0]), fixed(row[1]), fixed(shift)]);
    }
    transform
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photos() -> Photos {
        let mut photos = Photos::new(4, 2);
        for index in 0..5_u8 {
            let label = FaceLabel { age: u32::from(index) * 10, gender: Gender::Female };
            photos.push(format!("{index}.jpg"), Some(label), &[index; 24]);
        }
        photos
    }

    const AUGMENT: AugmentSpec = AugmentSpec { rotation_degrees: 20.0, zoom: 0.2, flip_probability: 0.5 };

    fn transform(batch: &Batch) -> Vec<i32> {
        let (name, bytes) = &batch.inputs[1];
        assert_eq!(*name, "transform");
        bytemuck::pod_collect_to_vec(bytes)
    }

    #[test]
    fn a_short_batch_is_filled_up_and_says_so() {
        let batch = batch(&photos(), &[3, 1], 3, None);
        assert_eq!(batch.words([1.0; 2])[BATCH_COUNT], 2);
        assert_eq!(batch.sample, [3, 1, 0]);
        assert_eq!(batch.targets(Target::Age), [30.0, 10.0, 0.0]);
        assert_eq!(batch.targets(Target::Gender), [1.0, 1.0, 0.0]);
        let (name, photos) = &batch.inputs[0];
        assert_eq!((*name, &photos[..24], &photos[48..]), ("photos", &[3; 24][..], &[0; 24][..]));
        assert_eq!(transform(&batch)[..6], IDENTITY);
    }

    #[test]
    fn a_photo_is_varied_anew_each_epoch_but_the_same_in_any_batch() {
        let variation = |epoch| Some(Variation { augment: &AUGMENT, seed: 9, epoch });
        let first = batch(&photos(), &[3, 1], 2, variation(0));
        let other = batch(&photos(), &[1, 3], 2, variation(0));
        let later = batch(&photos(), &[3, 1], 2, variation(1));
        let [first, other, later] = [first, other, later].map(|batch| transform(&batch));
        assert_eq!(first[..6], other[6..]);
        assert_ne!(first[..6], first[6..]);
        assert_ne!(first, later);
    }

    #[test]
    fn variations_stay_within_their_ranges_and_keep_the_middle() {
        let variation = Variation { augment: &AUGMENT, seed: 1, epoch: 0 };
        let mut mirrored = 0;
        for sample in 0..1000 {
            let t = draw_transform(variation, sample, 101, 51).map(|t| f64::from(t) / 65_536.0);
            let at = |x: f64, y: f64| [t[0] * x + t[1] * y + t[2], t[3] * x + t[4] * y + t[5]];
            let [x, y] = at(50.0, 25.0);
            assert!((x - 50.0).abs() < 0.01 && (y - 25.0).abs() < 0.01, "({x}, {y})");
            let zoom = [t[0].hypot(t[3]), t[1].hypot(t[4])];
            assert!(zoom.iter().all(|zoom| (0.799..1.201).contains(zoom)), "{zoom:?}");
            let angle = (t[3] / t[0]).atan().to_degrees();
            assert!(angle.abs() < 20.01, "{angle}");
            mirrored += u32::from(t[0] < 0.0);
        }
        assert!((400..600).contains(&mirrored), "{mirrored} of 1000 are mirrored");
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
