//! Depthwise two-dimensional convolution with bias: each channel has one filter of its own.
//!
//! Input (N, C, H, W), weight (C, kh, kw), bias (C), output (N, C, OH, OW). The elements of the weight are in the
//! order of PyTorch's (C, 1, kh, kw) for `groups = C`.

mod fast;

use super::attr::{BALANCED_BIAS, Padding, Pair, Window as Taps, image_axes, unit_stride, wrong_arguments};
use super::conv2d::pieces_of;
use super::height;
use super::onnx;
use super::share::{self, Share};
use super::{Arg, ArgumentSpec, Case, Dispatch, Init, Kernel, Operator, Parameter, ROW, Variant, WORKGROUP};
use crate::number::{Accumulator, Number};
use crate::shape::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The attributes of a depthwise convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv2d {
    /// Height and width of a filter.
    pub kernel: Pair,
    /// Distance between two windows.
    #[serde(default = "unit_stride")]
    pub stride: Pair,
    /// How windows treat the border.
    #[serde(default)]
    pub padding: Padding,
}

/// Pixels side by side that one invocation of `forward` or `backward_input` computes.
const PIXELS: usize = 4;
/// Taps that one workgroup of `backward_weight_partial` computes.
const TILE_TAPS: usize = 16;

/// All extents of a depthwise convolution.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    batch: usize,
    channels: usize,
    y: Taps,
    x: Taps,
}

impl Geometry {
    /// Weights of one filter.
    fn taps(&self) -> usize {
        self.y.kernel * self.x.kernel
    }

    /// Channels of all samples.
    fn planes(&self) -> usize {
        self.batch * self.channels
    }

    fn in_pixels(&self) -> usize {
        self.y.input * self.x.input
    }

    fn out_pixels(&self) -> usize {
        self.y.output * self.x.output
    }

    /// Blocks of taps that one workgroup of `backward_weight_partial` computes each; the bias is one more tap.
    fn tiles(&self) -> usize {
        self.channels * (self.taps() + 1).div_ceil(TILE_TAPS)
    }

    /// How many output pixels one workgroup of `backward_weight_partial` covers, and how many such pieces there are.
    fn pieces(&self) -> [usize; 2] {
        pieces_of(self.batch * self.out_pixels(), self.tiles())
    }

    /// How many additions a term of `backward_weight` passes through at most: of a weight's gradient, and of a
    /// bias's.
    fn weight_heights(&self) -> [usize; 2] {
        let [piece, pieces] = self.pieces();
        let gpu = height::of_stride(piece) + height::of_lanes() + height::of_pieces(pieces);
        fast::weight_heights(self).map(|cpu| cpu.max(gpu))
    }

    /// Calls `visit(input pixel, weight, output pixel)`, each counted within its plane or filter, for every tap of
    /// every window that sees a pixel of the input.
    fn visit(&self, mut visit: impl FnMut(usize, usize, usize)) {
        for out_y in 0..self.y.output {
            for out_x in 0..self.x.output {
                for tap in 0..self.taps() {
                    let in_y = self.y.source(out_y, tap / self.x.kernel);
                    let in_x = self.x.source(out_x, tap % self.x.kernel);
                    if let (Some(in_y), Some(in_x)) = (in_y, in_x) {
                        visit(in_y * self.x.input + in_x, tap, out_y * self.x.output + out_x);
                    }
                }
            }
        }
    }
}

impl DepthwiseConv2d {
    fn geometry(&self, inputs: &[Shape]) -> Result<Geometry, String> {
        let [batch, channels, height, width] = image_axes(inputs)?;
        let [y, x] = Taps::both([height, width], self.kernel, self.stride, self.padding)?;
        Ok(Geometry { batch, channels, y, x })
    }

    /// The geometry, once `output_shape` has accepted the input.
    fn known_geometry(&self, input: Shape) -> Geometry {
        match self.geometry(&[input]) {
            Ok(geometry) => geometry,
            Err(reason) => unreachable!("a depthwise convolution was accepted although {reason}"),
        }
    }
}

