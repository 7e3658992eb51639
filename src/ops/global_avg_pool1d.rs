//! The mean of every channel of a sequence: [`GlobalAvgPool2d`] of height 1, with the same shader.
//!
//! Input (N, C, L), output (N, C, 1).

use super::global_avg_pool2d::GlobalAvgPool2d;
use super::line::{lowered, raise, raised, raised_inputs};
use super::{Arg, Case, Dispatch, Kernel, Operator, Share, Variant, WORKGROUP, onnx};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The mean of every channel of a sequence; it has no attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool1d {}

impl Operator for GlobalAvgPool1d {
    const SHADER: Option<&'static str> = GlobalAvgPool2d::SHADER;
    const FORWARD: &'static [Kernel] = GlobalAvgPool2d::FORWARD;
    const BACKWARD: &'static [Kernel] = GlobalAvgPool2d::BACKWARD;

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        GlobalAvgPool2d {}.output_shape(&raised_inputs(inputs)?).map(lowered)
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        GlobalAvgPool2d {}.flops(inputs)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        raise(args);
        GlobalAvgPool2d {}.twin(kernel, args);
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        raise(args);
        GlobalAvgPool2d {}.fast(kernel, args)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        GlobalAvgPool2d {}.shares(kernel, &|name| raised(shape(name)))
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        GlobalAvgPool2d {}.dispatches(kernel, variant, &|name| raised(shape(name)))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(vec![onnx::Node::new("GlobalAveragePool", &["input"])])
    }

    fn cases() -> Vec<Case<Self>> {
        [[1, 1, 1], [2, 3, 17], [3, 2, WORKGROUP], [1, WORKGROUP + 3, 9]]
            .map(|shape| Case::new(GlobalAvgPool1d {}, [shape.into()]))
            .into()
    }
}
