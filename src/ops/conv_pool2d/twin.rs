//! The twins, composed from those of the operators that this one stands for.

use super::{CODES, ConvPool2d, NONE};
use crate::number::{Bounded, Number};
use crate::ops::relu::Relu;
use crate::ops::{Arg, Data, Operator};
use crate::shape::Shape;

/// What the output is computed from: input, weight and bias.
pub type Operands<'a, 'b, N> = [&'a Arg<'b, N>; 3];
/// What dropout draws its mask from: `sample` and `batch`.
pub type Draw<'a, 'b, N> = Option<[&'a Arg<'b, N>; 2]>;

impl ConvPool2d {
    /// Output and codes. An output is dropped or cut off where it is zero.
    pub(super) fn forward_twin<N: Number>(
        &self,
        operands: Operands<N>,
        draw: Draw<N>,
        output: &mut Arg<N>,
        code: &mut Arg<N>,
    ) {
        let (shape, pixels) = self.pixels(operands);
        let pooled = output.shape.clone();
        let mut positive = vec![N::zero(); shape.len()];
        let mut values = vec![N::zero(); pooled.len()];
        let mut winners = vec![0; pooled.len()];
        let mut relu = [Arg::read(shape.clone(), &pixels), Arg::write(shape.clone(), &mut positive)];
        Relu {}.twin("forward", &mut relu);
        let mut pool = [
            Arg::read(shape, &positive),
            Arg::write(pooled.clone(), &mut values),
            Arg { shape: pooled.clone(), data: Data::WriteWords(&mut winners), batched: true },
        ];
        Self::pool().twin("forward", &mut pool);
        self.drop_twin(&values, draw, output.real_mut());
        code.words_mut().fill(0);
        for (index, (&winner, value)) in winners.iter().zip(output.real()).enumerate() {
            let code_of = if value.value() > 0.0 { winner } else { NONE };
            let (word, shift) = place(&pooled, index);
            code.words_mut()[word] |= code_of << shift;
        }
    }

    /// Dropout, where there is one, of each layer.
    fn drop_twin<N: Number>(&self, values: &[N], draw: Draw<N>, dropped: &mut [N]) {
        let one_layer = values.len() / self.layers;
        let layers = values.chunks_exact(one_layer).zip(dropped.chunks_exact_mut(one_layer));
        for (layer, (values, dropped)) in layers.enumerate() {
            let (Some(dropout), Some([sample, batch])) = (self.layer(layer).dropout, draw) else {
                dropped.copy_from_slice(values);
                continue;
            };
            let shape: Shape = [one_layer].into();
            let (from, to) = (Arg::read(shape.clone(), values), Arg::write(shape, dropped));
            dropout.twin("forward", &mut [from, sample.again(), batch.again(), to]);
        }
    }

    /// The convolution's pixels before ReLU, layer after layer.
    fn pixels<N: Number>(&self, [input, weight, bias]: Operands<N>) -> (Shape, Vec<N>) {
        let shape = self.pixel_shape(&input.shape);
        let mut pixels = vec![N::zero(); shape.len()];
        let to = Arg::write(self.filtered_shape(&input.shape), &mut pixels);
        self.all_filters().twin("forward", &mut [input.again(), weight.again(), bias.again(), to]);
        (shape, swapped(&pixels, input.shape.batch(), self.layers))
    }

    /// The gradient of the convolution's pixels, those of all filters together, by the twin of max pooling. Codes
    /// say what ReLU and dropout let through.
    pub(super) fn d_pixels<N: Number>(
        &self,
        input: &Shape,
        d_output: &Arg<N>,
        code: &Arg<N>,
    ) -> (Shape, Vec<N>) {
        let shape = self.pixel_shape(input);
        let pooled = &d_output.shape;
        let codes: Vec<u32> = (0..pooled.len())
            .map(|index| place(pooled, index))
            .map(|(word, shift)| code.words()[word] >> shift & 15)
            .collect();
        let scaled = |d: N| match &self.dropout {
            Some(dropout) => d * N::constant(dropout.scale()),
            None => d,
        };
        let gradients = d_output.real().iter().zip(&codes);
        let gradients: Vec<N> =
            gradients.map(|(&d, &code)| if code == NONE { N::zero() } else { scaled(d) }).collect();
        let winners: Vec<u32> = codes.iter().map(|code| code % NONE).collect();
        let mut d_pixels = vec![N::zero(); shape.len()];
        let mut args = [
            Arg::read(pooled.clone(), &gradients),
            Arg { shape: pooled.clone(), data: Data::ReadWords(&winners), batched: true },
            Arg::write(shape, &mut d_pixels),
        ];
        Self::pool().twin("backward_input", &mut args);
        (self.filtered_shape(input), swapped(&d_pixels, self.layers, input.batch()))
    }

