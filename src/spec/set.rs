//! Single keys of a model file that are said elsewhere: `train --set KEY=VALUE`, and the values of a sweep.

use toml::{Table, Value};
use toml_edit::{DocumentMut, InlineTable, Item, TableLike, TomlError};

/// A key of a model file and its value, such as `optimizer.learning_rate` and 0.001. Of several tables with names the
/// key names one: `layer.dropout.rate`, `branch.age.loss.weight`.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The names on the way, with dots between them.
    pub key: String,
    /// What is there from now on.
    pub value: Value,
}

impl Setting {
    /// Reads `KEY=VALUE`. What is no TOML value is a text, so that texts need no quotes.
    ///
    /// # Errors
    /// Without a key or a `=`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => (key.trim().to_string(), value.trim()),
            _ => return Err("it must be KEY=VALUE, such as optimizer.learning_rate=0.001".into()),
        };
        let parsed = toml::from_str::<Table>(&format!("value = {value}")).ok();
        let value = parsed.and_then(|mut table| table.remove("value"));
        let value =
            value.unwrap_or_else(|| Value::String(text.split_once('=').map_or("", |(_, v)| v.trim()).into()));
        Ok(Self { key, value })
    }
}

/// The model file with these settings. Lines keep their numbers, but for those behind a key that is new.
///
/// # Errors
/// Where it is no TOML, or a key leads nowhere.
pub fn set(text: &str, settings: &[Setting]) -> Result<String, String> {
    let mut model: DocumentMut = text.parse().map_err(|error: TomlError| error.to_string())?;
    for Setting { key, value } in settings {
        let names: Vec<&str> = key.split('.').collect();
        let value: toml_edit::Value =
            value.to_string().parse().map_err(|error: TomlError| format!("{key}: {error}"))?;
        put(model.as_table_mut(), &names, &value).map_err(|reason| format!("{key}: {reason}"))?;
    }
    Ok(model.to_string())
}

fn put(table: &mut dyn TableLike, names: &[&str], value: &toml_edit::Value) -> Result<(), String> {
    let (&name, rest) = match names {
        [] | ["", ..] => return Err("a name in it is empty".into()),
        [name, rest @ ..] => (name, rest),
    };
    if rest.is_empty() {
        table.insert(name, Item::Value(value.clone()));
        return Ok(());
    }
    if !table.contains_key(name) {
        table.insert(name, Item::Value(InlineTable::new().into()));
    }
    let item = table.get_mut(name).ok_or("it has no place")?;
    if let Item::ArrayOfTables(tables) = item {
        let (wanted, rest) = match rest {
            [wanted, rest @ ..] if !rest.is_empty() => (*wanted, rest),
            [wanted, ..] => return Err(format!("say what of {name}.{wanted}, such as {name}.{wanted}.op")),
            [] => return Err(format!("{name} is a list")),
        };
        let known: Vec<String> = tables.iter().filter_map(name_of).map(String::from).collect();
        let found = tables.iter_mut().find(|table| name_of(table) == Some(wanted));
        return match found {
            Some(inner) => put(inner, rest, value),
            None => Err(format!("no {name} is called {wanted:?}; there are {}", known.join(", "))),
        };
    }
    match item.as_table_like_mut() {
        Some(inner) => put(inner, rest, value),
        None => Err(format!("{name} is no table")),
    }
}

fn name_of(table: &toml_edit::Table) -> Option<&str> {
    table.get("name")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    fn face(settings: &[&str]) -> Result<Spec, String> {
        let settings: Vec<Setting> = settings.iter().map(|text| Setting::parse(text).unwrap()).collect();
        let text = set(include_str!("../../assets/models/face.toml"), &settings)?;
        Spec::parse(&text, "face.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn a_model_without_settings_is_the_same() {
        let want = Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap();
        let got = face(&[]).unwrap();
        assert_eq!(got, want);
    }

    #[test]
    fn keys_lead_through_tables_and_names() {
        let spec = face(&[
            "optimizer.learning_rate=0.25",
            "training.schedule = cosine",
            "training.plateau.patience=3",
            "augment.zoom=0.5",
            "branch.age.loss.weight=7",
        ]);
        // A plateau does not go together with a cosine: both were set.
        assert!(spec.unwrap_err().contains("plateau"));
        let mut spec =
            face(&["optimizer.learning_rate=0.25", "augment.zoom=0.5", "branch.age.loss.weight=7"]).unwrap();
        assert_eq!(spec.optimizer.learning_rate().copied(), Some(0.25));
        assert_eq!((spec.augment.zoom, spec.branches[0].weight()), (0.5, 7.0));
        // Lines are those of the file, and a table that was not there can be begun.
        let plain = face(&[]).unwrap();
        assert_eq!(spec.branches[1].line, plain.branches[1].line);
        assert_eq!(
            face(&["data.limit=100", "data.fold.number=1", "data.fold.of=3"]).unwrap().data.limit,
            Some(100)
        );
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        let error = |setting: &str| face(&[setting]).unwrap_err();
        assert!(error("branch.old.loss.weight=7").contains("there are age, gender"));
        assert!(error("name.first=7").contains("no table"));
        assert!(error("branch.age=7").contains("say what"));
        assert!(error("optimizer..x=7").contains("empty"));
        assert!(error("optimizer.rate=7").contains("rate"), "the model says what it does not know");
        assert!(Setting::parse("optimizer.rate").is_err() && Setting::parse("=3").is_err());
        assert_eq!(Setting::parse("a.b=x = y").unwrap().value, Value::String("x = y".into()));
        assert_eq!(Setting::parse("a=[1, 2]").unwrap().value.as_array().unwrap().len(), 2);
    }
}
