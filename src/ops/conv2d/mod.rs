//! Two-dimensional convolution (cross-correlation, as in all of the field) with bias.
//!
//! Input (N, C, H, W), weight (O, C, kh, kw), bias (O), output (N, O, OH, OW).

mod direct;
mod fast;
mod twin;

use super::attr::{BALANCED_BIAS, Padding, Pair, Window as Taps, image_axes, unit_stride, wrong_arguments};
use super::dispatch::in_room;
use super::height;
use super::onnx;
use super::packed::{OUTS, Packed, Window};
use super::share::{self, Share};
use super::{Arg, ArgumentSpec, Case, Dispatch, Init, Kernel, Operator, Parameter, ROW, Variant, WORKGROUP};
use crate::number::Number;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use twin::{forward, twin_d_bias, twin_d_input, twin_d_weight};

/// The attributes of a convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Number of filters.
    pub out_channels: usize,
    /// Height and width of a filter.
    pub kernel: Pair,
    /// Distance between two windows.
    #[serde(default = "unit_stride")]
    pub stride: Pair,
    /// How windows treat the border.
    #[serde(default)]
    pub padding: Padding,
}

/// Vectors of four channels that one invocation of `forward` or `backward_input` computes on a GPU, which has
/// no room for the sums of 32 channels of 4 pixels.
const GPU_VECTORS: usize = 2;
/// Pixels side by side that one invocation of `forward` or `backward_input` computes.
const PIXELS: usize = 4;
/// Output channels, and taps, that one invocation of `backward_weight_partial` computes.
const WEIGHT_BLOCK: usize = 8;
/// `backward_weight_partial` splits its sum until it has about this many invocations.
const WEIGHT_INVOCATIONS: usize = 1 << 14;
/// Taps and filters that one workgroup of `backward_weight_tile` computes.
const TILE: [usize; 2] = [4, 8];

/// Pixels of all samples that one workgroup of `backward_weight_tile` covers, where there are not too many.
const PIECE: usize = 1 << 10;
/// Pieces at most: their sums are added one after the other.
const MAX_PIECES: usize = 128;
/// Workgroups that keep a GPU busy: with so many blocks of weights, pixels are not cut into pieces.
const BUSY: usize = 1 << 12;

/// How many of so many pixels one workgroup of a `backward_weight_tile` covers, and how many pieces that makes,
/// where one workgroup computes one of so many blocks of weights.
pub(super) fn pieces_of(pixels: usize, blocks: usize) -> [usize; 2] {
    let pieces = pixels.div_ceil(PIECE).clamp(1, MAX_PIECES).min(BUSY.div_ceil(blocks));
    let size = pixels.div_ceil(pieces).max(1);
    [size, pixels.div_ceil(size)]
}

/// All extents of a convolution.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    batch: usize,
    in_channels: usize,
    out_channels: usize,
    y: Taps,
    x: Taps,
}

impl Geometry {
    /// Weights of one filter.
    fn taps(&self) -> usize {
        self.in_channels * self.y.kernel * self.x.kernel
    }

    /// Blocks of weights that one invocation of `backward_weight_partial` computes each.
    fn weight_blocks(&self) -> usize {
        (self.taps() + 1).div_ceil(WEIGHT_BLOCK) * self.out_channels.div_ceil(WEIGHT_BLOCK)
    }

    /// Blocks of weights that one workgroup of `backward_weight_tile` computes each.
    fn tiles(&self) -> usize {
        let [taps, filters] = TILE;
        (self.taps() + 1).div_ceil(taps) * self.out_channels.div_ceil(filters)
    }

    /// The pieces of the output pixels of all samples.
    fn pieces(&self) -> [usize; 2] {
        pieces_of(self.batch * self.y.output * self.x.output, self.tiles())
    }

    /// The weights as `forward` reads them: a row a tap, a column an output channel.
    fn forward_weights(&self) -> Packed {
        Packed { rows: self.taps(), columns: self.out_channels }
    }

    /// The weights as `backward_input` reads them: a row an output channel's tap, a column an input
    /// channel.
    fn backward_weights(&self) -> Packed {
        Packed { rows: self.out_channels * self.y.kernel * self.x.kernel, columns: self.in_channels }
    }

