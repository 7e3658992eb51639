//! What the user wrote: a model and its training, as TOML. It knows nothing of shapes.
//!
//! Every error names the file, the line, and the layer where there is one.

use crate::ops::{Metric, Op, Role};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

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
        Reader { text, file }.spec()
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

/// Names that the plan gives to buffers of its own.
const RESERVED: [&str; 2] = ["photo", "optimizer"];

/// Whether a layer or branch may have this name.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The lines of the tables that are checked as a whole.
struct Lines {
    input: usize,
    augment: usize,
    training: usize,
}

/// A table whose keys are taken out one by one; what is left at the end is unknown.
struct Table<'a> {
    items: DeTable<'a>,
    span: Range<usize>,
    /// What the table describes, for messages.
    of: String,
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
}

impl<'a> Reader<'a> {
    fn error(&self, span: Range<usize>, message: impl Into<String>) -> SpecError {
        let line = 1 + self.text.bytes().take(span.start).filter(|&byte| byte == b'\n').count();
        SpecError { file: self.file.into(), line, message: message.into() }
    }

    fn toml_error(&self, of: &str, whole: &Range<usize>, error: &toml::de::Error) -> SpecError {
        let message = error.message();
        let message = if of.is_empty() { message.into() } else { format!("{of}: {message}") };
        self.error(error.span().unwrap_or_else(|| whole.clone()), message)
    }

    fn spec(&self) -> Result<Spec, SpecError> {
        let root =
            DeTable::parse(self.text).map_err(|error| self.toml_error("", &(0..self.text.len()), &error))?;
        let mut root = Table { span: root.span(), items: root.into_inner(), of: "the model".into() };
        let line_of = |key: &str| root.items.get(key).map_or(1, |value| self.error(value.span(), "").line);
        let lines =
            Lines { input: line_of("input"), augment: line_of("augment"), training: line_of("training") };
        let optimizer_line = line_of("optimizer");
        let name: String = self.required(&mut root, "name")?;
        let input: InputSpec = self.required(&mut root, "input")?;
        let augment: AugmentSpec = self.optional(&mut root, "augment")?.unwrap_or_default();
        let optimizer = self.operator(&mut root, "optimizer", Role::Optimizer)?;
        let training: TrainingSpec = self.required(&mut root, "training")?;
        let data: DataSpec = self.optional(&mut root, "data")?.unwrap_or_default();
        let layers = self.layers(&mut root)?;
        let mut branches = Vec::new();
        for table in self.tables(&mut root, "branch")? {
            branches.push(self.branch(table)?);
        }
        self.finish(&root)?;
        let file = self.file.to_string();
        let spec =
            Spec { name, file, input, augment, optimizer, optimizer_line, training, data, layers, branches };
        self.check(&spec, &lines)?;
        Ok(spec)
    }

