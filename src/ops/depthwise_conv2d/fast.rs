//! The fast path on the CPU: a plane, or for the weights a channel, a task. Vectors hold neighbouring pixels of a row;
//! the few windows that see padding left or right are computed one by one.

use super::super::attr::Window as Taps;
use super::super::gemm::{sum, sum_height};
use super::Geometry;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Vectors of outputs that are computed at once.
const VECTORS: usize = 4;
/// Vectors of products of the weights' gradient that are summed up side by side.
const SUMS: usize = 4;
/// About how many pixels are summed up before they are added to the others, so that sums of many stay accurate.
const SUMMED: usize = 256;
/// Lanes of a vector at most.
const MOST_LANES: usize = 16;

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

/// How many additions a term of `d_weight`, and of `d_bias`, passes through at most, whatever the machine's vectors
/// hold.
pub fn weight_heights(g: &Geometry) -> [usize; 2] {
    let rows = rows_at_once(g);
    let of_rows = rows * (g.x.output / SUMS + 1) + SUMS + MOST_LANES;
    [of_rows + g.y.output.div_ceil(rows) + g.batch, sum_height(g.out_pixels()) + g.batch]
}

pub fn forward(g: Geometry, input: &[f32], weight: &[f32], bias: &[f32], output: &mut [f32]) {
    let planes = output.par_chunks_mut(g.out_pixels()).zip(input.par_chunks(g.in_pixels())).enumerate();
    planes.for_each(|(plane, (output, input))| {
        let channel = plane % g.channels;
        let weight = &weight[channel * g.taps()..][..g.taps()];
        Arch::new().dispatch(Correlation { y: g.y, x: g.x, input, weight, bias: bias[channel], output });
    });
}

/// The correlation of a plane with a filter.
struct Correlation<'a> {
    y: Taps,
    x: Taps,
    input: &'a [f32],
    weight: &'a [f32],
    bias: f32,
    output: &'a mut [f32],
}

impl WithSimd for Correlation<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Correlation { y, x, input, weight, bias, output } = self;
        // Windows that see no padding along x, and whose last tap has a whole stride of pixels before the end.
        let first = x.before.div_ceil(x.stride).min(x.output);
        let seen = (x.input + x.before).saturating_sub(first * x.stride + x.kernel - 1);
        let inside = first..(first + seen / x.stride).min(x.output);
        // All others, with the first pixel that they see and the taps that see any.
        let borders: Vec<(usize, usize, Range<usize>)> = (0..inside.start)
            .chain(inside.end..x.output)
            .map(|out_x| {
                let start = x.before.saturating_sub(out_x * x.stride).min(x.kernel);
                let end = (x.input + x.before).saturating_sub(out_x * x.stride).clamp(start, x.kernel);
                (out_x, (out_x * x.stride + start).saturating_sub(x.before).min(x.input), start..end)
            })
            .collect();
        // Where the first of the windows inside sees each tap of the rows that are not padding.
        let mut taps: Vec<(usize, f32)> = Vec::with_capacity(weight.len());
        for (out_y, row) in output.chunks_exact_mut(x.output).enumerate() {
            let rows = weight.chunks_exact(x.kernel).enumerate();
            let rows = rows.filter_map(|(tap_y, weights)| Some((y.source(out_y, tap_y)?, weights)));
            for (out_x, in_x, taps) in &borders {
                let mut sum = bias;
                for (in_y, weights) in rows.clone() {
                    let pixels = &input[in_y * x.input + in_x..];
                    for (weight, pixel) in weights[taps.clone()].iter().zip(pixels) {
                        sum += weight * pixel;
                    }
                }
                row[*out_x] = sum;
            }
            if inside.is_empty() {
                continue;
            }
            let begin = inside.start * x.stride - x.before;
            taps.clear();
            for (in_y, weights) in rows {
                let place = in_y * x.input + begin;
                taps.extend(weights.iter().enumerate().map(|(tap, &weight)| (place + tap, weight)));
            }
            let row = &mut row[inside.clone()];
            match x.stride {
                1 => neighbours(simd, input, &taps, bias, row),
                stride => apart(stride, input, &taps, bias, row),
            }
        }
    }
}

/// A row of outputs whose windows are neighbours: vectors of them walk through the taps together.
#[inline(always)]
fn neighbours<S: Simd>(simd: S, input: &[f32], taps: &[(usize, f32)], bias: f32, row: &mut [f32]) {
    let (mut at, one) = (0, S::F32_LANES);
    while at + VECTORS * one <= row.len() {
        vectors::<S, VECTORS>(simd, input, taps, bias, row, at);
        at += VECTORS * one;
    }
    while at + one <= row.len() {
        vectors::<S, 1>(simd, input, taps, bias, row, at);
        at += one;
    }
    if at < row.len() && row.len() >= one {
        // Some of the last vector once more.
        vectors::<S, 1>(simd, input, taps, bias, row, row.len() - one);
    } else {
        for (at, output) in row.iter_mut().enumerate().skip(at) {
            *output = taps.iter().fold(bias, |sum, (place, weight)| sum + weight * input[place + at]);
        }
    }
}

/// Computes `N` vectors of outputs from the one at `at` on.
#[inline(always)]
fn vectors<S: Simd, const N: usize>(
    simd: S,
    input: &[f32],
    taps: &[(usize, f32)],
    bias: f32,
    row: &mut [f32],
    at: usize,
) {
    let mut sums = [simd.splat_f32s(bias); N];
    for &(place, weight) in taps {
        let (pixels, _) = S::as_simd_f32s(&input[place + at..][..N * S::F32_LANES]);
        let weight = simd.splat_f32s(weight);
        for v in 0..N {
            sums[v] = simd.mul_add_e_f32s(weight, pixels[v], sums[v]);
        }
    }
    S::as_mut_simd_f32s(&mut row[at..][..N * S::F32_LANES]).0.copy_from_slice(&sums);
}

