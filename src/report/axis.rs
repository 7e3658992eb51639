//! The range of an axis and its ticks.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// From where to where an axis goes, where its ticks are, and what they say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Left or lower end; an exponent of ten where `logarithmic`.
    pub low: f64,
    /// Right or upper end.
    pub high: f64,
    /// Places of the ticks between both ends.
    pub ticks: Vec<f64>,
    /// Whether places are exponents of ten.
    pub logarithmic: bool,
    step: f64,
}

impl Axis {
    /// The axis of the epochs, whose ticks are whole numbers. `curves` hold finite points only.
    pub fn epochs(curves: &[Vec<(f64, f64)>]) -> Self {
        let (low, high) = range(curves.iter().flatten().map(|point| point.0)).unwrap_or((0.0, 1.0));
        let step = nice_step((high - low).max(1.0) / 9.0).max(1.0).round();
        let margin = if high - low < 1.0 { 1.0 } else { 0.02 * (high - low) };
        let mut axis = Self::new(low - margin, high + margin, step, false);
        // There is no epoch 0: ticks are for epochs that were.
        axis.ticks.retain(|tick| (low..=high).contains(tick));
        axis
    }

    /// A horizontal axis of positive numbers by their logarithm. `curves` hold finite points only.
    pub fn logarithmic(curves: &[Vec<(f64, f64)>]) -> Self {
        let numbers = curves.iter().flatten().map(|point| point.0).filter(|&x| x > 0.0);
        let (low, high) = range(numbers).unwrap_or((1e-6, 1.0));
        Self::decades(low.log10(), high.log10())
    }

    /// The axis of the values; logarithmic where a first value lies far above the others.
    pub fn values(curves: &[Vec<(f64, f64)>]) -> Self {
        let values = || curves.iter().flatten().map(|point| point.1);
        let Some((low, high)) = range(values()) else { return Self::new(0.0, 1.0, 0.25, false) };
        if low > 0.0 && curves.iter().any(|curve| starts_far_above(curve)) {
            return Self::decades(low.log10(), high.log10());
        }
        let span = high - low;
        let flat = span <= 1e-9 * low.abs().max(high.abs());
        let margin = match (flat, low.abs()) {
            (false, _) => 0.06 * span,
            (true, size) if size > 0.0 => 0.1 * size,
            (true, _) => 1.0,
        };
        let (low, high) = (low - margin, high + margin);
        Self::new(low, high, nice_step((high - low) / 6.0), false)
    }

    fn new(low: f64, high: f64, step: f64, logarithmic: bool) -> Self {
        let first = (low / step).ceil();
        let count = ((high / step).floor() - first).clamp(0.0, 50.0) as usize;
        let ticks = (0..=count).map(|index| (first + index as f64) * step);
        Self { low, high, ticks: ticks.filter(|tick| *tick <= high).collect(), logarithmic, step }
    }

    fn decades(low: f64, high: f64) -> Self {
        let margin = 0.06 * (high - low);
        let mut axis = Self::new(low - margin, high + margin, ((high - low) / 8.0).ceil().max(1.0), true);
        if high - low < 3.0 {
            // 1, 2 and 5 of each power of ten.
            let first = axis.low.floor() as i32;
            let powers = first..=axis.high.ceil() as i32;
            let places =
                powers.flat_map(|power| [0.0, 2_f64.log10(), 5_f64.log10()].map(|m| f64::from(power) + m));
            axis.ticks = places.filter(|place| (axis.low..=axis.high).contains(place)).collect();
        }
        axis
    }

    /// Where a value lies on the axis.
    pub fn place(&self, value: f64) -> f64 {
        if self.logarithmic { value.log10() } else { value }
    }

    /// What the tick at a place says.
    pub fn text(&self, place: f64) -> String {
        if self.logarithmic {
            return number(10_f64.powf(place), 10_f64.powf(place.floor()));
        }
        number(place, self.step)
    }
}

