//! Two-dimensional max pooling without padding; a remainder at the end is dropped.
//!
//! Input (N, C, H, W), output (N, C, OH, OW), and a code for each output: the number `i * kw + j` of
//! the window's largest element. The first maximum wins, as in PyTorch.

use super::attr::{Pair, Window, pool_dispatch, pool_onnx, pool_output, pool_windows, wrong_arguments};
use super::{Arg, ArgumentSpec, Case, Dispatch, Kernel, Operator, Variant, WORKGROUP, onnx};
use crate::number::{Accumulator, Number};
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of max pooling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2d {
    /// Height and width of a window.
    pub kernel: Pair,
    /// Distance between two windows; that of the kernel if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
}

impl MaxPool2d {
    /// The windows, once `output_shape` has accepted the input.
    fn known_windows(&self, input: Shape) -> [Window; 2] {
        match pool_windows(&[input], self.kernel, self.stride) {
            Ok(windows) => windows,
            Err(reason) => unreachable!("max pooling was accepted although {reason}"),
        }
    }
}

impl Operator for MaxPool2d {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input"], &["output", "code"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_input", &["d_output", "code"], &["d_input"]).per_sample()];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        pool_output(inputs, self.kernel, self.stride)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let output = self.output_shape(inputs).ok()?;
        (name == "code").then(|| ArgumentSpec::batched(output).words())
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, output, code]) => {
                let windows = self.known_windows(input.shape.clone());
                forward(windows, input.real(), output.real_mut(), code.words_mut());
            }
            ("backward_input", [d_output, code, d_input]) => {
                let windows = self.known_windows(d_input.shape.clone());
                backward_input(windows, d_output.real(), code.words(), d_input.real_mut());
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape(if kernel == "forward" { "input" } else { "d_input" });
        pool_dispatch(kernel, &input, self.known_windows(input.clone()))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(vec![pool_onnx("MaxPool", self.kernel, self.stride)])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 4], kernel, stride: Option<[usize; 2]>| {
            let op = MaxPool2d { kernel: Pair(kernel), stride: stride.map(Pair) };
            Case::new(op, [input.into()])
        };
        vec![
            case([1, 1, 1, 1], [1, 1], None),
            case([2, 3, 7, 9], [2, 2], None),
            case([2, 5, 8, 6], [2, 2], Some([2, 2])),
            case([1, 3, 13, 11], [3, 3], Some([2, 2])),
            case([2, 2, 10, 17], [3, 2], Some([1, 3])),
            case([1, 2, 9, 9], [2, 2], Some([4, 5])),
            case([1, WORKGROUP + 3, 5, 5], [5, 5], None),
            // More invocations than a row holds, overlapping and apart.
            case([2, 1, 24, 24], [2, 2], Some([1, 1])),
            case([5, 1, 33, 31], [2, 2], None),
        ]
    }
}

fn forward<N: Number>([y, x]: [Window; 2], input: &[N], output: &mut [N], code: &mut [u32]) {
    let (in_pixels, out_pixels) = (y.input * x.input, y.output * x.output);
    for (plane, (output, code)) in
        output.chunks_exact_mut(out_pixels).zip(code.chunks_exact_mut(out_pixels)).enumerate()
    {
        let input = &input[plane * in_pixels..][..in_pixels];
        for out_y in 0..y.output {
            for out_x in 0..x.output {
                let first = out_y * y.stride * x.input + out_x * x.stride;
                let mut largest = input[first];
                let mut winner = 0;
                for tap in 1..y.kernel * x.kernel {
                    let value = input[first + tap / x.kernel * x.input + tap % x.kernel];
                    if value.value() > largest.value() {
                        winner = tap as u32;
                    }
                    largest = largest.larger(value);
                }
                output[out_y * x.output + out_x] = largest;
                code[out_y * x.output + out_x] = winner;
            }
        }
    }
}

fn backward_input<N: Number>([y, x]: [Window; 2], d_output: &[N], code: &[u32], d_input: &mut [N]) {
    let (in_pixels, out_pixels) = (y.input * x.input, y.output * x.output);
    // Windows that do not overlap give each input at most one gradient: no sums are needed.
    if y.stride >= y.kernel && x.stride >= x.kernel {
        d_input.fill(N::zero());
        for plane in 0..d_output.len() / out_pixels {
            for out_y in 0..y.output {
                for out_x in 0..x.output {
                    let from = plane * out_pixels + out_y * x.output + out_x;
                    let tap = code[from] as usize;
                    let in_y = out_y * y.stride + tap / x.kernel;
                    let in_x = out_x * x.stride + tap % x.kernel;
                    d_input[plane * in_pixels + in_y * x.input + in_x] = d_output[from];
                }
            }
        }
        return;
    }
    let mut sums: Vec<N::Sum> = d_input.iter().map(|_| N::Sum::default()).collect();
    for (from, (&d, &tap)) in d_output.iter().zip(code).enumerate() {
        let (plane, pixel) = (from / out_pixels, from % out_pixels);
        let in_y = pixel / x.output * y.stride + tap as usize / x.kernel;
        let in_x = pixel % x.output * x.stride + tap as usize % x.kernel;
        sums[plane * in_pixels + in_y * x.input + in_x].add(d);
    }
    for (d_input, sum) in d_input.iter_mut().zip(sums) {
        *d_input = sum.total();
    }
}
