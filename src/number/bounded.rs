//! The oracle's number: a value in float64, with a bound on what float32 may do to it.

use super::{Accumulator, LAMBDA, Number, TINY, UNIT};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A value of the oracle, with a bound on the error that float32 may make in computing it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    /// What the oracle computes, in float64.
    pub value: f64,
    /// The device's result lies within `value - err` and `value + err`.
    pub err: f64,
    /// Whether the bound holds but with high probability: one of the sums on the way took [`LAMBDA`]'s bound.
    pub by_chance: bool,
}

impl Bounded {
    /// A value whose error is certainly no larger than `err`.
    pub fn within(value: f64, err: f64) -> Self {
        Self { value, err, by_chance: false }
    }

    /// The same bound, which depends on those of other numbers as well.
    fn depending(self, on: &[Self]) -> Self {
        Self { by_chance: self.by_chance || on.iter().any(|number| number.by_chance), ..self }
    }

    /// Whether the device's operand is exactly zero: adding it, or multiplying by it, rounds nothing.
    fn is_zero(self) -> bool {
        self.reach() == 0.0
    }

    /// Whether the device's operand is exactly one: multiplying by it rounds nothing.
    fn is_one(self) -> bool {
        self.value == 1.0 && self.err == 0.0
    }

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
            return Self::within(value, f64::INFINITY);
        }
        // |a/b - a'/b'| <= (|a - a'| + |a/b| |b - b'|) / |b'|
        let inherited = (self.err + value.abs() * divisor.err) / nearest;
        Self::rounded(value, inherited, 2.5).depending(&[self, divisor])
    }

    /// `value` after an operation that adds `ulps` units to the error `inherited` from its operands.
    fn rounded(value: f64, inherited: f64, ulps: f64) -> Self {
        Self::within(value, inherited + ulps * UNIT * (value.abs() + inherited) + TINY)
    }
}

impl Add for Bounded {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let ulps = if self.is_zero() || other.is_zero() { 0.0 } else { 1.0 };
        Self::rounded(self.value + other.value, self.err + other.err, ulps).depending(&[self, other])
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
        if self.is_zero() || other.is_zero() {
            return Self::zero();
        }
        let inherited = self.value.abs() * other.err + other.value.abs() * self.err + self.err * other.err;
        let ulps = if self.is_one() || other.is_one() { 0.0 } else { 1.0 };
        Self::rounded(self.value * other.value, inherited, ulps).depending(&[self, other])
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
        Self { value: -self.value, ..self }
    }
}

/// A sum that remembers how large its terms were. Of the computed sum's error each addition contributes its own
/// rounding, of at most `u` times the magnitude of what is below it in the tree. Terms that are exactly zero round
/// nothing and do not count.
#[derive(Default)]
pub struct SumBounded {
    value: f64,
    magnitude: f64,
    inherited: f64,
    terms: usize,
    has_products: bool,
    by_chance: bool,
}

/// Where the terms' magnitudes are at most so many times that of their sum, the certain bound is taken: it is narrow
/// there, and equal terms, whose roundings are alike, are such sums.
const CANCELS: f64 = 2.0;

impl Accumulator<Bounded> for SumBounded {
    fn add(&mut self, term: Bounded) {
        if term.is_zero() {
            return;
        }
        self.value += term.value;
        self.magnitude += term.reach();
        self.inherited += term.err;
        self.terms += 1;
        self.by_chance |= term.by_chance;
    }

    fn add_product(&mut self, a: Bounded, b: Bounded) {
        if a.is_zero() || b.is_zero() {
            return;
        }
        self.value += a.value * b.value;
        self.magnitude += a.reach() * b.reach();
        self.inherited += a.value.abs() * b.err + b.value.abs() * a.err + a.err * b.err;
        self.terms += 1;
        self.has_products = true;
        self.by_chance |= a.by_chance | b.by_chance;
    }