/// Values on the axis are places: see [`Axis::place`].
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        (f64::from(from) + f64::from(to - from) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        self.text(*place)
    }
}

/// A number with as many digits as a step tells apart.
fn number(value: f64, step: f64) -> String {
    let size = value.abs().max(step);
    if !(1e-4..1e6).contains(&size) {
        return if value.abs() < 1e-9 * step { "0".into() } else { format!("{value:.1e}") };
    }
    let digits = (-step.log10().floor()).clamp(0.0, 8.0) as usize;
    let digits = if (step * 10_f64.powi(digits as i32)).fract() > 1e-6 { digits + 1 } else { digits };
    let text = format!("{value:.digits$}");
    if text.trim_matches(['-', '0', '.']).is_empty() { text.replace('-', "") } else { text }
}

/// 1, 2, 2.5 or 5 times a power of ten, at least as large as `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    factors.into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

fn starts_far_above(curve: &[(f64, f64)]) -> bool {
    let Some(((_, first), rest)) = curve.split_first().filter(|(_, rest)| rest.len() >= 2) else {
        return false;
    };
    let mut rest: Vec<f64> = rest.iter().map(|point| point.1).collect();
    rest.sort_by(f64::total_cmp);
    *first > 5.0 * rest[rest.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[f64]) -> Vec<Vec<(f64, f64)>> {
        vec![values.iter().enumerate().map(|(index, &y)| (index as f64 + 1.0, y)).collect()]
    }

    #[test]
    fn epochs_have_whole_ticks() {
        for count in [1, 2, 3, 7, 12, 24, 60, 250] {
            let axis = Axis::epochs(&curve(&vec![1.0; count]));
            assert!((1..=12).contains(&axis.ticks.len()), "{count}: {:?}", axis.ticks);
            assert!(
                axis.ticks.iter().all(|tick| tick.fract() == 0.0 && *tick >= 1.0),
                "{count}: {:?}",
                axis.ticks
            );
            assert!(axis.ticks.iter().all(|&tick| !axis.text(tick).contains('.')));
        }
    }

    #[test]
    fn every_value_lies_within_its_axis() {
        for values in
            [&[3.0][..], &[0.0], &[-2.0, 5.0], &[900.0, 3.0, 2.0, 1.0], &[1e-30, 2e-30], &[-1e99, 1e99]]
        {
            let axis = Axis::values(&curve(values));
            assert!(axis.low < axis.high, "{values:?}: {axis:?}");
            assert!(values.iter().all(|&v| (axis.low..=axis.high).contains(&axis.place(v))), "{values:?}");
            assert!(!axis.ticks.is_empty() && axis.ticks.len() < 14, "{values:?}: {:?}", axis.ticks);
        }
    }

    #[test]
    fn only_a_first_value_far_above_the_others_makes_an_axis_logarithmic() {
        assert!(Axis::values(&curve(&[900.0, 30.0, 20.0, 10.0])).logarithmic);
        assert!(!Axis::values(&curve(&[90.0, 30.0, 20.0, 19.0])).logarithmic);
        assert!(!Axis::values(&curve(&[900.0, 30.0, 20.0, -1.0])).logarithmic);
        assert!(!Axis::values(&curve(&[900.0, 30.0])).logarithmic);
    }

    #[test]
    fn ticks_say_what_tells_them_apart() {
        assert_eq!(number(0.25, 0.25), "0.25");
        assert_eq!(number(200.0, 50.0), "200");
        assert_eq!(number(0.1 + 0.2, 0.1), "0.3");
        assert_eq!(number(-0.0, 0.5), "0.0");
        assert_eq!(number(2e-30, 1e-30), "2.0e-30");
        assert_eq!(number(0.0, 1e-30), "0");
        let axis = Axis::values(&curve(&[900.0, 30.0, 20.0, 10.0]));
        let texts: Vec<String> = axis.ticks.iter().map(|&tick| axis.text(tick)).collect();
        assert_eq!(texts, ["10", "20", "50", "100", "200", "500", "1000"]);
    }
}
