//! The fast path on the CPU: the convolution and what surrounds it, a sample at a time, so that its pixels stay
//! in cache. `forward` of one layer is split by samples before; everything else is here.

use super::twin::{Draw, Operands};
use super::{CODES, ConvPool2d, NONE};
use crate::ops::{Arg, Operator};
use crate::shape::Shape;
use rayon::prelude::*;

impl ConvPool2d {
    pub(super) fn forward_fast(
        &self,
        [input, weight, bias]: Operands<f32>,
        draw: Draw<f32>,
        output: &mut Arg<f32>,
        code: &mut Arg<f32>,
    ) {
        let batch = input.shape.batch();
        let samples = if self.layers == 1 { batch } else { samples_of_a_thread(batch) };
        let parts = self.parts(output.real_mut(), batch, samples).into_par_iter();
        let parts = parts.zip(self.parts(code.words_mut(), batch, samples)).enumerate();
        let parts_a_layer = batch.div_ceil(samples);
        parts.for_each(|(part, (output, code))| {
            let (layer, first) = (part / parts_a_layer, part % parts_a_layer * samples);
            let of_part = first..batch.min(first + samples);
            let filters = layer * self.conv.out_channels..(layer + 1) * self.conv.out_channels;
            let [weight, bias] = [weight, bias].map(|parameter| parameter.samples(filters.clone()));
            let sample = draw.map(|[sample, _]| sample.samples(of_part.clone()));
            let draw = sample.as_ref().zip(draw).map(|(sample, [_, batch])| [sample, batch]);
            self.layer(layer).forward_part([&input.samples(of_part), &weight, &bias], draw, output, code);
        });
    }

    /// Some samples of each layer, and the next ones, until the layer ends.
    fn parts<'a, T>(&self, values: &'a mut [T], batch: usize, samples: usize) -> Vec<&'a mut [T]> {
        let one_layer = values.len() / self.layers;
        let layers = values.chunks_exact_mut(one_layer);
        layers.flat_map(|layer| layer.chunks_mut(samples * one_layer / batch)).collect()
    }

    /// Samples of the only layer.
    fn forward_part(
        &self,
        [input, weight, bias]: Operands<f32>,
        draw: Draw<f32>,
        output: &mut [f32],
        code: &mut [u32],
    ) {
        let g = self.known_geometry(input.shape.clone());
        let shape = self.pixel_shape(&input.shape).with_batch(1);
        let one: Shape = [1, g.out_channels, g.pooled[0], g.pooled[1]].into();
        let mut pixels = vec![0.0; shape.len()];
        let mut pooled = vec![0.0; one.len()];
        let codes = code.len() / g.batch;
        let outputs = output.chunks_exact_mut(one.len());
        for (n, (output, code)) in outputs.zip(code.chunks_exact_mut(codes)).enumerate() {
            let pixels = Arg::write(shape.clone(), &mut pixels);
            let mut args = [input.sample(n), weight.again(), bias.again(), pixels];
            self.conv.fast("forward", &mut args);
            let (Some(dropout), Some([sample, batch])) = (&self.dropout, draw) else {
                pool(&shape, args[3].real(), output, code);
                continue;
            };
            pool(&shape, args[3].real(), &mut pooled, code);
            let (from, to) = (Arg::read(one.clone(), &pooled), Arg::write(one.clone(), output));
            let mut args = [from, sample.sample(n), batch.again(), to];
            dropout.fast("forward", &mut args);
            mark_dropped(&one, args[3].real(), code);
        }
    }

    pub(super) fn backward_weight_fast(
        &self,
        [input, d_output, code]: Operands<f32>,
        d_weight: &mut Arg<f32>,
        d_bias: &mut Arg<f32>,
    ) {
        let batch = input.shape.batch();
        let shape = self.pixel_shape(&input.shape).with_batch(1);
        let [weights, biases] =
            [&d_weight.shape, &d_bias.shape].map(|shape| shape.with_batch(self.conv.out_channels));
        let d_weights = d_weight.real_mut().chunks_exact_mut(weights.len());
        let layers = d_weights.zip(d_bias.real_mut().chunks_exact_mut(biases.len()));
        for (layer, (d_weight, d_bias)) in layers.enumerate() {
            // A partial sum a sample, added up in the order of the samples.
            let partial = |n: usize| {
                let at = layer * batch + n;
                let mut pixels = vec![0.0; shape.len()];
                unpool(&shape, &d_output.sample(at), &code.sample(at), self.scale(), &mut pixels);
                let mut sums = (vec![0.0; weights.len()], vec![0.0; biases.len()]);
                let mut args = [
                    input.sample(n),
                    Arg::read(shape.clone(), &pixels),
                    Arg::write(weights.clone(), &mut sums.0),
                    Arg::write(biases.clone(), &mut sums.1),
                ];
                self.conv.fast("backward_weight", &mut args);
                sums
            };
            let partial: Vec<_> = (0..batch).into_par_iter().map(partial).collect();
            d_weight.fill(0.0);
            d_bias.fill(0.0);
            for (weights, biases) in &partial {
                d_weight.iter_mut().zip(weights).for_each(|(sum, term)| *sum += term);
                d_bias.iter_mut().zip(biases).for_each(|(sum, term)| *sum += term);
            }
        }
    }

    pub(super) fn backward_input_fast(
        &self,
        [d_output, code, weight]: Operands<f32>,
        d_input: &mut Arg<f32>,
    ) {
        let one = d_input.shape.with_batch(1);
        let shape = self.filtered_shape(&one);
        let conv = self.all_filters();
        let batch = d_input.shape.batch();
        let samples = samples_of_a_thread(batch);
        let parts = d_input.real_mut().par_chunks_mut(samples * one.len()).enumerate();
        parts.for_each(|(part, d_input)| {
            let mut pixels = vec![0.0; shape.len()];
            for (n, d_input) in d_input.chunks_exact_mut(one.len()).enumerate() {
                for (layer, pixels) in pixels.chunks_exact_mut(shape.len() / self.layers).enumerate() {
                    let at = layer * batch + part * samples + n;
                    unpool(&shape, &d_output.sample(at), &code.sample(at), self.scale(), pixels);
                }
                let pixels = Arg::read(shape.clone(), &pixels);
                let mut args = [pixels, weight.again(), Arg::write(one.clone(), d_input)];
                conv.fast("backward_input", &mut args);
            }
        });
    }

    /// What gradients grow by.
    fn scale(&self) -> f32 {
        self.dropout.as_ref().map_or(1.0, |dropout| dropout.scale() as f32)
    }
}

