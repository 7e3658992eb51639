//! A row of a table for every number.
//!
//! Input (N, L) of whole numbers below `vocabulary`, weight (vocabulary, width), output (N, L, width) or,
//! with `channels_first`, (N, width, L), which is what convolutions read. A number beyond the table counts
//! as the last one.

use super::attr::wrong_arguments;
use super::gemm::{sum, sum_height};
use super::share::{self, Share};
use super::{
    Arg, ArgumentSpec, Case, CaseData, Dispatch, Init, Kernel, Operator, Parameter, ROW, Variant,
    WINDOW_BYTES, WORKGROUP, onnx,
};
use crate::number::{Accumulator, Number};
use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// The attributes of an embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// Rows of the table; that of the model's input if not given.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub vocabulary: usize,
    /// Columns of the table.
    pub width: usize,
    /// Whether the columns come before the positions in the output.
    #[serde(default)]
    pub channels_first: bool,
}

/// Positions whose rows `forward` turns around at a time, so that they stay in cache.
const BLOCK: usize = 16;
/// Positions whose gradients the shader adds up at once, where they belong to one row.
pub(super) const SUMMED: usize = 64;
/// About how many chunks the positions are cut into; each takes memory for the whole vocabulary.
const CHUNKS: usize = 16;
/// Positions that one invocation of `count` or `list` looks through at least.
const LEAST_CHUNK: usize = 1024;
/// Positions that a uniform window shows.
const WINDOW: usize = WINDOW_BYTES / 4;

