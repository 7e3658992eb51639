//! Layers that learn in another way than the rest, or not at all.

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

/// Parameters whose optimiser has other attributes: PyTorch's parameter groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Which: names of layers, such as `conv1`, `age.out` or `norm*`, or of parameters, such as `*.bias`.
    pub layers: Vec<String>,
    /// Their learning rate; that of the optimiser if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Their weight decay; that of the optimiser if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// The line in the file, from 1.
    #[serde(skip)]
    pub line: usize,
}

/// Layers that keep the weights that they begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Which: names of layers, such as `conv1`, `age.out` or `norm*`.
    pub layers: Vec<String>,
    /// The line in the file, from 1.
    #[serde(skip)]
    pub line: usize,
}

/// The first of `patterns` that says a name; a `*` in it stands for any letters, or none.
pub fn matching<'a>(patterns: &'a [String], name: &str) -> Option<&'a String> {
    patterns.iter().find(|pattern| WildMatch::new(pattern).matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let says = |pattern: &str, name: &str| matching(&[pattern.into()], name).is_some();
        for (pattern, name) in [
            ("conv1", "conv1"),
            ("conv*", "conv12"),
            ("*.bias", "age.out.bias"),
            ("*", ""),
            ("a*b*c", "aXbc"),
        ] {
            assert!(says(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("conv1", "conv12"), ("*.bias", "bias"), ("a*b", "abc"), ("", "a")] {
            assert!(!says(pattern, name), "{pattern} {name}");
        }
    }
}
