//! The mean of every channel: [`AvgPool2d`] with one window as large as its input, with the same shader.
//!
//! Input (N, C, H, W), output (N, C, 1, 1).

use super::attr::{Pair, image_axes};
use super::avg_pool2d::AvgPool2d;
use super::gemm::sum;
use super::{Arg, Case, Dispatch, Kernel, Operator, Share, Variant, WORKGROUP, onnx};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The mean of every channel; it has no attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool2d {}

impl GlobalAvgPool2d {
    fn windowed(input: &Shape) -> AvgPool2d {
        let [_, _, height, width] = input.nchw().unwrap_or([1; 4]);
        AvgPool2d { kernel: Pair([height, width]), stride: None }
    }
}

impl Operator for GlobalAvgPool2d {
    const SHADER: Option<&'static str> = Some("avg_pool2d");
    const FORWARD: &'static [Kernel] = AvgPool2d::FORWARD;
    const BACKWARD: &'static [Kernel] = AvgPool2d::BACKWARD;

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [batch, channels, ..] = image_axes(inputs)?;
        Ok([batch, channels, 1, 1].into())
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        inputs.first().map_or(0, |input| input.len() as u64)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let image = if kernel == "forward" { args.first() } else { args.last() };
        let windowed = Self::windowed(image.map_or(&Shape(Vec::new()), |image| &image.shape));
        windowed.twin(kernel, args);
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        let (planes, means) = match args {
            [input, output] if kernel == "forward" => (input, output),
            [d_output, d_input] => (d_input, d_output),
            _ => return false,
        };
        let [_, _, height, width] = planes.nchw();
        let pixels = height * width;
        if kernel == "forward" {
            let outputs = means.real_mut().iter_mut();
            for (output, plane) in outputs.zip(planes.real().chunks_exact(pixels)) {
                *output = sum(plane) / pixels as f32;
            }
        } else {
            let planes = planes.real_mut().chunks_exact_mut(pixels);
            planes.zip(means.real()).for_each(|(plane, d)| plane.fill(d / pixels as f32));
        }
        true
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        let image = shape(if kernel == "forward" { "input" } else { "d_input" });
        Self::windowed(&image).shares(kernel, shape)
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let image = shape(if kernel == "forward" { "input" } else { "d_input" });
        Self::windowed(&image).dispatches(kernel, variant, shape)
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(vec![onnx::Node::new("GlobalAveragePool", &["input"])])
    }

    fn cases() -> Vec<Case<Self>> {
        [[1, 1, 1, 1], [2, 3, 7, 9], [5, 2, 8, 6], [1, WORKGROUP + 3, 5, 5]]
            .map(|shape| Case::new(GlobalAvgPool2d {}, [shape.into()]))
            .into()
    }
}
