//! From TOML to a [`Spec`]: every key is taken out by hand, so that what nobody took is unknown, and every
//! mistake knows its line.

use super::{
    AugmentSpec, Branch, DataSpec, EVERY, Fold, Freeze, Group, InputSpec, Layer, MAX_TEXT_LENGTH, Network,
    PhotoSpec, Spec, SpecError, Target, TextSpec, TrainingSpec, is_plain, nearest, older,
};
use crate::ops::{Op, Role};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

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

/// Reads one file.
pub struct Reader<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its name, for messages.
    pub file: &'a str,
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

    /// All of the file.
    fn root(&self, of: &str) -> Result<Table<'a>, SpecError> {
        let root =
            DeTable::parse(self.text).map_err(|error| self.toml_error("", &(0..self.text.len()), &error))?;
        Ok(Table { span: root.span(), items: root.into_inner(), of: of.into() })
    }

    /// A network without targets.
    pub fn network(&self) -> Result<Network, SpecError> {
        let mut root = self.root("the network")?;
        let name = self.required(&mut root, "name")?;
        let input = self.required(&mut root, "input")?;
        let outputs = self.required(&mut root, "output")?;
        let layers = self.layers(&mut root)?;
        self.finish(&root)?;
        Ok(Network { name, file: self.file.into(), input, layers, outputs })
    }

    /// The whole model.
    pub fn spec(&self) -> Result<Spec, SpecError> {
        let mut root = self.root("the model")?;
        let line_of = |key: &str| root.items.get(key).map_or(1, |value| self.error(value.span(), "").line);
        let lines =
            Lines { input: line_of("input"), augment: line_of("augment"), training: line_of("training") };
        let optimizer_line = line_of("optimizer");
        let name: String = self.required(&mut root, "name")?;
        let input = self.input(&mut root)?;
        let augment: AugmentSpec = self.optional(&mut root, "augment")?.unwrap_or_default();
        let optimizer = self.operator(&mut root, "optimizer", Role::Optimizer)?;
        let mut groups = Vec::new();
        for table in self.tables(&mut root, "group")? {
            let line = self.line(&table);
            groups.push(Group { line, ..self.whole(table)? });
        }
        let mut frozen = Vec::new();
        for table in self.tables(&mut root, "freeze")? {
            let line = self.line(&table);
            frozen.push(Freeze { line, ..self.whole(table)? });
        }
        let training: TrainingSpec = self.required(&mut root, "training")?;
        let data: DataSpec = self.optional(&mut root, "data")?.unwrap_or_default();
        if let Some(Err(message)) = data.fold.map(Fold::check) {
            return Err(self.error(root.span.clone(), format!("[data]: {message}")));
        }
        let layers = self.layers(&mut root)?;
        let mut targets = Vec::new();
        for table in self.tables(&mut root, "target")? {
            targets.push(self.target(table)?);
        }
        let mut branches = Vec::new();
        for table in self.tables(&mut root, "branch")? {
            branches.push(self.branch(table)?);
        }
        self.finish(&root)?;
        if targets.is_empty() {
            targets = older::targets(&branches);
        }
        let file = self.file.to_string();
        let spec = Spec {
            name,
            file,
            input,
            augment,
            optimizer,
            optimizer_line,
            groups,
            frozen,
            training,
            data,
            layers,
            targets,
            branches,
        };
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
        check_targets(spec)?;
        check_branches(spec)?;
        check_input(&spec.input).or_else(|message| refuse(lines.input, message))?;
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
        if !(0.0..=0.5).contains(&a.shift) {
            return refuse(lines.augment, format!("shift is {}; it must be from 0 to 0.5", a.shift));
        }
        if !(0.0..=1.0).contains(&a.flip_probability) {
            let message = format!("flip_probability is {}; it must be from 0 to 1", a.flip_probability);
            return refuse(lines.augment, message);
        }
        for (name, value, below) in [
            ("window_probability", a.window_probability, 1.0 + f64::EPSILON),
            ("token_dropout", a.token_dropout, 1.0),
        ] {
            if !(0.0..below).contains(&value) {
                return refuse(lines.augment, format!("{name} is {value}; it must be a probability below 1"));
            }
        }
        if (a.window_probability > 0.0) != (a.window_tokens > 0) {
            let message = "window_probability and window_tokens go together; say both, or none";
            return refuse(lines.augment, message.into());
        }
        let of_photos = [a.rotation_degrees, a.zoom, a.shift, a.flip_probability].iter().any(|&by| by > 0.0);
        match spec.input {
            InputSpec::Photo(_) if !a.keeps_texts() => {
                return refuse(
                    lines.augment,
                    "windows and token_dropout are for texts; leave them out".into(),
                );
            }
            InputSpec::Text(_) if of_photos => {
                let message =
                    "rotation_degrees, zoom, shift and flip_probability are for photos; leave them out";
                return refuse(lines.augment, message.into());
            }
            InputSpec::Text(TextSpec { keep_negations: false, negation_window: 1.., .. }) => {
                let message = "negation_window needs keep_negations = true, or nothing negates";
                return refuse(lines.input, message.into());
            }
            _ => {}
        }
        spec.training.check().or_else(|message| refuse(lines.training, message))?;
        Ok(())
    }

    /// Texts have a length; photos have not.
    fn input(&self, root: &mut Table<'a>) -> Result<InputSpec, SpecError> {
        let is_text = match root.items.get("input").map(|value| value.get_ref()) {
            Some(DeValue::Table(table)) => table.contains_key("length"),
            _ => false,
        };
        Ok(match is_text {
            true => InputSpec::Text(self.required::<TextSpec>(root, "input")?),
            false => InputSpec::Photo(self.required::<PhotoSpec>(root, "input")?),
        })
    }

    fn line(&self, table: &Table<'a>) -> usize {
        self.error(table.span.clone(), "").line
    }

    /// A table that is read as a whole.
    fn whole<T: Deserialize<'a>>(&self, table: Table<'a>) -> Result<T, SpecError> {
        let value = Spanned::new(table.span.clone(), DeValue::Table(table.items));
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| self.toml_error(&table.of, &table.span, &error))
    }

    fn target(&self, table: Table<'a>) -> Result<Target, SpecError> {
        let line = self.line(&table);
        let mut named = table.items.clone();
        let of = match named.remove("name").map(Spanned::into_inner) {
            Some(DeValue::String(name)) => format!("target {name:?}"),
            _ => "[[target]]".into(),
        };
        Ok(Target { line, ..self.whole(Table { of, ..table })? })
    }

    fn branch(&self, mut table: Table<'a>) -> Result<Branch, SpecError> {
        let line = self.line(&table);
        let name: String = self.required(&mut table, "name")?;
        table.of = format!("branch {name:?}");
        let target: String = self.required(&mut table, "target")?;
        let loss = match table.items.contains_key("loss") {
            true => Some(self.operator(&mut table, "loss", Role::Loss)?),
            false => None,
        };
        let layers = self.layers(&mut table)?;
        self.finish(&table)?;
        Ok(Branch { name, target, loss, layers, line })
    }

    fn layers(&self, parent: &mut Table<'a>) -> Result<Vec<Layer>, SpecError> {
        let mut layers = Vec::new();
        // Counted on from layer to layer, not from the beginning of the file for each.
        let (mut line, mut counted) = (1, 0);
        for mut table in self.tables(parent, "layer")? {
            let until = table.span.start.max(counted);
            line += self.text.as_bytes()[counted..until].iter().filter(|&&byte| byte == b'\n').count();
            counted = until;
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

fn check_targets(spec: &Spec) -> Result<(), SpecError> {
    for (index, target) in spec.targets.iter().enumerate() {
        let Target { name, line, classes, .. } = target;
        let refuse = |message: String| Err(spec.error(*line, format!("target {name:?}: {message}")));
        let is_every = name == EVERY;
        if !is_plain(name) && !is_every {
            return refuse("its name may only hold letters, digits and _".into());
        }
        if is_every && (target.kind.is_some() || target.column.is_some() || !classes.is_empty()) {
            return refuse(
                "it stands for every column, so that it can have no kind, column or classes".into(),
            );
        }
        if spec.targets[..index].iter().any(|other| other.name == *name) {
            return refuse("there is another of this name; rename one".into());
        }
        if let Some([low, high]) = target.range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return refuse(format!("its range [{low}, {high}] must run from a lower to a higher number"));
        }
        if let Some([mean, deviation]) = target.mean_and_deviation
            && !(mean.is_finite() && deviation.is_normal() && deviation > 0.0)
        {
            return refuse("mean_and_deviation must be a number and one above 0".into());
        }
        let is_number = target.kind.is_none() || !target.has_classes();
        let of_numbers = [
            (target.unit.is_some(), "unit"),
            (target.range.is_some(), "range"),
            (target.standardize && !is_every, "standardize"),
        ];
        let of_classes = [(!classes.is_empty(), "classes"), (target.balance && !is_every, "balance")];
        let wrong = match target.kind {
            None => None,
            Some(_) if is_number => {
                of_classes.iter().find(|(is_there, _)| *is_there).map(|(_, key)| (key, "classes"))
            }
            Some(_) => of_numbers.iter().find(|(is_there, _)| *is_there).map(|(_, key)| (key, "a number")),
        };
        if let (Some((key, of)), Some(kind)) = (wrong, target.kind) {
            return refuse(format!("{key} is for {of}, and its kind is {kind}; leave it out"));
        }
        if let Some(twice) = (1..classes.len()).find(|&place| classes[..place].contains(&classes[place])) {
            return refuse(format!("the class {:?} is there twice", classes[twice]));
        }
        let needed = target.kind.map_or(classes.len() >= 2, |kind| kind.takes(classes.len()));
        if !classes.is_empty() && !needed {
            return refuse(format!(
                "it has {} classes; a binary target has 2, others 2 or more",
                classes.len()
            ));
        }
    }
    Ok(())
}

fn check_branches(spec: &Spec) -> Result<(), SpecError> {
    for (index, branch) in spec.branches.iter().enumerate() {
        let refuse = |message: String| Err(spec.error(branch.line, message));
        let before = &spec.branches[..index];
        if before.iter().any(|other| other.target == branch.target) {
            return refuse(format!("a second branch learns {}; one is enough", branch.target));
        }
        // Buffers are named after layers and branches, so that these must not be mixed up.
        let name = &branch.name;
        let is_every = branch.target == EVERY;
        if spec.is_taken(name) || before.iter().any(|other| other.name == *name) {
            return refuse(format!("the branch's name {name:?} is taken; choose another"));
        }
        if !(is_plain(name) || is_every && name == EVERY) {
            return refuse(format!("the branch's name {name:?} may only hold letters, digits and _"));
        }
        let Some(target) = spec.targets.iter().find(|target| target.name == branch.target) else {
            let known: Vec<&str> = spec.targets.iter().map(|target| target.name.as_str()).collect();
            let near = nearest(&branch.target, &known)
                .map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            let known = if known.is_empty() { "no other".into() } else { known.join(", ") };
            return refuse(format!(
                "branch {name:?} learns {:?}, which is no [[target]] of the model; there is {known}{near}",
                branch.target
            ));
        };
        if let (Some(kind), Some(loss)) = (target.kind, &branch.loss)
            && !kind.losses().contains(&loss.name())
        {
            let (losses, loss) = (kind.losses().join(", "), loss.name());
            let target = &branch.target;
            return refuse(format!("branch {name:?}: {target} is {kind}, learned with {losses}, not {loss}"));
        }
        let weight = branch.weight();
        if !((weight as f32).is_normal() && weight > 0.0) {
            return refuse(format!(
                "branch {name:?}: the loss's weight is {weight}; it must be above 0 and finite"
            ));
        }
    }
    // Last, since a branch that is misspelt has been told of by now.
    let unlearned = |target: &&Target| !spec.branches.iter().any(|branch| branch.target == target.name);
    match spec.targets.iter().find(unlearned) {
        Some(Target { name, line, .. }) => {
            let message = format!("target {name:?}: no branch learns it; add a [[branch]] or leave it out");
            Err(spec.error(*line, message))
        }
        None => Ok(()),
    }
}

fn check_input(input: &InputSpec) -> Result<(), String> {
    let within = |name: &str, number: usize, low: usize, high: usize| match (low..=high).contains(&number) {
        true => Ok(()),
        false => Err(format!("the input's {name} is {number}; it must be from {low} to {high}")),
    };
    match input {
        InputSpec::Photo(PhotoSpec { width, height, range: [low, high], crop, .. }) => {
            crop.check()?;
            // Both 0: the photos tell.
            if (*width, *height) != (0, 0) {
                within("width", *width, 1, 4096)?;
                within("height", *height, 1, 4096)?;
            }
            if !((*low as f32).is_finite() && (*high as f32).is_finite() && low < high) {
                return Err(format!(
                    "the input's range [{low}, {high}] must run from a lower to a higher number"
                ));
            }
        }
        InputSpec::Text(TextSpec { length, vocabulary, min_count, .. }) => {
            within("length", *length, 1, MAX_TEXT_LENGTH)?;
            within("vocabulary", *vocabulary, 2, 1 << 24)?;
            within("min_count", *min_count, 1, 1 << 16)?;
        }
    }
    Ok(())
}

/// The names of layers, one or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the name of a layer, or a list of names")]
enum Names {
    One(String),
    Many(Vec<String>),
}