impl Operator for DepthwiseConv2d {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "weight", "bias"], &["output"]).per_sample()];
    const BACKWARD: &'static [Kernel] = &[
        Kernel::new("backward_weight", &["input", "d_output"], &["d_weight", "d_bias"]).scratch(&["partial"]),
        Kernel::new("backward_input", &["d_output", "weight"], &["d_input"]).per_sample(),
    ];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let g = self.geometry(inputs)?;
        Ok([g.batch, g.channels, g.y.output, g.x.output].into())
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        let Ok(g) = self.geometry(inputs) else { return Vec::new() };
        // Fans as Glorot and Bengio (2010) mean them: an output sees the pixels of one channel, and an input reaches
        // outputs of one channel. Keras takes the number of channels into `fan_in` (`compute_fans` in
        // `random_initializers.py`), which makes the weights of wide layers smaller.
        let taps = g.y.kernel.saturating_mul(g.x.kernel);
        let init = Init::GlorotUniform { fan_in: taps, fan_out: taps };
        vec![
            Parameter::trained("weight", [g.channels, g.y.kernel, g.x.kernel], init),
            Parameter::trained("bias", [g.channels], Init::Zeros),
        ]
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let g = self.geometry(inputs).ok()?;
        let partial: Shape = [g.pieces()[1], g.channels, g.taps() + 1].into();
        (name == "partial").then(|| ArgumentSpec::shared(partial))
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        let Ok(g) = self.geometry(inputs) else { return 0 };
        2 * (g.planes() * g.out_pixels() * g.taps()) as u64
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, weight, bias, output]) => {
                let g = self.known_geometry(input.shape.clone());
                forward(g, input.real(), weight.real(), bias.real(), output.real_mut());
            }
            ("backward_weight", [input, d_output, d_weight, d_bias]) => {
                let g = self.known_geometry(input.shape.clone());
                backward_weight(g, input.real(), d_output.real(), d_weight.real_mut(), d_bias.real_mut());
            }
            ("backward_input", [d_output, weight, d_input]) => {
                let g = self.known_geometry(d_input.shape.clone());
                backward_input(g, d_output.real(), weight.real(), d_input.real_mut());
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        match (kernel, args) {
            ("forward", [input, weight, bias, output]) => {
                let g = self.known_geometry(input.shape.clone());
                fast::forward(g, input.real(), weight.real(), bias.real(), output.real_mut());
            }
            ("backward_weight", [input, d_output, d_weight, d_bias]) => {
                let g = self.known_geometry(input.shape.clone());
                let (d_weight, d_bias) = (d_weight.real_mut(), d_bias.real_mut());
                fast::d_weight(g, input.real(), d_output.real(), d_weight, d_bias);
            }
            ("backward_input", [d_output, weight, d_input]) => {
                let g = self.known_geometry(d_input.shape.clone());
                fast::d_input(g, d_output.real(), weight.real(), d_input.real_mut());
            }
            _ => wrong_arguments(kernel),
        }
        true
    }

    fn cancels(&self, _kernel: &str, argument: &str) -> Option<&'static str> {
        (argument == "d_bias").then_some(BALANCED_BIAS)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        let input = shape(if kernel == "backward_input" { "d_input" } else { "input" });
        let g = self.known_geometry(input.clone());
        let tap = |argument| share::tap(argument, g.channels, g.taps());
        match kernel {
            "forward" => {
                vec![share::sample("input", &input), share::channel("input", &input), tap("weight")]
            }
            "backward_input" => {
                let d_output = shape("d_output");
                vec![
                    share::sample("d_output", &d_output),
                    share::channel("d_output", &d_output),
                    tap("weight"),
                ]
            }
            _ => {
                let d_output = shape("d_output");
                let [piece, _] = g.pieces();
                vec![
                    share::sample("d_output", &d_output),
                    share::channel("input", &input),
                    tap("d_weight"),
                    share::stretch("one partial sum", "d_output", &d_output, g.batch, piece),
                ]
            }
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape(if kernel == "backward_input" { "d_input" } else { "input" });
        let g = self.known_geometry(input);
        let [piece, pieces] = g.pieces();
        let constants = [
            ("BATCH", g.batch as f64),
            ("CHANNELS", g.channels as f64),
            ("IN_HEIGHT", g.y.input as f64),
            ("IN_WIDTH", g.x.input as f64),
            ("OUT_HEIGHT", g.y.output as f64),
            ("OUT_WIDTH", g.x.output as f64),
            ("KERNEL_HEIGHT", g.y.kernel as f64),
            ("KERNEL_WIDTH", g.x.kernel as f64),
            ("STRIDE_Y", g.y.stride as f64),
            ("STRIDE_X", g.x.stride as f64),
            ("PAD_TOP", g.y.before as f64),
            ("PAD_LEFT", g.x.before as f64),
            ("PIECE", piece as f64),
            ("PIECES", pieces as f64),
        ];
        let line = |entry_point: &str, invocations| Dispatch::line(entry_point, invocations, &constants);
        let quads = |axis: [usize; 2]| g.planes() * axis[0] * axis[1].div_ceil(PIXELS);
        match kernel {
            "forward" => vec![line(kernel, quads([g.y.output, g.x.output]))],
            "backward_input" => vec![line(kernel, quads([g.y.input, g.x.input]))],
            _ => vec![
                line("backward_weight_partial", pieces * g.tiles() * WORKGROUP),
                line(kernel, g.channels * (g.taps() + 1)),
            ],
        }
    }

    /// ONNX's weight is (C, 1, kh, kw).
    fn onnx(&self, inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let Geometry { channels, y, x, .. } = self.geometry(inputs).ok()?;
        let shape = [channels, 1, y.kernel, x.kernel].map(|extent| extent as i64);
        let mut weight = onnx::Node::new("Reshape", &["weight"]);
        weight.inputs.push(onnx::Value::Integers(shape.into()));
        let mut conv = onnx::Node::new("Conv", &["input"])
            .with("group", channels as i64)
            .with("kernel_shape", [y.kernel, x.kernel])
            .with("strides", [y.stride, x.stride])
            .with("pads", [y.before, x.before, y.after(), x.after()]);
        conv.inputs.extend([onnx::Value::Before, onnx::Value::Argument("bias")]);
        Some(vec![weight, conv])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 4], kernel, stride, padding| {
            let op = DepthwiseConv2d { kernel: Pair(kernel), stride: Pair(stride), padding };
            Case::new(op, [input.into()])
        };
        let zeros = |y, x| Padding::Zeros(Pair([y, x]));
        vec![
            case([1, 1, 1, 1], [1, 1], [1, 1], Padding::Valid),
            case([2, 3, 9, 11], [3, 3], [1, 1], Padding::Valid),
            case([3, 2, 13, 7], [3, 3], [1, 1], zeros(1, 1)),
            case([2, 5, 12, 19], [3, 3], [2, 2], Padding::Same),
            case([1, 3, 9, 23], [5, 5], [2, 2], zeros(2, 2)),
            case([1, 4, 11, 14], [5, 5], [1, 1], Padding::Same),
            case([2, 2, 11, 12], [5, 1], [3, 2], zeros(0, 2)),
            case([1, 2, 8, 15], [2, 4], [2, 3], zeros(1, 2)),
            case([1, 2, 9, 8], [2, 2], [5, 4], Padding::Valid),
            // More padding than a window sees, and more window than there is input.
            case([1, 2, 6, 9], [2, 3], [1, 1], zeros(3, 4)),
            case([2, 3, 2, 3], [5, 7], [1, 1], zeros(2, 3)),
            case([1, 3, 1, 1], [3, 3], [2, 2], Padding::Same),
            // Padding at one side alone: left, top, right, bottom.
            case([2, 2, 5, 9], [1, 3], [1, 3], zeros(0, 1)),
            case([2, 2, 9, 5], [3, 1], [3, 1], zeros(1, 0)),
            case([2, 2, 5, 7], [1, 2], [1, 1], Padding::Same),
            case([2, 2, 7, 5], [2, 1], [1, 1], Padding::Same),
            // The bias is the last tap of a tile, or the only one.
            case([2, 3, 9, 8], [3, 5], [1, 1], Padding::Same),
            case([2, 3, 9, 8], [4, 4], [1, 1], Padding::Valid),
            // More channels than a workgroup has lanes, and more invocations than a row holds.
            case([2, WORKGROUP + 1, 4, 3], [3, 3], [1, 1], Padding::Same),
            case([WORKGROUP + 1, 1, ROW / WORKGROUP, 1], [1, 1], [1, 1], Padding::Valid),
            // Output pixels in pieces of unequal size, few and more than four.
            case([7, 3, 15, 13], [3, 3], [1, 1], Padding::Same),
            case([3, 2, 41, 67], [3, 3], [1, 1], zeros(1, 1)),
        ]
    }
}

