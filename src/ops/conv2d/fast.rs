//! The fast path on the CPU: patches of the input unfolded into a matrix ("im2col"), and matrix products; see
//! `direct` for most convolutions of stride 1.

use super::super::attr::Window as Taps;
use super::super::gemm::{matrix, matrix_mut, multiply, multiply_add, sum, sum_height};
use super::Geometry;
use super::direct::Correlation;
use rayon::prelude::*;

/// The fast path unfolds about this many floats of the input at once, so that they stay in cache.
const UNFOLDED_FLOATS: usize = 1 << 16;

/// Some output rows of one sample, and room for the input patches that they see: one row a filter
/// tap, one column an output pixel ("im2col").
struct Band {
    first_row: usize,
    rows: usize,
}

impl Geometry {
    /// Cuts a sample's output rows into bands whose patches stay in cache.
    fn bands(&self) -> impl Iterator<Item = Band> + use<> {
        let rows = (UNFOLDED_FLOATS / (self.taps() * self.x.output)).clamp(1, self.y.output);
        let height = self.y.output;
        (0..height).step_by(rows).map(move |first_row| Band { first_row, rows: rows.min(height - first_row) })
    }

    /// Calls `visit(tap, row of the band, first output column, first input index, columns)` for every
    /// run of output pixels that see neighbouring input pixels (a run is one pixel where the stride
    /// is not 1). Pixels that see padding are left out.
    fn runs(&self, sample: usize, band: &Band, mut visit: impl FnMut(usize, usize, usize, usize, usize)) {
        let mut tap = 0;
        for ic in 0..self.in_channels {
            for ky in 0..self.y.kernel {
                for kx in 0..self.x.kernel {
                    for row in 0..band.rows {
                        let Some(iy) = self.y.source(band.first_row + row, ky) else { continue };
                        let first = self.input_at(sample, ic, iy, 0);
                        if self.x.stride == 1 {
                            let ox = self.x.before.saturating_sub(kx);
                            let end = (self.x.input + self.x.before).saturating_sub(kx).min(self.x.output);
                            if ox < end {
                                visit(tap, row, ox, first + ox + kx - self.x.before, end - ox);
                            }
                        } else {
                            for ox in 0..self.x.output {
                                let Some(ix) = self.x.source(ox, kx) else { continue };
                                visit(tap, row, ox, first + ix, 1);
                            }
                        }
                    }
                    tap += 1;
                }
            }
        }
    }

    /// Copies the patches of a band from `input` to `unfolded`, whose padding is zero already.
    fn unfold(&self, sample: usize, band: &Band, input: &[f32], unfolded: &mut [f32]) {
        let pixels = band.rows * self.x.output;
        self.runs(sample, band, |tap, row, ox, from, columns| {
            let to = tap * pixels + row * self.x.output + ox;
            unfolded[to..to + columns].copy_from_slice(&input[from..from + columns]);
        });
    }

    fn unfolded_room(&self) -> Vec<f32> {
        let rows = self.bands().next().map_or(0, |band| band.rows);
        vec![0.0; self.taps() * rows * self.x.output]
    }
}

impl Geometry {
    /// The convolution as a correlation of stride 1, if it is one that is large enough.
    fn correlation(&self) -> Option<Correlation> {
        let correlation = Correlation {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            kernel: [self.y.kernel, self.x.kernel],
            input: [self.y.input, self.x.input],
            before: [self.y.before, self.x.before],
            output: [self.y.output, self.x.output],
        };
        (self.y.stride == 1 && self.x.stride == 1 && correlation.pays()).then_some(correlation)
    }

    /// The same for the gradient of its input, a correlation of the other gradient with the weights turned
    /// around. It cannot leave out what more padding than a window would see.
    fn d_input_correlation(&self) -> Option<Correlation> {
        let before = |taps: Taps| (taps.kernel - 1).checked_sub(taps.before);
        let correlation = Correlation {
            in_channels: self.out_channels,
            out_channels: self.in_channels,
            kernel: [self.y.kernel, self.x.kernel],
            input: [self.y.output, self.x.output],
            before: [before(self.y)?, before(self.x)?],
            output: [self.y.input, self.x.input],
        };
        (self.y.stride == 1 && self.x.stride == 1 && correlation.pays()).then_some(correlation)
    }
}

/// How many additions a term of `d_weight`, and of `d_bias`, passes through at most. The products of a band may be
/// added in any order.
pub fn weight_heights(g: &Geometry) -> [usize; 2] {
    let out_pixels = g.y.output * g.x.output;
    let of_a_sample = match g.correlation() {
        Some(correlation) => correlation.weight_height(),
        None => g.bands().next().map_or(0, |band| band.rows * g.x.output) + g.bands().count(),
    };
    [of_a_sample + g.batch, sum_height(out_pixels) + g.batch]
}

