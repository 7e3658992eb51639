//! What an exported model says of itself, as names and texts.

use super::proto::Entry;
use crate::spec::Spec;
use crate::tasks::Target;

/// What is known of an export besides its model.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The time of the export, in UTC as ISO 8601 writes it.
    pub date: String,
    /// Which weights they are: `best` or `last`.
    pub weights: String,
}

/// The metadata of a model. Lists are JSON.
pub fn entries(spec: &Spec, facts: &Facts) -> Vec<Entry> {
    let names: Vec<&str> = spec.tasks().map(|(_, target)| target.name.as_str()).collect();
    let mut pairs = vec![
        ("model".to_string(), spec.name.clone()),
        ("program".into(), format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))),
        ("date".into(), facts.date.clone()),
        ("source".into(), source(spec)),
        ("weights".into(), facts.weights.clone()),
        ("labels".into(), serde_json::json!(names).to_string()),
    ];
    if let Some(photo) = spec.input.photo() {
        pairs.extend(photo.faces.map(|faces| {
            ("input.faces".into(), serde_json::json!(faces).as_str().unwrap_or_default().to_owned())
        }));
        pairs.push(("input.crop".into(), serde_json::json!(photo.crop).to_string()));
    }
    for (_, target) in spec.tasks() {
        let known = target_pairs(target).into_iter();
        pairs.extend(known.map(|(key, value)| (format!("{}.{key}", target.name), value)));
    }
    pairs.into_iter().map(|(key, value)| Entry { key, value }).collect()
}

/// The name of the data that it was trained on, without the folders around it, which are nobody's business.
fn source(spec: &Spec) -> String {
    match &spec.data.path {
        None => "built-in set".into(),
        Some(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// What is known of a target.
fn target_pairs(target: &Target) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("kind", target.rules().name().to_string())];
    pairs.extend(target.column.clone().map(|column| ("column", column)));
    if target.has_classes() {
        pairs.push(("classes", serde_json::json!(target.classes).to_string()));
        pairs.push(("unit", "probability".into()));
    } else {
        pairs.extend(target.unit.clone().map(|unit| ("unit", unit)));
        pairs.extend(target.range.map(|range| ("range", serde_json::json!(range).to_string())));
    }
    pairs
}

/// What an output is, in a sentence for people.
pub fn output_sentence(target: &Target) -> String {
    match (target.has_classes(), &target.unit) {
        (true, _) => format!("probabilities of {}", target.classes.join(", ")),
        (false, Some(unit)) => format!("{} in {unit}", target.name),
        (false, None) => target.name.clone(),
    }
}
