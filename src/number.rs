//! The number types that a CPU twin can compute with.
//!
//! A twin is written once, generic over [`Number`]. With `f64` it is the oracle, with [`Bounded`]
//! it also says how far a float32 device may stray from the oracle, and with `f32` it is the CPU
//! backend.
//!
//! The error analysis is the standard model of Higham, "Accuracy and Stability of Numerical
//! Algorithms", 2nd edition, chapters 2 to 4: every operation is off by at most one unit in the
//! last place, `u = 2^-23`, and results below 2^-126 may be flushed to zero. The accuracy of
//! division, square root, exp and log is what section 15.7.4 of the WGSL specification allows.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// One unit in the last place of float32, relative.
pub const UNIT: f64 = 1.0 / (1 << 23) as f64;
/// The smallest normal float32; anything smaller may become zero on a GPU.
pub const TINY: f64 = f32::MIN_POSITIVE as f64;

/// What twins need from a number.
pub trait Number:
    Copy
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Sums many terms; see [`Accumulator`].
    type Sum: Accumulator<Self>;

    /// A value that the device holds exactly: an element of a buffer, or a small integer.
    fn exact(value: f32) -> Self;
    /// A constant of the formula, which the device has to round to float32.
    fn constant(value: f64) -> Self;
    /// The value without its bound, to decide and to report by.
    fn value(self) -> f64;
    /// The exponential function.
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The absolute value, exact.
    fn abs(self) -> Self;
    /// The larger of this and zero, exact.
    fn max_zero(self) -> Self;
    /// The nearest number from `low` to `high`, exact.
    fn clamped(self, low: f32, high: f32) -> Self;
    /// The larger of two, this one if they are equal. A device may see either as the larger one where
    /// their bounds overlap.
    fn larger(self, other: Self) -> Self;
    /// The quotient by something that is `least` or more whatever rounding does to it.
    fn over(self, divisor: Self, _least: f64) -> Self {
        self / divisor
    }
    /// The sum of no terms.
    fn zero() -> Self {
        Self::exact(0.0)
    }
}

/// A sum whose order of evaluation is the device's own business.
pub trait Accumulator<N>: Default {
    /// Adds a term.
    fn add(&mut self, term: N);
    /// Adds a product of two factors.
    fn add_product(&mut self, a: N, b: N);
    /// The sum.
    fn total(self) -> N;
}

macro_rules! plain_float {
    ($float:ty, $sum:ident) => {
        /// A plain running sum.
        #[derive(Default)]
        pub struct $sum($float);

        impl Accumulator<$float> for $sum {
            fn add(&mut self, term: $float) {
                self.0 += term;
            }
            fn add_product(&mut self, a: $float, b: $float) {
                self.0 += a * b;
            }
            fn total(self) -> $float {
                self.0
            }
        }

        impl Number for $float {
            type Sum = $sum;

            fn exact(value: f32) -> Self {
                value as $float
            }
            fn constant(value: f64) -> Self {
                value as $float
            }
            fn value(self) -> f64 {
                self as f64
            }
            fn exp(self) -> Self {
                <$float>::exp(self)
            }
            fn ln(self) -> Self {
                <$float>::ln(self)
            }
            fn sqrt(self) -> Self {
                <$float>::sqrt(self)
            }
            fn abs(self) -> Self {
                <$float>::abs(self)
            }
            fn max_zero(self) -> Self {
                if self > 0.0 { self } else { 0.0 }
            }
            fn clamped(self, low: f32, high: f32) -> Self {
                <$float>::clamp(self, low.into(), high.into())
            }
            fn larger(self, other: Self) -> Self {
                if other > self { other } else { self }
            }
        }
    };
}
plain_float!(f32, SumF32);
plain_float!(f64, SumF64);

/// A value of the oracle, with a bound on the error that float32 may make in computing it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    /// What the oracle computes, in float64.
    pub value: f64,
    /// The device's result lies within `value - err` and `value + err`.
    pub err: f64,
}

impl Bounded {
    /// The largest magnitude that the device's operand can have.
    fn reach(self) -> f64 {
        self.value.abs() + self.err
    }

