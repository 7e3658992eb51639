//! How the files of a run vouch for each other.
//!
//! `config.toml` begins with a checksum of itself and the name of its model, which is a checksum, too. Weights and
//! checkpoint carry a checksum of themselves and say of which model they are; the checkpoint also carries the
//! checksums of `split.csv`, of `vocabulary.json`, and of the samples. What is not there is not asked for: runs of
//! older versions and the weights of other programs have none of it.

use crate::file::checksum;
use crate::spec::{DataSpec, Spec};

/// The first lines of a `config.toml`.
const WRITTEN: &str =
    "# Written by faceshader. Change a run by the flags of `faceshader train --resume`, not here.";
const MODEL: &str = "# model ";
const CHECKSUM: &str = "# blake3 ";

/// What a model and its training are called: the same whatever the data, the number of epochs and the learning
/// rate, which a run may change on its way.
pub fn model_name(spec: &Spec) -> Result<String, toml::ser::Error> {
    let mut spec = spec.clone();
    spec.data = DataSpec::default();
    spec.training.epochs = 1;
    spec.training.patience = 0;
    // Where its first weights lay is no part of it.
    spec.training.init = None;
    if let Some(rate) = spec.optimizer.learning_rate() {
        *rate = 1.0;
    }
    Ok(checksum(spec.to_toml()?.as_bytes()))
}

/// A configuration as it is written.
pub fn seal(model: &str, config: &str) -> String {
    let rest = format!("{MODEL}{model}\n{config}");
    format!("{WRITTEN}\n{CHECKSUM}{}\n{rest}", checksum(rest.as_bytes()))
}

/// The name of the model that a configuration says it is of; `None` of an older version's.
///
/// # Errors
/// When it is not what was written.
pub fn unseal(text: &str) -> Result<Option<String>, String> {
    let Some(text) = text.strip_prefix(WRITTEN).and_then(|rest| rest.strip_prefix('\n')) else {
        return Ok(None);
    };
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    match line.strip_prefix(CHECKSUM) {
        Some(sum) if sum == checksum(rest.as_bytes()) => {}
        _ => {
            return Err(
                "its checksum does not fit: it was changed or damaged after faceshader wrote it. Undo the \
                        change; to train a changed model, begin a new run with --model and a copy of this file"
                    .into(),
            );
        }
    }
    Ok(rest.lines().next().and_then(|line| line.strip_prefix(MODEL)).map(String::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_configuration_is_noticed_and_an_old_one_is_not_asked() {
        let text = seal("abc", "name = \"face\"\n");
        assert_eq!(unseal(&text), Ok(Some("abc".into())));
        assert_eq!(unseal("name = \"face\"\n"), Ok(None));
        for (from, to) in [("face", "fase"), ("abc", "abd"), ("blake3 ", "blake3 0"), ("\"\n", "\"")] {
            assert!(text.contains(from));
            let at = text.rfind(from).unwrap();
            let changed = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
            assert!(unseal(&changed).is_err(), "{changed}");
        }
    }

    #[test]
    fn a_model_keeps_its_name_when_a_run_changes_what_it_may() {
        let spec = Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap();
        let mut other = spec.clone();
        other.training.epochs += 1;
        other.data.path = Some("elsewhere".into());
        assert_eq!(model_name(&other), model_name(&spec));
        other.training.seed += 1;
        assert_ne!(model_name(&other), model_name(&spec));
    }
}
