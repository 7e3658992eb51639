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
//! Sums are bounded by the height of their summation trees; `docs/verification.md` tells the method.

mod bounded;

pub use bounded::{Bounded, SumBounded};

use std::ops::{Add, Div, Mul, Neg, Sub};

/// One unit in the last place of float32, relative.
pub const UNIT: f64 = 1.0 / (1 << 23) as f64;
/// The smallest normal float32; anything smaller may become zero on a GPU.
pub const TINY: f64 = f32::MIN_POSITIVE as f64;

/// How many sums one run of `verify` compares at most, for [`LAMBDA`].
pub const SUMS_A_RUN: f64 = 1e10;
/// The probability that rounding alone breaks any probabilistic bound in a run, at most.
pub const FAILURE_A_RUN: f64 = 1e-9;
/// How many times `sqrt(h) u` a sum may be off. By the inequality of Azuma and Hoeffding a single sum is off by more
/// with a probability of at most `2 exp(-LAMBDA^2 / 2)`, so that all sums of a run together stay below
/// [`FAILURE_A_RUN`].
pub const LAMBDA: f64 = 9.43;

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
    /// The same number, whose magnitude is at most that of `most` whatever rounding does to both.
    fn at_most(self, _most: Self) -> Self {
        self
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
    /// The sum, where terms may be added in any order.
    fn total(self) -> N
    where
        Self: Sized,
    {
        self.total_within(usize::MAX)
    }
    /// The sum, where no term passes through more than `height` additions on its way. Where terms are products, the
    /// product's own rounding comes on top.
    fn total_within(self, height: usize) -> N;
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
            fn total_within(self, _height: usize) -> $float {
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
