//! From TOML to a [`Spec`]: every key is taken out by hand, so that what nobody took is unknown, and every
//! mistake knows its line.

use super::check::{Lines, check};
use super::{
    AugmentSpec, Branch, DataSpec, Fold, Freeze, Group, InputSpec, Layer, Network, PhotoSpec, Spec,
    SpecError, Target, TextSpec, TrainingSpec, older,
};
use crate::ops::{Op, Role};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

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
        check(&spec, &lines)?;
        Ok(spec)
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

/// The names of layers, one or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the name of a layer, or a list of names")]
enum Names {
    One(String),
    Many(Vec<String>),
}
