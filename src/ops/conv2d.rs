//! Two-dimensional convolution (cross-correlation, as in all of the field) with bias.
//!
//! Input (N, C, H, W), weight (O, C, kh, kw), bias (O), output (N, O, OH, OW).

use super::attr::{Padding, Pair, Window as Taps, image_axes, unit_stride, wrong_arguments};
use super::packed::{Packed, Window};
use super::gemm::{matrix, matrix_mut, multiply, multiply_add};
use super::{Arg, ArgumentSpec, Case, Dispatch, Init, Kernel, Operator, Parameter, WORKGROUP};
use crate::number::{Accumulator, Number};
use crate::shape::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

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

/// Output channels, and taps, that one invocation of `backward_weight_partial` computes.
const WEIGHT_BLOCK: usize = 8;
/// `backward_weight` splits its sum until it has about this many invocations, so that a GPU is busy.
const WEIGHT_INVOCATIONS: usize = 1 << 14;
/// The fast path unfolds about this many floats of the input at once, so that they stay in cache.
const UNFOLDED_FLOATS: usize = 1 << 16;

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
        let unsplit = (self.taps() + 1).div_ceil(WEIGHT_BLOCK) * self.out_channels.div_ceil(WEIGHT_BLOCK) * self.batch;
        let pieces = WEIGHT_INVOCATIONS.div_ceil(unsplit).min(self.y.output);
        let rows = self.y.output.div_ceil(pieces);
        [rows, self.y.output.div_ceil(rows)]
    }
}

impl Conv2d {
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
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "weight", "bias"], &["output"])
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
            Parameter { name: "weight", shape: weight, init },
            Parameter { name: "bias", shape: [g.out_channels].into(), init: Init::Zeros },
        ]
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let g = self.geometry(inputs).ok()?;
        let pieces = g.batch * g.weight_split()[1];
        let shape: Shape = match name {
            "partial" => [pieces, g.out_channels, g.taps() + 1].into(),
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
            ("backward_weight", [input, d_output, d_weight, d_bias]) => {
                let g = self.known_geometry(input.shape.clone());
                twin_d_weight(g, input.real(), d_output.real(), d_weight.real_mut());
                twin_d_bias(g, d_output.real(), d_bias.real_mut());
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
                fast_forward(g, input.real(), weight.real(), bias.real(), output.real_mut());
            }
            ("backward_weight", [input, d_output, d_weight, d_bias]) => {
                let g = self.known_geometry(input.shape.clone());
                let (d_weight, d_bias) = (d_weight.real_mut(), d_bias.real_mut());
                fast_d_weight(g, input.real(), d_output.real(), d_weight, d_bias);
            }
            ("backward_input", [d_output, weight, d_input]) => {
                let g = self.known_geometry(d_input.shape.clone());
                fast_d_input(g, d_output.real(), weight.real(), d_input.real_mut());
            }
            _ => wrong_arguments(kernel),
        }
        true
    }

    fn dispatches(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape(if kernel == "backward_input" { "d_input" } else { "input" });
        let g = self.known_geometry(input);
        let [split_rows, splits] = g.weight_split();
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
        ];
        let line = |entry_point: &str, invocations: usize, window: &Window| {
            let constants = [extents.as_slice(), window.constants().as_slice()].concat();
            Dispatch::line(entry_point, invocations, &constants)
        };
        let through_windows = |packed: Packed, pack: &str, entry_point: &str, argument: &str, pixels: usize| {
            let mut dispatches = vec![line(pack, packed.len(), &Window::default())];
            for window in packed.windows() {
                let dispatch = line(entry_point, g.batch * pixels, &window);
                dispatches.push(dispatch.seen_from(argument, window.offset_bytes));
            }
            dispatches
        };
        match kernel {
            "forward" => {
                let pixels = g.y.output * g.x.output;
                through_windows(g.forward_weights(), "pack_forward", "forward", "forward_packed", pixels)
            }
            "backward_input" => {
                let pixels = g.y.input * g.x.input;
                let packed = g.backward_weights();
                through_windows(packed, "pack_backward", "backward_input", "backward_packed", pixels)
            }
            _ => {
                let blocks = (g.taps() + 1).div_ceil(WEIGHT_BLOCK) * g.out_channels.div_ceil(WEIGHT_BLOCK);
                let none = Window::default();
                vec![
                    line("backward_weight_partial", g.batch * splits * blocks, &none),
                    line("backward_weight", g.out_channels * (g.taps() + 1), &none),
                ]
            }
        }
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 4], out_channels, kernel, stride, padding| {
            let op = Conv2d { out_channels, kernel: Pair(kernel), stride: Pair(stride), padding };
            Case::new(op, [input.into()])
        };
        let zeros = |y, x| Padding::Zeros(Pair([y, x]));
        vec![
            case([1, 1, 1, 1], 1, [1, 1], [1, 1], Padding::Valid),
            case([2, 3, 9, 11], 5, [3, 3], [1, 1], Padding::Valid),
            case([3, 2, 13, 7], 8, [3, 3], [1, 1], Padding::Same),
            case([1, 8, 6, 6], 16, [3, 3], [1, 1], Padding::Valid),
            case([2, 9, 12, 10], 17, [3, 3], [2, 2], Padding::Same),
            case([2, 4, 13, 23], 3, [3, 2], [2, 2], zeros(2, 2)),
            case([1, 3, 10, 9], 33, [2, 3], [1, 1], zeros(2, 1)),
            case([2, 2, 11, 12], 4, [5, 1], [3, 2], zeros(0, 2)),
            case([1, 1, 7, 7], 2, [7, 7], [1, 1], Padding::Valid),
            case([1, 2, 8, 8], 3, [2, 2], [5, 4], Padding::Valid),
            case([WORKGROUP + 1, 1, 4, 3], 1, [2, 2], [1, 1], Padding::Valid),
            // More taps than one uniform window holds, forwards and backwards.
            case([1, 58, 4, 5], 60, [3, 3], [1, 1], Padding::Same),
        ]
    }
}

