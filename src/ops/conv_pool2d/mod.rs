//! A convolution of 3x3 with bias, ReLU and max pooling of 2x2 as one operator. The plan puts it in the
//! place of the three.
//!
//! Input (N, C, H, W), weight (O, C, 3, 3), bias (O), output (N, O, OH, OW) after pooling, and a code of
//! four bits for each output, those of eight channels in a word: which of the window's four pixels is the
//! first largest, or 4 where ReLU cut it off. The pixels themselves are never stored.

mod fast;
mod geometry;

use super::attr::{Padding, Pair, Window as Taps, wrong_arguments};
use super::conv2d::Conv2d;
use super::max_pool2d::MaxPool2d;
use super::packed::{Packed, Window};
use super::relu::Relu;
use super::{Arg, ArgumentSpec, Case, Data, Dispatch, Kernel, Operator, Parameter, Variant, WORKGROUP};
use crate::number::{Bounded, Number};
use crate::shape::Shape;
use geometry::{Geometry, Lanes};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The convolution; everything else about the operator is fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvPool2d {
    /// A convolution of 3x3 with stride 1.
    pub conv: Conv2d,
}

/// The code of a window in which no pixel is above zero.
const NONE: u32 = 4;
/// Channels whose codes share a word.
const CODES: usize = 8;
/// Weights of one filter and one input channel.
const TAPS: usize = 9;

impl ConvPool2d {
    /// The operator that computes `conv`, ReLU and `pool` at once, if it can.
    pub fn of(conv: &Conv2d, pool: &MaxPool2d, input: &Shape) -> Option<Self> {
        let op = Self { conv: conv.clone() };
        let same = *pool == Self::pool() || *pool == MaxPool2d { stride: Some(Pair([2, 2])), ..Self::pool() };
        (same && op.output_shape(std::slice::from_ref(input)).is_ok()).then_some(op)
    }

    fn pool() -> MaxPool2d {
        MaxPool2d { kernel: Pair([2, 2]), stride: None }
    }

    fn geometry(&self, inputs: &[Shape]) -> Result<Geometry, String> {
        let pixels = self.conv.output_shape(inputs)?;
        let pooled = Self::pool().output_shape(&[pixels])?;
        let (&[batch, in_channels, height, width], &[_, out_channels, pooled_height, pooled_width]) =
            (inputs[0].0.as_slice(), pooled.0.as_slice())
        else {
            return Err("its input is no image".into());
        };
        if self.conv.kernel != Pair([3, 3]) || self.conv.stride != Pair([1, 1]) {
            return Err("it takes kernels of 3x3 with stride 1 only".into());
        }
        let [y, x] = Taps::both([height, width], self.conv.kernel, self.conv.stride, self.conv.padding)?;
        let pooled = [pooled_height, pooled_width];
        let geometry = Geometry { batch, in_channels, out_channels, y, x, pooled };
        match geometry.forward_weights().windows_of(TAPS).any(|window| window.first_row > 0) {
            true => Err(format!("{in_channels} input channels are more than one window of weights holds")),
            false => Ok(geometry),
        }
    }

    /// The geometry, once `output_shape` has accepted the input.
    fn known_geometry(&self, input: Shape) -> Geometry {
        match self.geometry(&[input]) {
            Ok(geometry) => geometry,
            Err(reason) => unreachable!("a fused convolution was accepted although {reason}"),
        }
    }

    /// The convolution's pixels before ReLU.
    fn pixels<N: Number>(&self, [input, weight, bias]: [&Arg<N>; 3]) -> (Shape, Vec<N>) {
        let shape = match self.conv.output_shape(std::slice::from_ref(&input.shape)) {
            Ok(shape) => shape,
            Err(reason) => unreachable!("a convolution was accepted although {reason}"),
        };
        let mut pixels = vec![N::zero(); shape.len()];
        let mut args = [input.again(), weight.again(), bias.again(), Arg::write(shape.clone(), &mut pixels)];
        self.conv.twin("forward", &mut args);
        (shape, pixels)
    }

