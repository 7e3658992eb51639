//! Rectified linear unit, element by element.

use super::attr::wrong_arguments;
use super::{Arg, Case, Dispatch, Kernel, Operator, ROW, Variant, WORKGROUP, onnx};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// `output = max(input, 0)`; it has no attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

impl Operator for Relu {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] = &[Kernel::new("forward", &["input"], &["output"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_input", &["d_output", "output"], &["d_input"]).per_sample()];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        inputs.first().cloned().ok_or_else(|| "it has no input".into())
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, output]) => {
                for (output, input) in output.real_mut().iter_mut().zip(input.real()) {
                    *output = input.max_zero();
                }
            }
            ("backward_input", [d_output, output, d_input]) => {
                let gradients = d_output.real().iter().zip(output.real());
                for (d_input, (&d, output)) in d_input.real_mut().iter_mut().zip(gradients) {
                    *d_input = if output.value() > 0.0 { d } else { N::zero() };
                }
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let elements = shape("output").len();
        vec![Dispatch::line(kernel, elements, &[("ELEMENTS", elements as f64)])]
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(vec![onnx::Node::new("Relu", &["input"])])
    }

    fn cases() -> Vec<Case<Self>> {
        [[1, 1], [3, 7], [2, WORKGROUP], [5, WORKGROUP + 1], [1, ROW + 1]]
            .map(|shape| Case::new(Relu {}, [shape.into()]))
            .into()
    }
}
