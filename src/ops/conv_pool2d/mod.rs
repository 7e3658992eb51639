//! A convolution of 3x3 with bias, ReLU, max pooling of 2x2 and, where it follows, dropout as one operator.
//! The plan puts it in the place of the three or four.
//!
//! Input (N, C, H, W), weight (O, C, 3, 3), bias (O), output (N, O, OH, OW) after pooling, and a code of
//! four bits for each output, those of eight channels in a word: which of the window's four pixels is the
//! first largest, or 4 where ReLU cut it off or dropout dropped it. The pixels themselves are never stored,
//! and the gradients need no mask.
//!
//! Several layers side by side that share their input are one convolution with the filters of all of them. What
//! comes after it lies layer after layer, as if each had a batch of its own.

mod fast;
mod geometry;
mod twin;

use super::attr::{BALANCED_BIAS, Padding, Pair, Window as Taps, wrong_arguments};
use super::conv2d::Conv2d;
use super::dispatch::in_room;
use super::dropout::Dropout;
use super::max_pool2d::MaxPool2d;
use super::packed::{Packed, Window};
use super::share::{self, Share};
use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Kernel, Operator, Parameter, Variant, WORKGROUP};
use crate::number::{Bounded, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use geometry::{Geometry, Lanes};
use serde::{Deserialize, Serialize};

/// The convolution and dropout; everything else about the operator is fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvPool2d {
    /// A convolution of 3x3 with stride 1.
    pub conv: Conv2d,
    /// What drops pooled values in training, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<Dropout>,
    /// Layers side by side that share their input: `conv` is each one's, and the streams of their dropouts follow
    /// the first one's.
    #[serde(default = "one_layer", skip_serializing_if = "is_one_layer")]
    pub layers: usize,
}

fn one_layer() -> usize {
    1
}

fn is_one_layer(layers: &usize) -> bool {
    *layers == 1
}

/// The code of a window whose output is zero: no pixel is above zero, or it is dropped.
const NONE: u32 = 4;
/// Channels whose codes share a word.
const CODES: usize = 8;
/// Weights of one filter and one input channel.
const TAPS: usize = 9;

impl ConvPool2d {
    /// The operator that computes `conv`, ReLU, `pool` and `dropout` at once, if it can.
    pub fn of(conv: &Conv2d, pool: &MaxPool2d, dropout: Option<Dropout>, input: &Shape) -> Option<Self> {
        let op = Self { conv: conv.clone(), dropout, layers: 1 };
        let same = *pool == Self::pool() || *pool == MaxPool2d { stride: Some(Pair([2, 2])), ..Self::pool() };
        (same && op.output_shape(std::slice::from_ref(input)).is_ok()).then_some(op)
    }

    fn pool() -> MaxPool2d {
        MaxPool2d { kernel: Pair([2, 2]), stride: None }
    }

    /// The convolution with the filters of all layers.
    fn all_filters(&self) -> Conv2d {
        Conv2d { out_channels: self.layers * self.conv.out_channels, ..self.conv.clone() }
    }

    /// One of the layers on its own.
    fn layer(&self, layer: usize) -> Self {
        let dropout = self.dropout.clone().map(|d| Dropout { stream: d.stream + layer as u32, ..d });
        Self { dropout, layers: 1, ..self.clone() }
    }