    /// Runs the twins of ReLU and max pooling, and packs the codes.
    fn pool_pixels<N: Number>((shape, pixels): (Shape, Vec<N>), output: &mut Arg<N>, code: &mut Arg<N>) {
        let mut positive = vec![N::zero(); pixels.len()];
        let mut winners = vec![0; output.shape.len()];
        let mut relu = [Arg::read(shape.clone(), &pixels), Arg::write(shape.clone(), &mut positive)];
        Relu {}.twin("forward", &mut relu);
        let pooled = output.shape.clone();
        let mut pool = [
            Arg::read(shape, &positive),
            Arg::write(pooled.clone(), output.real_mut()),
            Arg { shape: pooled.clone(), data: Data::WriteWords(&mut winners), batched: true },
        ];
        Self::pool().twin("forward", &mut pool);
        code.words_mut().fill(0);
        for (index, (&winner, value)) in winners.iter().zip(output.real()).enumerate() {
            let code_of = if value.value() > 0.0 { winner } else { NONE };
            let (word, shift) = place(&pooled, index);
            code.words_mut()[word] |= code_of << shift;
        }
    }

    /// The gradient of the convolution's pixels, by the twins of max pooling and of ReLU.
    fn d_pixels<N: Number>(shape: &Shape, d_output: &Arg<N>, code: &Arg<N>) -> Vec<N> {
        let pooled = &d_output.shape;
        let codes: Vec<u32> = (0..pooled.len())
            .map(|index| place(pooled, index))
            .map(|(word, shift)| code.words()[word] >> shift & 15)
            .collect();
        let gradients = d_output.real().iter().zip(&codes);
        let gradients: Vec<N> =
            gradients.map(|(&d, &code)| if code == NONE { N::zero() } else { d }).collect();
        let winners: Vec<u32> = codes.iter().map(|code| code % NONE).collect();
        let mut d_pixels = vec![N::zero(); shape.len()];
        let mut args = [
            Arg::read(pooled.clone(), &gradients),
            Arg { shape: pooled.clone(), data: Data::ReadWords(&winners), batched: true },
            Arg::write(shape.clone(), &mut d_pixels),
        ];
        Self::pool().twin("backward_input", &mut args);
        d_pixels
    }

    /// The shape of the pixels for an input.
    fn pixel_shape(&self, input: &Shape) -> Shape {
        let g = self.known_geometry(input.clone());
        [g.batch, g.out_channels, g.y.output, g.x.output].into()
    }
}

/// The word and the first bit of the code of an output.
fn place(output: &Shape, index: usize) -> (usize, usize) {
    let channels = output.0[1];
    let plane = output.0[2] * output.0[3];
    let (sample, channel) = (index / plane / channels, index / plane % channels);
    let block = sample * channels.div_ceil(CODES) + channel / CODES;
    (block * plane + index % plane, channel % CODES * 4)
}

