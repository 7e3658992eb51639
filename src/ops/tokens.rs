//! The numbers of a text's words, as the host writes them: what an embedding reads.
//!
//! Tokens (N, L). There is nothing to compute.

use super::attr::wrong_arguments;
use super::{Arg, ArgumentSpec, Case, Dispatch, Kernel, Operator, Variant, onnx};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The first node of a model that reads texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {}

impl Operator for Tokens {
    const INPUTS: &'static [&'static str] = &["tokens"];
    const FORWARD: &'static [Kernel] = &[];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        inputs.first().cloned().ok_or_else(|| "it has no input".into())
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        matches!(name, "tokens" | "output")
            .then(|| inputs.first().cloned().map(|shape| ArgumentSpec::batched(shape).words()))?
    }

    fn twin<N: Number>(&self, kernel: &str, _args: &mut [Arg<N>]) {
        wrong_arguments(kernel)
    }

    fn dispatches(&self, _kernel: &str, _variant: Variant, _shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        Vec::new()
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(Vec::new())
    }

    fn cases() -> Vec<Case<Self>> {
        Vec::new()
    }
}
