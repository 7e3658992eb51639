//! One-dimensional convolution with bias: [`Conv2d`] of height 1, with the same shader.
//!
//! Input (N, C, L), weight (O, C, k), bias (O), output (N, O, OL).

use super::attr::{Padding, Pair};
use super::conv2d::Conv2d;
use super::line::{Length, lowered, lowered_local, raise, raised, raised_inputs};
use super::{
    Arg, ArgumentSpec, Case, Dispatch, Kernel, Operator, Parameter, Share, Variant, WORKGROUP, onnx,
};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of a one-dimensional convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv1d {
    /// Number of filters.
    pub out_channels: usize,
    /// Length of a filter.
    pub kernel: Length,
    /// Distance between two windows.
    #[serde(default = "one")]
    pub stride: Length,
    /// Zeros on both sides.
    #[serde(default = "none")]
    pub padding: Length,
}

fn one() -> Length {
    Length(1)
}

fn none() -> Length {
    Length(0)
}

impl Conv1d {
    fn raised(&self) -> Conv2d {
        Conv2d {
            out_channels: self.out_channels,
            kernel: Pair([1, self.kernel.0]),
            stride: Pair([1, self.stride.0]),
            padding: Padding::Zeros(Pair([0, self.padding.0])),
        }
    }
}

impl Operator for Conv1d {
    const SHADER: Option<&'static str> = Some("conv2d");
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] = Conv2d::FORWARD;
    const BACKWARD: &'static [Kernel] = Conv2d::BACKWARD;

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        self.raised().output_shape(&raised_inputs(inputs)?).map(lowered)
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        let Ok(inputs) = raised_inputs(inputs) else { return Vec::new() };
        let lower = |parameter: Parameter| Parameter { shape: lowered(parameter.shape), ..parameter };
        self.raised().parameters(&inputs).into_iter().map(lower).collect()
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        self.raised().local(name, &raised_inputs(inputs).ok()?).map(lowered_local)
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        raised_inputs(inputs).map_or(0, |inputs| self.raised().flops(&inputs))
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        raise(args);
        self.raised().twin(kernel, args);
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        raise(args);
        self.raised().fast(kernel, args)
    }

    fn cancels(&self, kernel: &str, argument: &str) -> Option<&'static str> {
        self.raised().cancels(kernel, argument)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        self.raised().shares(kernel, &|name| raised(shape(name)))
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        self.raised().dispatches(kernel, variant, &|name| raised(shape(name)))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let conv = onnx::Node::new("Conv", &["input", "weight", "bias"])
            .with("kernel_shape", [self.kernel.0])
            .with("strides", [self.stride.0])
            .with("pads", [self.padding.0; 2]);
        Some(vec![conv])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 3], out_channels, [kernel, stride, padding]: [usize; 3]| {
            let [kernel, stride, padding] = [Length(kernel), Length(stride), Length(padding)];
            Case::new(Conv1d { out_channels, kernel, stride, padding }, [input.into()])
        };
        vec![
            case([1, 1, 1], 1, [1, 1, 0]),
            case([2, 3, 17], 5, [8, 1, 0]),
            case([3, 7, 20], 33, [3, 2, 1]),
            case([1, 16, WORKGROUP + 9], 32, [8, 1, 4]),
            case([6, 9, 21], 3, [5, 3, 7]),
        ]
    }
}
