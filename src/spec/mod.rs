//! What the user wrote: a model and its training, as TOML. It knows nothing of shapes.
//!
//! Every error names the file, the line, and the layer where there is one.

mod check;
mod group;
mod network;
mod older;
mod read;
mod set;
mod training;

pub use group::{Freeze, Group, matching};
pub use network::Network;
pub use set::{Setting, set};
pub use training::{Plateau, Schedule, TrainingSpec};

use crate::ops::Op;
pub use crate::tasks::Target;
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

/// What the model sees.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum InputSpec {
    /// Photos of faces.
    Photo(PhotoSpec),
    /// Texts, such as reviews.
    Text(TextSpec),
}

impl InputSpec {
    /// What it says of photos, if the model sees photos.
    pub fn photo(&self) -> Option<&PhotoSpec> {
        match self {
            InputSpec::Photo(photo) => Some(photo),
            InputSpec::Text(_) => None,
        }
    }
}

/// The texts that the model sees, as the numbers of their words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSpec {
    /// Words that count: longer texts are cut, shorter ones filled up with 0.
    pub length: usize,
    /// Numbers that a word may have, with 0 for none. A training counts the words of its own texts.
    pub vocabulary: usize,
    /// How often a word occurs in the training texts, at least, to have a number.
    #[serde(default = "usual_min_count")]
    pub min_count: usize,
    /// Whether no, not, nor and words such as don't count, although they are stop words.
    #[serde(default)]
    pub keep_negations: bool,
    /// Tokens behind a negation whose words count as other words, `not_good` in place of `good`; 0: none. It needs
    /// `keep_negations`.
    #[serde(default, skip_serializing_if = "is_none")]
    pub negation_window: usize,
    /// Whether a word counts only where it stands first in a text.
    #[serde(default)]
    pub distinct: bool,
    /// How texts are cut. A new training takes [`Tokens::UnicodeWords`] if it is not said; a run in which
    /// it is not said is from before there was a choice, and cut at white space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

/// How a text is cut into tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokens {
    /// At white space alone, as a tutorial does whose texts have no punctuation: a word beside a comma is
    /// lost.
    #[default]
    WhiteSpace,
    /// Into the words of Unicode (UAX 29); apostrophes, dashes and tags part them as well.
    UnicodeWords,
}

/// Numbers a text that a model may have, at most.
pub const MAX_TEXT_LENGTH: usize = 1 << 16;

fn usual_min_count() -> usize {
    5
}

/// The photos that the model sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhotoSpec {
    /// Width in pixels; 0, if it is not said, until the photos of a training tell it.
    #[serde(default)]
    pub width: usize,
    /// Height in pixels, likewise.
    #[serde(default)]
    pub height: usize,
    /// What the bytes 0 to 255 are mapped to.
    #[serde(default = "unit_range")]
    pub range: [f64; 2],
    /// How the photos of a training show faces. If it is not said, a training finds out; of a run, that it is from
    /// before there was a choice, and takes photos whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faces: Option<Faces>,
    /// How much of a face's surroundings they show.
    #[serde(default, skip_serializing_if = "CropSpec::is_usual")]
    pub crop: CropSpec,
}

/// How much of a face's surroundings a photo shows, compared with UTKFace's: everything in units of the side of the
/// square that UTKFace would show.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropSpec {
    /// The photo's side.
    pub side: f32,
    /// How far its middle lies to the right of the square's.
    pub right: f32,
    /// How far below it.
    pub down: f32,
}

impl CropSpec {
    /// As UTKFace's photos.
    pub const USUAL: CropSpec = CropSpec { side: 1.0, right: 0.0, down: 0.0 };

    /// Whether it is that of UTKFace's photos.
    pub fn is_usual(&self) -> bool {
        *self == Self::USUAL
    }

    /// What is wrong with it, if a photo cannot be cropped so.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self) -> Result<(), String> {
        let CropSpec { side, right, down } = self;
        let is_near = [right, down].iter().all(|shift| shift.abs() <= 10.0);
        match (0.1..=10.0).contains(side) && is_near {
            true => Ok(()),
            false => Err(format!(
                "crop of the input is side {side}, right {right}, down {down}; side must be from 0.1 to 10, right and down \
                 from -10 to 10"
            )),
        }
    }
}

impl Default for CropSpec {
    fn default() -> CropSpec {
        CropSpec::USUAL
    }
}

/// How the photos of a training show faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Faces {
    /// They do not, or it does not matter: photos are taken whole.
    Whole,
    /// Each shows one face, and not much besides: it is taken whole. Other photos are cut in the same way for a
    /// prediction.
    Cropped,
    /// They are ordinary ones, and the faces in them are found and cut out.
    Detect,
}

const fn unit_range() -> [f64; 2] {
    [0.0, 1.0]
}

impl PhotoSpec {
    /// Photos of this size, in pixels, with everything else as it is by default.
    pub const fn new(width: usize, height: usize) -> PhotoSpec {
        PhotoSpec { width, height, range: unit_range(), faces: None, crop: CropSpec::USUAL }
    }
}