fn forward<N: Number>(g: Geometry, input: &[N], weight: &[N], bias: &[N], output: &mut [N]) {
    for n in 0..g.batch {
        for oc in 0..g.out_channels {
            for oy in 0..g.y.output {
                for ox in 0..g.x.output {
                    let mut sum = N::Sum::default();
                    for ic in 0..g.in_channels {
                        for ky in 0..g.y.kernel {
                            let Some(iy) = g.y.source(oy, ky) else { continue };
                            for kx in 0..g.x.kernel {
                                let Some(ix) = g.x.source(ox, kx) else { continue };
                                let value = input[g.input_at(n, ic, iy, ix)];
                                sum.add_product(value, weight[g.weight_at(oc, ic, ky, kx)]);
                            }
                        }
                    }
                    sum.add(bias[oc]);
                    output[g.output_at(n, oc, oy, ox)] = sum.total();
                }
            }
        }
    }
}

fn twin_d_weight<N: Number>(g: Geometry, input: &[N], d_output: &[N], d_weight: &mut [N]) {
    for oc in 0..g.out_channels {
        for ic in 0..g.in_channels {
            for ky in 0..g.y.kernel {
                for kx in 0..g.x.kernel {
                    let mut sum = N::Sum::default();
                    for n in 0..g.batch {
                        for oy in 0..g.y.output {
                            let Some(iy) = g.y.source(oy, ky) else { continue };
                            for ox in 0..g.x.output {
                                let Some(ix) = g.x.source(ox, kx) else { continue };
                                let value = input[g.input_at(n, ic, iy, ix)];
                                sum.add_product(value, d_output[g.output_at(n, oc, oy, ox)]);
                            }
                        }
                    }
                    d_weight[g.weight_at(oc, ic, ky, kx)] = sum.total();
                }
            }
        }
    }
}

