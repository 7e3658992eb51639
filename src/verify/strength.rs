//! How strong a check is: a bound that could not notice a wrong result proves nothing.

use crate::number::Bounded;

/// The largest bound of a tensor, relative to its root mean square, with which a check is worth anything.
pub const WEAKEST: f64 = 0.01;

/// What the bounds of a tensor could notice. Errors are relative to the root mean square of its values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Strength {
    /// The root mean square of the bounds.
    pub bound: f64,
    /// The largest bound: an error above it is noticed in whichever element it is.
    pub notices: f64,
    /// The share of elements whose bound holds but with high probability, see [`crate::number::LAMBDA`]. Those of
    /// the others are certain.
    pub by_chance: f64,
}

impl Strength {
    /// The strength of the bounds of a tensor; `None` if all of it is zero, with which no bound can be compared.
    pub fn of(tensor: &[Bounded]) -> Option<Self> {
        let count = tensor.len().max(1) as f64;
        let root_mean_square =
            |of: fn(&Bounded) -> f64| (tensor.iter().map(|x| of(x) * of(x)).sum::<f64>() / count).sqrt();
        let size = root_mean_square(|x| x.value);
        if size == 0.0 {
            return None;
        }
        let relative = |bound: f64| bound / size;
        Some(Self {
            bound: relative(root_mean_square(|x| x.err)),
            notices: relative(tensor.iter().map(|x| x.err).fold(0.0, f64::max)),
            by_chance: tensor.iter().filter(|x| x.by_chance).count() as f64 / count,
        })
    }

    /// Whether the bounds are too wide to tell right from wrong.
    pub fn is_too_weak(&self) -> bool {
        // NaN is too weak as well.
        self.bound.is_nan() || self.bound > WEAKEST
    }

    /// The weaker of two checks, part by part.
    pub fn weaker(self, other: Self) -> Self {
        Self {
            bound: self.bound.max(other.bound),
            notices: self.notices.max(other.notices),
            by_chance: self.by_chance.max(other.by_chance),
        }
    }
}

/// What came out of the check of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorReport {
    /// The kernel's name for it.
    pub argument: String,
    /// Elements compared.
    pub elements: usize,
    /// The largest error as a fraction of its bound.
    pub worst_fraction: f64,
    /// How strong the check was; `None` where results had to be the same bit for bit.
    pub strength: Option<Strength>,
    /// Why the check is too weak, where it is and the operator says so.
    pub exception: Option<&'static str>,
}

/// The largest error of some tensors as a fraction of its bound.
pub fn worst_fraction(tensors: &[TensorReport]) -> f64 {
    tensors.iter().map(|tensor| tensor.worst_fraction).fold(0.0, f64::max)
}

/// How strong the weakest check of some tensors was.
pub fn weakest(tensors: &[TensorReport]) -> Option<Strength> {
    tensors.iter().filter_map(|tensor| tensor.strength).reduce(Strength::weaker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_measured_against_the_size_of_the_values() {
        let tensor = [Bounded::within(3.0, 0.01), Bounded { by_chance: true, ..Bounded::within(-3.0, 0.03) }];
        let strength = Strength::of(&tensor).unwrap();
        assert!(
            (strength.notices - 0.01).abs() < 1e-12
                && (strength.bound - 0.0005_f64.sqrt() / 3.0).abs() < 1e-12
        );
        assert_eq!(strength.by_chance, 0.5);
        assert!(!strength.is_too_weak());
    }

    #[test]
    fn a_bound_as_large_as_the_values_is_too_weak() {
        let is_too_weak =
            |tensor: &[Bounded]| Strength::of(tensor).is_some_and(|strength| strength.is_too_weak());
        assert!(is_too_weak(&[Bounded::within(1e-3, 1e-3)]));
        assert!(is_too_weak(&[Bounded::within(1.0, f64::INFINITY)]));
        assert!(is_too_weak(&[Bounded::within(f64::NAN, 0.0), Bounded::within(1.0, f64::NAN)]));
        assert!(!is_too_weak(&[Bounded::within(1.0, 1e-3)]));
        assert_eq!(Strength::of(&[Bounded::within(0.0, 1e-3)]), None);
    }
}
