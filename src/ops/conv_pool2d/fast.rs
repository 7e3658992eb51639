//! The fast path on the CPU: what surrounds the convolution, a sample at a time.

use super::{CODES, NONE};
use crate::ops::Arg;
use crate::shape::Shape;

/// ReLU, max pooling and the codes of one sample's pixels.
pub fn pool(shape: &Shape, pixels: &[f32], output: &mut [f32], code: &mut [u32]) {
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

/// The gradient of one sample's pixels.
pub fn unpool(shape: &Shape, d_output: &Arg<f32>, code: &Arg<f32>, pixels: &mut [f32]) {
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
                let code = code >> shift & 15;
                pair[0] = if code == first { d } else { 0.0 };
                pair[1] = if code == second { d } else { 0.0 };
            }
            pixels[2 * columns..].fill(0.0);
        }
    }
}
