//! The fast path on the CPU: a matrix product a tap, straight from the sequence; no patch is copied.

use super::super::Arg;
use super::super::attr::wrong_arguments;
use super::super::gemm::{multiply_add, strided, strided_mut, sum};
use super::Conv1d;
use rayon::prelude::*;

/// Samples that one task of `backward_weight` adds up. It is fixed, so that results do not depend on the
/// number of threads.
const TASK: usize = 4;
/// With fewer channels the products are too thin, and patches are faster.
const MIN_CHANNELS: usize = 8;

/// All extents of a sample.
#[derive(Debug, Clone, Copy)]
struct Extents {
    channels: usize,
    filters: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    input: usize,
    output: usize,
}

/// The outputs for which a tap sees no padding, and what it sees of the input.
struct Tap {
    tap: usize,
    first_output: usize,
    outputs: usize,
    first_input: usize,
}

impl Extents {
    fn new<N>(op: &Conv1d, input: &Arg<N>, output: &Arg<N>) -> Self {
        let [_, channels, input, _] = input.nchw();
        let [_, filters, output, _] = output.nchw();
        let (kernel, stride, padding) = (op.kernel.0, op.stride.0, op.padding.0);
        Self { channels, filters, kernel, stride, padding, input, output }
    }

    fn taps(self) -> impl Iterator<Item = Tap> {
        (0..self.kernel).filter_map(move |tap| {
            let first_output = self.padding.saturating_sub(tap).div_ceil(self.stride);
            let last_output = (self.input + self.padding).checked_sub(tap + 1)? / self.stride;
            let outputs = (last_output + 1).min(self.output).checked_sub(first_output).filter(|&n| n > 0)?;
            Some(Tap {
                tap,
                first_output,
                outputs,
                first_input: first_output * self.stride + tap - self.padding,
            })
        })
    }

    fn forward(self, input: &[f32], weight: &[f32], bias: &[f32], output: &mut [f32]) {
        for (channel, &bias) in output.chunks_exact_mut(self.output).zip(bias) {
            channel.fill(bias);
        }
        let row = self.channels * self.kernel;
        for Tap { tap, first_output, outputs, first_input } in self.taps() {
            multiply_add(
                strided_mut(&mut output[first_output..], [self.filters, outputs], [self.output, 1]),
                strided(&weight[tap..], [self.filters, self.channels], [row, self.kernel]),
                strided(&input[first_input..], [self.channels, outputs], [self.input, self.stride]),
            );
        }
    }

    fn d_input(self, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
        d_input.fill(0.0);
        let row = self.channels * self.kernel;
        for Tap { tap, first_output, outputs, first_input } in self.taps() {
            multiply_add(
                strided_mut(&mut d_input[first_input..], [self.channels, outputs], [self.input, self.stride]),
                strided(&weight[tap..], [self.channels, self.filters], [self.kernel, row]),
                strided(&d_output[first_output..], [self.filters, outputs], [self.output, 1]),
            );
        }
    }

    /// Adds a sample's gradient to `sums`: (kernel, filters, channels).
    fn d_weight(self, input: &[f32], d_output: &[f32], sums: &mut [f32]) {
        let matrix = self.filters * self.channels;
        for Tap { tap, first_output, outputs, first_input } in self.taps() {
            multiply_add(
                strided_mut(&mut sums[tap * matrix..], [self.filters, self.channels], [self.channels, 1]),
                strided(&d_output[first_output..], [self.filters, outputs], [self.output, 1]),
                strided(&input[first_input..], [outputs, self.channels], [self.stride, self.input]),
            );
        }
    }
}

/// Computes a kernel, or returns false if there are too few channels.
pub fn compute(op: &Conv1d, kernel: &str, args: &mut [Arg<f32>]) -> bool {
    match (kernel, args) {
        ("forward", [input, weight, bias, output]) => {
            let e = Extents::new(op, input, output);
            if e.channels < MIN_CHANNELS {
                return false;
            }
            let inputs = input.real().chunks_exact(e.channels * e.input);
            let outputs = output.real_mut().chunks_exact_mut(e.filters * e.output);
            outputs
                .zip(inputs)
                .for_each(|(output, input)| e.forward(input, weight.real(), bias.real(), output));
        }
        ("backward_input", [d_output, weight, d_input]) => {
            let e = Extents::new(op, d_input, d_output);
            if e.channels < MIN_CHANNELS {
                return false;
            }
            let d_outputs = d_output.real().chunks_exact(e.filters * e.output);
            let d_inputs = d_input.real_mut().chunks_exact_mut(e.channels * e.input);
            d_inputs
                .zip(d_outputs)
                .for_each(|(d_input, d_output)| e.d_input(d_output, weight.real(), d_input));
        }
        ("backward_weight", [input, d_output, d_weight, d_bias]) => {
            let e = Extents::new(op, input, d_output);
            if e.channels < MIN_CHANNELS {
                return false;
            }
            let (in_features, out_features) = (e.channels * e.input, e.filters * e.output);
            let inputs = input.real().par_chunks(TASK * in_features);
            let tasks = inputs.zip(d_output.real().par_chunks(TASK * out_features));
            let sums: Vec<Vec<f32>> = tasks
                .map(|(inputs, d_outputs)| {
                    let mut sums = vec![0.0; e.kernel * e.filters * e.channels];
                    let samples = inputs.chunks_exact(in_features).zip(d_outputs.chunks_exact(out_features));
                    samples.for_each(|(input, d_output)| e.d_weight(input, d_output, &mut sums));
                    sums
                })
                .collect();
            let places = d_weight.real_mut().chunks_exact_mut(e.kernel).enumerate();
            for (place, taps) in places {
                for (tap, d_weight) in taps.iter_mut().enumerate() {
                    let at = tap * e.filters * e.channels + place;
                    *d_weight = sums.iter().map(|sums| sums[at]).sum();
                }
            }
            d_bias.real_mut().fill(0.0);
            for d_output in d_output.real().chunks_exact(out_features) {
                for (d_bias, channel) in d_bias.real_mut().iter_mut().zip(d_output.chunks_exact(e.output)) {
                    *d_bias += sum(channel);
                }
            }
        }
        _ => wrong_arguments(kernel),
    }
    true
}