fn forward<N: Number>(g: Geometry, input: &[N], weight: &[N], bias: &[N], output: &mut [N]) {
    let planes = output.par_chunks_mut(g.out_pixels()).zip(input.par_chunks(g.in_pixels())).enumerate();
    planes.for_each(|(plane, (output, input))| {
        let channel = plane % g.channels;
        let weight = &weight[channel * g.taps()..][..g.taps()];
        let mut sums: Vec<N::Sum> = output.iter().map(|_| N::Sum::default()).collect();
        g.visit(|from, tap, to| sums[to].add_product(input[from], weight[tap]));
        for (output, mut sum) in output.iter_mut().zip(sums) {
            sum.add(bias[channel]);
            *output = sum.total();
        }
    });
}

fn backward_weight<N: Number>(
    g: Geometry,
    input: &[N],
    d_output: &[N],
    d_weight: &mut [N],
    d_bias: &mut [N],
) {
    let [weight_height, bias_height] = g.weight_heights();
    let filters = d_weight.par_chunks_mut(g.taps()).zip(d_bias).enumerate();
    filters.for_each(|(channel, (d_weight, d_bias))| {
        let mut sums: Vec<N::Sum> = d_weight.iter().map(|_| N::Sum::default()).collect();
        let mut bias_sum = N::Sum::default();
        for plane in (channel..g.planes()).step_by(g.channels) {
            let input = &input[plane * g.in_pixels()..][..g.in_pixels()];
            let d_output = &d_output[plane * g.out_pixels()..][..g.out_pixels()];
            g.visit(|from, tap, to| sums[tap].add_product(input[from], d_output[to]));
            d_output.iter().for_each(|&d| bias_sum.add(d));
        }
        for (d_weight, sum) in d_weight.iter_mut().zip(sums) {
            *d_weight = sum.total_within(weight_height);
        }
        *d_bias = bias_sum.total_within(bias_height);
    });
}