    /// What no single key can tell.
    fn check(&self, spec: &Spec, lines: &Lines) -> Result<(), SpecError> {
        let top = |message: String| Err(spec.error(1, message));
        let refuse = |line: usize, message: String| Err(spec.error(line, message));
        if spec.name.is_empty() || !spec.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            return top(format!(
                "the name {:?} may only hold letters, digits, - and _: folders are named after it",
                spec.name
            ));
        }
        if spec.branches.is_empty() {
            return top("the model has no [[branch]]; add one with a name, a target and a loss".into());
        }
        for (index, branch) in spec.branches.iter().enumerate() {
            if spec.branches[..index].iter().any(|other| other.target == branch.target) {
                let target = branch.target.name();
                return refuse(branch.line, format!("a second branch learns {target}; one is enough"));
            }
            // Buffers are named after layers and branches, so that these must not be mixed up.
            let name = &branch.name;
            let taken = RESERVED.contains(&name.as_str())
                || spec.layers.iter().any(|layer| layer.name == *name)
                || spec.branches[..index].iter().any(|other| other.name == *name);
            if taken {
                return refuse(branch.line, format!("the branch's name {name:?} is taken; choose another"));
            }
            if !is_plain(name) {
                let message = format!("the branch's name {name:?} may only hold letters, digits and _");
                return refuse(branch.line, message);
            }
            let weight = branch.loss.loss_weight();
            if !((weight as f32).is_normal() && weight > 0.0) {
                let message =
                    format!("branch {name:?}: the loss's weight is {weight}; it must be above 0 and finite");
                return refuse(branch.line, message);
            }
        }
        for (name, extent) in [("width", spec.input.width), ("height", spec.input.height)] {
            if !(1..=4096).contains(&extent) {
                return refuse(
                    lines.input,
                    format!("the input's {name} is {extent}; it must be from 1 to 4096"),
                );
            }
        }
        let [low, high] = spec.input.range;
        if !((low as f32).is_finite() && (high as f32).is_finite() && low < high) {
            let message =
                format!("the input's range [{low}, {high}] must run from a lower to a higher number");
            return refuse(lines.input, message);
        }
        let a = &spec.augment;
        if !(0.0..=180.0).contains(&a.rotation_degrees) {
            let message = format!("rotation_degrees is {}; it must be from 0 to 180", a.rotation_degrees);
            return refuse(lines.augment, message);
        }
        if !(0.0..0.95).contains(&a.zoom) {
            return refuse(
                lines.augment,
                format!("zoom is {}; it must be at least 0 and below 0.95", a.zoom),
            );
        }
        if !(0.0..=1.0).contains(&a.flip_probability) {
            let message = format!("flip_probability is {}; it must be from 0 to 1", a.flip_probability);
            return refuse(lines.augment, message);
        }
        if spec.training.batch == 0 {
            return refuse(lines.training, "the batch is 0; it must be at least 1".into());
        }
        if spec.training.epochs == 0 {
            return refuse(lines.training, "there are 0 epochs; it must be at least 1".into());
        }
        Ok(())
    }

    fn branch(&self, mut table: Table<'a>) -> Result<Branch, SpecError> {
        let line = self.error(table.span.clone(), "").line;
        let name: String = self.required(&mut table, "name")?;
        table.of = format!("branch {name:?}");
        let target: Target = self.required(&mut table, "target")?;
        if !table.items.contains_key("loss") {
            let example = target.losses()[0];
            let message = format!("branch {name:?} has no loss; add loss = {{ op = {example:?} }}");
            return Err(self.error(table.span, message));
        }
        let loss = self.operator(&mut table, "loss", Role::Loss)?;
        if !target.losses().contains(&loss.name()) {
            let (target_name, losses) = (target.name(), target.losses().join(", "));
            let message =
                format!("branch {name:?}: {target_name} is learned with {losses}, not {}", loss.name());
            return Err(self.error(table.span, message));
        }
        let layers = self.layers(&mut table)?;
        self.finish(&table)?;
        Ok(Branch { name, target, loss, layers, line })
    }

    fn layers(&self, parent: &mut Table<'a>) -> Result<Vec<Layer>, SpecError> {
        let mut layers = Vec::new();
        for mut table in self.tables(parent, "layer")? {
            let line = self.error(table.span.clone(), "").line;
            table.of = format!("the layer after {} others", layers.len());
            let name: String = self.required(&mut table, "name")?;
            table.of = format!("layer {name:?}");
            let inputs = match self.optional::<Names>(&mut table, "input")? {
                None => Vec::new(),
                Some(Names::One(name)) => vec![name],
                Some(Names::Many(names)) => names,
            };
            let op = self.operator_of(table, Role::Layer)?;
            layers.push(Layer { name, op, inputs, line });
        }
        Ok(layers)
    }

    /// The operator in the table `key`.
    fn operator(&self, parent: &mut Table<'a>, key: &str, role: Role) -> Result<Op, SpecError> {
        let Some(value) = parent.items.remove(key) else {
            return Err(self.error(parent.span.clone(), format!("{} has no {key}; add one", parent.of)));
        };
        let table = self.table(value, format!("{} of {}", key, parent.of))?;
        self.operator_of(table, role)
    }

    /// The operator that a table names as `op`, with the other keys as attributes.
    fn operator_of(&self, mut table: Table<'a>, role: Role) -> Result<Op, SpecError> {
        let name_span = table.items.get("op").map_or(table.span.clone(), |value| value.span());
        let name: String = self.required(&mut table, "op")?;
        if Op::role(&name) != Some(role) {
            let known: Vec<&str> =
                Op::TABLE.iter().filter(|(_, other)| *other == role).map(|&(name, _)| name).collect();
            let message =
                format!("{}: there is no op {name:?} here; there are {}", table.of, known.join(", "));
            return Err(self.error(name_span, message));
        }
        let attributes = Spanned::new(table.span.clone(), DeValue::Table(table.items));
        Op::parse(&name, ValueDeserializer::from(attributes))
            .map_err(|error| self.toml_error(&table.of, &table.span, &error))
    }

    fn tables(&self, parent: &mut Table<'a>, key: &str) -> Result<Vec<Table<'a>>, SpecError> {
        let Some(value) = parent.items.remove(key) else { return Ok(Vec::new()) };
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            return Err(self.error(span, format!("{key} must be written as [[{key}]]")));
        };
        items.into_iter().map(|item| self.table(item, format!("[[{key}]]"))).collect()
    }

    fn table(&self, value: Spanned<DeValue<'a>>, of: String) -> Result<Table<'a>, SpecError> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(items) => Ok(Table { items, span, of }),
            other => {
                let message = format!("{of} must be a table with an op, not a {}", other.type_str());
                Err(self.error(span, message))
            }
        }
    }

    fn optional<T: Deserialize<'a>>(&self, table: &mut Table<'a>, key: &str) -> Result<Option<T>, SpecError> {
        let Some(value) = table.items.remove(key) else { return Ok(None) };
        let span = value.span();
        T::deserialize(ValueDeserializer::from(value))
            .map(Some)
            .map_err(|error| self.toml_error(&format!("{key} of {}", table.of), &span, &error))
    }

    fn required<T: Deserialize<'a>>(&self, table: &mut Table<'a>, key: &str) -> Result<T, SpecError> {
        let span = table.span.clone();
        match self.optional(table, key)? {
            Some(value) => Ok(value),
            None => Err(self.error(span, format!("{} has no {key}; add one", table.of))),
        }
    }

    /// Refuses the keys that nobody took.
    fn finish(&self, table: &Table<'a>) -> Result<(), SpecError> {
        match table.items.iter().next() {
            None => Ok(()),
            Some((key, _)) => {
                Err(self.error(key.span(), format!("{}: unknown key {:?}", table.of, key.get_ref())))
            }
        }
    }
}

/// The names of layers, one or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the name of a layer, or a list of names")]
enum Names {
    One(String),
    Many(Vec<String>),
}
