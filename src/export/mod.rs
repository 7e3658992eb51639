//! Trained models for other programs: pages for a browser, ONNX, and how texts become token ids.

pub mod metadata;
pub mod onnx;
pub mod page;
pub mod program;
pub mod proto;
pub mod token_rules;

use crate::file::FileError;
use crate::spec::SpecError;

/// A model cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The model is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A layer has no form in the format.
    #[error(
        "{file}:{line}: layer {layer:?} ({op}) cannot be written as ONNX; leave it out or use another operator"
    )]
    Layer {
        /// The model file.
        file: String,
        /// The line in it, from 1.
        line: usize,
        /// The layer's name.
        layer: String,
        /// Its operator.
        op: &'static str,
    },
    /// The weights do not belong to the model.
    #[error("{file} does not fit the model: {reason}")]
    Weights {
        /// The file.
        file: String,
        /// What does not fit.
        reason: String,
    },
    /// Weights and graph take more than a protobuf message may.
    #[error("the model takes {bytes} bytes, and an ONNX file may take {} at most", i32::MAX)]
    TooLarge {
        /// What it takes.
        bytes: usize,
    },
}