pub fn forward(g: Geometry, input: &[f32], weight: &[f32], bias: &[f32], output: &mut [f32]) {
    if let Some(correlation) = g.correlation() {
        return correlation.compute(
            input,
            |[o, c, y, x]| weight[g.weight_at(o, c, y, x)],
            Some(bias),
            output,
        );
    }
    let out_pixels = g.y.output * g.x.output;
    let weight = matrix(weight, g.out_channels, g.taps(), g.taps());
    let mut room = g.unfolded_room();
    for n in 0..g.batch {
        let sample = &mut output[n * g.out_channels * out_pixels..][..g.out_channels * out_pixels];
        for (channel, &bias) in sample.chunks_exact_mut(out_pixels).zip(bias) {
            channel.fill(bias);
        }
        for band in g.bands() {
            let pixels = band.rows * g.x.output;
            let room = fresh(&mut room, &g, pixels);
            g.unfold(n, &band, input, room);
            let rows = &mut sample[band.first_row * g.x.output..];
            let rows = matrix_mut(rows, g.out_channels, pixels, out_pixels);
            multiply_add(rows, weight, matrix(room, g.taps(), pixels, pixels));
        }
    }
}

/// The part of `room` that a band of this many pixels takes, with zeros wherever padding may be.
fn fresh<'a>(room: &'a mut [f32], g: &Geometry, pixels: usize) -> &'a mut [f32] {
    let room = &mut room[..g.taps() * pixels];
    let padded = |w: &Taps| w.before > 0 || (w.output - 1) * w.stride + w.kernel > w.input + w.before;
    if padded(&g.y) || padded(&g.x) {
        room.fill(0.0);
    }
    room
}

pub fn d_input(g: Geometry, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
    if let Some(correlation) = g.d_input_correlation() {
        let turned =
            |[c, o, y, x]: [usize; 4]| weight[g.weight_at(o, c, g.y.kernel - 1 - y, g.x.kernel - 1 - x)];
        return correlation.compute(d_output, turned, None, d_input);
    }
    let out_pixels = g.y.output * g.x.output;
    let weight = matrix(weight, g.out_channels, g.taps(), g.taps()).reversed_axes();
    let mut room = g.unfolded_room();
    d_input.fill(0.0);
    for n in 0..g.batch {
        for band in g.bands() {
            let pixels = band.rows * g.x.output;
            let room = &mut room[..g.taps() * pixels];
            let rows = &d_output[g.output_at(n, 0, band.first_row, 0)..];
            let rows = matrix(rows, g.out_channels, pixels, out_pixels);
            multiply(matrix_mut(room, g.taps(), pixels, pixels), weight, rows);
            g.runs(n, &band, |tap, row, ox, to, columns| {
                let from = tap * pixels + row * g.x.output + ox;
                for (sum, term) in d_input[to..to + columns].iter_mut().zip(&room[from..from + columns]) {
                    *sum += term;
                }
            });
        }
    }
}

pub fn d_weight(g: Geometry, input: &[f32], d_output: &[f32], d_weight: &mut [f32], d_bias: &mut [f32]) {
    let out_pixels = g.y.output * g.x.output;
    // A partial sum a sample, added up in the order of the samples: the result does not depend on
    // the number of threads.
    let partial_sums: Vec<Vec<f32>> = (0..g.batch)
        .into_par_iter()
        .map(|n| {
            let mut partial = vec![0.0; g.out_channels * g.taps()];
            if let Some(correlation) = g.correlation() {
                let [inputs, outputs] = [g.in_channels * g.y.input * g.x.input, g.out_channels * out_pixels];
                let (input, d_output) = (&input[n * inputs..][..inputs], &d_output[n * outputs..][..outputs]);
                correlation.d_weight(input, d_output, &mut partial);
                return partial;
            }
            let mut room = g.unfolded_room();
            for band in g.bands() {
                let pixels = band.rows * g.x.output;
                let room = fresh(&mut room, &g, pixels);
                g.unfold(n, &band, input, room);
                let rows = &d_output[g.output_at(n, 0, band.first_row, 0)..];
                let rows = matrix(rows, g.out_channels, pixels, out_pixels);
                let patches = matrix(room, g.taps(), pixels, pixels).reversed_axes();
                multiply_add(matrix_mut(&mut partial, g.out_channels, g.taps(), g.taps()), rows, patches);
            }
            partial
        })
        .collect();
    d_weight.fill(0.0);
    for partial in &partial_sums {
        d_weight.iter_mut().zip(partial).for_each(|(sum, term)| *sum += term);
    }
    for (oc, d_bias) in d_bias.iter_mut().enumerate() {
        *d_bias = (0..g.batch).map(|n| sum(&d_output[g.output_at(n, oc, 0, 0)..][..out_pixels])).sum();
    }
}
