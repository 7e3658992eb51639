//! The fast path on the CPU: a plane, or for the weights a channel, a task. Each tap adds a row of the input, as a whole,
//! to a row of the output, so that vectors hold neighbouring pixels.

use super::super::attr::Window as Taps;
use super::super::gemm::{sum, sum_height};
use super::Geometry;
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;

/// Products of the weights' gradient that are summed up side by side.
const LANES: usize = 16;
/// About how many pixels are summed up before they are added to the others, so that sums of many stay accurate.
const SUMMED: usize = 4096;

impl Taps {
    /// The windows whose tap `tap` sees no padding.
    #[inline(always)]
    fn seeing(&self, tap: usize) -> Range<usize> {
        let end = match (self.input + self.before).checked_sub(tap + 1) {
            Some(last) => (last / self.stride + 1).min(self.output),
            None => 0,
        };
        self.before.saturating_sub(tap).div_ceil(self.stride).min(end)..end
    }
}

/// Output rows of a plane whose products are summed up together.
fn rows_at_once(g: &Geometry) -> usize {
    (SUMMED / g.x.output).clamp(1, g.y.output)
}

/// How many additions a term of `d_weight`, and of `d_bias`, passes through at most.
pub fn weight_heights(g: &Geometry) -> [usize; 2] {
    let rows = rows_at_once(g);
    let of_a_plane = rows * g.x.output.div_ceil(LANES) + LANES + g.y.output.div_ceil(rows);
    [of_a_plane + g.batch, sum_height(g.out_pixels()) + g.batch]
}

pub fn forward(g: Geometry, input: &[f32], weight: &[f32], bias: &[f32], output: &mut [f32]) {
    let planes = output.par_chunks_mut(g.out_pixels()).zip(input.par_chunks(g.in_pixels())).enumerate();
    planes.for_each(|(plane, (output, input))| {
        let channel = plane % g.channels;
        let weight = &weight[channel * g.taps()..][..g.taps()];
        Arch::new().dispatch(|| correlate([&g.y, &g.x], input, weight, bias[channel], output));
    });
}

/// The correlation of a plane with a filter.
#[inline(always)]
fn correlate([y, x]: [&Taps; 2], input: &[f32], weight: &[f32], bias: f32, output: &mut [f32]) {
    for (out_y, row) in output.chunks_exact_mut(x.output).enumerate() {
        row.fill(bias);
        for (tap_y, weights) in weight.chunks_exact(x.kernel).enumerate() {
            let Some(in_y) = y.source(out_y, tap_y) else { continue };
            let input = &input[in_y * x.input..][..x.input];
            match (weights, x.stride) {
                (&[a, b, c], 1) => add_taps::<3, 1>(x, input, [a, b, c], row),
                (&[a, b, c], 2) => add_taps::<3, 2>(x, input, [a, b, c], row),
                (&[a, b, c, d, e], 1) => add_taps::<5, 1>(x, input, [a, b, c, d, e], row),
                (&[a, b, c, d, e], 2) => add_taps::<5, 2>(x, input, [a, b, c, d, e], row),
                _ => add_each_tap(x, input, weights, row),
            }
        }
    }
}

/// Adds to a row of outputs what a row of taps sees of a row of the input, all taps at once.
#[inline(always)]
fn add_taps<const TAPS: usize, const STRIDE: usize>(
    x: &Taps,
    input: &[f32],
    weights: [f32; TAPS],
    row: &mut [f32],
) {
    // Windows that see no padding, and whose last tap has a whole stride of pixels before the end.
    let first = x.before.div_ceil(STRIDE).min(x.output);
    let seen = (x.input + x.before).saturating_sub(first * STRIDE + TAPS - 1);
    let inside = first..(first + seen / STRIDE).min(x.output);
    if !inside.is_empty() {
        let begin = first * STRIDE - x.before;
        let pixels: [&[[f32; STRIDE]]; TAPS] =
            std::array::from_fn(|tap| &input[begin + tap..].as_chunks::<STRIDE>().0[..inside.len()]);
        for (i, output) in row[inside.clone()].iter_mut().enumerate() {
            for tap in 0..TAPS {
                *output += weights[tap] * pixels[tap][i][0];
            }
        }
    }
    for out_x in (0..inside.start).chain(inside.end..x.output) {
        for (tap, weight) in weights.iter().enumerate() {
            if let Some(in_x) = x.source(out_x, tap) {
                row[out_x] += weight * input[in_x];
            }
        }
    }
}

/// The same, one tap after the other.
#[inline(always)]
fn add_each_tap(x: &Taps, input: &[f32], weights: &[f32], row: &mut [f32]) {
    for (tap, weight) in weights.iter().enumerate() {
        let windows = x.seeing(tap);
        if windows.is_empty() {
            continue;
        }
        let input = &input[windows.start * x.stride + tap - x.before..];
        let outputs = row[windows].iter_mut();
        if x.stride == 1 {
            outputs.zip(input).for_each(|(output, pixel)| *output += weight * pixel);
        } else {
            outputs.zip(input.iter().step_by(x.stride)).for_each(|(output, pixel)| *output += weight * pixel);
        }
    }
}