/// Positions that one invocation of `count` or `list` looks through: a window holds whole chunks.
fn chunk_of(positions: usize) -> usize {
    positions.div_ceil(CHUNKS).next_power_of_two().clamp(LEAST_CHUNK, WINDOW)
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Embedding {
    fn row(&self, number: u32) -> usize {
        (number as usize).min(self.vocabulary - 1)
    }

    /// Calls `visit` with the row of every position and where its columns lie in the output: the first
    /// of them, and how far apart they are.
    fn each_position(&self, input: &[u32], length: usize, mut visit: impl FnMut(usize, usize, usize)) {
        for (position, &number) in input.iter().enumerate() {
            let (first, step) = match self.channels_first {
                false => (position * self.width, 1),
                true => (position / length * length * self.width + position % length, length),
            };
            visit(self.row(number), first, step);
        }
    }
}

impl Embedding {
    /// How many additions a term of each row's gradient passes through at most.
    fn heights(&self, input: &[u32], length: usize) -> Vec<usize> {
        // Positions, runs of neighbours in one sample, and the longest of these.
        let mut rows = vec![[0_usize; 3]; self.vocabulary];
        for numbers in input.chunks(length.max(1)) {
            for run in numbers.chunk_by(|a, b| a == b) {
                let [positions, runs, longest] = &mut rows[self.row(run[0])];
                *positions += run.len();
                *runs += 1;
                *longest = (*longest).max(run.len());
            }
        }
        let height = |[positions, runs, longest]: [usize; 3]| match self.channels_first {
            // The shader adds whole blocks at once, and what is before and behind them; the fast path whole runs.
            true => (positions / SUMMED + 3 * SUMMED).max(runs + sum_height(longest)),
            // The CPU has no fast path.
            false => positions,
        };
        rows.into_iter().map(height).collect()
    }
}

impl Operator for Embedding {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["input", "weight"], &["output"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_weight", &["input", "d_output"], &["d_weight"]).scratch(&[
            "rows",
            "before",
            "equal",
            "first",
            "last",
            "order",
            "block_sums",
        ])];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if self.vocabulary == 0 || self.width == 0 {
            return Err("vocabulary and width must be at least 1".into());
        }
        match (inputs.first().map(|input| input.0.as_slice()), self.channels_first) {
            (Some(&[batch, length]), true) => Ok([batch, self.width, length].into()),
            (Some(axes @ ([_] | [_, _])), false) => Ok(Shape([axes, &[self.width]].concat())),
            _ => Err("it needs a row of whole numbers a sample".into()),
        }
    }

    fn parameters(&self, _inputs: &[Shape]) -> Vec<Parameter> {
        let init = Init::Rows { rows: self.vocabulary, width: self.width };
        vec![Parameter::trained("weight", [self.vocabulary, self.width], init)]
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let input = inputs.first()?;
        let words = |count: usize| Some(ArgumentSpec::shared([count].into()).words());
        match name {
            "input" => Some(ArgumentSpec::batched(input.clone()).words()),
            "rows" => words(input.len().next_multiple_of(WINDOW)),
            "before" | "equal" => words(input.len().div_ceil(chunk_of(input.len())) * self.vocabulary),
            "first" | "last" => words(self.vocabulary),
            "order" => words(input.len()),
            "block_sums" => Some(ArgumentSpec::shared([(input.len() / SUMMED * self.width).max(1)].into())),
            _ => None,
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        match (kernel, args) {
            ("forward", [input, weight, output]) => {
                let [_, length] = input.rows();
                let (weight, output) = (weight.real(), output.real_mut());
                self.each_position(input.words(), length, |row, first, step| {
                    for (column, &value) in weight[row * self.width..][..self.width].iter().enumerate() {
                        output[first + column * step] = value;
                    }
                });
            }
            ("backward_weight", [input, d_output, d_weight]) => {
                let [_, length] = input.rows();
                let (d_output, d_weight) = (d_output.real(), d_weight.real_mut());
                let heights = self.heights(input.words(), length);
                let mut sums: Vec<N::Sum> = d_weight.iter().map(|_| N::Sum::default()).collect();
                self.each_position(input.words(), length, |row, first, step| {
                    let sums = &mut sums[row * self.width..][..self.width];
                    sums.iter_mut().enumerate().for_each(|(w, sum)| sum.add(d_output[first + w * step]));
                });
                for (index, (d_weight, sum)) in d_weight.iter_mut().zip(sums).enumerate() {
                    *d_weight = sum.total_within(heights[index / self.width]);
                }
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        if !self.channels_first {
            return false;
        }
        match (kernel, args) {
            ("forward", [input, weight, output]) => {
                let [_, length] = input.rows();
                let samples = output.real_mut().chunks_exact_mut(self.width * length);
                for (output, numbers) in samples.zip(input.words().chunks_exact(length)) {
                    for (block, numbers) in numbers.chunks(BLOCK).enumerate() {
                        let row = |&number| &weight.real()[self.row(number) * self.width..][..self.width];
                        let rows: Vec<&[f32]> = numbers.iter().map(row).collect();
                        for (column, output) in output.chunks_exact_mut(length).enumerate() {
                            let output = output[block * BLOCK..].iter_mut();
                            output.zip(&rows).for_each(|(output, row)| *output = row[column]);
                        }
                    }
                }
            }
            ("backward_weight", [input, d_output, d_weight]) => {
                let [_, length] = input.rows();
                d_weight.real_mut().fill(0.0);
                let samples = d_output.real().chunks_exact(self.width * length);
                for (d_output, numbers) in samples.zip(input.words().chunks_exact(length)) {
                    let mut first = 0;
                    // What fills a text up is one long run of one number.
                    for run in numbers.chunk_by(|a, b| a == b) {
                        let sums = &mut d_weight.real_mut()[self.row(run[0]) * self.width..][..self.width];
                        for (sum_of, d_output) in sums.iter_mut().zip(d_output.chunks_exact(length)) {
                            *sum_of += sum(&d_output[first..][..run.len()]);
                        }
                        first += run.len();
                    }
                }
            }
            _ => wrong_arguments(kernel),
        }
        true
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        if kernel == "forward" {
            return Vec::new();
        }
        let d_output = shape("d_output");
        let samples = d_output.batch();
        let mut shares = vec![share::sample("d_output", &d_output)];
        if self.channels_first {
            shares.push(share::channel("d_output", &d_output));
            shares.push(share::stretch("one tap", "d_output", &d_output, samples, 1));
            shares.push(share::stretch("one partial sum", "d_output", &d_output, samples, SUMMED));
        }
        shares
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let input = shape("input");
        let positions = input.len();
        let chunk = chunk_of(positions);
        let chunks = positions.div_ceil(chunk);
        let line = |entry_point: &str, invocations: usize, first_chunk: usize| {
            let constants = [
                ("POSITIONS", positions as f64),
                ("LENGTH", (positions / input.batch().max(1)) as f64),
                ("VOCABULARY", self.vocabulary as f64),
                ("WIDTH", self.width as f64),
                ("CHANNELS_FIRST", f64::from(u8::from(self.channels_first))),
                ("CHUNK", (chunk / 4) as f64),
                ("CHUNKS", chunks as f64),
                ("FIRST_CHUNK", first_chunk as f64),
            ];
            Dispatch::line(entry_point, invocations, &constants)
        };
        if kernel == "forward" {
            return vec![line(kernel, positions * self.width, 0)];
        }
        let mut dispatches = vec![line("copy_rows", positions.next_multiple_of(WINDOW), 0)];
        let through_windows = |entry_point: &str| -> Vec<Dispatch> {
            let windows = (0..chunks).step_by(WINDOW / chunk);
            let seen_from = |first: usize| {
                let dispatch = line(entry_point, self.vocabulary, first);
                dispatch.deep((chunks - first).min(WINDOW / chunk)).seen_from("rows", first * chunk * 4)
            };
            windows.map(seen_from).collect()
        };
        dispatches.extend(through_windows("count"));
        dispatches.push(line("place", self.vocabulary, 0));
        dispatches.extend(through_windows("list"));
        dispatches.push(line("sum_blocks", positions / SUMMED * self.width, 0));
        dispatches.push(line(kernel, self.vocabulary * self.width, 0));
        dispatches
    }

    /// `Gather` refuses a number beyond the table.
    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let rows = onnx::Node::new("Gather", &["weight", "input"]).with("axis", 0);
        let turned = onnx::Node::after("Transpose", []).with("perm", [0_usize, 2, 1]);
        Some(if self.channels_first { vec![rows, turned] } else { vec![rows] })
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |vocabulary, width, channels_first, input: &[usize]| {
            let op = Embedding { vocabulary, width, channels_first };
            Case::new(op, [Shape(input.to_vec())])
        };
        vec![
            case(1, 1, false, &[1, 1]),
            case(5, 3, false, &[2, 7]),
            case(6, 2, false, &[9]),
            case(WORKGROUP, 1, false, &[2, WORKGROUP / 2]),
            case(11, WORKGROUP + 1, true, &[3, 5]),
            case(2 * WORKGROUP + 1, 7, true, &[4, 33]),
            // Rows with whole blocks of positions.
            case(2, 3, false, &[3, 3 * SUMMED + 5]),
            // More invocations than a row holds.
            case(ROW + 1, 2, true, &[3, ROW / 6 + 1]),
            // More positions than one window shows.
            case(3, 1, true, &[5, WINDOW / 4 + 3]),
        ]
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        // One more than there are rows: the last may be asked for by a number beyond it.
        let vocabulary = self.vocabulary as u32 + 1;
        (name == "input")
            .then(|| CaseData::Words((0..elements).map(|_| generator.below(vocabulary)).collect()))
    }
}