/// A row of outputs whose windows are a stride apart, one tap after the other.
#[inline(always)]
fn apart(stride: usize, input: &[f32], taps: &[(usize, f32)], bias: f32, row: &mut [f32]) {
    row.fill(bias);
    for &(place, weight) in taps {
        let (outputs, pixels) = (row.iter_mut(), &input[place..]);
        if stride == 2 {
            // Of known length, so that it becomes vectors.
            let pairs = pixels.as_chunks::<2>().0;
            outputs.zip(pairs).for_each(|(output, pair)| *output += weight * pair[0]);
        } else {
            outputs.zip(pixels.iter().step_by(stride)).for_each(|(output, pixel)| *output += weight * pixel);
        }
    }
}

pub fn d_input(g: Geometry, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
    let turned = [turned(&g.y), turned(&g.x)];
    let planes = d_input.par_chunks_mut(g.in_pixels()).zip(d_output.par_chunks(g.out_pixels())).enumerate();
    planes.for_each(|(plane, (d_input, d_output))| {
        let weight = &weight[plane % g.channels * g.taps()..][..g.taps()];
        let [Some(y), Some(x)] = turned else { return scatter(&g, d_output, weight, d_input) };
        let weight: Vec<f32> = weight.iter().rev().copied().collect();
        let (input, output) = (d_output, d_input);
        Arch::new().dispatch(Correlation { y, x, input, weight: &weight, bias: 0.0, output });
    });
}

/// Along one axis, the gradient of the input as a correlation of the output's gradient with the weights turned around.
/// None for other strides than 1, and for more padding than a window sees.
fn turned(taps: &Taps) -> Option<Taps> {
    let before = (taps.kernel - 1).checked_sub(taps.before)?;
    (taps.stride == 1).then_some(Taps { input: taps.output, output: taps.input, before, ..*taps })
}

/// Adds the gradient of every window to the pixels that it sees.
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
            Arch::new().dispatch(WeightGradient { g: &g, input, d_output, d_weight });
            *d_bias += sum(d_output);
        }
    });
}

/// Adds to the gradient of a filter's weights what one plane gives.
struct WeightGradient<'a> {
    g: &'a Geometry,
    input: &'a [f32],
    d_output: &'a [f32],
    d_weight: &'a mut [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let WeightGradient { g, input, d_output, d_weight } = self;
        for (tap, d_weight) in d_weight.iter_mut().enumerate() {
            *d_weight += products(simd, g, input, d_output, [tap / g.x.kernel, tap % g.x.kernel]);
        }
    }
}

/// The sum over a plane of the gradient of each output times what one tap sees.
#[inline(always)]
fn products<S: Simd>(
    simd: S,
    g: &Geometry,
    input: &[f32],
    d_output: &[f32],
    [tap_y, tap_x]: [usize; 2],
) -> f32 {
    let windows = g.x.seeing(tap_x);
    if windows.is_empty() {
        return 0.0;
    }
    let first = windows.start * g.x.stride + tap_x - g.x.before;
    let mut gathered = vec![0.0; if g.x.stride == 1 { 0 } else { windows.len() }];
    let mut sum = 0.0;
    for first_row in (0..g.y.output).step_by(rows_at_once(g)) {
        let mut sums = [simd.splat_f32s(0.0); SUMS];
        for out_y in first_row..(first_row + rows_at_once(g)).min(g.y.output) {
            let Some(in_y) = g.y.source(out_y, tap_y) else { continue };
            let pixels = &input[in_y * g.x.input..][first..g.x.input];
            let d_row = &d_output[out_y * g.x.output..][windows.clone()];
            if g.x.stride == 1 {
                sums = add_products(simd, sums, d_row, &pixels[..windows.len()]);
            } else {
                gathered.iter_mut().zip(pixels.iter().step_by(g.x.stride)).for_each(|(to, from)| *to = *from);
                sums = add_products(simd, sums, d_row, &gathered);
            }
        }
        let [a, b, c, d] = sums;
        sum += simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)));
    }
    sum
}

/// Adds the products of two rows of the same length. Each lane of a sum gets at most one product more than those of
/// the vectors that come [`SUMS`] at a time.
#[inline(always)]
fn add_products<S: Simd>(simd: S, mut sums: [S::f32s; SUMS], a: &[f32], b: &[f32]) -> [S::f32s; SUMS] {
    let ((a, a_rest), (b, b_rest)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
    let ((a, a_few), (b, b_few)) = (a.as_chunks::<SUMS>(), b.as_chunks::<SUMS>());
    for (a, b) in a.iter().zip(b) {
        for i in 0..SUMS {
            sums[i] = simd.mul_add_e_f32s(a[i], b[i], sums[i]);
        }
    }
    for (sum, (&a, &b)) in sums.iter_mut().zip(a_few.iter().zip(b_few)) {
        *sum = simd.mul_add_e_f32s(a, b, *sum);
    }
    let rest = [a_rest, b_rest].map(|rest| simd.partial_load_f32s(rest));
    sums[SUMS - 1] = simd.mul_add_e_f32s(rest[0], rest[1], sums[SUMS - 1]);
    sums
}