    fn total_within(self, height: usize) -> Bounded {
        let additions = height.min(self.terms.saturating_sub(1));
        let roundings = (additions + usize::from(self.has_products)) as f64;
        // g(h) sum |term| with g(h) = h u / (1 - h u): Higham, chapter 4.
        let certain = roundings * UNIT / (1.0 - roundings * UNIT);
        // The errors of all additions are a martingale; at each of h levels of the tree their squares are below those
        // of u sum |term|: Hallman and Ipsen, 2023, after Higham and Mary, 2019.
        let likely = LAMBDA * roundings.sqrt() * UNIT * (1.0 + certain);
        let by_chance = likely < certain && self.magnitude > CANCELS * self.value.abs();
        let relative = if by_chance { likely } else { certain };
        let flushed = 2.0 * self.terms as f64 * TINY;
        let err = self.inherited + relative * self.magnitude + flushed;
        Bounded { value: self.value, err, by_chance: by_chance || self.by_chance }
    }
}

impl Number for Bounded {
    type Sum = SumBounded;

    fn exact(value: f32) -> Self {
        Self::within(f64::from(value), 0.0)
    }

    fn constant(value: f64) -> Self {
        let exact = f64::from(value as f32) == value;
        Self::within(value, if exact { 0.0 } else { UNIT * value.abs() })
    }

    fn value(self) -> f64 {
        self.value
    }

    fn over(self, divisor: Self, least: f64) -> Self {
        self.over_nearest(divisor, divisor.least_reach().max(least))
    }

    fn at_most(self, most: Self) -> Self {
        Self { err: self.err.min(self.value.abs() + most.reach()), ..self }
    }

    fn exp(self) -> Self {
        let value = self.value.exp();
        Self::rounded(value, value * self.err.exp_m1(), 3.0 + 2.0 * self.reach()).depending(&[self])
    }

