//! The gradients of a fully connected layer and Adam's step with them, as one operator. The plan puts it
//! in the place of the two, so that the gradient, as large as the weights, is never stored. `update` is
//! the weights' part; `backward` computes the input's gradient as well, so that the weights are read once,
//! and that of a ReLU before the layer.
//!
//! The batch decides what runs. Up to [`DenseAdam::BACKWARD_BATCH`] samples, all sums of one input fit into the
//! registers of an invocation: `backward` does everything in one pass over the weights. Up to
//! [`DenseAdam::UPDATE_BATCH`], the gradients of a block of outputs fit into one uniform window: `update` does all but
//! the input's gradient, which is a step of its own. Larger batches store the weights' gradient, and Adam reads it. The
//! weights pass through memory once more each time, which is little beside the arithmetic of so many samples.

mod fast;

use super::adam::Adam;
use super::attr::{BALANCED_BIAS, wrong_arguments};
use super::dense::Dense;
use super::layers;
use super::packed::{OUTS, Packed, Window};
use super::relu::Relu;
use super::share::{self, Share};
use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Kernel, Operator, Parameter};
use super::{ROW, Variant, WINDOW_BYTES, WORKGROUP};
use crate::number::Number;
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The two operators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseAdam {
    /// The layer.
    pub dense: Dense,
    /// The optimiser.
    pub adam: Adam,
    /// Whether the input is what a ReLU gave. Then `backward` computes the gradient of what the ReLU got.
    pub relu: bool,
    /// How many such layers side by side it stands for. Each has everything but the words of the batch of its own;
    /// what the layers have lies one after the other.
    #[serde(default = "layers::one")]
    pub layers: usize,
}

/// What both kernels read.
const READS: &[&str] = &["input", "d_output", "weight", "m", "v", "batch"];

/// The twin's arguments that all layers share: the words of the batch.
const COMMON: &[usize] = &[READS.len() - 1];

/// Inputs of an invocation of `backward`. Two share what is read of the packed gradient, but need more registers
/// than a GPU has.
const INPUTS: usize = 2;
/// Vectors of four gradients that a workgroup of `backward_tile` has room for.
const STAGED: usize = 256;

impl DenseAdam {
    /// The largest batch of `backward`.
    pub const BACKWARD_BATCH: usize = OUTS;
    /// The largest batch of `update`.
    pub const UPDATE_BATCH: usize = WINDOW_BYTES / (OUTS * 4);

    /// Whether `backward` can take a batch of this size.
    pub fn takes_backward(batch: usize) -> bool {
        batch <= Self::BACKWARD_BATCH
    }

    /// What a batch of this size makes of a dense layer's gradients and Adam, in words.
    pub fn rule(batch: usize) -> String {
        let [least, most] = [Self::BACKWARD_BATCH, Self::UPDATE_BATCH];
        if batch <= least {
            format!("gradients and update in one pass over the weights, as for batches up to {least}")
        } else if batch <= most {
            format!("update with the weights' gradient, as for batches from {} to {most}", least + 1)
        } else {
            format!("gradients are stored before the update, as for batches above {most}")
        }
    }

    /// `d_output` as `update` reads it: a row a sample, a column an output.
    fn packed(&self, batch: usize) -> Packed {
        Packed { rows: batch, columns: self.dense.out_features }
    }

    /// `d_output` as `backward` reads it: a row an output, a column a sample.
    fn packed_backward(&self, batch: usize) -> Packed {
        Packed { rows: self.dense.out_features, columns: batch }
    }

    /// Blocks of 32 outputs that one uniform window holds; 0 if not even one fits.
    fn blocks_a_window(&self, batch: usize) -> usize {
        WINDOW_BYTES / (self.packed(batch).stride() * OUTS * 4)
    }

    /// The twin of one layer.
    fn twin_of_one<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let (args, d_input) = args.split_at_mut(READS.len() + 1);
        let [input, d_output, weight, m, v, batch, d_bias] = args else { wrong_arguments(kernel) };
        if let [d_input] = d_input {
            self.dense.twin("backward_input", &mut [d_output.again(), weight.again(), d_input.again_mut()]);
            if self.relu {
                let (shape, d_positive) = (d_input.shape.clone(), d_input.real().to_vec());
                let mut args = [Arg::read(shape, &d_positive), input.again(), d_input.again_mut()];
                Relu {}.twin("backward_input", &mut args);
            }
        }
        let mut d_weight = vec![N::zero(); weight.shape.len()];
        let gradient = Arg { batched: false, ..Arg::write(weight.shape.clone(), &mut d_weight) };
        let mut args = [input.again(), d_output.again(), gradient, d_bias.again_mut()];
        self.dense.twin("backward_weight", &mut args);
        let gradient = Arg { batched: false, ..Arg::read(weight.shape.clone(), &d_weight) };
        let mut args = [weight.again_mut(), gradient, m.again_mut(), v.again_mut(), batch.again()];
        self.adam.twin("update", &mut args);
    }
}