    fn input_at(&self, sample: usize, channel: usize, y: usize, x: usize) -> usize {
        ((sample * self.in_channels + channel) * self.y.input + y) * self.x.input + x
    }

    fn output_at(&self, sample: usize, channel: usize, y: usize, x: usize) -> usize {
        ((sample * self.out_channels + channel) * self.y.output + y) * self.x.output + x
    }

    fn weight_at(&self, out_channel: usize, in_channel: usize, y: usize, x: usize) -> usize {
        ((out_channel * self.in_channels + in_channel) * self.y.kernel + y) * self.x.kernel + x
    }

    /// How many output rows one partial sum of `backward_weight` covers, and how many such pieces a sample
    /// has.
    fn weight_split(&self) -> [usize; 2] {
        let unsplit = self.weight_blocks() * self.batch;
        let pieces = WEIGHT_INVOCATIONS.div_ceil(unsplit).min(self.y.output);
        let rows = self.y.output.div_ceil(pieces);
        [rows, self.y.output.div_ceil(rows)]
    }
}

impl Geometry {
    /// How many additions a term of `backward_weight` passes through at most: of a weight's gradient, and of a
    /// bias's.
    fn weight_heights(&self) -> [usize; 2] {
        let [rows, splits] = self.weight_split();
        let [piece, pieces] = self.pieces();
        let software = rows * self.x.output + height::of_pieces(self.batch * splits);
        let gpu = height::of_stride(piece) + height::of_lanes() + height::of_pieces(pieces);
        fast::weight_heights(self).map(|cpu| cpu.max(software).max(gpu))
    }
}

impl Conv2d {
    /// What the CPU's fast path has; see [`Geometry::weight_heights`].
    pub(super) fn fast_weight_heights(&self, input: &Shape) -> [usize; 2] {
        fast::weight_heights(&self.known_geometry(input.clone()))
    }

    /// The twin of `backward_weight`, whose terms pass through at most so many additions.
    pub(super) fn weight_twin<N: Number>(&self, args: &mut [Arg<N>], heights: [usize; 2]) {
        let [input, d_output, d_weight, d_bias] = args else { wrong_arguments("backward_weight") };
        let g = self.known_geometry(input.shape.clone());
        twin_d_weight(g, input.real(), d_output.real(), d_weight.real_mut(), heights[0]);
        twin_d_bias(g, d_output.real(), d_bias.real_mut(), heights[1]);
    }

    fn geometry(&self, inputs: &[Shape]) -> Result<Geometry, String> {
        let [batch, in_channels, height, width] = image_axes(inputs)?;
        if self.out_channels == 0 {
            return Err("out_channels is 0; it must be at least 1".into());
        }
        let [y, x] = Taps::both([height, width], self.kernel, self.stride, self.padding)?;
        Ok(Geometry { batch, in_channels, out_channels: self.out_channels, y, x })
    }

    /// The geometry, once `output_shape` has accepted the input.
    fn known_geometry(&self, input: Shape) -> Geometry {
        match self.geometry(&[input]) {
            Ok(geometry) => geometry,
            Err(reason) => unreachable!("a convolution was accepted although {reason}"),
        }
    }
}