/// How training photos are varied. Nothing is, by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentSpec {
    /// Rotation, uniform within this many degrees to either side.
    pub rotation_degrees: f64,
    /// Zoom along each axis, uniform within 1 - zoom and 1 + zoom.
    pub zoom: f64,
    /// Shift along each axis, uniform within this share of the photo's side to either direction.
    #[serde(skip_serializing_if = "is_zero")]
    pub shift: f64,
    /// The probability of being mirrored.
    pub flip_probability: f64,
    /// Of texts: the probability of being cut to a window at a random place, of a random length from `window_tokens` to
    /// the whole text, evenly by the logarithm.
    #[serde(skip_serializing_if = "is_zero")]
    pub window_probability: f64,
    /// The shortest window, in tokens.
    #[serde(skip_serializing_if = "is_none")]
    pub window_tokens: usize,
    /// Of texts: the probability of each token to be left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub token_dropout: f64,
}

impl AugmentSpec {
    /// Whether texts stay as they are.
    pub fn keeps_texts(&self) -> bool {
        self.window_probability == 0.0 && self.token_dropout == 0.0
    }
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Where the samples come from. Without a path: the built-in set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// A folder, zip or tar.gz of photos, or a CSV of texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A CSV with the columns file (or row, of texts) and split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<PathBuf>,
    /// A CSV with the labels of photos.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Use this many samples only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Validate with a part of the training samples, and leave the samples on other sides out: cross-validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// The column of the texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_column: Option<String>,
    /// The column of the only target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
}

/// One of several parts of the training samples, alike in size, by which a model is validated while it learns from the
/// others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Which one, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Fold {
    /// Reads `2/5`.
    ///
    /// # Errors
    /// Where it is no part of two or more.
    pub fn parse(text: &str) -> Result<Fold, String> {
        let numbers =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let fold = numbers.map(|(number, of)| Fold { number, of });
        let fold = fold.ok_or_else(|| {
            "it must be the number of a fold and how many there are, such as 1/5".to_string()
        })?;
        fold.check().map(|()| fold)
    }

    /// Fails if it is no part of two or more.
    ///
    /// # Errors
    /// The reason.
    pub fn check(self) -> Result<(), String> {
        match self.of >= 2 && (1..=self.of).contains(&self.number) {
            true => Ok(()),
            false => Err(format!(
                "fold {} of {}: it must be from 1 to a number of at least 2",
                self.number, self.of
            )),
        }
    }
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
    /// The name of the target that it learns.
    pub target: String,
    /// The operator of the loss; that of the target's kind if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Op>,
    /// The layers, after those that all branches share.
    #[serde(rename = "layer", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// The line in the file, from 1.
    #[serde(skip)]
    pub line: usize,
}

impl Branch {
    /// What its loss counts in the sum over all branches.
    pub fn weight(&self) -> f64 {
        self.loss.as_ref().map_or(1.0, Op::loss_weight)
    }
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
    /// Layers whose optimiser has other attributes.
    #[serde(rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Layers that do not learn.
    #[serde(rename = "freeze", skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<Freeze>,
    /// How long to train, and how.
    pub training: TrainingSpec,
    /// Where the samples come from.
    pub data: DataSpec,
    /// The layers that all branches share.
    #[serde(rename = "layer", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// What the branches learn, at least one.
    #[serde(rename = "target")]
    pub targets: Vec<Target>,
    /// The branches, at least one.
    #[serde(rename = "branch")]
    pub branches: Vec<Branch>,
}

impl Spec {
    /// Reads a model. `file` is its name, for messages.
    pub fn parse(text: &str, file: &str) -> Result<Spec, SpecError> {
        read::Reader { text, file }.spec()
    }

    /// The target that a branch learns; one that is not there is refused when the model is read.
    pub fn target(&self, branch: &Branch) -> &Target {
        &self.targets[self.target_place(branch)]
    }

    /// Whether nothing in it waits for the data.
    pub fn is_settled(&self) -> bool {
        let is_known = |target: &Target| target.kind.is_some() && target.outputs() > 0;
        self.input.photo().is_none_or(|photo| photo.width > 0) && self.targets.iter().all(is_known)
    }

    /// Whether something else than a branch has this name.
    pub fn is_taken(&self, name: &str) -> bool {
        RESERVED.contains(&name) || self.layers.iter().any(|layer| layer.name == *name)
    }

    /// The place of the target that a branch learns.
    pub fn target_place(&self, branch: &Branch) -> usize {
        self.targets.iter().position(|target| target.name == branch.target).unwrap_or(0)
    }

    /// Every branch with its target.
    pub fn tasks(&self) -> impl Iterator<Item = (&Branch, &Target)> {
        self.branches.iter().map(|branch| (branch, self.target(branch)))
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

/// The name of a target that stands for every column that can be one, and of the branch that learns it.
pub const EVERY: &str = "*";

/// Names that the plan gives to buffers of its own.
const RESERVED: [&str; 3] = ["photo", "tokens", "optimizer"];

/// Columns of predictions that are no target's: no target is called so.
pub const PREDICTED: [&str; 5] = ["file", "error", "probability", "words", "text"];

/// The name that differs from `name` in the fewest letters, if it is near enough to be meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distance = |other: &&str| strsim::damerau_levenshtein(&name, &other.to_lowercase());
    known.iter().copied().min_by_key(distance).filter(|near| distance(near) <= 1 + name.chars().count() / 4)
}

/// Whether a layer or branch may have this name.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
