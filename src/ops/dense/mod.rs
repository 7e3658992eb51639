//! A fully connected layer with bias.
//!
//! Input (N, in), weight (out, in), bias (out), output (N, out).

mod fast;

use super::attr::{BALANCED_BIAS, wrong_arguments};
use super::gemm::{matrix, matrix_mut, multiply};
use super::height;
use super::layers;
use super::packed::{Headed, Packed, Window};
use super::share::{self, Share};
use super::{
    Arg, ArgumentSpec, Case, Dispatch, Init, Kernel, Operator, Parameter, ROW, Variant, WORKGROUP, onnx,
};
use crate::number::{Accumulator, Number};
use crate::shape::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The attributes of a fully connected layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Number of outputs; [`OF_TARGET`] until it is known.
    #[serde(with = "of_target")]
    pub out_features: usize,
}

/// As many outputs as the branch's target needs: in TOML `out_features = "target"`.
pub const OF_TARGET: usize = usize::MAX;

/// [`OF_TARGET`] as a word.
mod of_target {
    use super::OF_TARGET;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    const WORD: &str = "target";

    #[derive(serde::Deserialize)]
    #[serde(
        untagged,
        expecting = "out_features is a whole number, or \"target\" for as many as the target needs"
    )]
    enum Written {
        Count(usize),
        Word(String),
    }

    pub fn serialize<S: Serializer>(count: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        match *count {
            OF_TARGET => serializer.serialize_str(WORD),
            count => serializer.serialize_u64(count as u64),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Count(count) => Ok(count),
            Written::Word(word) if word == WORD => Ok(OF_TARGET),
            Written::Word(word) => Err(D::Error::custom(format!(
                "out_features is {word:?}; it must be a whole number, or \"target\" for as many as the target needs"
            ))),
        }
    }
}

/// Samples and outputs that one workgroup of `forward` computes.
const BLOCK: [usize; 2] = [8, 4];
/// Outputs that one invocation of `forward_rows` computes.
const OUTPUTS: usize = 2;
/// Columns or rows that one task of the fast path computes. It is fixed, so that results do not
/// depend on the number of threads.
const TASK: usize = 128;

impl Dense {
    /// Batch, inputs and outputs.
    fn extents(&self, inputs: &[Shape]) -> Result<[usize; 3], String> {
        if self.out_features == 0 {
            return Err("out_features is 0; it must be at least 1".into());
        }
        match inputs.first().map(|input| input.0.as_slice()) {
            Some(&[batch, features]) if batch > 0 && features > 0 => Ok([batch, features, self.out_features]),
            Some(axes) => Err(format!(
                "it needs a row of values, but its input has {} axes; put a flatten layer before it",
                axes.len().saturating_sub(1)
            )),
            None => Err("it has no input".into()),
        }
    }

    /// How many additions a product of `forward` passes through at most, and then that of the bias. All others add
    /// their few terms in a row.
    fn forward_height(batch: usize, in_features: usize) -> usize {
        let software = for_forward(batch, in_features, 1).summation_height();
        let gpu = height::of_stride(in_features) + height::of_lanes();
        software.max(gpu).max(fast::height(in_features)) + 1
    }

    /// The scratch of `forward` for several layers side by side.
    pub(super) fn packed_layers(&self, inputs: &[Shape], layers: usize) -> Option<ArgumentSpec> {
        let [batch, in_features, _] = self.extents(inputs).ok()?;
        Some(ArgumentSpec::shared([for_forward(batch, in_features, layers).room()].into()))
    }

    /// The dispatches of a kernel; `relu` lets `forward` store what ReLU makes of the outputs. It can do so for
    /// several `layers` side by side.
    pub(super) fn dispatches_with(
        &self,
        kernel: &str,
        variant: Variant,
        shape: &dyn Fn(&str) -> Shape,
        relu: bool,
        layers: usize,
    ) -> Vec<Dispatch> {
        let input = shape(if kernel == "backward_input" { "d_input" } else { "input" });
        let input = layers::of_each(&[input], layers);
        let Ok([batch, in_features, out_features]) = self.extents(&input) else { return Vec::new() };
        let extents = [
            ("BATCH", batch as f64),
            ("IN_FEATURES", in_features as f64),
            ("OUT_FEATURES", out_features as f64),
            ("RELU", f64::from(u8::from(relu))),
            ("LAYERS", layers as f64),
        ];
        let line = |entry_point: &str, invocations: usize, window: &Window, height: usize| {
            let constants = [extents.as_slice(), &window.constants(), &[("HEIGHT", height as f64)]].concat();
            Dispatch::line(entry_point, invocations, &constants)
        };
        let through_windows = |packed: Packed, [pack, entry_point]: [&str; 2], invocations: usize| {
            let pack = line(pack, packed.len(), &Window::default(), 0);
            let mut dispatches = vec![pack.with_room("packed", packed.room())];
            for window in packed.windows() {
                let dispatch = line(entry_point, invocations, &window, 0);
                dispatches.push(dispatch.seen_from("packed", window.offset_bytes));
            }
            dispatches
        };
        match kernel {
            // A lane for two outputs is too few for a GPU, and its lanes would read weights that lie far apart.
            "forward" if variant == Variant::Software => {
                let headed = for_forward(batch, in_features, layers);
                let lanes = out_features.div_ceil(OUTPUTS);
                let of_window = |(vectors, offset_bytes): (usize, usize)| {
                    let window = Window { vectors, ..Window::default() };
                    line("forward_rows", lanes, &window, 0).seen_from("packed", offset_bytes)
                };
                let (elements, height) = (headed.layer_len(), headed.height());
                let pack = line("pack_for_forward", elements, &Window::default(), height);
                let pack = pack.deep(layers).with_room("packed", headed.room());
                std::iter::once(pack).chain(headed.windows().map(of_window)).collect()
            }
            "forward" => {
                let blocks = batch.div_ceil(BLOCK[0]) * out_features.div_ceil(BLOCK[1]);
                vec![line(kernel, blocks * WORKGROUP, &Window::default(), 0).deep(layers)]
            }
            "backward_weight" => {
                let packed = for_weight(batch, out_features);
                through_windows(packed, ["pack_for_weight", kernel], in_features + 1)
            }
            _ => {
                let packed = for_input(batch, out_features);
                through_windows(packed, ["pack_for_input", kernel], in_features)
            }
        }
    }
}