    fn ln(self) -> Self {
        let value = self.value.ln();
        let lowest = self.value - self.err;
        if lowest <= 0.0 {
            return Self::within(value, f64::INFINITY);
        }
        let inherited = self.err / lowest;
        let near_one = self.value + self.err >= 0.5 && lowest <= 2.0;
        let absolute = if near_one { (-21_f64).exp2() } else { 0.0 };
        Self { value, err: inherited + absolute + 3.0 * UNIT * (value.abs() + inherited) + TINY, ..self }
    }

    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        let low = (self.value - self.err).max(0.0).sqrt();
        let high = (self.value + self.err).sqrt();
        // WGSL defines sqrt(x) as 1 / inverseSqrt(x): 2 and 2.5 units.
        Self::rounded(value, (value - low).max(high - value), 4.5).depending(&[self])
    }

    fn abs(self) -> Self {
        Self { value: self.value.abs(), ..self }
    }

    fn max_zero(self) -> Self {
        Self { value: self.value.max(0.0), ..self }
    }

    fn clamped(self, low: f32, high: f32) -> Self {
        let [low, high] = [low, high].map(f64::from);
        let value = self.value.clamp(low, high);
        // The device holds the limit itself where all that it may have lies beyond it. Elsewhere two clamped
        // numbers differ by no more than the numbers do.
        let is_beyond = self.value + self.err <= low || self.value - self.err >= high;
        Self { value, err: if is_beyond { 0.0 } else { self.err }, ..self }
    }

    fn larger(self, other: Self) -> Self {
        // Whichever the device takes: max(a + d, b + e) is off from max(a, b) by at most max(|d|, |e|).
        Self::within(self.value.max(other.value), self.err.max(other.err)).depending(&[self, other])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{FAILURE_A_RUN, SUMS_A_RUN};

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
        let clamped = |value, err| Bounded::within(value, err).clamped(0.0, 150.0);
        assert_eq!(clamped(30.0, 0.25), Bounded::within(30.0, 0.25));
        // The device may be on the other side of the limit.
        assert_eq!(clamped(-0.125, 0.25), Bounded::within(0.0, 0.25));
        assert_eq!(clamped(-9.5, 0.25), Bounded::within(0.0, 0.0));
        assert_eq!(clamped(151.0, 0.25), Bounded::within(150.0, 0.0));
        assert_eq!([-9.5_f32, 30.0, 151.0].map(|age| age.clamped(0.0, 150.0)), [0.0, 30.0, 150.0]);
    }

    #[test]
    fn a_quotient_is_bounded_by_the_least_divisor() {
        let (a, b) = (Bounded::exact(3.0), Bounded::within(0.01, 0.02));
        assert!((a / b).err.is_infinite());
        let quotient = a.over(b, 1e-3);
        assert!(quotient.err.is_finite());
        for divisor in [1e-3, 0.005, 0.01, 0.03] {
            assert!((3.0 / divisor - quotient.value).abs() <= quotient.err, "{divisor}: {quotient:?}");
        }
        // Where the divisor's own bound says more, nothing changes.
        let far = Bounded::within(0.05, 0.01);
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

    /// A sum in float32 whose terms a few lanes add in a row, and whose lanes are then added in a row.
    fn by_lanes(terms: &[f32], lanes: usize) -> f32 {
        let mut sums = vec![0.0; lanes];
        terms.iter().enumerate().for_each(|(i, term)| sums[i % lanes] += term);
        sums.iter().sum()
    }

    #[test]
    fn lower_trees_have_narrower_bounds_that_hold() {
        let terms: Vec<f32> = (0..5000).map(|i| ((i * 7919 % 10007) as f32 - 5003.0) * 0.013).collect();
        let total = |height: Option<usize>| {
            let mut sum = SumBounded::default();
            terms.iter().for_each(|&t| sum.add(Bounded::exact(t)));
            match height {
                Some(height) => sum.total_within(height),
                None => sum.total(),
            }
        };
        let mut last = total(None).err;
        for lanes in [16, 64] {
            let want = total(Some(terms.len().div_ceil(lanes) + lanes));
            let got = f64::from(by_lanes(&terms, lanes));
            assert!((got - want.value).abs() <= want.err, "{lanes} lanes: {got}, {want:?}");
            assert!(want.err < last, "{lanes} lanes: {} is not below {last}", want.err);
            last = want.err;
        }
    }

    #[test]
    fn zeros_add_neither_roundings_nor_magnitude_and_ones_multiply_without_rounding() {
        let sum = |zeros: usize| {
            let mut sum = SumBounded::default();
            for term in [1.5, -0.75, 3.25] {
                sum.add_product(Bounded::exact(term), Bounded::exact(0.1));
                (0..zeros).for_each(|_| sum.add_product(Bounded::exact(0.0), Bounded::exact(1e6)));
                (0..zeros).for_each(|_| sum.add(Bounded::exact(0.0)));
            }
            sum.total()
        };
        assert_eq!(sum(0), sum(1000));
        let x = Bounded::exact(0.7);
        assert!((x + Bounded::exact(0.0)).err <= TINY && (x * Bounded::exact(0.0)).err == 0.0);
        assert!((x * Bounded::exact(1.0)).err <= TINY && (x * Bounded::within(1.0, 1e-9)).err > UNIT * 0.7);
    }

    #[test]
    fn the_chance_that_rounding_alone_breaks_a_bound_in_a_run_is_below_one_in_a_billion() {
        assert!(2.0 * (-LAMBDA * LAMBDA / 2.0).exp() * SUMS_A_RUN <= FAILURE_A_RUN);
    }

    #[test]
    fn chance_decides_only_where_long_sums_cancel() {
        let sum = |terms: usize, cancels: bool| {
            let mut sum = SumBounded::default();
            for i in 0..terms {
                let sign = if cancels && i % 2 == 1 { -1.0 } else { 1.0 };
                sum.add(Bounded::exact(sign * (1.0 + (i % 7) as f32)));
            }
            sum.total()
        };
        assert!(sum(1000, true).by_chance && !sum(1000, false).by_chance && !sum(50, true).by_chance);
        assert!((sum(1000, true) * Bounded::exact(2.0) + Bounded::exact(1.0)).by_chance);
        // Equal terms round alike, always in one direction: only the certain bound holds.
        let (term, count) = (0.1_f32, 1_000_000);
        let mut bound = SumBounded::default();
        (0..count).for_each(|_| bound.add(Bounded::exact(term)));
        let bound = bound.total();
        let got = (0..count).fold(0.0_f32, |sum, _| sum + term);
        let error = (f64::from(got) - bound.value).abs();
        assert!(error <= bound.err && error > LAMBDA * 1000.0 * UNIT * bound.value, "{error} {bound:?}");
    }
}
