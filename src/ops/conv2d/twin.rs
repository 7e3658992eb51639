//! The twins, written from the formula.

use super::Geometry;
use crate::number::{Accumulator, Number};
use rayon::prelude::*;

pub(super) fn forward<N: Number>(g: Geometry, input: &[N], weight: &[N], bias: &[N], output: &mut [N]) {
    let planes = output.par_chunks_mut(g.y.output * g.x.output).enumerate();
    planes.for_each(|(plane, output)| {
        let (n, oc) = (plane / g.out_channels, plane % g.out_channels);
        for oy in 0..g.y.output {
            for ox in 0..g.x.output {
                let mut sum = N::Sum::default();
                for ic in 0..g.in_channels {
                    for ky in 0..g.y.kernel {
                        let Some(iy) = g.y.source(oy, ky) else { continue };
                        for kx in 0..g.x.kernel {
                            let Some(ix) = g.x.source(ox, kx) else { continue };
                            let value = input[g.input_at(n, ic, iy, ix)];
                            sum.add_product(value, weight[g.weight_at(oc, ic, ky, kx)]);
                        }
                    }
                }
                sum.add(bias[oc]);
                output[oy * g.x.output + ox] = sum.total();
            }
        }
    });
}

pub(super) fn twin_d_weight<N: Number>(
    g: Geometry,
    input: &[N],
    d_output: &[N],
    d_weight: &mut [N],
    height: usize,
) {
    d_weight.par_iter_mut().enumerate().for_each(|(index, d_weight)| {
        let (ky, kx) = (index / g.x.kernel % g.y.kernel, index % g.x.kernel);
        let (oc, ic) = (index / g.taps(), index / (g.x.kernel * g.y.kernel) % g.in_channels);
        let mut sum = N::Sum::default();
        for n in 0..g.batch {
            for oy in 0..g.y.output {
                let Some(iy) = g.y.source(oy, ky) else { continue };
                for ox in 0..g.x.output {
                    let Some(ix) = g.x.source(ox, kx) else { continue };
                    let value = input[g.input_at(n, ic, iy, ix)];
                    sum.add_product(value, d_output[g.output_at(n, oc, oy, ox)]);
                }
            }
        }
        *d_weight = sum.total_within(height);
    });
}

pub(super) fn twin_d_bias<N: Number>(g: Geometry, d_output: &[N], d_bias: &mut [N], height: usize) {
    for (oc, d_bias) in d_bias.iter_mut().enumerate() {
        let mut sum = N::Sum::default();
        for n in 0..g.batch {
            let first = g.output_at(n, oc, 0, 0);
            d_output[first..first + g.y.output * g.x.output].iter().for_each(|&d| sum.add(d));
        }
        *d_bias = sum.total_within(height);
    }
}

pub(super) fn twin_d_input<N: Number>(g: Geometry, d_output: &[N], weight: &[N], d_input: &mut [N]) {
    let samples = d_input.par_chunks_mut(g.in_channels * g.y.input * g.x.input).enumerate();
    samples.for_each(|(n, d_input)| {
        let mut sums: Vec<N::Sum> = d_input.iter().map(|_| N::Sum::default()).collect();
        for oc in 0..g.out_channels {
            for oy in 0..g.y.output {
                for ox in 0..g.x.output {
                    let d = d_output[g.output_at(n, oc, oy, ox)];
                    for ic in 0..g.in_channels {
                        for ky in 0..g.y.kernel {
                            let Some(iy) = g.y.source(oy, ky) else { continue };
                            for kx in 0..g.x.kernel {
                                let Some(ix) = g.x.source(ox, kx) else { continue };
                                let sum = &mut sums[g.input_at(0, ic, iy, ix)];
                                sum.add_product(d, weight[g.weight_at(oc, ic, ky, kx)]);
                            }
                        }
                    }
                }
            }
        }
        for (d_input, sum) in d_input.iter_mut().zip(sums) {
            *d_input = sum.total();
        }
    });
}
