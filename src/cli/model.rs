//! Finds the model that the user means.

use crate::spec::Spec;
use anyhow::{Context, Result};
use std::path::Path;

/// The models that come with the program.
const BUILT_IN: [(&str, &str); 4] = [
    ("face", include_str!("../../assets/models/face.toml")),
    ("face-plus", include_str!("../../assets/models/face-plus.toml")),
    ("review", include_str!("../../assets/models/review.toml")),
    ("review-plus", include_str!("../../assets/models/review-plus.toml")),
];

/// A model by name, or from a TOML file.
pub fn load(name: &str) -> Result<Spec> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return Ok(Spec::parse(text, &format!("{name}.toml"))?);
    }
    let path = Path::new(name);
    let text = crate::file::read_plain_text(path).with_context(|| {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        format!("the model {name:?} is not built in ({}) and cannot be read as a file", names.join(", "))
    })?;
    Ok(Spec::parse(&text, name)?)
}