    fn geometry(&self, inputs: &[Shape]) -> Result<Geometry, String> {
        if self.layers != 1 && (self.layers == 0 || !self.conv.out_channels.is_multiple_of(CODES)) {
            return Err("layers side by side whose codes share words".into());
        }
        let pixels = self.all_filters().output_shape(inputs)?;
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
        let geometry = Geometry { batch, in_channels, out_channels, layers: self.layers, y, x, pooled };
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

    /// How many additions a term of `backward_weight` passes through at most: of a weight's gradient, and of a
    /// bias's. The fast path sums up each sample's, and then the samples.
    fn weight_heights(&self, input: &Shape) -> [usize; 2] {
        let shader = self.known_geometry(input.clone()).weight_height();
        self.conv.fast_weight_heights(input).map(|cpu| shader.max(cpu + 1))
    }

    /// The shape of the pixels for an input, those of all filters together.
    fn filtered_shape(&self, input: &Shape) -> Shape {
        let g = self.known_geometry(input.clone());
        [g.batch, g.out_channels, g.y.output, g.x.output].into()
    }

    /// The same, layer after layer.
    fn pixel_shape(&self, input: &Shape) -> Shape {
        let g = self.known_geometry(input.clone());
        [g.layers * g.batch, g.layer_channels(), g.y.output, g.x.output].into()
    }
}

impl Operator for ConvPool2d {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] = &[
        Kernel::new("forward", &["input", "weight", "bias"], &["output", "code"])
            .per_sample()
            .scratch(&["packed"]),
        Kernel::new("forward_dropout", &["input", "weight", "bias", "sample", "batch"], &["output", "code"])
            .per_sample()
            .scratch(&["packed", "mask"]),
    ];
    const BACKWARD: &'static [Kernel] = &[
        Kernel::new("backward_weight", &["input", "d_output", "code"], &["d_weight", "d_bias"])
            .scratch(&["partial"]),
        Kernel::new("backward", &["input", "d_output", "code", "weight"], &["d_weight", "d_bias", "d_input"])
            .scratch(&["partial", "packed"]),
    ];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let g = self.geometry(inputs)?;
        Ok([g.layers * g.batch, g.layer_channels(), g.pooled[0], g.pooled[1]].into())
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        self.all_filters().parameters(inputs)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let g = self.geometry(inputs).ok()?;
        match name {
            "code" => {
                let shape =
                    [g.layers * g.batch, g.layer_channels().div_ceil(CODES), g.pooled[0], g.pooled[1]];
                Some(ArgumentSpec::batched(shape.into()).words())
            }
            "partial" => {
                let pieces = (g.batch * g.weight_split()[1]).max(g.pieces()[1]);
                Some(ArgumentSpec::shared([pieces, g.out_channels, g.in_channels * TAPS + 1].into()))
            }
            "mask" => Some(ArgumentSpec::batched([g.layers * g.batch, g.mask_words()].into()).words()),
            "packed" => {
                let room = g.forward_weights().room().max(g.backward_weights().room());
                Some(ArgumentSpec::shared([room].into()))
            }
            _ => None,
        }
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        self.all_filters().flops(inputs)
    }

    fn kernel_flops(&self, kernel: &str, inputs: &[Shape]) -> u64 {
        self.flops(inputs) * if kernel == "backward" { 2 } else { 1 }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, weight, bias, output, code]) => {
                self.forward_twin([input, weight, bias], None, output, code);
            }
            ("forward_dropout", [input, weight, bias, sample, batch, output, code]) => {
                self.forward_twin([input, weight, bias], Some([sample, batch]), output, code);
            }
            ("backward_weight", [input, d_output, code, d_weight, d_bias]) => {
                let (shape, d_pixels) = self.d_pixels(&input.shape, d_output, code);
                let heights = self.weight_heights(&input.shape);
                let d_pixels = Arg::read(shape, &d_pixels);
                let mut args = [input.again(), d_pixels, d_weight.again_mut(), d_bias.again_mut()];
                self.all_filters().weight_twin(&mut args, heights);
            }
            ("backward", [input, d_output, code, weight, d_weight, d_bias, d_input]) => {
                let mut args =
                    [input.again(), d_output.again(), code.again(), d_weight.again_mut(), d_bias.again_mut()];
                self.twin("backward_weight", &mut args);
                let (shape, d_pixels) = self.d_pixels(&input.shape, d_output, code);
                let mut args = [Arg::read(shape, &d_pixels), weight.again(), d_input.again_mut()];
                self.all_filters().twin("backward_input", &mut args);
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        match (kernel, args) {
            ("forward", [input, weight, bias, output, code]) => {
                self.forward_fast([input, weight, bias], None, output, code);
            }
            ("forward_dropout", [input, weight, bias, sample, batch, output, code]) => {
                self.forward_fast([input, weight, bias], Some([sample, batch]), output, code);
            }
            ("backward_weight", [input, d_output, code, d_weight, d_bias]) => {
                self.backward_weight_fast([input, d_output, code], d_weight, d_bias);
            }
            ("backward", [input, d_output, code, weight, d_weight, d_bias, d_input]) => {
                self.backward_weight_fast([input, d_output, code], d_weight, d_bias);
                self.backward_input_fast([d_output, code, weight], d_input);
            }
            _ => wrong_arguments(kernel),
        }
        true
    }

    fn admits(&self, kernel: &str, args: &mut [Arg<Bounded>]) -> bool {
        match (kernel, args) {
            ("forward", [input, weight, bias, output, code]) => {
                self.admits_codes([input, weight, bias], None, &output.shape, code.words())
            }
            ("forward_dropout", [input, weight, bias, sample, batch, output, code]) => {
                self.admits_codes([input, weight, bias], Some([sample, batch]), &output.shape, code.words())
            }
            _ => false,
        }
    }

    fn takes(&self, kernel: &str, _inputs: &[Shape]) -> bool {
        match kernel {
            "forward" => self.dropout.is_none(),
            "forward_dropout" => self.dropout.is_some(),
            _ => true,
        }
    }

    fn cancels(&self, _kernel: &str, argument: &str) -> Option<&'static str> {
        (argument == "d_bias").then_some(BALANCED_BIAS)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        let input = shape("input");
        let g = self.known_geometry(input.clone());
        let taps = g.in_channels * TAPS;
        if let "forward" | "forward_dropout" = kernel {
            let tap = share::tap("weight", g.out_channels, taps);
            return vec![share::sample("input", &input), share::channel("input", &input), tap];
        }
        let d_output = shape("d_output");
        let ([rows, _], [piece, _]) = (g.weight_split(), g.pieces());
        let stretch = |fault, pixels| share::stretch(fault, "d_output", &d_output, g.batch, pixels);
        let mut shares = vec![
            share::sample("d_output", &d_output),
            share::channel("d_output", &d_output),
            share::tap("d_weight", g.out_channels, taps),
            stretch("one partial sum", piece.min(rows * g.pooled[1])),
            stretch("a workgroup's share", piece),
        ];
        if kernel == "backward" {
            shares.push(share::tap("weight", g.out_channels, taps));
        }
        shares
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let lanes = Lanes::of(variant);
        let g = self.known_geometry(shape("input"));
        let [split_rows, splits] = g.weight_split();
        let [piece, pieces] = match variant {
            Variant::Gpu => g.pieces(),
            Variant::Software => [0, g.batch * splits],
        };
        // Without dropout nothing is scaled, and only the dispatch that draws a mask needs to know its stream,
        // so that layers that differ in nothing else share their pipelines.
        let dropout = self.dropout.clone().unwrap_or(Dropout { rate: 0.0, stream: 0 });
        let extents = [
            ("BATCH", g.batch as f64),
            ("IN_CHANNELS", g.in_channels as f64),
            ("IN_HEIGHT", g.y.input as f64),
            ("IN_WIDTH", g.x.input as f64),
            ("OUT_CHANNELS", g.out_channels as f64),
            ("LAYERS", g.layers as f64),
            ("OUT_HEIGHT", g.pooled[0] as f64),
            ("OUT_WIDTH", g.pooled[1] as f64),
            ("PAD_TOP", g.y.before as f64),
            ("PAD_LEFT", g.x.before as f64),
            ("SPLIT_ROWS", split_rows as f64),
            ("SPLITS", splits as f64),
            ("PIECE", piece as f64),
            ("PIECES", pieces as f64),
            ("WIDTH", lanes.width as f64),
            ("SCALE", dropout.scale()),
        ];
        let line = |entry_point: &str, invocations: usize, window: &Window| {
            let parts = window.vectors.div_ceil(lanes.vectors).max(1);
            let window = Window { vectors: window.vectors.min(lanes.vectors), ..*window };
            let parts_of = [("PARTS", parts as f64)];
            let mask = dropout.mask_constants().map(|(name, value)| {
                let draws = entry_point == "pack_and_draw";
                (name, if draws { value } else { 0.0 })
            });
            let constants = [&extents, window.constants().as_slice(), &parts_of, &mask].concat();
            Dispatch::line(entry_point, invocations, &constants).deep(parts)
        };
        let whole =
            |entry_point: &str, invocations: usize| line(entry_point, invocations, &Window::default());
        // Through windows of the packed weights.
        let seen = |entry_point: &str, packed: Packed, invocations: usize| -> Vec<Dispatch> {
            let windows = packed.views(variant, TAPS).into_iter();
            let dispatch = |window: Window| {
                line(entry_point, invocations, &window).seen_from("packed", window.offset_bytes)
            };
            windows.map(dispatch).collect()
        };
        if let "forward" | "forward_dropout" = kernel {
            let packed = g.forward_weights();
            let pixels = g.batch * g.pooled[0] * g.pooled[1].div_ceil(lanes.width);
            let pack = match kernel {
                "forward" => whole("pack_forward", packed.len()),
                _ => whole("pack_and_draw", packed.len() + g.layers * g.batch * g.mask_words()),
            };
            return in_room([vec![pack], seen(kernel, packed, pixels)].concat(), "packed", packed.room());
        }
        let sums = g.out_channels * (g.in_channels * TAPS + 1);
        let partial = match variant {
            Variant::Gpu => whole("backward_weight_tile", pieces * g.tiles() * WORKGROUP),
            Variant::Software => whole("backward_weight_partial", pieces * g.weight_blocks()),
        };
        if kernel == "backward_weight" {
            return in_room(vec![partial, whole("backward_weight", sums)], "partial", pieces * sums);
        }
        let packed = g.backward_weights();
        let blocks = |taps: Taps| (taps.input + taps.before).div_ceil(2);
        let invocations = g.batch * blocks(g.y) * blocks(g.x).div_ceil(lanes.width);
        let sum_and_pack = whole("sum_and_pack", sums + packed.len());
        let dispatches = [vec![partial, sum_and_pack], seen("backward_input", packed, invocations)].concat();
        in_room(in_room(dispatches, "partial", pieces * sums), "packed", packed.room())
    }

    fn beside(&self, others: &[&Self], inputs: &[Shape]) -> Option<(Self, Vec<Shape>)> {
        let is_next = |(index, other): (usize, &&Self)| **other == self.layer(index + 1);
        let alike = self.layers == 1 && others.iter().enumerate().all(is_next);
        let op = Self { layers: 1 + others.len(), ..self.clone() };
        (alike && op.output_shape(inputs).is_ok()).then(|| (op, inputs.to_vec()))
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 4], out_channels, padding| {
            let conv = Conv2d { out_channels, kernel: Pair([3, 3]), stride: Pair([1, 1]), padding };
            Case::new(ConvPool2d { conv, dropout: None, layers: 1 }, [input.into()])
        };
        let layers = |layers, case: Case<Self>| Case { op: ConvPool2d { layers, ..case.op }, ..case };
        // Scales of 2 and 4, so that integers stay integers.
        let dropped = |case: Case<Self>, rate, stream| Case {
            op: ConvPool2d { dropout: Some(Dropout { rate, stream }), ..case.op },
            ..case
        };
        vec![
            case([2, 3, 6, 9], 5, Padding::Valid),
            dropped(case([2, 3, 6, 9], 5, Padding::Valid), 0.5, 1),
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
            // Masks that end with the first bit of a word, and with the last one.
            dropped(case([20, 1, 4, 4], 1, Padding::Valid), 0.5, 0),
            dropped(case([2, 2, 6, 6], 16, Padding::Valid), 0.75, 3),
            dropped(case([3, 2, 7, 12], 41, Padding::Same), 0.5, 2),
            // Layers side by side: fewer filters than a block has, more, and with a block's end within a layer;
            // more taps than one window holds, backwards.
            layers(2, case([3, 2, 6, 9], 8, Padding::Valid)),
            layers(3, dropped(case([5, 3, 7, 6], 8, Padding::Same), 0.5, 1)),
            layers(2, dropped(case([2, 1, 7, 10], 24, Padding::Valid), 0.75, 2)),
            layers(2, case([1, 33, 5, 6], 40, Padding::Zeros(Pair([2, 1])))),
            layers(3, dropped(case([7, 2, 28, 12], 16, Padding::Valid), 0.5, 4)),
        ]
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        self.dropout.as_ref()?.fill(name, elements, generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_go_together_only_where_they_are_alike() {
        let op = |out_channels, stream| {
            let (kernel, stride, padding) = (Pair([3, 3]), Pair([1, 1]), Padding::Same);
            let dropout = Some(Dropout { rate: 0.5, stream });
            ConvPool2d { conv: Conv2d { out_channels, kernel, stride, padding }, dropout, layers: 1 }
        };
        let inputs: [Shape; 1] = [[2, 3, 6, 6].into()];
        let (both, _) = op(8, 1).beside(&[&op(8, 2)], &inputs).unwrap();
        assert_eq!((both.layers, &both.layer(1)), (2, &op(8, 2)));
        assert_eq!(both.flops(&inputs), 2 * op(8, 1).flops(&inputs));
        assert_eq!(op(8, 1).beside(&[&op(8, 2), &op(8, 3)], &inputs).unwrap().0.layers, 3);
        let apart = [(op(8, 1), op(8, 1)), (op(8, 1), op(16, 2)), (op(12, 1), op(12, 2)), (both, op(8, 2))];
        for (one, other) in &apart {
            assert!(one.beside(&[other], &inputs).is_none(), "{one:?} and {other:?}");
        }
    }
}