    /// The smallest magnitude that it can have; below zero, none.
    fn least_reach(self) -> f64 {
        self.value.abs() - self.err
    }

    /// The quotient by a divisor whose magnitude the device sees as `nearest` or more.
    fn over_nearest(self, divisor: Self, nearest: f64) -> Self {
        let value = self.value / divisor.value;
        if nearest <= 0.0 {
            return Self { value, err: f64::INFINITY };
        }
        // |a/b - a'/b'| <= (|a - a'| + |a/b| |b - b'|) / |b'|
        let inherited = (self.err + value.abs() * divisor.err) / nearest;
        Self::rounded(value, inherited, 2.5)
    }

    /// `value` after an operation that adds `ulps` units to the error `inherited` from its operands.
    fn rounded(value: f64, inherited: f64, ulps: f64) -> Self {
        Self { value, err: inherited + ulps * UNIT * (value.abs() + inherited) + TINY }
    }
}

impl Add for Bounded {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::rounded(self.value + other.value, self.err + other.err, 1.0)
    }
}

impl Sub for Bounded {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Bounded {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let inherited = self.value.abs() * other.err + other.value.abs() * self.err + self.err * other.err;
        Self::rounded(self.value * other.value, inherited, 1.0)
    }
}

impl Div for Bounded {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.over_nearest(other, other.least_reach())
    }
}

impl Neg for Bounded {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, err: self.err }
    }
}

/// A sum that remembers how large its terms were, since any order of adding is allowed:
/// `|error| <= g(n) sum |term| + n 2^-126` with `g(n) = n u / (1 - n u)`.
#[derive(Default)]
pub struct SumBounded {
    value: f64,
    magnitude: f64,
    inherited: f64,
    terms: f64,
}

impl Accumulator<Bounded> for SumBounded {
    fn add(&mut self, term: Bounded) {
        self.value += term.value;
        self.magnitude += term.reach();
        self.inherited += term.err;
        self.terms += 1.0;
    }

    fn add_product(&mut self, a: Bounded, b: Bounded) {
        self.value += a.value * b.value;
        self.magnitude += a.reach() * b.reach();
        self.inherited += a.value.abs() * b.err + b.value.abs() * a.err + a.err * b.err;
        self.terms += 1.0;
    }

    fn total(self) -> Bounded {
        let relative = self.terms * UNIT / (1.0 - self.terms * UNIT);
        Bounded { value: self.value, err: self.inherited + relative * self.magnitude + self.terms * TINY }
    }
}

impl Number for Bounded {
    type Sum = SumBounded;

    fn exact(value: f32) -> Self {
        Self { value: f64::from(value), err: 0.0 }
    }

    fn constant(value: f64) -> Self {
        let exact = f64::from(value as f32) == value;
        Self { value, err: if exact { 0.0 } else { UNIT * value.abs() } }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn over(self, divisor: Self, least: f64) -> Self {
        self.over_nearest(divisor, divisor.least_reach().max(least))
    }
    fn exp(self) -> Self {
        let value = self.value.exp();
        Self::rounded(value, value * self.err.exp_m1(), 3.0 + 2.0 * self.reach())
    }

    fn ln(self) -> Self {
        let value = self.value.ln();
        let lowest = self.value - self.err;
        if lowest <= 0.0 {
            return Self { value, err: f64::INFINITY };
        }
        let inherited = self.err / lowest;
        let near_one = self.value + self.err >= 0.5 && lowest <= 2.0;
        let absolute = if near_one { (-21_f64).exp2() } else { 0.0 };
        Self { value, err: inherited + absolute + 3.0 * UNIT * (value.abs() + inherited) + TINY }
    }

    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        let low = (self.value - self.err).max(0.0).sqrt();
        let high = (self.value + self.err).sqrt();
        // WGSL defines sqrt(x) as 1 / inverseSqrt(x): 2 and 2.5 units.
        Self::rounded(value, (value - low).max(high - value), 4.5)
    }

    fn abs(self) -> Self {
        Self { value: self.value.abs(), err: self.err }
    }

    fn max_zero(self) -> Self {
        Self { value: self.value.max(0.0), err: self.err }
    }

