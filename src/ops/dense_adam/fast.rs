//! The fast path on the CPU: a block of inputs at a time, whose values and gradients stay in cache while the
//! weights, far larger, pass through once.

use super::DenseAdam;
use crate::ops::Arg;
use crate::ops::adam::{Adam, RATES, rates_of};
use crate::ops::attr::wrong_arguments;
use crate::ops::gemm::{matrix, matrix_mut};
use ndarray::{ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Inputs of a task. It is fixed, so that results do not depend on the number of threads.
const INPUTS: usize = 512;
/// Outputs whose weights are read at once: each vector of inputs is then loaded once for all of them.
const OUTPUTS: usize = 4;

/// What tasks share.
struct Shared<'a> {
    adam: &'a Adam,
    relu: bool,
    rates: [f32; RATES],
    batch: usize,
    /// The gradients, a block of outputs after the other: (block, sample, output in the block).
    d_output: Vec<[f32; OUTPUTS]>,
}

/// The columns of a task.
struct Task<'a> {
    shared: &'a Shared<'a>,
    input: ArrayView2<'a, f32>,
    /// Weight, m and v.
    parameters: [ArrayViewMut2<'a, f32>; 3],
    d_input: Option<ArrayViewMut2<'a, f32>>,
}

/// Computes `update`, or `backward` where there is a place for the gradient of the input.
pub fn compute(op: &DenseAdam, args: &mut [Arg<f32>], d_input: Option<&mut Arg<f32>>) {
    let [input, d_output, weight, m, v, batch, d_bias] = args else { wrong_arguments("backward") };
    let ([samples, in_features], out_features) = (input.rows(), op.dense.out_features);
    let d = d_output.real();
    let places = (0..out_features).step_by(OUTPUTS).flat_map(|first| (0..samples).map(move |n| (first, n)));
    let shared = Shared {
        adam: &op.adam,
        relu: op.relu,
        rates: rates_of(batch),
        batch: samples,
        d_output: places
            .map(|(first, n)| {
                let row = &d[n * out_features..][..out_features];
                std::array::from_fn(|o| row.get(first + o).copied().unwrap_or(0.0))
            })
            .collect(),
    };
    let x = matrix(input.real(), samples, in_features, in_features);
    let mut parameters =
        [weight, m, v].map(|arg| matrix_mut(arg.real_mut(), out_features, in_features, in_features));
    let [weight, m, v] = parameters.each_mut().map(|matrix| matrix.axis_chunks_iter_mut(Axis(1), INPUTS));
    let mut d_input = d_input.map(|arg| matrix_mut(arg.real_mut(), samples, in_features, in_features));
    let mut d_input = d_input.as_mut().map(|matrix| matrix.axis_chunks_iter_mut(Axis(1), INPUTS));
    let columns = x.axis_chunks_iter(Axis(1), INPUTS).zip(weight).zip(m).zip(v);
    let tasks: Vec<Task> = columns
        .map(|(((input, weight), m), v)| {
            let d_input = d_input.as_mut().and_then(Iterator::next);
            Task { shared: &shared, input, parameters: [weight, m, v], d_input }
        })
        .collect();
    tasks.into_par_iter().for_each(|task| Arch::new().dispatch(task));
    d_bias.real_mut().fill(0.0);
    for row in d.chunks_exact(out_features) {
        d_bias.real_mut().iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
    }
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { shared, input, parameters, mut d_input } = self;
        let (batch, width) = (shared.batch, input.ncols());
        let zero = simd.splat_f32s(0.0);
        // The vectors of the same inputs in all samples lie beside each other; so do their gradients.
        let mut x = vec![zero; width.div_ceil(S::F32_LANES) * batch];
        for (n, row) in input.outer_iter().enumerate() {
            let Some(row) = row.to_slice() else { unreachable!("the elements of a row lie side by side") };
            for (vector, values) in row.chunks(S::F32_LANES).enumerate() {
                x[vector * batch + n] = simd.partial_load_f32s(values);
            }
        }
        let mut d_x = vec![zero; if d_input.is_some() { x.len() } else { 0 }];
        let adam = shared.vectors(simd);
        let [mut weight, mut m, mut v] = parameters;
        let mut all_rows = [weight.outer_iter_mut(), m.outer_iter_mut(), v.outer_iter_mut()];
        for d in shared.d_output.chunks_exact(batch) {
            // Fewer in the last block.
            let mut rows = all_rows.each_mut().map(|rows| -> [&mut [f32]; OUTPUTS] {
                std::array::from_fn(|_| rows.next().map(slice_of).unwrap_or_default())
            });
            for (vector, x) in x.chunks_exact(batch).enumerate() {
                let mut grads = [zero; OUTPUTS];
                for (&x, d) in x.iter().zip(d) {
                    for o in 0..OUTPUTS {
                        grads[o] = simd.mul_add_e_f32s(simd.splat_f32s(d[o]), x, grads[o]);
                    }
                }
                let first = vector * S::F32_LANES;
                let mut before = [zero; OUTPUTS];
                for o in 0..OUTPUTS {
                    let [weight, m, v] =
                        rows.each_mut().map(|rows| rows[o].get_mut(first..).unwrap_or_default());
                    before[o] = adam.step_rows(simd, [weight, m, v], grads[o]);
                }
                if let Some(d_x) = d_x.get_mut(vector * batch..(vector + 1) * batch) {
                    for (d_x, d) in d_x.iter_mut().zip(d) {
                        let mut sum = *d_x;
                        for o in 0..OUTPUTS {
                            sum = simd.mul_add_e_f32s(simd.splat_f32s(d[o]), before[o], sum);
                        }
                        *d_x = sum;
                    }
                }
            }
        }
        if shared.relu {
            for (d_x, &x) in d_x.iter_mut().zip(&x) {
                *d_x = simd.select_f32s(simd.greater_than_f32s(x, zero), *d_x, zero);
            }
        }
        for (n, row) in d_input.iter_mut().flat_map(|matrix| matrix.outer_iter_mut()).enumerate() {
            let row = slice_of(row);
            for (vector, values) in row.chunks_mut(S::F32_LANES).enumerate() {
                simd.partial_store_f32s(values, d_x[vector * batch + n]);
            }
        }
    }
}

