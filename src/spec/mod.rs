//! What the user wrote: a model and its training, as TOML. It knows nothing of shapes.
//!
//! Every error names the file, the line, and the layer where there is one.

mod read;

use crate::ops::{Metric, Op};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A mistake in a model file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct SpecError {
    /// The file's name, as the user gave it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// What a branch learns to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// In years.
    Age,
    /// The logit of being female.
    Gender,
}

impl Target {
    /// What the branch is measured by, besides its loss.
    pub fn metric(self) -> Metric {
        match self {
            Target::Age => Metric::AbsoluteError,
            Target::Gender => Metric::BinaryAccuracy,
        }
    }

    /// The metric's name in results: `age_mae`, `gender_accuracy`.
    pub fn metric_name(self) -> &'static str {
        match self {
            Target::Age => "age_mae",
            Target::Gender => "gender_accuracy",
        }
    }

    /// The target's name: `age`, `gender`.
    pub fn name(self) -> &'static str {
        match self {
            Target::Age => "age",
            Target::Gender => "gender",
        }
    }

    /// The losses that this target can be learned with.
    fn losses(self) -> &'static [&'static str] {
        match self {
            Target::Age => &["mse"],
            Target::Gender => &["bce_with_logits"],
        }
    }
}

/// The photos that the model sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// What the bytes 0 to 255 are mapped to.
    #[serde(default = "unit_range")]
    pub range: [f64; 2],
}

fn unit_range() -> [f64; 2] {
    [0.0, 1.0]
}

/// How training photos are varied. Nothing is, by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentSpec {
    /// Rotation, uniform within this many degrees to either side.
    pub rotation_degrees: f64,
    /// Zoom along each axis, uniform within 1 - zoom and 1 + zoom.
    pub zoom: f64,
    /// The probability of being mirrored.
    pub flip_probability: f64,
}

/// How long and in what portions to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSpec {
    /// Samples a step.
    pub batch: usize,
    /// Passes over the training set.
    pub epochs: usize,
    /// Of all randomness.
    #[serde(default)]
    pub seed: u64,
}

/// Where the photos come from. Without a path: the built-in set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// A folder, zip or tar.gz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A CSV with the columns file and split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<PathBuf>,
    /// Use this many photos only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A layer as written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// Unique within the model; parameters are named after it.
    pub name: String,
    /// The operator with its attributes.
    #[serde(flatten)]
    pub op: Op,
    /// Names of the layers that it reads; the layer before it if empty.
    #[serde(rename = "input", skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// The line in the file, from 1.
    #[serde(skip)]
    pub line: usize,
}

/// Layers that end in a loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Branch {
    /// Unique within the model; the names of its layers begin with it.
    pub name: String,
    /// What it learns.
    pub target: Target,
    /// The operator of the loss.
    pub loss: Op,
    /// The layers, after those that all branches share.
    #[serde(rename = "layer", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// The line in the file, from 1.
    #[serde(skip)]
    pub line: usize,
}

/// A model and its training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spec {
    /// Runs are named after it.
    pub name: String,
    /// The file that it was read from, for messages.
    #[serde(skip)]
    pub file: String,
    /// What the model sees.
    pub input: InputSpec,
    /// How training photos are varied.
    pub augment: AugmentSpec,
    /// The optimiser with its attributes.
    pub optimizer: Op,
    /// The line of the optimiser, from 1.
    #[serde(skip)]
    pub optimizer_line: usize,
    /// How long to train.
    pub training: TrainingSpec,
    /// Where the photos come from.
    pub data: DataSpec,
    /// The layers that all branches share.
    #[serde(rename = "layer", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// The branches, at least one.
    #[serde(rename = "branch")]
    pub branches: Vec<Branch>,
}

impl Spec {
    /// Reads a model. `file` is its name, for messages.
    pub fn parse(text: &str, file: &str) -> Result<Spec, SpecError> {
        read::Reader { text, file }.spec()
    }

    /// The model as TOML; [`Spec::parse`] reads it back to the same model.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// An error about this model.
    pub fn error(&self, line: usize, message: impl Into<String>) -> SpecError {
        SpecError { file: self.file.clone(), line, message: message.into() }
    }
}

/// Whether a layer or branch may have this name.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
