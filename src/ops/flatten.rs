//! All axes but the batch become one. Nothing is computed: the buffer stays as it is.

use super::attr::wrong_arguments;
use super::{Arg, Case, Dispatch, Kernel, Operator, Variant, onnx};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// (N, C, H, W) seen as (N, C * H * W); it has no attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Operator for Flatten {
    const FORWARD: &'static [Kernel] = &[];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let input = inputs.first().ok_or("it has no input")?;
        let batch = input.batch();
        Ok([batch, input.len() / batch.max(1)].into())
    }

    fn twin<N: Number>(&self, kernel: &str, _args: &mut [Arg<N>]) {
        wrong_arguments(kernel)
    }

    fn dispatches(&self, _kernel: &str, _variant: Variant, _shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        Vec::new()
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(vec![onnx::Node::new("Flatten", &["input"]).with("axis", 1)])
    }

    fn cases() -> Vec<Case<Self>> {
        Vec::new()
    }
}
