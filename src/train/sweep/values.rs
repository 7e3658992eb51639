//! What a key is tried with.

use crate::rng::Generator;
use serde::Deserialize;
use toml::Value;

/// What a key is tried with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a list of values, or { from = …, to = …, scale = \"linear\" or \"log\" }")]
pub enum Values {
    /// These.
    List(Vec<Value>),
    /// Numbers of a range, for a random search.
    Range(Range),
}

/// A range of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least.
    pub from: Bound,
    /// The largest.
    pub to: Bound,
    /// How they are spread.
    #[serde(default)]
    pub scale: Scale,
}

/// An end of a range. Between whole numbers whole numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Bound {
    /// A whole number.
    Whole(i64),
    /// Any number.
    Real(f64),
}

impl Bound {
    fn value(self) -> f64 {
        match self {
            Bound::Whole(number) => number as f64,
            Bound::Real(number) => number,
        }
    }
}

/// How numbers of a range are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// Evenly by their logarithm.
    Log,
}

impl Range {
    /// A number of the range, with as many digits as tell a thousandth of it from another: more would tell nothing.
    pub(super) fn draw(self, generator: &mut Generator) -> Value {
        let (from, to) = (self.from.value(), self.to.value());
        let place = f64::from(generator.unit());
        let value = match self.scale {
            Scale::Linear => from + (to - from) * place,
            Scale::Log => from * (to / from).powf(place),
        };
        if let (Bound::Whole(from), Bound::Whole(to)) = (self.from, self.to) {
            return Value::Integer((value.round() as i64).clamp(from, to));
        }
        let span = match self.scale {
            Scale::Linear => to - from,
            Scale::Log => value.min(to - from),
        };
        let digits = (3.0 - span.log10().floor()).clamp(0.0, 30.0) as usize;
        let rounded = format!("{value:.digits$}").parse().unwrap_or(value);
        Value::Float(rounded.clamp(from, to))
    }

    pub(super) fn check(self) -> Result<(), String> {
        let (from, to, scale) = (self.from.value(), self.to.value(), self.scale);
        if !(from.is_finite() && to.is_finite() && from < to) {
            return Err(format!("the range from {from} to {to} must run from a lower to a higher number"));
        }
        match scale {
            Scale::Log if from <= 0.0 => Err(format!("a range on a log scale begins above 0, not at {from}")),
            _ => Ok(()),
        }
    }
}
