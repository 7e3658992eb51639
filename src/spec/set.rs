//! Single keys of a model file that are said elsewhere: `train --set KEY=VALUE`, and the values of a sweep.

use toml::{Table, Value};

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

/// The model file with these settings.
///
/// # Errors
/// Where it is no TOML, or a key leads nowhere.
pub fn set(text: &str, settings: &[Setting]) -> Result<String, String> {
    let mut model: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    for Setting { key, value } in settings {
        let names: Vec<&str> = key.split('.').collect();
        put(&mut model, &names, value).map_err(|reason| format!("{key}: {reason}"))?;
    }
    toml::to_string(&model).map_err(|error| error.to_string())
}

fn put(table: &mut Table, names: &[&str], value: &Value) -> Result<(), String> {
    let (&name, rest) = match names {
        [] | ["", ..] => return Err("a name in it is empty".into()),
        [name, rest @ ..] => (name, rest),
    };
    if rest.is_empty() {
        table.insert(name.into(), value.clone());
        return Ok(());
    }
    match table.entry(name).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => put(inner, rest, value),
        Value::Array(items) => {
            let (&wanted, rest) = match rest {
                [] => return Err(format!("{name} is a list")),
                [wanted, rest @ ..] if !rest.is_empty() => (wanted, rest),
                [wanted, ..] => {
                    return Err(format!("say what of {name}.{wanted}, such as {name}.{wanted}.op"));
                }
            };
            let names: Vec<String> = items.iter().filter_map(name_of).map(String::from).collect();
            let found = items.iter_mut().find(|item| name_of(item) == Some(wanted));
            match found.and_then(Value::as_table_mut) {
                Some(inner) => put(inner, rest, value),
                None => Err(format!("no {name} is called {wanted:?}; there are {}", names.join(", "))),
            }
        }
        _ => Err(format!("{name} is no table")),
    }
}

fn name_of(item: &Value) -> Option<&str> {
    item.as_table()?.get("name")?.as_str()
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
        let mut want = Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap();
        let mut got = face(&[]).unwrap();
        // Lines differ.
        for spec in [&mut want, &mut got] {
            spec.optimizer_line = 0;
            let layers = spec.branches.iter_mut().flat_map(|branch| &mut branch.layers);
            spec.layers.iter_mut().chain(layers).for_each(|layer| layer.line = 0);
            spec.branches.iter_mut().for_each(|branch| branch.line = 0);
            spec.targets.iter_mut().for_each(|target| target.line = 0);
        }
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
