//! The fast path on the CPU: the convolution and what surrounds it, a sample at a time, so that its pixels stay
//! in cache.

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
        let shape = self.pixel_shape(&input.shape).with_batch(1);
        let one = output.shape.with_batch(1);
        let mut pixels = vec![0.0; shape.len()];
        let mut pooled = vec![0.0; one.len()];
        let codes = code.shape.len() / batch;
        let outputs = output.real_mut().chunks_exact_mut(one.len());
        for (n, (output, code)) in outputs.zip(code.words_mut().chunks_exact_mut(codes)).enumerate() {
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
        let shape = self.pixel_shape(&input.shape).with_batch(1);
        // A partial sum a sample, added up in the order of the samples.
        let partial = |n: usize| {
            let mut pixels = vec![0.0; shape.len()];
            unpool(&shape, &d_output.sample(n), &code.sample(n), self.scale(), &mut pixels);
            let mut sums = (vec![0.0; d_weight.shape.len()], vec![0.0; d_bias.shape.len()]);
            let mut args = [
                input.sample(n),
                Arg::read(shape.clone(), &pixels),
                Arg::write(d_weight.shape.clone(), &mut sums.0),
                Arg::write(d_bias.shape.clone(), &mut sums.1),
            ];
            self.conv.fast("backward_weight", &mut args);
            sums
        };
        let partial: Vec<_> = (0..input.shape.batch()).into_par_iter().map(partial).collect();
        d_weight.real_mut().fill(0.0);
        d_bias.real_mut().fill(0.0);
        for (weights, biases) in &partial {
            d_weight.real_mut().iter_mut().zip(weights).for_each(|(sum, term)| *sum += term);
            d_bias.real_mut().iter_mut().zip(biases).for_each(|(sum, term)| *sum += term);
        }
    }

    pub(super) fn backward_input_fast(
        &self,
        [d_output, code, weight]: Operands<f32>,
        d_input: &mut Arg<f32>,
    ) {
        let one = d_input.shape.with_batch(1);
        let shape = self.pixel_shape(&one);
        let mut pixels = vec![0.0; shape.len()];
        for (n, d_input) in d_input.real_mut().chunks_exact_mut(one.len()).enumerate() {
            unpool(&shape, &d_output.sample(n), &code.sample(n), self.scale(), &mut pixels);
            let pixels = Arg::read(shape.clone(), &pixels);
            let mut args = [pixels, weight.again(), Arg::write(one.clone(), d_input)];
            self.conv.fast("backward_input", &mut args);
        }
    }

    /// What gradients grow by.
    fn scale(&self) -> f32 {
        self.dropout.as_ref().map_or(1.0, |dropout| dropout.scale() as f32)
    }
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

/// The gradient of one sample's pixels.
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
