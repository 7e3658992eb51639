//! Nearest-neighbour upsampling: every pixel becomes a block of equal ones.
//!
//! Input (N, C, H, W), output (N, C, H * sy, W * sx).

use super::attr::{Pair, image_axes, wrong_arguments};
use super::share::{self, Share};
use super::{Arg, Case, Dispatch, Kernel, Operator, ROW, Variant, WORKGROUP, onnx};
use crate::number::{Accumulator, Number};
use crate::shape::Shape;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The attributes of upsampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upsample2d {
    /// How many times as high and as wide the output is.
    pub scale: Pair,
}

impl Operator for Upsample2d {
    const EXACT_ON_INTEGERS: bool = true;
    const FORWARD: &'static [Kernel] = &[Kernel::new("forward", &["input"], &["output"]).per_sample()];
    const BACKWARD: &'static [Kernel] =
        &[Kernel::new("backward_input", &["d_output"], &["d_input"]).per_sample()];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [batch, channels, height, width] = image_axes(inputs)?;
        let [scale_y, scale_x] = self.scale.0;
        if scale_y == 0 || scale_x == 0 {
            return Err("the scale is 0; it must be at least 1".into());
        }
        let scaled = |extent: usize, scale: usize| {
            let scaled = extent.checked_mul(scale).filter(|&scaled| scaled <= Shape::MAX_ELEMENTS);
            scaled.ok_or_else(|| format!("the scale of {scale} is too large"))
        };
        Ok([batch, channels, scaled(height, scale_y)?, scaled(width, scale_x)?].into())
    }

    fn kernel_flops(&self, kernel: &str, inputs: &[Shape]) -> u64 {
        match kernel {
            "backward_input" => self.output_shape(inputs).map_or(0, |output| output.len() as u64),
            _ => 0,
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [scale_y, scale_x] = self.scale.0;
        match (kernel, args) {
            ("forward", [input, output]) => {
                let [_, _, height, width] = input.nchw();
                let (out_height, out_width) = (height * scale_y, width * scale_x);
                let input = input.real();
                for (index, output) in output.real_mut().iter_mut().enumerate() {
                    let (plane, y) = (index / (out_height * out_width), index / out_width % out_height);
                    let x = index % out_width;
                    *output = input[(plane * height + y / scale_y) * width + x / scale_x];
                }
            }
            ("backward_input", [d_output, d_input]) => {
                let [_, _, height, width] = d_input.nchw();
                let (out_height, out_width) = (height * scale_y, width * scale_x);
                let mut sums: Vec<N::Sum> = d_input.real().iter().map(|_| N::Sum::default()).collect();
                for (index, &d) in d_output.real().iter().enumerate() {
                    let (plane, y) = (index / (out_height * out_width), index / out_width % out_height);
                    let x = index % out_width;
                    sums[(plane * height + y / scale_y) * width + x / scale_x].add(d);
                }
                for (d_input, sum) in d_input.real_mut().iter_mut().zip(sums) {
                    *d_input = sum.total();
                }
            }
            _ => wrong_arguments(kernel),
        }
    }

    fn fast(&self, kernel: &str, args: &mut [Arg<f32>]) -> bool {
        let [scale_y, scale_x] = self.scale.0;
        match (kernel, args) {
            ("forward", [input, output]) => {
                let width = input.nchw()[3];
                let blocks = output.real_mut().par_chunks_mut(width * scale_x * scale_y);
                blocks.zip(input.real().par_chunks(width)).for_each(|(rows, input)| {
                    let (first, others) = rows.split_at_mut(width * scale_x);
                    let pixels = first.chunks_exact_mut(scale_x).zip(input);
                    pixels.for_each(|(pixels, &value)| pixels.fill(value));
                    others.chunks_exact_mut(width * scale_x).for_each(|row| row.copy_from_slice(first));
                });
            }
            ("backward_input", [d_output, d_input]) => {
                let width = d_input.nchw()[3];
                let rows = d_input.real_mut().par_chunks_mut(width);
                rows.zip(d_output.real().par_chunks(width * scale_x * scale_y)).for_each(|(sums, rows)| {
                    sums.fill(0.0);
                    for row in rows.chunks_exact(width * scale_x) {
                        let pixels = sums.iter_mut().zip(row.chunks_exact(scale_x));
                        pixels.for_each(|(sum, pixels)| *sum += pixels.iter().sum::<f32>());
                    }
                });
            }
            _ => wrong_arguments(kernel),
        }
        true
    }

    fn shares(&self, kernel: &str, shape: &dyn Fn(&str) -> Shape) -> Vec<Share> {
        if kernel != "backward_input" {
            return Vec::new();
        }
        let d_output = shape("d_output");
        let pixels = d_output.0.iter().skip(2).product();
        let tap = share::tap("d_output", d_output.len() / std::cmp::max(pixels, 1), pixels);
        vec![share::sample("d_output", &d_output), share::channel("d_output", &d_output), tap]
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let [input, output] = match kernel {
            "forward" => ["input", "output"],
            _ => ["d_input", "d_output"],
        }
        .map(shape);
        let [batch, channels, height, width] = input.nchw().unwrap_or([1; 4]);
        let constants = [
            ("PLANES", (batch * channels) as f64),
            ("IN_HEIGHT", height as f64),
            ("IN_WIDTH", width as f64),
            ("SCALE_Y", self.scale.0[0] as f64),
            ("SCALE_X", self.scale.0[1] as f64),
        ];
        let invocations = if kernel == "forward" { output.len() } else { input.len() };
        vec![Dispatch::line(kernel, invocations, &constants)]
    }

    /// A scale of whole numbers repeats pixels in every mode of `Resize` that takes the nearest one.
    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let [scale_y, scale_x] = self.scale.0.map(|scale| scale as f32);
        let mut resize = onnx::Node::new("Resize", &["input"]);
        resize.inputs.extend([onnx::Value::Absent, onnx::Value::Floats(vec![1.0, 1.0, scale_y, scale_x])]);
        Some(vec![resize])
    }

    fn cases() -> Vec<Case<Self>> {
        let case = |input: [usize; 4], scale| Case::new(Upsample2d { scale: Pair(scale) }, [input.into()]);
        vec![
            case([1, 1, 1, 1], [1, 1]),
            case([1, 1, 1, 1], [3, 5]),
            case([2, 3, 7, 9], [2, 2]),
            case([3, 2, 4, 5], [2, 3]),
            case([2, 5, 3, 8], [3, 1]),
            case([2, 2, 5, 3], [1, 4]),
            case([1, WORKGROUP + 3, 2, 1], [2, 2]),
            // More invocations than a row holds, forwards and backwards.
            case([1, 2, 1, ROW + 1], [1, 2]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the twin and the fast path make of one plane.
    fn computed(
        kernel: &str,
        scale: [usize; 2],
        from: (&[f32], [usize; 4]),
        to: [usize; 4],
    ) -> [Vec<f32>; 2] {
        let op = Upsample2d { scale: Pair(scale) };
        [false, true].map(|fast| {
            let mut result = vec![f32::NAN; Shape::from(to).len()];
            let mut args = [Arg::read(from.1.into(), from.0), Arg::write(to.into(), &mut result)];
            match fast {
                true => assert!(op.fast(kernel, &mut args)),
                false => op.twin(kernel, &mut args),
            }
            result
        })
    }

    #[test]
    fn pixels_become_blocks_and_blocks_add_up_to_pixels() {
        let output = computed("forward", [2, 3], (&[1.0, 2.0, 3.0, 4.0], [1, 2, 1, 2]), [1, 2, 2, 6]);
        let (first, second) = ([1.0, 1.0, 1.0, 2.0, 2.0, 2.0], [3.0, 3.0, 3.0, 4.0, 4.0, 4.0]);
        let want = [first, first, second, second].concat();
        assert_eq!(output, [want.clone(), want]);

        let d_output: Vec<f32> = (1..=24_i8).map(f32::from).collect();
        // 1 + 2 + 3 + 7 + 8 + 9, 4 + 5 + 6 + 10 + 11 + 12, and 72 more each in the second channel.
        let d_input = computed("backward_input", [2, 3], (&d_output, [1, 2, 2, 6]), [1, 2, 1, 2]);
        let want = vec![30.0, 48.0, 102.0, 120.0];
        assert_eq!(d_input, [want.clone(), want]);
    }

    #[test]
    fn the_scale_is_one_number_or_two() {
        let op = |text: &str| serde_json::from_str::<Upsample2d>(text);
        let shape = |text: &str| op(text).unwrap().output_shape(&[[5, 3, 4, 6].into()]);
        assert_eq!(shape(r#"{"scale": 2}"#), Ok([5, 3, 8, 12].into()));
        assert_eq!(shape(r#"{"scale": [2, 3]}"#), Ok([5, 3, 8, 18].into()));
        assert!(shape(r#"{"scale": [1, 0]}"#).unwrap_err().contains("at least 1"));
        assert!(shape(r#"{"scale": 9000000000000000000}"#).unwrap_err().contains("too large"));
        assert!(op("{}").is_err() && op(r#"{"scale": 2, "mode": "bilinear"}"#).is_err());
    }
}
