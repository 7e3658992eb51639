//! The argument `sample_weight` of losses and metrics: how much each sample counts in the mean loss of its batch.
//!
//! (N) float32, not negative. A sample of weight 0 has no label: nothing is computed from its input and target, which
//! may be any numbers.

use super::{ArgumentSpec, CaseData};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use std::ops::Range;

/// Shape and type of the argument, for inputs of these shapes.
pub fn spec(inputs: &[Shape]) -> Option<ArgumentSpec> {
    Some(ArgumentSpec::batched([inputs.first()?.batch()].into()))
}

/// Float32 holds every whole number up to this one.
const WHOLE: f64 = (1 << 24) as f64;

/// The sum of `weights`, `terms` times: what a weighted sum of so many terms a sample is divided by for its mean.
///
/// Whole numbers, such as weights of 1, add up exactly in any order.
pub fn total<N: Number>(weights: &[N], terms: usize) -> N {
    let whole = terms as f64 * weights.iter().map(|weight| weight.value()).sum::<f64>();
    if whole <= WHOLE && weights.iter().all(|weight| weight.value().fract() == 0.0) {
        return N::exact(whole as f32);
    }
    let mut sum = N::Sum::default();
    weights.iter().for_each(|&weight| sum.add(weight));
    sum.total() * N::exact(terms as f32)
}

/// The mean that a weighted sum comes to; 0 where no sample counts.
pub fn mean<N: Number>(sum: N, total: N) -> N {
    if counts(total) { sum / total } else { N::zero() }
}

/// Whether a weight is above zero.
pub fn counts<N: Number>(weight: N) -> bool {
    weight.value() > 0.0
}

/// Cases of fewer samples may have a label for each of them.
const FEW: usize = 4;

/// The samples of a case that have no label, of so many.
fn unlabelled(samples: usize) -> Range<usize> {
    if samples < FEW { 0..0 } else { samples / 2..(3 * samples).div_ceil(4) }
}

/// Draws the weights of a case: zeros, ones and fractions, or all of them zeros or ones but for the samples without
/// a label.
pub fn draw(samples: usize, generator: &mut Generator) -> CaseData {
    let pattern = generator.below(8);
    let mut weight = |_| match (pattern, generator.below(4)) {
        (0, _) | (2.., 0) => 0.0,
        (1, _) | (2.., 1) => 1.0,
        (_, 2) => generator.unit(),
        _ => 4.0 * generator.unit(),
    };
    let mut weights: Vec<f32> = (0..samples).map(&mut weight).collect();
    weights[unlabelled(samples)].fill(0.0);
    CaseData::Real(weights)
}

/// Spoils numbers of a case that belong to samples without a label, an equal count to each sample: what is computed
/// from them is infinite.
pub fn spoil(values: &mut [f32]) {
    // Cases whose few samples have a label have fewer values.
    if values.len() >= 16 * FEW {
        let ends = [values.len().div_ceil(2), 3 * values.len() / 4];
        let signs = [1.0, -1.0].into_iter().cycle();
        values[ends[0]..ends[1]].iter_mut().zip(signs).for_each(|(value, sign)| *value = sign * f32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Bounded;
    use crate::ops::Op;
    use crate::rng::Stream;

    #[test]
    fn whole_weights_add_up_exactly_and_others_within_a_bound() {
        let weights = [1.0, 0.0, 3.0].map(Bounded::exact);
        assert_eq!(total(&weights, 5), Bounded::within(20.0, 0.0));
        let fractions = [0.1, 0.7].map(Bounded::exact);
        assert!((total(&fractions, 1).value - 0.8).abs() < 1e-7 && total(&fractions, 1).err > 0.0);
        let large = total(&[WHOLE, 1.0].map(|weight| Bounded::exact(weight as f32)), 1);
        assert!(large.value == WHOLE + 1.0 && large.err > 0.0);
    }

    #[test]
    fn a_mean_over_no_sample_is_zero() {
        assert_eq!(mean(0.0, total(&[0.0, 0.0], 3)), 0.0);
        assert_eq!(mean(3.0, total(&[0.5, 0.0], 3)), 2.0);
    }

    #[test]
    fn cases_have_samples_without_a_label_first_last_everywhere_and_nowhere() {
        let mut seen = [0; 5];
        for seed in 0..64 {
            let CaseData::Real(weights) = draw(20, &mut Generator::new(seed, 0, 2, Stream::Test)) else {
                panic!("weights are floats")
            };
            assert!(weights.iter().all(|&weight| (0.0..4.0).contains(&weight)), "{weights:?}");
            assert!(weights[10..15].iter().all(|&weight| weight == 0.0));
            let labelled = [&weights[..10], &weights[15..]].concat();
            let all = |value: f32| labelled.iter().all(|&weight| weight == value);
            let kinds = [all(0.0), all(1.0), weights[0] == 0.0, weights[19] == 0.0, weights[0].fract() > 0.0];
            seen.iter_mut().zip(kinds).for_each(|(seen, kind)| *seen += usize::from(kind));
        }
        assert!(seen.iter().all(|&seen| seen > 2), "{seen:?}");
    }

    #[test]
    fn numbers_are_spoilt_only_of_samples_without_a_label() {
        let mut spoilt_cases = 0;
        for case in Op::all_cases() {
            let Some(weights) = case.op.argument("sample_weight", &case.inputs) else { continue };
            let (samples, input) = (weights.shape.len(), &case.inputs[0]);
            let mut values = vec![0.0; input.len()];
            spoil(&mut values);
            let spoilt = values.iter().enumerate().filter(|(_, value)| **value != 0.0);
            let spoilt: Vec<usize> = spoilt.map(|(index, _)| index / (input.len() / samples)).collect();
            assert!(spoilt.iter().all(|n| unlabelled(samples).contains(n)), "{case:?}");
            spoilt_cases += usize::from(!spoilt.is_empty());
        }
        assert!(spoilt_cases > 20, "{spoilt_cases}");
    }
}