/// A row of a row-major matrix.
fn slice_of(row: ArrayViewMut1<'_, f32>) -> &mut [f32] {
    match row.into_slice() {
        Some(slice) => slice,
        None => unreachable!("the elements of a row lie side by side"),
    }
}

/// What Adam multiplies by, a vector of each.
struct Vectors<V> {
    beta1: V,
    beta2: V,
    one_minus_beta1: V,
    one_minus_beta2: V,
    epsilon: V,
    /// The learning rate, and the share that a weight loses, times the schedule's factor.
    rate: V,
    decay: V,
    mean_correction: V,
    square_correction: V,
}

impl Shared<'_> {
    #[inline(always)]
    fn vectors<S: Simd>(&self, simd: S) -> Vectors<S::f32s> {
        let splat = |value: f64| simd.splat_f32s(value as f32);
        let (adam, [factor, mean_correction, square_correction]) = (self.adam, self.rates);
        Vectors {
            beta1: splat(adam.beta1),
            beta2: splat(adam.beta2),
            one_minus_beta1: splat(1.0 - adam.beta1),
            one_minus_beta2: splat(1.0 - adam.beta2),
            epsilon: splat(adam.epsilon),
            rate: simd.splat_f32s(factor * adam.learning_rate as f32),
            decay: simd.splat_f32s(factor * (adam.learning_rate * adam.weight_decay) as f32),
            mean_correction: simd.splat_f32s(mean_correction),
            square_correction: simd.splat_f32s(square_correction),
        }
    }
}

impl<V: Copy> Vectors<V> {
    /// The steps of the weights at the beginning of these rows, as many as a vector has or fewer. Returns the
    /// weights before.
    #[inline(always)]
    fn step_rows<S: Simd<f32s = V>>(&self, simd: S, rows: [&mut [f32]; 3], grad: V) -> V {
        let [weight, m, v] = rows;
        let (weights, rest) = S::as_mut_simd_f32s(weight);
        let (means, m_rest) = S::as_mut_simd_f32s(m);
        let (squares, v_rest) = S::as_mut_simd_f32s(v);
        if let (Some(weight), Some(m), Some(v)) =
            (weights.first_mut(), means.first_mut(), squares.first_mut())
        {
            let before = *weight;
            [*weight, *m, *v] = self.step(simd, [*weight, *m, *v], grad);
            return before;
        }
        let before = simd.partial_load_f32s(rest);
        let old = [before, simd.partial_load_f32s(m_rest), simd.partial_load_f32s(v_rest)];
        let [weight, m, v] = self.step(simd, old, grad);
        simd.partial_store_f32s(rest, weight);
        simd.partial_store_f32s(m_rest, m);
        simd.partial_store_f32s(v_rest, v);
        before
    }

    /// Weight, m and v after a step; see [`Adam::element`].
    #[inline(always)]
    fn step<S: Simd<f32s = V>>(&self, simd: S, [weight, m, v]: [V; 3], grad: V) -> [V; 3] {
        let mean = simd.mul_add_e_f32s(grad, self.one_minus_beta1, simd.mul_f32s(m, self.beta1));
        let square = simd.mul_f32s(grad, grad);
        let squared = simd.mul_add_e_f32s(square, self.one_minus_beta2, simd.mul_f32s(v, self.beta2));
        let root = simd.sqrt_f32s(simd.mul_f32s(squared, self.square_correction));
        let root = simd.add_f32s(root, self.epsilon);
        let change = simd.mul_f32s(self.rate, simd.mul_f32s(mean, self.mean_correction));
        let decayed = simd.sub_f32s(weight, simd.mul_f32s(weight, self.decay));
        [simd.sub_f32s(decayed, simd.div_f32s(change, root)), mean, squared]
    }
}
