//! A network that is asked and not trained here: layers without targets.

use super::read::Reader;
use super::{Layer, PhotoSpec, SpecError};

/// Layers, and those whose values are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Plans are named after it.
    pub name: String,
    /// The file that it was read from, for messages.
    pub file: String,
    /// What it sees. The size may be another one where it is used.
    pub input: PhotoSpec,
    /// The layers.
    pub layers: Vec<Layer>,
    /// The names of the layers whose values are wanted.
    pub outputs: Vec<String>,
}

impl Network {
    /// Reads a network. `file` is its name, for messages.
    ///
    /// # Errors
    /// When it is not TOML, or holds what no network has.
    pub fn parse(text: &str, file: &str) -> Result<Network, SpecError> {
        Reader { text, file }.network()
    }

    /// An error about this network.
    pub fn error(&self, line: usize, message: impl Into<String>) -> SpecError {
        SpecError { file: self.file.clone(), line, message: message.into() }
    }
}
