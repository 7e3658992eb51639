//! One-dimensional operators as two-dimensional ones of height 1: (N, C, L) seen as (N, C, 1, L).

use super::{Arg, ArgumentSpec};
use crate::shape::Shape;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

/// A length; in TOML either `3` or `[3]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Length(pub usize);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a whole number such as 3, or a list of one such as [3]")]
        enum Written {
            One(usize),
            Many(Vec<usize>),
        }
        match Written::deserialize(deserializer)? {
            Written::One(length) => Ok(Length(length)),
            Written::Many(lengths) => match lengths.as_slice() {
                &[length] => Ok(Length(length)),
                _ => Err(de::Error::invalid_length(lengths.len(), &"one whole number")),
            },
        }
    }
}

/// (A, B, L) as (A, B, 1, L); other shapes stay as they are.
pub fn raised(shape: Shape) -> Shape {
    match shape.0.as_slice() {
        &[a, b, length] => [a, b, 1, length].into(),
        _ => shape,
    }
}

/// (A, B, 1, L) as (A, B, L); other shapes stay as they are.
pub fn lowered(shape: Shape) -> Shape {
    match shape.0.as_slice() {
        &[a, b, 1, length] => [a, b, length].into(),
        _ => shape,
    }
}

/// The inputs of the two-dimensional operator, or what is wrong with those of the one-dimensional.
pub fn raised_inputs(inputs: &[Shape]) -> Result<Vec<Shape>, String> {
    match inputs {
        [input] if input.0.len() == 3 => Ok(vec![raised(input.clone())]),
        [input] => Err(format!(
            "it needs a sequence (channels x length), but its input has {} axes",
            input.0.len().saturating_sub(1)
        )),
        _ => Err("it has no input".into()),
    }
}

/// Lets the two-dimensional operator's twin see the arguments.
pub fn raise<N>(args: &mut [Arg<N>]) {
    for arg in args {
        arg.shape = raised(arg.shape.clone());
    }
}

/// A local argument of the two-dimensional operator, as the one-dimensional has it.
pub fn lowered_local(local: ArgumentSpec) -> ArgumentSpec {
    ArgumentSpec { shape: lowered(local.shape), ..local }
}