    /// Whether codes are decisions that float32 may take: the chosen pixel may be the largest, and above zero.
    /// What is dropped is nobody's decision.
    pub(super) fn admits_codes(
        &self,
        operands: Operands<Bounded>,
        draw: Draw<Bounded>,
        output: &Shape,
        code: &[u32],
    ) -> bool {
        let (shape, pixels) = self.pixels(operands);
        let mut kept = vec![Bounded::zero(); output.len()];
        self.drop_twin(&vec![Bounded::exact(1.0); output.len()], draw, &mut kept);
        let [height, width] = [output.0[2], output.0[3]];
        // Codes of channels that are not there are zero.
        let mut rebuilt = vec![0; code.len()];
        for (index, kept) in kept.iter().enumerate() {
            let (word, shift) = place(output, index);
            let code = code[word] >> shift & 15;
            rebuilt[word] |= code << shift;
            let (plane, y, x) = (index / (height * width), index / width % height, index % width);
            let pixel = |i: usize| pixels[(plane * shape.0[2] + 2 * y + i / 2) * shape.0[3] + 2 * x + i % 2];
            let least = (0..4).map(|i| pixel(i).value - pixel(i).err).fold(f64::MIN, f64::max);
            let may_stand = match code {
                _ if kept.value == 0.0 => code == NONE,
                NONE => least <= 0.0,
                0..NONE => {
                    let most = pixel(code as usize).value + pixel(code as usize).err;
                    most >= least && most > 0.0
                }
                _ => false,
            };
            if !may_stand {
                return false;
            }
        }
        rebuilt == code
    }
}

/// Pieces of equal size in `rows` rows of `columns` as `columns` rows of `rows`.
fn swapped<N: Copy>(values: &[N], rows: usize, columns: usize) -> Vec<N> {
    let piece = values.len() / (rows * columns);
    let order = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    order.flat_map(|index| values[index * piece..][..piece].iter().copied()).collect()
}

/// The word and the first bit of the code of an output.
fn place(output: &Shape, index: usize) -> (usize, usize) {
    let channels = output.0[1];
    let plane = output.0[2] * output.0[3];
    let (sample, channel) = (index / plane / channels, index / plane % channels);
    let block = sample * channels.div_ceil(CODES) + channel / CODES;
    (block * plane + index % plane, channel % CODES * 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::attr::{Padding, Pair};
    use crate::ops::conv2d::Conv2d;
    use crate::ops::dropout::Dropout;

    fn words(words: &[u32]) -> Arg<'_, Bounded> {
        Arg { shape: [1].into(), data: Data::ReadWords(words), batched: true }
    }

    /// The codes that may stand for one window of these pixels.
    fn admitted(pixels: [f32; 4], dropout: Option<Dropout>) -> Vec<u32> {
        let conv =
            Conv2d { out_channels: 1, kernel: Pair([3, 3]), stride: Pair([1, 1]), padding: Padding::Valid };
        let op = ConvPool2d { conv, dropout, layers: 1 };
        let exact = |values: &[f32]| -> Vec<Bounded> { values.iter().map(|&v| Bounded::exact(v)).collect() };
        // The filter copies the middle of its window.
        let [a, b, c, d] = pixels;
        let input = exact(&[0., 0., 0., 0., 0., a, b, 0., 0., c, d, 0., 0., 0., 0., 0.]);
        let weight = exact(&[0., 0., 0., 0., 1., 0., 0., 0., 0.]);
        let bias = exact(&[0.]);
        let kernel = if op.dropout.is_some() { "forward_dropout" } else { "forward" };
        let admits = |code: u32| {
            let (code, mut output) = ([code], exact(&[0.]));
            let mut args = vec![
                Arg::read([1, 1, 4, 4].into(), &input),
                Arg::read([1, 1, 3, 3].into(), &weight),
                Arg::read([1].into(), &bias),
            ];
            if op.dropout.is_some() {
                args.extend([words(&[7]), words(&[1, 2, 3, 4, 5])]);
            }
            args.push(Arg::write([1, 1, 1, 1].into(), &mut output));
            args.push(Arg { shape: [1, 1, 1, 1].into(), ..words(&code) });
            op.admits(kernel, &mut args)
        };
        (0..18).filter(|&code| admits(code)).collect()
    }

    #[test]
    fn codes_may_differ_only_where_pixels_are_too_close_to_tell() {
        assert_eq!(admitted([1.0, 1.0 + f32::EPSILON, 0.5, -1.0], None), [0, 1]);
        assert_eq!(admitted([-1.0, -1.0, -0.5, -1.0], None), [NONE]);
        // A number this small may be flushed to zero; zero itself is nothing else.
        assert_eq!(admitted([-1.0, f32::MIN_POSITIVE / 2.0, -0.5, -1.0], None), [1, NONE]);
        assert_eq!(admitted([-1.0, 0.0, -0.5, -1.0], None), [NONE]);
    }

    #[test]
    fn what_is_dropped_has_no_code_but_one() {
        let outcomes: Vec<Vec<u32>> = (0..32)
            .map(|stream| admitted([1.0, 1.0, 0.5, -1.0], Some(Dropout { rate: 0.5, stream })))
            .collect();
        let (dropped, kept): (Vec<_>, Vec<_>) = outcomes.iter().partition(|codes| **codes == [NONE]);
        assert!(dropped.len() > 4 && kept.len() > 4, "{outcomes:?}");
        assert!(kept.iter().all(|codes| **codes == [0, 1]), "{outcomes:?}");
    }
}