/// The samples that a thread computes one after the other.
fn samples_of_a_thread(batch: usize) -> usize {
    batch.div_ceil(rayon::current_num_threads())
}

/// ReLU, max pooling and the codes of one sample's pixels.
fn pool(shape: &Shape, pixels: &[f32], output: &mut [f32], code: &mut [u32]) {
    let [height, width] = [shape.0[2], shape.0[3]];
    let (rows, columns) = (height / 2, width / 2);
    code.fill(0);
    for (channel, output) in output.chunks_exact_mut(rows * columns).enumerate() {
        let code = &mut code[channel / CODES * rows * columns..][..rows * columns];
        let pixels = &pixels[channel * height * width..][..height * width];
        for (y, (output, code)) in
            output.chunks_exact_mut(columns).zip(code.chunks_exact_mut(columns)).enumerate()
        {
            let upper = pixels[2 * y * width..][..width].chunks_exact(2);
            let lower = pixels[(2 * y + 1) * width..][..width].chunks_exact(2);
            for (((output, code), upper), lower) in output.iter_mut().zip(code).zip(upper).zip(lower) {
                let (above, a) = if upper[1] > upper[0] { (upper[1], 1) } else { (upper[0], 0) };
                let (below, b) = if lower[1] > lower[0] { (lower[1], 3) } else { (lower[0], 2) };
                let (largest, winner) = if below > above { (below, b) } else { (above, a) };
                let positive = largest > 0.0;
                *output = if positive { largest } else { 0.0 };
                *code |= (if positive { winner } else { NONE }) << (channel % CODES * 4);
            }
        }
    }
}

/// Sets the codes of one sample's outputs that are zero.
fn mark_dropped(shape: &Shape, output: &[f32], code: &mut [u32]) {
    let plane = shape.0[2] * shape.0[3];
    for (channel, output) in output.chunks_exact(plane).enumerate() {
        let shift = channel % CODES * 4;
        for (code, &value) in code[channel / CODES * plane..][..plane].iter_mut().zip(output) {
            let none = *code & !(15 << shift) | NONE << shift;
            *code = if value > 0.0 { *code } else { none };
        }
    }
}

/// The gradient of one sample's pixels, of one layer.
fn unpool(shape: &Shape, d_output: &Arg<f32>, code: &Arg<f32>, scale: f32, pixels: &mut [f32]) {
    let [height, width] = [shape.0[2], shape.0[3]];
    let (rows, columns) = (height / 2, width / 2);
    for (channel, d_output) in d_output.real().chunks_exact(rows * columns).enumerate() {
        let code = &code.words()[channel / CODES * rows * columns..][..rows * columns];
        let pixels = &mut pixels[channel * height * width..][..height * width];
        let shift = channel % CODES * 4;
        for (y, pixels) in pixels.chunks_mut(width).enumerate() {
            if y / 2 >= rows {
                pixels.fill(0.0);
                continue;
            }
            let codes = &code[y / 2 * columns..][..columns];
            let gradients = &d_output[y / 2 * columns..][..columns];
            let (first, second) = (2 * (y as u32 % 2), 2 * (y as u32 % 2) + 1);
            for ((pair, &code), &d) in pixels.chunks_exact_mut(2).zip(codes).zip(gradients) {
                let (code, d) = (code >> shift & 15, d * scale);
                pair[0] = if code == first { d } else { 0.0 };
                pair[1] = if code == second { d } else { 0.0 };
            }
            pixels[2 * columns..].fill(0.0);
        }
    }
}