    fn clamped(self, low: f32, high: f32) -> Self {
        let [low, high] = [low, high].map(f64::from);
        let value = self.value.clamp(low, high);
        // The device holds the limit itself where all that it may have lies beyond it. Elsewhere two clamped
        // numbers differ by no more than the numbers do.
        let is_beyond = self.value + self.err <= low || self.value - self.err >= high;
        Self { value, err: if is_beyond { 0.0 } else { self.err } }
    }

    fn larger(self, other: Self) -> Self {
        // Whichever the device takes: max(a + d, b + e) is off from max(a, b) by at most max(|d|, |e|).
        Self { value: self.value.max(other.value), err: self.err.max(other.err) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values_have_no_error() {
        assert_eq!(Bounded::exact(3.25).err, 0.0);
        assert_eq!(Bounded::constant(0.5).err, 0.0);
        assert!(Bounded::constant(0.1).err >= (f64::from(0.1_f32) - 0.1).abs());
    }

    #[test]
    fn every_operation_bounds_what_float32_does() {
        let values = [1e-3_f32, 0.1, 0.7, 1.0, 1.3, 2.5, 17.3, 300.7];
        for &a in &values {
            for &b in &values {
                let (x, y) = (Bounded::exact(a) * Bounded::exact(0.1), Bounded::exact(b));
                let a = a * 0.1;
                let pairs = [
                    (a + b, x + y),
                    (a - b, x - y),
                    (a * b, x * y),
                    (a / b, x / y),
                    (a.exp(), x.exp()),
                    (a.ln(), x.ln()),
                    (a.sqrt(), x.sqrt()),
                ];
                for (index, (got, want)) in pairs.into_iter().enumerate() {
                    assert!((f64::from(got) - want.value).abs() <= want.err, "{index}: {got} {want:?}");
                    assert!(want.err <= 1e-3 * want.value.abs() + 1e-4, "{index}: loose bound {want:?}");
                }
            }
        }
    }

    #[test]
    fn a_clamped_number_keeps_its_bound_within_the_limits_and_has_none_beyond() {
        let clamped = |value, err| Bounded { value, err }.clamped(0.0, 150.0);
        assert_eq!(clamped(30.0, 0.25), Bounded { value: 30.0, err: 0.25 });
        // The device may be on the other side of the limit.
        assert_eq!(clamped(-0.125, 0.25), Bounded { value: 0.0, err: 0.25 });
        assert_eq!(clamped(-9.5, 0.25), Bounded { value: 0.0, err: 0.0 });
        assert_eq!(clamped(151.0, 0.25), Bounded { value: 150.0, err: 0.0 });
        assert_eq!([-9.5_f32, 30.0, 151.0].map(|age| age.clamped(0.0, 150.0)), [0.0, 30.0, 150.0]);
    }

    #[test]
    fn a_quotient_is_bounded_by_the_least_divisor() {
        let (a, b) = (Bounded::exact(3.0), Bounded { value: 0.01, err: 0.02 });
        assert!((a / b).err.is_infinite());
        let quotient = a.over(b, 1e-3);
        assert!(quotient.err.is_finite());
        for divisor in [1e-3, 0.005, 0.01, 0.03] {
            assert!((3.0 / divisor - quotient.value).abs() <= quotient.err, "{divisor}: {quotient:?}");
        }
        // Where the divisor's own bound says more, nothing changes.
        let far = Bounded { value: 0.05, err: 0.01 };
        assert_eq!(a.over(far, 1e-3), a / far);
    }

    #[test]
    fn a_sum_is_bounded_in_any_order() {
        let terms: Vec<f32> = (0..999).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.37).collect();
        let mut sum = SumBounded::default();
        terms.iter().for_each(|&t| sum.add(Bounded::exact(t)));
        let want = sum.total();
        let forwards: f32 = terms.iter().sum();
        let backwards: f32 = terms.iter().rev().sum();
        for got in [forwards, backwards] {
            assert!((f64::from(got) - want.value).abs() <= want.err);
        }
        assert!(want.err < 4.0, "999 terms of at most 18.5: {}", want.err);
    }
}
