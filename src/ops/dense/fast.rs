//! The fast path of `forward` on the CPU: dot products of a few rows of weights with a few samples at once, so
//! that each vector that is loaded serves several sums.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Outputs, and samples, whose sums one run over the inputs computes: about as many as 16 registers hold.
const OUTPUTS: usize = 3;
const SAMPLES: usize = 4;
/// Outputs of a task. It is fixed, so that results do not depend on the number of threads.
const TASK_OUTPUTS: usize = 4 * OUTPUTS;
/// Vectors of products that are summed up before they are added to the others, so that sums of many stay accurate.
const SUMMED: usize = 256;
/// Lanes of a vector at most.
const MOST_LANES: usize = 16;

/// How many additions a product passes through at most, whatever the machine's vectors hold.
pub fn height(in_features: usize) -> usize {
    in_features.min(SUMMED) + in_features.div_ceil(SUMMED) + 1 + MOST_LANES
}

/// The outputs of a task, for all samples.
struct Task<'a> {
    input: &'a [f32],
    /// A row an output.
    weight: &'a [f32],
    in_features: usize,
    /// A row an output.
    sums: &'a mut [f32],
}

/// Computes the outputs without their biases: (output, sample).
pub fn products(input: &[f32], weight: &[f32], in_features: usize) -> Vec<f32> {
    let (samples, outputs) = (input.len() / in_features, weight.len() / in_features);
    let mut sums = vec![0.0; samples * outputs];
    let tasks =
        sums.par_chunks_mut(TASK_OUTPUTS * samples).zip(weight.par_chunks(TASK_OUTPUTS * in_features));
    tasks.for_each(|(sums, weight)| Arch::new().dispatch(Task { input, weight, in_features, sums }));
    sums
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { input, weight, in_features, sums } = self;
        let (samples, outputs) = (input.len() / in_features, weight.len() / in_features);
        for first_output in (0..outputs).step_by(OUTPUTS) {
            let weights = rows::<OUTPUTS>(weight, in_features, first_output);
            for first_sample in (0..samples).step_by(SAMPLES) {
                let block = dot_products(simd, rows::<SAMPLES>(input, in_features, first_sample), weights);
                for (o, block) in block.iter().enumerate().take(outputs - first_output) {
                    let row = &mut sums[(first_output + o) * samples..][first_sample..samples];
                    row.iter_mut().zip(block).for_each(|(sum, &value)| *sum = value);
                }
            }
        }
    }
}

/// The rows of a matrix from `first` on; beyond the last the last one again.
#[inline(always)]
fn rows<const N: usize>(matrix: &[f32], width: usize, first: usize) -> [&[f32]; N] {
    let last = matrix.len() / width - 1;
    let mut rows = [matrix; N];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &matrix[(first + i).min(last) * width..][..width];
    }
    rows
}

/// The dot products of all rows of the one with all of the other.
#[inline(always)]
fn dot_products<S: Simd>(
    simd: S,
    inputs: [&[f32]; SAMPLES],
    weights: [&[f32]; OUTPUTS],
) -> [[f32; SAMPLES]; OUTPUTS] {
    let zero = simd.splat_f32s(0.0);
    let inputs = inputs.map(|row| S::as_simd_f32s(row));
    let weights = weights.map(|row| S::as_simd_f32s(row));
    let vectors = inputs[0].0.len();
    let heads = inputs.map(|row| &row.0[..vectors]);
    let weight_heads = weights.map(|row| &row.0[..vectors]);
    let mut all = [[zero; SAMPLES]; OUTPUTS];
    for first in (0..vectors).step_by(SUMMED) {
        let mut sums = [[zero; SAMPLES]; OUTPUTS];
        for at in first..vectors.min(first + SUMMED) {
            let values: [S::f32s; SAMPLES] = [heads[0][at], heads[1][at], heads[2][at], heads[3][at]];
            for o in 0..OUTPUTS {
                let weight = weight_heads[o][at];
                for n in 0..SAMPLES {
                    sums[o][n] = simd.mul_add_e_f32s(values[n], weight, sums[o][n]);
                }
            }
        }
        for o in 0..OUTPUTS {
            for n in 0..SAMPLES {
                all[o][n] = simd.add_f32s(all[o][n], sums[o][n]);
            }
        }
    }
    for o in 0..OUTPUTS {
        for n in 0..SAMPLES {
            let (value, weight) = (inputs[n].1, weights[o].1);
            let rest = [value, weight].map(|tail| simd.partial_load_f32s(tail));
            all[o][n] = simd.mul_add_e_f32s(rest[0], rest[1], all[o][n]);
        }
    }
    let mut totals = [[0.0; SAMPLES]; OUTPUTS];
    for o in 0..OUTPUTS {
        for n in 0..SAMPLES {
            totals[o][n] = simd.reduce_sum_f32s(all[o][n]);
        }
    }
    totals
}