fn twin_d_bias<N: Number>(g: Geometry, d_output: &[N], d_bias: &mut [N]) {
    for (oc, d_bias) in d_bias.iter_mut().enumerate() {
        let mut sum = N::Sum::default();
        for n in 0..g.batch {
            let first = g.output_at(n, oc, 0, 0);
            d_output[first..first + g.y.output * g.x.output].iter().for_each(|&d| sum.add(d));
        }
        *d_bias = sum.total();
    }
}

fn twin_d_input<N: Number>(g: Geometry, d_output: &[N], weight: &[N], d_input: &mut [N]) {
    let mut sums: Vec<N::Sum> = d_input.iter().map(|_| N::Sum::default()).collect();
    for n in 0..g.batch {
        for oc in 0..g.out_channels {
            for oy in 0..g.y.output {
                for ox in 0..g.x.output {
                    let d = d_output[g.output_at(n, oc, oy, ox)];
                    for ic in 0..g.in_channels {
                        for ky in 0..g.y.kernel {
                            let Some(iy) = g.y.source(oy, ky) else { continue };
                            for kx in 0..g.x.kernel {
                                let Some(ix) = g.x.source(ox, kx) else { continue };
                                let sum = &mut sums[g.input_at(n, ic, iy, ix)];
                                sum.add_product(d, weight[g.weight_at(oc, ic, ky, kx)]);
                            }
                        }
                    }
                }
            }
        }
    }
    for (d_input, sum) in d_input.iter_mut().zip(sums) {
        *d_input = sum.total();
    }
}

/// Some output rows of one sample, and room for the input patches that they see: one row a filter
/// tap, one column an output pixel ("im2col").
struct Band {
    first_row: usize,
    rows: usize,
}

impl Geometry {
    /// Cuts a sample's output rows into bands whose patches stay in cache.
    fn bands(&self) -> impl Iterator<Item = Band> + use<> {
        let rows = (UNFOLDED_FLOATS / (self.taps() * self.x.output)).clamp(1, self.y.output);
        let height = self.y.output;
        (0..height).step_by(rows).map(move |first_row| Band { first_row, rows: rows.min(height - first_row) })
    }

    /// Calls `visit(tap, row of the band, first output column, first input index, columns)` for every
    /// run of output pixels that see neighbouring input pixels (a run is one pixel where the stride
    /// is not 1). Pixels that see padding are left out.
    fn runs(&self, sample: usize, band: &Band, mut visit: impl FnMut(usize, usize, usize, usize, usize)) {
        let mut tap = 0;
        for ic in 0..self.in_channels {
            for ky in 0..self.y.kernel {
                for kx in 0..self.x.kernel {
                    for row in 0..band.rows {
                        let Some(iy) = self.y.source(band.first_row + row, ky) else { continue };
                        let first = self.input_at(sample, ic, iy, 0);
                        if self.x.stride == 1 {
                            let ox = self.x.before.saturating_sub(kx);
                            let end = (self.x.input + self.x.before).saturating_sub(kx).min(self.x.output);
                            if ox < end {
                                visit(tap, row, ox, first + ox + kx - self.x.before, end - ox);
                            }
                        } else {
                            for ox in 0..self.x.output {
                                let Some(ix) = self.x.source(ox, kx) else { continue };
                                visit(tap, row, ox, first + ix, 1);
                            }
                        }
                    }
                    tap += 1;
                }
            }
        }
    }

    /// Copies the patches of a band from `input` to `unfolded`, whose padding is zero already.
    fn unfold(&self, sample: usize, band: &Band, input: &[f32], unfolded: &mut [f32]) {
        let pixels = band.rows * self.x.output;
        self.runs(sample, band, |tap, row, ox, from, columns| {
            let to = tap * pixels + row * self.x.output + ox;
            unfolded[to..to + columns].copy_from_slice(&input[from..from + columns]);
        });
    }

    fn unfolded_room(&self) -> Vec<f32> {
        let rows = self.bands().next().map_or(0, |band| band.rows);
        vec![0.0; self.taps() * rows * self.x.output]
    }
}