fn backward_input<N: Number>(g: Geometry, d_output: &[N], weight: &[N], d_input: &mut [N]) {
    let planes = d_input.par_chunks_mut(g.in_pixels()).zip(d_output.par_chunks(g.out_pixels())).enumerate();
    planes.for_each(|(plane, (d_input, d_output))| {
        let weight = &weight[plane % g.channels * g.taps()..][..g.taps()];
        let mut sums: Vec<N::Sum> = d_input.iter().map(|_| N::Sum::default()).collect();
        g.visit(|to, tap, from| sums[to].add_product(d_output[from], weight[tap]));
        for (d_input, sum) in d_input.iter_mut().zip(sums) {
            *d_input = sum.total();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels of two rows.
    const INPUT: [f32; 12] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 0.0, -1.0, 2.0, 0.0, -2.0];
    const WEIGHT: [f32; 8] = [1.0, 2.0, 3.0, 4.0, 1.0, -1.0, 0.0, 2.0];

    /// What the twin and the fast path write of kernels of 2x2 with a zero left and right of the input.
    fn computed(
        kernel: &str,
        stride: usize,
        reads: &[(&[f32], Shape)],
        writes: &[Shape],
    ) -> [Vec<Vec<f32>>; 2] {
        let padding = Padding::Zeros(Pair([0, 1]));
        let op = DepthwiseConv2d { kernel: Pair([2, 2]), stride: Pair([1, stride]), padding };
        [false, true].map(|fast| {
            let mut results: Vec<Vec<f32>> = writes.iter().map(|shape| vec![f32::NAN; shape.len()]).collect();
            let read = reads.iter().map(|(values, shape)| Arg::read(shape.clone(), values));
            let written =
                results.iter_mut().zip(writes).map(|(result, shape)| Arg::write(shape.clone(), result));
            let mut args: Vec<Arg<f32>> = read.chain(written).collect();
            match fast {
                true => assert!(op.fast(kernel, &mut args)),
                false => op.twin(kernel, &mut args),
            }
            drop(args);
            results
        })
    }

    #[test]
    fn each_channel_is_convolved_with_its_own_filter() {
        let reads: [(&[f32], Shape); 3] =
            [(&INPUT, [1, 2, 2, 3].into()), (&WEIGHT, [2, 2, 2].into()), (&[10.0, 20.0], [2].into())];
        // The second: 1 * 1 + 2 * 2 + 3 * 4 + 4 * 5 + 10.
        let want = vec![vec![28.0, 47.0, 57.0, 31.0, 23.0, 21.0, 17.0, 19.0]];
        assert_eq!(computed("forward", 1, &reads, &[[1, 2, 1, 4].into()]), [want.clone(), want]);
        let every_other = vec![vec![28.0, 57.0, 23.0, 17.0]];
        let got = computed("forward", 2, &reads, &[[1, 2, 1, 2].into()]);
        assert_eq!(got, [every_other.clone(), every_other]);
    }

    #[test]
    fn gradients_are_those_that_are_counted_by_hand() {
        let d_output = [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 0.0, 2.0];
        let of_output: (&[f32], Shape) = (&d_output, [1, 2, 1, 4].into());
        let reads = [(INPUT.as_slice(), [1, 2, 2, 3].into()), of_output.clone()];
        // The first: 1 * 0 + 2 * 1 + 3 * 2 + 4 * 3.
        let d_weight = vec![20.0, 14.0, 47.0, 32.0, -2.0, 1.0, -4.0, 2.0];
        let want = vec![d_weight, vec![10.0, 3.0]];
        let got = computed("backward_weight", 1, &reads, &[[2, 2, 2].into(), [2].into()]);
        assert_eq!(got, [want.clone(), want]);

        let reads = [of_output, (WEIGHT.as_slice(), [2, 2, 2].into())];
        // The first: 2 * 1 + 1 * 2.
        let want = vec![vec![4.0, 7.0, 10.0, 10.0, 17.0, 24.0, -1.0, 0.0, 2.0, 2.0, 0.0, 0.0]];
        assert_eq!(computed("backward_input", 1, &reads, &[[1, 2, 2, 3].into()]), [want.clone(), want]);

        // Two windows, two apart: their gradients are 5 and 7 in the first channel, 1 and 0 in the second.
        let reads = [(&[5.0, 7.0, 1.0, 0.0][..], [1, 2, 1, 2].into()), (&WEIGHT[..], [2, 2, 2].into())];
        let want = vec![vec![10.0, 7.0, 14.0, 20.0, 21.0, 28.0, -1.0, 0.0, 0.0, 2.0, 0.0, 0.0]];
        assert_eq!(computed("backward_input", 2, &reads, &[[1, 2, 2, 3].into()]), [want.clone(), want]);
    }
}