impl Operator for ConvPool2d {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "weight", "bias"], &["output", "code"])
            .per_sample()
            .scratch(&["packed"])];
    const BACKWARD: &'static [Kernel] = &[
        Kernel::new("backward_weight", &["input", "d_output", "code"], &["d_weight", "d_bias"])
            .scratch(&["partial"]),
        Kernel::new("backward_input", &["d_output", "code", "weight"], &["d_input"])
            .per_sample()
            .scratch(&["packed"]),
    ];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let g = self.geometry(inputs)?;
        Ok([g.batch, g.out_channels, g.pooled[0], g.pooled[1]].into())
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        self.conv.parameters(inputs)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let g = self.geometry(inputs).ok()?;
        match name {
            "code" => {
                let shape = [g.batch, g.out_channels.div_ceil(CODES), g.pooled[0], g.pooled[1]];
                Some(ArgumentSpec::batched(shape.into()).words())
            }
            "partial" => {
                let pieces = (g.batch * g.weight_split()[1]).max(g.pieces()[1]);
                Some(ArgumentSpec::shared([pieces, g.out_channels, g.in_channels * TAPS + 1].into()))
            }
            "packed" => {
                let room = g.forward_weights().room().max(g.backward_weights().room());
                Some(ArgumentSpec::shared([room].into()))
            }
            _ => None,
        }
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        self.conv.flops(inputs)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, weight, bias, output, code]) => {
                Self::pool_pixels(self.pixels([input, weight, bias]), output, code);
            }
            ("backward_weight", [input, d_output, code, d_weight, d_bias]) => {
                let shape = self.pixel_shape(&input.shape);
                let d_pixels = Self::d_pixels(&shape, d_output, code);
                let mut args =
                    [input.again(), Arg::read(shape, &d_pixels), d_weight.again_mut(), d_bias.again_mut()];
                self.conv.twin("backward_weight", &mut args);
            }
            ("backward_input", [d_output, code, weight, d_input]) => {
                let shape = self.pixel_shape(&d_input.shape);
                let d_pixels = Self::d_pixels(&shape, d_output, code);
                let mut args = [Arg::read(shape, &d_pixels), weight.again(), d_input.again_mut()];
                self.conv.twin("backward_input", &mut args);
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        // A sample at a time, so that its pixels stay in cache.
        let mut pixels: Vec<f32> = Vec::new();
        match (kernel, args) {
            ("forward", [input, weight, bias, output, code]) => {
                let batch = input.shape.batch();
                let shape = self.pixel_shape(&input.shape).with_batch(1);
                pixels.resize(shape.len(), 0.0);
                let codes = code.shape.len() / batch;
                let outputs = output.real_mut();
                let outputs = outputs.chunks_exact_mut(outputs.len() / batch);
                for (n, (output, code)) in outputs.zip(code.words_mut().chunks_exact_mut(codes)).enumerate() {
                    let pixels = Arg::write(shape.clone(), &mut pixels);
                    let mut args = [input.sample(n), weight.again(), bias.again(), pixels];
                    self.conv.fast("forward", &mut args);
                    fast::pool(&shape, args[3].real(), output, code);
                }
            }
            ("backward_weight", [input, d_output, code, d_weight, d_bias]) => {
                let shape = self.pixel_shape(&input.shape).with_batch(1);
                // A partial sum a sample, added up in the order of the samples.
                let partial = |n: usize| {
                    let mut pixels = vec![0.0; shape.len()];
                    fast::unpool(&shape, &d_output.sample(n), &code.sample(n), &mut pixels);
                    let mut sums = (vec![0.0; d_weight.shape.len()], vec![0.0; d_bias.shape.len()]);
                    let mut args = [
                        input.sample(n),
                        Arg::read(shape.clone(), &pixels),
                        Arg::write(d_weight.shape.clone(), &mut sums.0),
                        Arg::write(d_bias.shape.clone(), &mut sums.1),
                    ];
                    self.conv.fast("backward_weight", &mut args);
                    sums
                };
                let partial: Vec<_> = (0..input.shape.batch()).into_par_iter().map(partial).collect();
                d_weight.real_mut().fill(0.0);
                d_bias.real_mut().fill(0.0);
                for (weights, biases) in &partial {
                    d_weight.real_mut().iter_mut().zip(weights).for_each(|(sum, term)| *sum += term);
                    d_bias.real_mut().iter_mut().zip(biases).for_each(|(sum, term)| *sum += term);
                }
            }
            ("backward_input", [d_output, code, weight, d_input]) => {
                let batch = d_input.shape.batch();
                let one = d_input.shape.with_batch(1);
                let shape = self.pixel_shape(&d_input.shape).with_batch(1);
                pixels.resize(shape.len(), 0.0);
                let d_inputs = d_input.real_mut();
                let d_inputs = d_inputs.chunks_exact_mut(d_inputs.len() / batch);
                for (n, d_input) in d_inputs.enumerate() {
                    fast::unpool(&shape, &d_output.sample(n), &code.sample(n), &mut pixels);
                    let pixels = Arg::read(shape.clone(), &pixels);
                    let mut args = [pixels, weight.again(), Arg::write(one.clone(), d_input)];
                    self.conv.fast("backward_input", &mut args);
                }
            }
            _ => wrong_arguments(kernel),
        }
        true
    }

    fn admits(&self, kernel: &str, args: &mut [Arg<Bounded>]) -> bool {
        let ("forward", [input, weight, bias, output, code]) = (kernel, args) else { return false };
        let (shape, pixels) = self.pixels([input, weight, bias]);
        let [height, width] = [output.shape.0[2], output.shape.0[3]];
        // Codes of channels that are not there are zero.
        let mut rebuilt = vec![0; code.words().len()];
        for index in 0..output.shape.len() {
            let (word, shift) = place(&output.shape, index);
            let code = code.words()[word] >> shift & 15;
            rebuilt[word] |= code << shift;
            let (plane, y, x) = (index / (height * width), index / width % height, index % width);
            let pixel = |i: usize| pixels[(plane * shape.0[2] + 2 * y + i / 2) * shape.0[3] + 2 * x + i % 2];
            let least = (0..4).map(|i| pixel(i).value - pixel(i).err).fold(f64::MIN, f64::max);
            let chosen = match code {
                NONE => 0.0,
                0..NONE => pixel(code as usize).value + pixel(code as usize).err,
                _ => return false,
            };
            // The chosen one may be the largest, and above zero where it is a pixel.
            if chosen < least || (code < NONE && chosen <= 0.0) {
                return false;
            }
        }
        rebuilt == code.words()
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let lanes = Lanes::of(variant);
        let input = shape(if kernel == "backward_input" { "d_input" } else { "input" });
        let g = self.known_geometry(input);
        let [split_rows, splits] = g.weight_split();
        let [piece, pieces] = match variant {
            Variant::Gpu => g.pieces(),
            Variant::Software => [0, g.batch * splits],
        };
        let extents = [
            ("BATCH", g.batch as f64),
            ("IN_CHANNELS", g.in_channels as f64),
            ("IN_HEIGHT", g.y.input as f64),
            ("IN_WIDTH", g.x.input as f64),
            ("OUT_CHANNELS", g.out_channels as f64),
            ("OUT_HEIGHT", g.pooled[0] as f64),
            ("OUT_WIDTH", g.pooled[1] as f64),
            ("PAD_TOP", g.y.before as f64),
            ("PAD_LEFT", g.x.before as f64),
            ("SPLIT_ROWS", split_rows as f64),
            ("SPLITS", splits as f64),
            ("PIECE", piece as f64),
            ("PIECES", pieces as f64),
            ("WIDTH", lanes.width as f64),
        ];
        let line = |entry_point: &str, invocations: usize, window: &Window| {
            let parts = window.vectors.div_ceil(lanes.vectors).max(1);
            let window = Window { vectors: window.vectors.min(lanes.vectors), ..*window };
            let parts_of = [("PARTS", parts as f64)];
            let constants = [extents.as_slice(), window.constants().as_slice(), parts_of.as_slice()].concat();
            let mut dispatch = Dispatch::line(entry_point, invocations, &constants);
            dispatch.workgroups[2] = parts as u32;
            dispatch
        };
        let through_windows = |packed: Packed, pack: &str, invocations: usize| {
            let mut dispatches = vec![line(pack, packed.len(), &Window::default())];
            for window in packed.views(variant, TAPS) {
                let dispatch = line(kernel, invocations, &window);
                dispatches.push(dispatch.seen_from("packed", window.offset_bytes));
            }
            dispatches
        };
        match kernel {
            "forward" => {
                let pixels = g.batch * g.pooled[0] * g.pooled[1].div_ceil(lanes.width);
                through_windows(g.forward_weights(), "pack_forward", pixels)
            }
            "backward_input" => {
                let blocks = |taps: Taps| (taps.input + taps.before).div_ceil(2);
                let invocations = g.batch * blocks(g.y) * blocks(g.x).div_ceil(lanes.width);
                through_windows(g.backward_weights(), "pack_backward", invocations)
            }
            _ => {
                let none = Window::default();
                let sums = match variant {
                    Variant::Gpu => line("backward_weight_tile", pieces * g.tiles() * WORKGROUP, &none),
                    Variant::Software => line("backward_weight_partial", pieces * g.weight_blocks(), &none),
                };
                vec![sums, line("backward_weight", g.out_channels * (g.in_channels * TAPS + 1), &none)]
            }
        }
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 4], out_channels, padding| {
            let conv = Conv2d { out_channels, kernel: Pair([3, 3]), stride: Pair([1, 1]), padding };
            Case::new(ConvPool2d { conv }, [input.into()])
        };
        vec![
            case([2, 3, 6, 9], 5, Padding::Valid),
            case([1, 1, 4, 4], 1, Padding::Valid),
            case([2, 2, 7, 8], 17, Padding::Same),
            case([1, 33, 5, 6], 35, Padding::Zeros(Pair([2, 1]))),
            case([WORKGROUP + 1, 1, 4, 5], 2, Padding::Valid),
            // More pixels side by side than one invocation computes, and a number of filters that is a
            // multiple of a GPU's block, but not of a software adapter's.
            case([2, 2, 6, 13], 20, Padding::Same),
            case([1, 3, 5, 21], 8, Padding::Valid),
            // Pooled pixels in pieces of unequal size.
            case([7, 2, 28, 32], 5, Padding::Valid),
            // More taps than one uniform window holds, backwards.
            case([1, 2, 6, 5], 58, Padding::Same),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_may_differ_only_where_pixels_are_too_close_to_tell() {
        let conv =
            Conv2d { out_channels: 1, kernel: Pair([3, 3]), stride: Pair([1, 1]), padding: Padding::Valid };
        let exact = |values: &[f32]| -> Vec<Bounded> { values.iter().map(|&v| Bounded::exact(v)).collect() };
        let admits = |pixels: [f32; 4], code: u32| {
            // The filter copies the middle of its window.
            let [a, b, c, d] = pixels;
            let input = exact(&[0., 0., 0., 0., 0., a, b, 0., 0., c, d, 0., 0., 0., 0., 0.]);
            let weight = exact(&[0., 0., 0., 0., 1., 0., 0., 0., 0.]);
            let (bias, mut output) = (exact(&[0.]), exact(&[0.]));
            let mut args = [
                Arg::read([1, 1, 4, 4].into(), &input),
                Arg::read([1, 1, 3, 3].into(), &weight),
                Arg::read([1].into(), &bias),
                Arg::write([1, 1, 1, 1].into(), &mut output),
                Arg { shape: [1, 1, 1, 1].into(), data: Data::ReadWords(&[code]), batched: true },
            ];
            ConvPool2d { conv: conv.clone() }.admits("forward", &mut args)
        };
        let close = [1.0, 1.0 + f32::EPSILON, 0.5, -1.0];
        let admitted: Vec<u32> = (0..18).filter(|&code| admits(close, code)).collect();
        assert_eq!(admitted, [0, 1]);
        let negative: Vec<u32> = (0..18).filter(|&code| admits([-1.0, -1.0, -0.5, -1.0], code)).collect();
        assert_eq!(negative, [NONE]);
        let zero: Vec<u32> = (0..18).filter(|&code| admits([-1.0, 0.0, -0.5, -1.0], code)).collect();
        assert_eq!(zero, [1, NONE]);
    }
}