fn fast_forward(g: Geometry, input: &[f32], weight: &[f32], bias: &[f32], output: &mut [f32]) {
    let out_pixels = g.y.output * g.x.output;
    let weight = matrix(weight, g.out_channels, g.taps(), g.taps());
    let mut room = g.unfolded_room();
    for n in 0..g.batch {
        let sample = &mut output[n * g.out_channels * out_pixels..][..g.out_channels * out_pixels];
        for (channel, &bias) in sample.chunks_exact_mut(out_pixels).zip(bias) {
            channel.fill(bias);
        }
        for band in g.bands() {
            let pixels = band.rows * g.x.output;
            let room = fresh(&mut room, &g, pixels);
            g.unfold(n, &band, input, room);
            let rows = &mut sample[band.first_row * g.x.output..];
            let rows = matrix_mut(rows, g.out_channels, pixels, out_pixels);
            multiply_add(rows, weight, matrix(room, g.taps(), pixels, pixels));
        }
    }
}

/// The part of `room` that a band of this many pixels takes, with zeros wherever padding may be.
fn fresh<'a>(room: &'a mut [f32], g: &Geometry, pixels: usize) -> &'a mut [f32] {
    let room = &mut room[..g.taps() * pixels];
    let padded = |w: &Taps| w.before > 0 || (w.output - 1) * w.stride + w.kernel > w.input + w.before;
    if padded(&g.y) || padded(&g.x) {
        room.fill(0.0);
    }
    room
}

fn fast_d_input(g: Geometry, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
    let out_pixels = g.y.output * g.x.output;
    let weight = matrix(weight, g.out_channels, g.taps(), g.taps()).reversed_axes();
    let mut room = g.unfolded_room();
    d_input.fill(0.0);
    for n in 0..g.batch {
        for band in g.bands() {
            let pixels = band.rows * g.x.output;
            let room = &mut room[..g.taps() * pixels];
            let rows = &d_output[g.output_at(n, 0, band.first_row, 0)..];
            let rows = matrix(rows, g.out_channels, pixels, out_pixels);
            multiply(matrix_mut(room, g.taps(), pixels, pixels), weight, rows);
            g.runs(n, &band, |tap, row, ox, to, columns| {
                let from = tap * pixels + row * g.x.output + ox;
                for (sum, term) in d_input[to..to + columns].iter_mut().zip(&room[from..from + columns]) {
                    *sum += term;
                }
            });
        }
    }
}

fn fast_d_weight(g: Geometry, input: &[f32], d_output: &[f32], d_weight: &mut [f32], d_bias: &mut [f32]) {
    let out_pixels = g.y.output * g.x.output;
    // A partial sum a sample, added up in the order of the samples: the result does not depend on
    // the number of threads.
    let partial_sums: Vec<Vec<f32>> = (0..g.batch)
        .into_par_iter()
        .map(|n| {
            let mut partial = vec![0.0; g.out_channels * g.taps()];
            let mut room = g.unfolded_room();
            for band in g.bands() {
                let pixels = band.rows * g.x.output;
                let room = fresh(&mut room, &g, pixels);
                g.unfold(n, &band, input, room);
                let rows = &d_output[g.output_at(n, 0, band.first_row, 0)..];
                let rows = matrix(rows, g.out_channels, pixels, out_pixels);
                let patches = matrix(room, g.taps(), pixels, pixels).reversed_axes();
                multiply_add(matrix_mut(&mut partial, g.out_channels, g.taps(), g.taps()), rows, patches);
            }
            partial
        })
        .collect();
    d_weight.fill(0.0);
    for partial in &partial_sums {
        d_weight.iter_mut().zip(partial).for_each(|(sum, term)| *sum += term);
    }
    for (oc, d_bias) in d_bias.iter_mut().enumerate() {
        *d_bias = (0..g.batch)
            .map(|n| d_output[g.output_at(n, oc, 0, 0)..][..out_pixels].iter().sum::<f32>())
            .sum();
    }
}
