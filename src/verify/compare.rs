//! Compares what a backend computed with what the oracle says it may.

use crate::number::Bounded;

/// Why two results do not agree.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The lengths differ.
    #[error("there are {got} elements instead of {want}")]
    Length {
        /// Elements computed.
        got: usize,
        /// Elements expected.
        want: usize,
    },
    /// An element lies outside of its bound, or is no number at all.
    #[error("element {index} is {got:e}, but must lie within {err:e} of {want:e}")]
    Element {
        /// The worst element.
        index: usize,
        /// What was computed there.
        got: f64,
        /// What the oracle computed.
        want: f64,
        /// The bound.
        err: f64,
    },
}

/// The largest error, as a fraction of its bound, if every element is within its bound.
pub fn compare(got: &[f32], want: &[Bounded]) -> Result<f64, Mismatch> {
    if got.len() != want.len() {
        return Err(Mismatch::Length { got: got.len(), want: want.len() });
    }
    let mut worst = 0.0;
    let mut worst_index = None;
    for (index, (&got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(got) - want.value).abs();
        // Written so that NaN fails: no comparison with NaN is true.
        let within = got.is_finite() && want.value.is_finite() && want.err.is_finite() && error <= want.err;
        let fraction = match (within, error == 0.0) {
            (true, true) => 0.0,
            (true, false) => error / want.err,
            (false, _) => f64::INFINITY,
        };
        let larger = if fraction.is_finite() {
            fraction > worst
        } else {
            worst_index.is_none_or(|_| worst.is_finite())
        };
        if larger {
            worst = fraction;
            worst_index = Some(index);
        }
    }
    match worst_index {
        Some(index) if !worst.is_finite() => Err(Mismatch::Element {
            index,
            got: got[index].into(),
            want: want[index].value,
            err: want[index].err,
        }),
        _ => Ok(worst),
    }
}

/// Succeeds if every element is exactly what the oracle computed.
pub fn compare_exactly(got: &[f32], want: &[f64]) -> Result<f64, Mismatch> {
    let want: Vec<Bounded> = want.iter().map(|&value| Bounded::within(value, 0.0)).collect();
    compare(got, &want)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(values: &[f64], err: f64) -> Vec<Bounded> {
        values.iter().map(|&value| Bounded::within(value, err)).collect()
    }

    #[test]
    fn elements_within_their_bounds_pass_with_the_largest_fraction() {
        let fraction = compare(&[1.0, 2.25, 3.0], &bounded(&[1.0, 2.0, 3.125], 0.5)).unwrap();
        assert_eq!(fraction, 0.5);
    }

    #[test]
    fn an_error_of_twice_the_bound_fails_and_is_named() {
        let mismatch = compare(&[1.0, 3.0], &bounded(&[1.0, 2.0], 0.5)).unwrap_err();
        assert_eq!(mismatch, Mismatch::Element { index: 1, got: 3.0, want: 2.0, err: 0.5 });
    }

    #[test]
    fn nan_and_infinity_fail() {
        assert!(compare(&[f32::NAN], &bounded(&[1.0], 10.0)).is_err());
        assert!(compare(&[f32::INFINITY], &bounded(&[1.0], f64::INFINITY)).is_err());
        assert!(compare(&[1.0], &bounded(&[f64::NAN], 10.0)).is_err());
        assert!(compare(&[1.0], &bounded(&[1.0], f64::NAN)).is_err());
    }

    #[test]
    fn a_swapped_pair_fails() {
        assert!(compare(&[2.0, 1.0], &bounded(&[1.0, 2.0], 0.1)).is_err());
    }

    #[test]
    fn a_short_array_fails() {
        let mismatch = compare(&[1.0], &bounded(&[1.0, 2.0], 1.0)).unwrap_err();
        assert_eq!(mismatch, Mismatch::Length { got: 1, want: 2 });
    }

    #[test]
    fn integers_must_match_exactly() {
        assert!(compare_exactly(&[3.0, -0.0], &[3.0, 0.0]).is_ok());
        assert!(compare_exactly(&[3.0 + 2e-6], &[3.0]).is_err());
    }
}
