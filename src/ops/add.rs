//! The sum of two inputs of one shape: a residual connection, and the gradient of a value that two
//! layers use.

use super::attr::wrong_arguments;
use super::{Arg, ArgumentSpec, Case, Dispatch, Kernel, Operator, ROW, Variant, WORKGROUP, onnx};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// `output = input + other`; it has no attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl Operator for Add {
    const INPUTS: &'static [&'static str] = &["input", "other"];
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "other"], &["output"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_input", &["d_output"], &["d_input", "d_other"]).per_sample()];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [input, other] if input == other => Ok(input.clone()),
            [input, other] => Err(format!(
                "it adds inputs of the same shape, but these are {input} and {other} (batch first)"
            )),
            _ => Err(format!("it adds two inputs, but has {}", inputs.len())),
        }
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        (name == "output").then(|| inputs.first().cloned().map(ArgumentSpec::batched))?
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        inputs.first().map_or(0, |input| input.len() as u64)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, other, output]) => {
                let terms = input.real().iter().zip(other.real());
                for (output, (&a, &b)) in output.real_mut().iter_mut().zip(terms) {
                    *output = a + b;
                }
            }
            ("backward_input", [d_output, d_input, d_other]) => {
                d_input.real_mut().copy_from_slice(d_output.real());
                d_other.real_mut().copy_from_slice(d_output.real());
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let elements = shape(if kernel == "forward" { "output" } else { "d_output" }).len();
        vec![Dispatch::line(kernel, elements, &[("ELEMENTS", elements as f64)])]
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(vec![onnx::Node::new("Add", &["input", "other"])])
    }

    fn cases() -> Vec<Case<Self>> {
        [[1, 1], [3, 7], [2, WORKGROUP], [5, WORKGROUP + 1], [1, ROW + 1]]
            .map(|shape| Case::new(Add {}, [shape.into(), shape.into()]))
            .into()
    }
}