impl Operator for Conv2d {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] = &[Kernel::new("forward", &["input", "weight", "bias"], &["output"])
        .per_sample()
        .scratch(&["forward_packed"])];
    const BACKWARD: &'static [Kernel] = &[
        Kernel::new("backward_weight", &["input", "d_output"], &["d_weight", "d_bias"]).scratch(&["partial"]),
        Kernel::new("backward_input", &["d_output", "weight"], &["d_input"])
            .per_sample()
            .scratch(&["backward_packed"]),
    ];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let g = self.geometry(inputs)?;
        Ok([g.batch, g.out_channels, g.y.output, g.x.output].into())
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        let Ok(g) = self.geometry(inputs) else { return Vec::new() };
        let fan = |channels: usize| channels.saturating_mul(g.y.kernel * g.x.kernel);
        let init = Init::GlorotUniform { fan_in: fan(g.in_channels), fan_out: fan(g.out_channels) };
        let weight: Shape = [g.out_channels, g.in_channels, g.y.kernel, g.x.kernel].into();
        vec![
            Parameter::trained("weight", weight, init),
            Parameter::trained("bias", [g.out_channels], Init::Zeros),
        ]
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let g = self.geometry(inputs).ok()?;
        let shape: Shape = match name {
            "partial" => {
                let pieces = (g.batch * g.weight_split()[1]).max(g.pieces()[1]);
                [pieces, g.out_channels, g.taps() + 1].into()
            }
            "forward_packed" => [g.forward_weights().room()].into(),
            "backward_packed" => [g.backward_weights().room()].into(),
            _ => return None,
        };
        Some(ArgumentSpec::shared(shape))
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        let Ok(g) = self.geometry(inputs) else { return 0 };
        2 * (g.batch * g.out_channels * g.y.output * g.x.output * g.taps()) as u64
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, weight, bias, output]) => {
                let g = self.known_geometry(input.shape.clone());
                forward(g, input.real(), weight.real(), bias.real(), output.real_mut());
            }
            ("backward_weight", args @ [_, _, _, _]) => {
                let g = self.known_geometry(args[0].shape.clone());
                self.weight_twin(args, g.weight_heights());
            }
            ("backward_input", [d_output, weight, d_input]) => {
                let g = self.known_geometry(d_input.shape.clone());
                twin_d_input(g, d_output.real(), weight.real(), d_input.real_mut());
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
        let tap = share::tap("weight", g.out_channels, g.taps());
        match kernel {
            "forward" => vec![share::sample("input", &input), share::channel("input", &input), tap],
            "backward_input" => {
                let d_output = shape("d_output");
                vec![share::sample("d_output", &d_output), share::channel("d_output", &d_output), tap]
            }
            _ => {
                let d_output = shape("d_output");
                let ([rows, _], [piece, _]) = (g.weight_split(), g.pieces());
                let stretch = |fault, pixels| share::stretch(fault, "d_output", &d_output, g.batch, pixels);
                vec![
                    share::sample("d_output", &d_output),
                    share::channel("input", &input),
                    share::tap("d_weight", g.out_channels, g.taps()),
                    stretch("one partial sum", piece.min(rows * g.x.output)),
                    stretch("a workgroup's share", piece),
                ]
            }
        }
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape(if kernel == "backward_input" { "d_input" } else { "input" });
        let g = self.known_geometry(input);
        let [split_rows, splits] = g.weight_split();
        let [piece, pieces] = match variant {
            Variant::Gpu => g.pieces(),
            Variant::Software => [0, g.batch * splits],
        };
        let vectors = if variant == Variant::Gpu { GPU_VECTORS } else { OUTS / 4 };
        let extents = [
            ("BATCH", g.batch as f64),
            ("IN_CHANNELS", g.in_channels as f64),
            ("IN_HEIGHT", g.y.input as f64),
            ("IN_WIDTH", g.x.input as f64),
            ("OUT_CHANNELS", g.out_channels as f64),
            ("OUT_HEIGHT", g.y.output as f64),
            ("OUT_WIDTH", g.x.output as f64),
            ("KERNEL_HEIGHT", g.y.kernel as f64),
            ("KERNEL_WIDTH", g.x.kernel as f64),
            ("STRIDE_Y", g.y.stride as f64),
            ("STRIDE_X", g.x.stride as f64),
            ("PAD_TOP", g.y.before as f64),
            ("PAD_LEFT", g.x.before as f64),
            ("SPLIT_ROWS", split_rows as f64),
            ("SPLITS", splits as f64),
            ("PIECE", piece as f64),
            ("PIECES", pieces as f64),
        ];
        let line = |entry_point: &str, invocations: usize, window: &Window| {
            let parts = window.vectors.div_ceil(vectors).max(1);
            let window = Window { vectors: window.vectors.min(vectors), ..*window };
            let parts_of = [("PARTS", parts as f64)];
            let constants = [extents.as_slice(), window.constants().as_slice(), parts_of.as_slice()].concat();
            Dispatch::line(entry_point, invocations, &constants).deep(parts)
        };
        let through_windows = |packed: Packed, pack: &str, argument: &str, [rows, width]: [usize; 2]| {
            let mut dispatches = vec![line(pack, packed.len(), &Window::default())];
            for window in packed.views(variant, 1) {
                let dispatch = line(kernel, g.batch * rows * width.div_ceil(PIXELS), &window);
                dispatches.push(dispatch.seen_from(argument, window.offset_bytes));
            }
            dispatches
        };
        match kernel {
            "forward" => {
                let pixels = [g.y.output, g.x.output];
                through_windows(g.forward_weights(), "pack_forward", "forward_packed", pixels)
            }
            "backward_input" => {
                let pixels = [g.y.input, g.x.input];
                through_windows(g.backward_weights(), "pack_backward", "backward_packed", pixels)
            }
            _ => {
                let none = Window::default();
                let sums = match variant {
                    Variant::Gpu => line("backward_weight_tile", pieces * g.tiles() * WORKGROUP, &none),
                    Variant::Software => line("backward_weight_partial", pieces * g.weight_blocks(), &none),
                };
                let total = g.out_channels * (g.taps() + 1);
                in_room(vec![sums, line(kernel, total, &none)], "partial", pieces * total)
            }
        }
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let Geometry { y, x, .. } = self.geometry(inputs).ok()?;
        let conv = onnx::Node::new("Conv", &["input", "weight", "bias"])
            .with("kernel_shape", [y.kernel, x.kernel])
            .with("strides", [y.stride, x.stride])
            .with("pads", [y.before, x.before, y.after(), x.after()]);
        Some(vec![conv])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 4], out_channels, kernel, stride, padding| {
            let op = Conv2d { out_channels, kernel: Pair(kernel), stride: Pair(stride), padding };
            Case::new(op, [input.into()])
        };
        let zeros = |y, x| Padding::Zeros(Pair([y, x]));
        // Channels with each number of vectors, 1 to 8, in their last block.
        vec![
            case([1, 1, 1, 1], 1, [1, 1], [1, 1], Padding::Valid),
            case([2, 3, 9, 11], 5, [3, 3], [1, 1], Padding::Valid),
            case([3, 2, 13, 7], 10, [3, 3], [1, 1], Padding::Same),
            case([1, 16, 6, 6], 24, [3, 3], [1, 1], Padding::Valid),
            case([2, 9, 12, 10], 17, [3, 3], [2, 2], Padding::Same),
            case([2, 18, 13, 9], 3, [3, 2], [2, 2], zeros(2, 2)),
            case([1, 23, 6, 5], 33, [2, 3], [1, 1], zeros(2, 1)),
            case([2, 2, 11, 12], 14, [5, 1], [3, 2], zeros(0, 2)),
            case([1, 1, 7, 7], 2, [7, 7], [1, 1], Padding::Valid),
            case([1, 2, 8, 8], 3, [2, 2], [5, 4], Padding::Valid),
            case([WORKGROUP + 1, 1, 4, 3], 1, [2, 2], [1, 1], Padding::Valid),
            // Of stride 1 and large: with padding on all sides, on none, and with more than a window sees.
            case([2, 9, 21, 19], 11, [3, 3], [1, 1], Padding::Same),
            case([1, 5, 12, 70], 9, [3, 4], [1, 1], Padding::Valid),
            case([1, 2, 11, 13], 3, [2, 3], [1, 1], zeros(3, 2)),
            case([1, 64, 3, 2], 32, [1, 1], [1, 1], Padding::Valid),
            // Padding at one side alone: left, top, right, bottom.
            case([2, 2, 5, 9], 3, [1, 3], [1, 3], zeros(0, 1)),
            case([2, 2, 9, 5], 3, [3, 1], [3, 1], zeros(1, 0)),
            case([2, 2, 5, 7], 3, [1, 2], [1, 1], Padding::Same),
            case([2, 2, 7, 5], 3, [2, 1], [1, 1], Padding::Same),
            // More invocations than a row holds.
            case([WORKGROUP + 1, 1, ROW / WORKGROUP, 1], 1, [1, 1], [1, 1], Padding::Valid),
            // Output pixels in pieces of unequal size.
            case([7, 3, 15, 13], 9, [3, 3], [1, 1], Padding::Same),
            // More taps than one uniform window holds, forwards and backwards.
            case([1, 58, 4, 5], 60, [3, 3], [1, 1], Padding::Same),
            case([1, 86, 5, 6], 87, [3, 2], [2, 3], zeros(1, 1)),
        ]
    }
}
