//! One-dimensional max pooling: [`MaxPool2d`] of height 1, with the same shader.
//!
//! Input (N, C, L), output and code (N, C, OL).

use super::attr::Pair;
use super::line::{Length, lowered, lowered_local, raise, raised, raised_inputs};
use super::max_pool2d::MaxPool2d;
use super::{Arg, ArgumentSpec, Case, Dispatch, Kernel, Operator, Variant, WORKGROUP, onnx};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of one-dimensional max pooling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool1d {
    /// Length of a window.
    pub kernel: Length,
    /// Distance between two windows; that of the kernel if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Length>,
}

impl MaxPool1d {
    fn raised(&self) -> MaxPool2d {
        let stride = self.stride.unwrap_or(self.kernel);
        MaxPool2d { kernel: Pair([1, self.kernel.0]), stride: Some(Pair([1, stride.0])) }
    }
}

impl Operator for MaxPool1d {
    const SHADER: Option<&'static str> = Some("max_pool2d");
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] = MaxPool2d::FORWARD;
    const BACKWARD: &'static [Kernel] = MaxPool2d::BACKWARD;

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        self.raised().output_shape(&raised_inputs(inputs)?).map(lowered)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        self.raised().local(name, &raised_inputs(inputs).ok()?).map(lowered_local)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        raise(args);
        self.raised().twin(kernel, args);
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        self.raised().dispatches(kernel, variant, &|name| raised(shape(name)))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let stride = self.stride.unwrap_or(self.kernel);
        let pool = onnx::Node::new("MaxPool", &["input"])
            .with("kernel_shape", [self.kernel.0])
            .with("strides", [stride.0]);
        Some(vec![pool])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 3], kernel, stride: Option<usize>| {
            let op = MaxPool1d { kernel: Length(kernel), stride: stride.map(Length) };
            Case::new(op, [input.into()])
        };
        vec![
            case([1, 1, 1], 1, None),
            case([2, 3, 27], 2, None),
            case([2, 33, 13], 3, Some(2)),
            case([1, 2, 2 * WORKGROUP + 3], 2, Some(5)),
        ]
    }
}
