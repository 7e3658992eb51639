//! Two-dimensional average pooling without padding; a remainder at the end is dropped.
//!
//! Input (N, C, H, W), output (N, C, OH, OW).

use super::attr::{Pair, Window, pool_dispatch, pool_onnx, pool_output, pool_windows, wrong_arguments};
use super::share::{self, Share};
use super::{Arg, Case, Dispatch, Kernel, Operator, Variant, WORKGROUP, onnx};
use crate::number::{Accumulator, Number};
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of average pooling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool2d {
    /// Height and width of a window.
    pub kernel: Pair,
    /// Distance between two windows; that of the kernel if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
}

impl AvgPool2d {
    /// The windows, once `output_shape` has accepted the input.
    fn known_windows(&self, input: Shape) -> [Window; 2] {
        match pool_windows(&[input], self.kernel, self.stride) {
            Ok(windows) => windows,
            Err(reason) => unreachable!("average pooling was accepted although {reason}"),
        }
    }
}

impl Operator for AvgPool2d {
    const FORWARD: &'static [Kernel] = &[Kernel::new("forward", &["input"], &["output"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_input", &["d_output"], &["d_input"]).per_sample()];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        pool_output(inputs, self.kernel, self.stride)
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        let taps = (self.kernel.0[0] * self.kernel.0[1]) as u64;
        self.output_shape(inputs).map_or(0, |output| output.len() as u64 * taps)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, output]) => {
                let [y, x] = self.known_windows(input.shape.clone());
                let (in_pixels, out_pixels) = (y.input * x.input, y.output * x.output);
                let input = input.real();
                for (index, output) in output.real_mut().iter_mut().enumerate() {
                    let (plane, pixel) = (index / out_pixels, index % out_pixels);
                    let first = plane * in_pixels
                        + pixel / x.output * y.stride * x.input
                        + pixel % x.output * x.stride;
                    let mut sum = N::Sum::default();
                    for tap in 0..y.kernel * x.kernel {
                        sum.add(input[first + tap / x.kernel * x.input + tap % x.kernel]);
                    }
                    *output = sum.total() / N::exact((y.kernel * x.kernel) as f32);
                }
            }
            ("backward_input", [d_output, d_input]) => {
                let [y, x] = self.known_windows(d_input.shape.clone());
                let (in_pixels, out_pixels) = (y.input * x.input, y.output * x.output);
                let mut sums: Vec<N::Sum> = d_input.real().iter().map(|_| N::Sum::default()).collect();
                for (index, &d) in d_output.real().iter().enumerate() {
                    let (plane, pixel) = (index / out_pixels, index % out_pixels);
                    let first = plane * in_pixels
                        + pixel / x.output * y.stride * x.input
                        + pixel % x.output * x.stride;
                    for tap in 0..y.kernel * x.kernel {
                        sums[first + tap / x.kernel * x.input + tap % x.kernel].add(d);
                    }
                }
                for (d_input, sum) in d_input.real_mut().iter_mut().zip(sums) {
                    *d_input = sum.total() / N::exact((y.kernel * x.kernel) as f32);
                }
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        if kernel != "forward" {
            return Vec::new();
        }
        let input = shape("input");
        let pixels = input.0.iter().skip(2).product();
        let tap = share::tap("input", input.len() / std::cmp::max(pixels, 1), pixels);
        vec![share::sample("input", &input), share::channel("input", &input), tap]
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape(if kernel == "forward" { "input" } else { "d_input" });
        pool_dispatch(kernel, &input, self.known_windows(input.clone()))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(vec![pool_onnx("AveragePool", self.kernel, self.stride)])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 4], kernel, stride: Option<[usize; 2]>| {
            let op = AvgPool2d { kernel: Pair(kernel), stride: stride.map(Pair) };
            Case::new(op, [input.into()])
        };
        vec![
            case([1, 1, 1, 1], [1, 1], None),
            case([2, 3, 7, 9], [2, 2], None),
            case([1, 3, 13, 11], [3, 3], Some([2, 2])),
            case([2, 2, 10, 17], [3, 2], Some([1, 3])),
            case([1, 2, 9, 9], [2, 2], Some([4, 5])),
            case([1, WORKGROUP + 3, 5, 5], [5, 5], None),
            case([2, 1, 24, 24], [2, 2], Some([1, 1])),
        ]
    }
}