pub fn d_input(g: Geometry, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
    let turned = [turned(&g.y), turned(&g.x)];
    let planes = d_input.par_chunks_mut(g.in_pixels()).zip(d_output.par_chunks(g.out_pixels())).enumerate();
    planes.for_each(|(plane, (d_input, d_output))| {
        let weight = &weight[plane % g.channels * g.taps()..][..g.taps()];
        Arch::new().dispatch(|| match &turned {
            [Some(y), Some(x)] => {
                let weight: Vec<f32> = weight.iter().rev().copied().collect();
                correlate([y, x], d_output, &weight, 0.0, d_input);
            }
            _ => scatter(&g, d_output, weight, d_input),
        });
    });
}

/// Along one axis, the gradient of the input as a correlation of the output's gradient with the weights turned around.
/// None for other strides than 1, and for more padding than a window sees.
fn turned(taps: &Taps) -> Option<Taps> {
    let before = (taps.kernel - 1).checked_sub(taps.before)?;
    (taps.stride == 1).then_some(Taps { input: taps.output, output: taps.input, before, ..*taps })
}

/// Adds the gradient of every window to the pixels that it sees.
#[inline(always)]
fn scatter(g: &Geometry, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
    d_input.fill(0.0);
    for (out_y, d_row) in d_output.chunks_exact(g.x.output).enumerate() {
        for (tap_y, weights) in weight.chunks_exact(g.x.kernel).enumerate() {
            let Some(in_y) = g.y.source(out_y, tap_y) else { continue };
            let row = &mut d_input[in_y * g.x.input..][..g.x.input];
            for (tap, weight) in weights.iter().enumerate() {
                let windows = g.x.seeing(tap);
                if windows.is_empty() {
                    continue;
                }
                let row = &mut row[windows.start * g.x.stride + tap - g.x.before..];
                let pixels = row.iter_mut().step_by(g.x.stride);
                pixels.zip(&d_row[windows]).for_each(|(pixel, d)| *pixel += weight * d);
            }
        }
    }
}

pub fn d_weight(g: Geometry, input: &[f32], d_output: &[f32], d_weight: &mut [f32], d_bias: &mut [f32]) {
    let filters = d_weight.par_chunks_mut(g.taps()).zip(d_bias).enumerate();
    filters.for_each(|(channel, (d_weight, d_bias))| {
        // Samples in order: the result does not depend on the number of threads.
        d_weight.fill(0.0);
        *d_bias = 0.0;
        for plane in (channel..g.planes()).step_by(g.channels) {
            let input = &input[plane * g.in_pixels()..][..g.in_pixels()];
            let d_output = &d_output[plane * g.out_pixels()..][..g.out_pixels()];
            Arch::new().dispatch(|| {
                for (tap, d_weight) in d_weight.iter_mut().enumerate() {
                    *d_weight += products(&g, input, d_output, [tap / g.x.kernel, tap % g.x.kernel]);
                }
            });
            *d_bias += sum(d_output);
        }
    });
}

/// The sum over a plane of the gradient of each output times what one tap sees.
#[inline(always)]
fn products(g: &Geometry, input: &[f32], d_output: &[f32], [tap_y, tap_x]: [usize; 2]) -> f32 {
    let windows = g.x.seeing(tap_x);
    if windows.is_empty() {
        return 0.0;
    }
    let first = windows.start * g.x.stride + tap_x - g.x.before;
    let mut gathered = vec![0.0; if g.x.stride == 1 { 0 } else { windows.len() }];
    let mut sum = 0.0;
    for first_row in (0..g.y.output).step_by(rows_at_once(g)) {
        let mut lanes = [0.0; LANES];
        for out_y in first_row..(first_row + rows_at_once(g)).min(g.y.output) {
            let Some(in_y) = g.y.source(out_y, tap_y) else { continue };
            let pixels = &input[in_y * g.x.input..][first..g.x.input];
            let d_row = &d_output[out_y * g.x.output..][windows.clone()];
            if g.x.stride == 1 {
                add_products(&mut lanes, d_row, pixels);
            } else {
                gathered.iter_mut().zip(pixels.iter().step_by(g.x.stride)).for_each(|(to, from)| *to = *from);
                add_products(&mut lanes, d_row, &gathered);
            }
        }
        sum += lanes.iter().sum::<f32>();
    }
    sum
}

/// Adds the products of two rows, the shorter of which counts, to sums side by side.
#[inline(always)]
fn add_products(lanes: &mut [f32; LANES], a: &[f32], b: &[f32]) {
    let b = &b[..a.len()];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = *lanes;
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += a * b;
    }
    *lanes = sums;
}
