//! The fast path on the CPU: a channel a task for sums, a plane a task for all else, with SIMD.

use super::super::Arg;
use super::super::attr::wrong_arguments;
use super::{BatchNorm2d, Extents, planes};
use rayon::prelude::*;

/// Sums that are under way at once; added up in this order whatever the machine has.
const LANES: usize = 32;

/// The sum of `term` over two slices of the same length.
fn sum_of_plane(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += term(a, b);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| term(a, b)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// How many additions a term of [`sum_of_plane`] passes through at most.
pub fn plane_height(pixels: usize) -> usize {
    pixels / LANES + LANES + 1
}

/// What every element becomes, from itself and another one: (output, a, b, element). Samples that are not
/// real become zero.
fn each_plane(
    extents: &Extents,
    output: &mut [f32],
    (a, b): (&[f32], &[f32]),
    element: impl Fn(usize, f32, f32) -> f32 + Sync,
) {
    let [real, channels, pixels] = extents.real;
    let outputs = output.par_chunks_mut(pixels.max(1)).enumerate();
    outputs.for_each(|(plane, output)| {
        if plane / channels >= real {
            return output.fill(0.0);
        }
        let (a, b) = (&a[plane * pixels..][..pixels], &b[plane * pixels..][..pixels]);
        pulp::Arch::new().dispatch(|| {
            for ((output, &a), &b) in output.iter_mut().zip(a).zip(b) {
                *output = element(plane % channels, a, b);
            }
        });
    });
}

impl BatchNorm2d {
    /// The mean, and the sum of squared deviations from it.
    pub(super) fn measure_fast(input: &[f32], extents: &Extents, channel: usize) -> (f32, f32) {
        pulp::Arch::new().dispatch(|| {
            let planes = || planes(input, extents.real, channel);
            let mean =
                planes().map(|plane| sum_of_plane(plane, plane, |x, _| x)).sum::<f32>() / extents.count;
            let squares =
                planes().map(|plane| sum_of_plane(plane, plane, |x, _| (x - mean) * (x - mean))).sum();
            (mean, squares)
        })
    }

    /// The kernels whose time counts.
    pub(super) fn run_fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        match (kernel, args) {
            ("measure", [input, batch, running_mean, running_var, statistics]) => {
                let extents = Extents::of(input, batch);
                let measured: Vec<(f32, f32)> = (0..extents.real[1])
                    .into_par_iter()
                    .map(|channel| Self::measure_fast(input.real(), &extents, channel))
                    .collect();
                self.remember(&measured, &extents, running_mean, running_var, statistics);
            }
            ("forward", [input, statistics, weight, bias, batch, output]) => {
                let extents = Extents::of(input, batch);
                let (means, scales) = statistics.real().split_at(extents.real[1]);
                let (input, weight, bias) = (input.real(), weight.real(), bias.real());
                each_plane(&extents, output.real_mut(), (input, input), |c, x, _| {
                    (x - means[c]) * scales[c] * weight[c] + bias[c]
                });
            }
            ("backward_weight", [input, d_output, statistics, batch, d_weight, d_bias]) => {
                let extents = Extents::of(input, batch);
                let (means, scales) = statistics.real().split_at(extents.real[1]);
                let (input, d_output) = (input.real(), d_output.real());
                let sums = (d_weight.real_mut().par_iter_mut()).zip(d_bias.real_mut()).enumerate();
                sums.for_each(|(c, (d_weight, d_bias))| {
                    pulp::Arch::new().dispatch(|| {
                        let pairs = || planes(input, extents.real, c).zip(planes(d_output, extents.real, c));
                        let (mean, scale) = (means[c], scales[c]);
                        *d_weight =
                            pairs().map(|(x, d)| sum_of_plane(x, d, |x, d| d * ((x - mean) * scale))).sum();
                        *d_bias = pairs().map(|(x, d)| sum_of_plane(x, d, |_, d| d)).sum();
                    });
                });
            }
            ("backward_input", [input, d_output, statistics, weight, d_weight, d_bias, batch, d_input]) => {
                let extents = Extents::of(input, batch);
                let (means, scales) = statistics.real().split_at(extents.real[1]);
                let (weight, d_weight, d_bias) = (weight.real(), d_weight.real(), d_bias.real());
                each_plane(&extents, d_input.real_mut(), (input.real(), d_output.real()), |c, x, d| {
                    let x = (x - means[c]) * scales[c];
                    weight[c] * scales[c] * (d - (d_bias[c] + x * d_weight[c]) / extents.count)
                });
            }
            ("recall", _) => return false,
            _ => wrong_arguments(kernel),
        }
        true
    }
}