/// The inputs as `forward_rows` reads them: a row an input, a column a sample.
fn for_forward(batch: usize, in_features: usize, layers: usize) -> Headed {
    Headed { packed: Packed { rows: in_features, columns: batch }, layers }
}

/// `d_output` as `backward_weight` reads it: a row a sample, a column an output.
fn for_weight(batch: usize, out_features: usize) -> Packed {
    Packed { rows: batch, columns: out_features }
}

/// `d_output` as `backward_input` reads it: a row an output, a column a sample.
fn for_input(batch: usize, out_features: usize) -> Packed {
    Packed { rows: out_features, columns: batch }
}

impl Operator for Dense {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "weight", "bias"], &["output"]).scratch(&["packed"])];
    const BACKWARD: &'static [Kernel] = &[
        Kernel::new("backward_weight", &["input", "d_output"], &["d_weight", "d_bias"]).scratch(&["packed"]),
        Kernel::new("backward_input", &["d_output", "weight"], &["d_input"]).scratch(&["packed"]),
    ];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [batch, _, out_features] = self.extents(inputs)?;
        Ok([batch, out_features].into())
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<Parameter> {
        let Ok([_, fan_in, fan_out]) = self.extents(inputs) else { return Vec::new() };
        let init = Init::GlorotUniform { fan_in, fan_out };
        vec![
            Parameter::trained("weight", [fan_out, fan_in], init).apart(),
            Parameter::trained("bias", [fan_out], Init::Zeros),
        ]
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let [batch, in_features, out_features] = self.extents(inputs).ok()?;
        match name {
            "packed" => {
                let backward = [for_weight(batch, out_features), for_input(batch, out_features)];
                let backward = backward.iter().map(Packed::room).max().unwrap_or(0);
                let room = backward.max(for_forward(batch, in_features, 1).room());
                Some(ArgumentSpec::shared([room].into()))
            }
            _ => None,
        }
    }

    fn flops(&self, inputs: &[Shape]) -> u64 {
        self.extents(inputs).map_or(0, |[batch, fan_in, fan_out]| 2 * (batch * fan_in * fan_out) as u64)
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, weight, bias, output]) => {
                let [batch, in_features] = input.rows();
                let height = Self::forward_height(batch, in_features);
                let (input, weight, bias) = (input.real(), weight.real(), bias.real());
                output.real_mut().par_iter_mut().enumerate().for_each(|(index, output)| {
                    let (n, o) = (index / self.out_features, index % self.out_features);
                    let row = |row: usize| row * in_features..(row + 1) * in_features;
                    let mut sum = N::Sum::default();
                    let products = input[row(n)].iter().zip(&weight[row(o)]);
                    products.for_each(|(&x, &w)| sum.add_product(x, w));
                    sum.add(bias[o]);
                    *output = sum.total_within(height);
                });
            }
            ("backward_weight", [input, d_output, d_weight, d_bias]) => {
                let [batch, in_features] = input.rows();
                let (input, d_output) = (input.real(), d_output.real());
                let rows = d_weight.real_mut().par_chunks_mut(in_features).enumerate();
                rows.for_each(|(o, d_weight)| {
                    for (i, d_weight) in d_weight.iter_mut().enumerate() {
                        let mut sum = N::Sum::default();
                        for n in 0..batch {
                            sum.add_product(d_output[n * self.out_features + o], input[n * in_features + i]);
                        }
                        *d_weight = sum.total();
                    }
                });
                for o in 0..self.out_features {
                    let mut sum = N::Sum::default();
                    (0..batch).for_each(|n| sum.add(d_output[n * self.out_features + o]));
                    d_bias.real_mut()[o] = sum.total();
                }
            }
            ("backward_input", [d_output, weight, d_input]) => {
                let [_, in_features] = d_input.rows();
                let (d_output, weight) = (d_output.real(), weight.real());
                let rows = d_input.real_mut().par_chunks_mut(in_features).enumerate();
                rows.for_each(|(n, d_input)| {
                    let d_output = &d_output[n * self.out_features..][..self.out_features];
                    for (i, d_input) in d_input.iter_mut().enumerate() {
                        let mut sum = N::Sum::default();
                        for (o, &d) in d_output.iter().enumerate() {
                            sum.add_product(d, weight[o * in_features + i]);
                        }
                        *d_input = sum.total();
                    }
                });
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        match (kernel, args) {
            ("forward", [input, weight, bias, output]) => {
                let [batch, in_features] = input.rows();
                let sums = fast::products(input.real(), weight.real(), in_features);
                for (n, row) in output.real_mut().chunks_exact_mut(self.out_features).enumerate() {
                    for ((output, sums), bias) in
                        row.iter_mut().zip(sums.chunks_exact(batch)).zip(bias.real())
                    {
                        *output = sums[n] + bias;
                    }
                }
            }
            ("backward_weight", [input, d_output, d_weight, d_bias]) => {
                let [batch, in_features] = input.rows();
                let x = matrix(input.real(), batch, in_features, in_features);
                let d = d_output.real();
                let tasks = d_weight.real_mut().par_chunks_mut(TASK * in_features).enumerate();
                tasks.for_each(|(task, rows)| {
                    let height = rows.len() / in_features;
                    let d = matrix(&d[task * TASK..], batch, height, self.out_features);
                    multiply(matrix_mut(rows, height, in_features, in_features), d.reversed_axes(), x);
                });
                d_bias.real_mut().fill(0.0);
                for row in d.chunks_exact(self.out_features) {
                    d_bias.real_mut().iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
                }
            }
            ("backward_input", [d_output, weight, d_input]) => {
                let [batch, in_features] = d_input.rows();
                let d = matrix(d_output.real(), batch, self.out_features, self.out_features);
                let columns = |first: usize, width: usize, room: &mut [f32]| {
                    let w = matrix(&weight.real()[first..], self.out_features, width, in_features);
                    multiply(matrix_mut(room, batch, width, width), d, w);
                };
                by_columns(batch, d_input.real_mut(), columns);
            }
            _ => wrong_arguments(kernel),
        }
        true
    }

    fn cancels(&self, _kernel: &str, argument: &str) -> Option<&'static str> {
        (argument == "d_bias").then_some(BALANCED_BIAS)
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        let weight = shape(if kernel == "backward_weight" { "d_weight" } else { "weight" });
        let [outputs, inputs] = [weight.batch(), weight.len() / weight.batch().max(1)];
        match kernel {
            "forward" => vec![
                share::sample("input", &shape("input")),
                share::tap("weight", outputs, inputs),
                share::lane("weight", outputs, inputs),
            ],
            "backward_weight" => {
                vec![share::sample("d_output", &shape("d_output")), share::tap("d_weight", outputs, inputs)]
            }
            _ => vec![
                share::sample("d_output", &shape("d_output")),
                share::channel("d_output", &shape("d_output")),
                share::tap("weight", outputs, inputs),
            ],
        }
    }

    fn dispatches(&self, kernel: &str, variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        self.dispatches_with(kernel, variant, shape, false, 1)
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        Some(vec![onnx::Node::new("Gemm", &["input", "weight", "bias"]).with("transB", 1)])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |batch, inputs, out_features| Case::new(Dense { out_features }, [[batch, inputs].into()]);
        // Batches and outputs with each number of vectors, 1 to 8, in their last block.
        vec![
            case(1, 1, 1),
            // More samples than a block, and more inputs than a window, holds.
            case(35, 1030, 3),
            case(7, 5, 22),
            case(32, WORKGROUP, 32),
            case(9, WORKGROUP + 1, 17),
            case(52, 513, 1),
            case(14, 129, 131),
            case(54, 28, 14),
            case(59, 6, 27),
            // More invocations than a row holds, in one kernel or the other.
            case(1, ROW + 1, 6),
            case(1, 1, 2 * ROW + 1),
            // More rows than one uniform window holds, for the weight and for the input.
            case(515, 3, 6),
            case(35, 5, 521),
        ]
    }
}

/// Fills the columns of a row-major matrix with `rows` rows, [`TASK`] columns at a time in parallel.
/// `compute(first column, columns, room)` leaves its part in `room`, row-major.
fn by_columns(rows: usize, product: &mut [f32], compute: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let columns = product.len() / rows.max(1);
    let parts: Vec<Vec<f32>> = (0..columns.div_ceil(TASK))
        .into_par_iter()
        .map(|task| {
            let first = task * TASK;
            let width = TASK.min(columns - first);
            let mut room = vec![0.0; rows * width];
            compute(first, width, &mut room);
            room
        })
        .collect();
    for (task, part) in parts.iter().enumerate() {
        let width = part.len() / rows.max(1);
        for (row, values) in part.chunks_exact(width).enumerate() {
            product[row * columns + task * TASK..][..width].copy_from_slice(values);
        }
    }
}