impl Operator for DenseAdam {
    const FORWARD: &'static [Kernel] = &[
        Kernel::new("update", READS, &["weight", "m", "v", "d_bias"]).scratch(&["packed"]),
        Kernel::new("backward", READS, &["weight", "m", "v", "d_bias", "d_input"]).scratch(&["packed"]),
    ];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let shape = self.dense.output_shape(&layers::of_each(inputs, self.layers))?;
        match self.blocks_a_window(shape.batch()) {
            0 => Err(format!("a batch of {} is more than one window of gradients holds", shape.batch())),
            _ => Ok(layers::of_all(&shape, self.layers)),
        }
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        layers::parameters(self.dense.parameters(inputs), self.layers)
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        match name {
            "packed" => {
                let batch = layers::of_each(inputs, self.layers).first().map_or(1, Shape::batch);
                let room = self.packed(batch).room().max(self.packed_backward(batch).room());
                Some(ArgumentSpec::shared([room].into()))
            }
            "m" | "v" => {
                let parameters = self.parameters(inputs);
                parameters.into_iter().next().map(|weight| ArgumentSpec::shared(weight.shape))
            }
            _ => None,
        }
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        self.dense.flops(inputs)
    }

    fn kernel_flops(&self, kernel: &str, inputs: &[Shape]) -> u64 {
        self.flops(inputs) * if kernel == "backward" { 2 } else { 1 }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        for layer in 0..self.layers {
            self.twin_of_one(kernel, &mut layers::arguments(args, layer, self.layers, COMMON));
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        for layer in 0..self.layers {
            let mut args = layers::arguments(args, layer, self.layers, COMMON);
            let (args, d_input) = args.split_at_mut(READS.len() + 1);
            if kernel == "backward" && d_input.is_empty() {
                wrong_arguments(kernel)
            }
            fast::compute(self, args, d_input.first_mut());
        }
        true
    }

    fn takes(&self, kernel: &str, inputs: &[Shape]) -> bool {
        let inputs = layers::of_each(inputs, self.layers);
        kernel != "backward" || inputs.iter().all(|input| Self::takes_backward(input.batch()))
    }

    fn cancels(&self, _kernel: &str, argument: &str) -> Option<&'static str> {
        (argument == "d_bias").then_some(BALANCED_BIAS)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        let d_output = shape("d_output");
        let mut shares = vec![share::sample("d_output", &d_output), share::channel("d_output", &d_output)];
        if kernel == "backward" {
            let weight = shape("weight");
            shares.push(share::tap("weight", weight.batch(), weight.len() / weight.batch().max(1)));
        }
        shares
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let (input, out_features) = (shape("input"), self.dense.out_features);
        let batch = input.batch() / self.layers.max(1);
        let in_features = input.len() / input.batch().max(1);
        let extents = [
            ("BATCH", batch as f64),
            ("IN_FEATURES", in_features as f64),
            ("OUT_FEATURES", out_features as f64),
            ("RELU", f64::from(u8::from(self.relu))),
            ("CHUNK", (STAGED / batch.div_ceil(4) / 4 * 4) as f64),
        ];
        let constants = |window: &Window, layer: usize| {
            let layer = [("LAYER", layer as f64)];
            [extents.as_slice(), &self.adam.constants(), &window.constants(), &layer].concat()
        };
        if kernel == "backward" && variant == Variant::Gpu {
            let all = Window { vectors: batch.div_ceil(4), rows: out_features, ..Window::default() };
            let dispatch = Dispatch::line("backward_tile", in_features, &constants(&all, 0));
            return vec![dispatch.deep(self.layers)];
        }
        // The layers take turns with the room for what is packed.
        let mut dispatches = Vec::new();
        for layer in 0..self.layers {
            let whole = constants(&Window::default(), layer);
            if kernel == "backward" {
                let packed = self.packed_backward(batch);
                let pack = Dispatch::line("pack_for_backward", packed.len(), &whole);
                dispatches.push(pack.with_room("packed", packed.room()));
                for window in packed.windows() {
                    let invocations = in_features.div_ceil(INPUTS);
                    let dispatch = Dispatch::line(kernel, invocations, &constants(&window, layer));
                    dispatches.push(dispatch.seen_from("packed", window.offset_bytes));
                }
                continue;
            }
            let packed = self.packed(batch);
            let pack = Dispatch::line("pack_for_update", packed.len(), &whole);
            dispatches.push(pack.with_room("packed", packed.room()));
            let blocks = self.blocks_a_window(batch);
            for first in packed.windows_of(packed.stride()).step_by(blocks) {
                let here = (out_features - first.first_column).div_ceil(OUTS).min(blocks);
                let dispatch = Dispatch::line(kernel, in_features, &constants(&first, layer)).deep(here);
                dispatches.push(dispatch.seen_from("packed", first.offset_bytes));
            }
        }
        dispatches
    }

    fn beside(&self, others: &[&Self], inputs: &[Shape]) -> Option<(Self, Vec<Shape>)> {
        // Of `update`, one step would have as many dispatches as several.
        if others.iter().any(|&other| other != self) || !self.takes("backward", inputs) {
            return None;
        }
        let layers = 1 + others.len();
        let inputs = inputs.iter().map(|input| layers::of_all(input, layers)).collect();
        Some((Self { layers, ..self.clone() }, inputs))
    }

    fn cases() -> Vec<Case<Self>> {
        let adams = Adam::cases();
        let case = |batch, inputs, out_features, adam: usize| {
            let (dense, adam) = (Dense { out_features }, adams[adam].op.clone());
            Case::new(DenseAdam { dense, adam, relu: false, layers: 1 }, [[batch, inputs].into()])
        };
        let decayed = adams.len() - 1;
        // Batches with each number of vectors, 1 to 8.
        let both = vec![
            case(1, 1, 1, 0),
            case(3, WORKGROUP + 1, 5, decayed),
            case(20, 2 * WORKGROUP, 67, 0),
            // More inputs than a workgroup has, two an invocation.
            case(5, 2 * WORKGROUP + 1, 3, 0),
            case(9, WORKGROUP - 1, 32, 0),
            // A block that is full to its last element.
            case(2, 9, 32, 0),
            case(7, 10, 3, 0),
            case(14, 5, 2, 0),
            case(23, 9, 4, 0),
            case(27, 6, 1, decayed),
            // More outputs than are staged at once, which are more than a workgroup has invocations.
            case(6, 5, 150, decayed),
            // More inputs than a row holds, and a workgroup that has none.
            case(2, ROW + 1, 3, 0),
            // More outputs than one uniform window holds.
            case(31, 3, 545, decayed),
        ];
        // For `update` alone, up to the largest batch that it takes.
        let update =
            [case(33, 5, 3, 0), case(171, 4, 97, decayed), case(257, 3, 35, 0), case(512, 2, 33, decayed)];
        let behind_relu = both.clone().into_iter().map(|mut case| {
            case.op.relu = true;
            case
        });
        // No multiples of a block or a workgroup; more inputs than a row holds; more outputs than are staged at
        // once; the largest batch for both kernels, and one for `update` alone.
        let beside = [
            (2, case(5, WORKGROUP + 3, 7, 0)),
            (3, case(9, 5, 35, decayed)),
            (2, case(3, ROW + 1, 5, 0)),
            (3, case(6, 3, 150, decayed)),
            (2, case(32, 9, 34, 0)),
            (2, case(171, 4, 97, decayed)),
        ];
        let beside = beside.into_iter().enumerate().map(|(index, (layers, case))| {
            let inputs: Vec<Shape> = case.inputs.iter().map(|input| layers::of_all(input, layers)).collect();
            Case::new(DenseAdam { relu: index % 2 > 0, layers, ..case.op }, inputs)
        });
        both.iter().cloned().chain(behind_relu).chain(update).chain(beside).collect()
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        self.adam.fill(name, elements, generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_tells_what_batches_run() {
        let op = DenseAdam {
            dense: Dense { out_features: 40 },
            adam: Adam::cases()[0].op.clone(),
            relu: false,
            layers: 1,
        };
        for (batch, backward, update) in
            [(32, true, true), (33, false, true), (512, false, true), (513, false, false)]
        {
            let inputs = [[batch, 3].into()];
            assert_eq!(op.takes("backward", &inputs), backward, "{batch}");
            assert_eq!(op.output_shape(&inputs).is_ok(), update, "{batch}");
            let words = ["one pass", "from 33 to 512", "above 512"];
            let kind = if backward { 0 } else { 1 + usize::from(!update) };
            assert!(DenseAdam::rule(batch).contains(words[kind]), "{batch}: {}", DenseAdam::rule(batch));
        }
    }
}
