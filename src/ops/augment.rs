//! From photos as bytes to the floats that the network sees: rotated, zoomed and flipped.
//!
//! Photos (N, H, W, C) as bytes, transform (N, 6) as signed 16.16 fixed-point numbers, output
//! (N, C, H, W). Pixel (x, y) of the output is read from the photo at
//! `(t0 x + t1 y + t2, t3 x + t4 y + t5)`, between four pixels (bilinear, in steps of 1/256), and
//! beyond the border the border's pixel. All of it is integers until the last multiplication, so
//! that every backend sees the same picture. The identity leaves the photo as it is.

use super::attr::wrong_arguments;
use super::{Arg, ArgumentSpec, Case, CaseData, Dispatch, Kernel, Operator, ROW, Variant, onnx};
use crate::number::Number;
use crate::rng::Generator;
use crate::shape::{DType, Shape};
use serde::{Deserialize, Serialize};

/// The attributes of the way from bytes to floats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// The range that the bytes 0 to 255 are mapped to.
    pub range: [f64; 2],
}

/// Numbers of a transform: two rows of three.
pub const TRANSFORM: usize = 6;
/// The transform that leaves a photo as it is.
pub const IDENTITY: [i32; TRANSFORM] = [1 << 16, 0, 0, 0, 1 << 16, 0];

impl Augment {
    /// What one unit of the weighted sum of bytes, 1/65536 of a byte, counts in the output.
    fn scale(&self) -> f64 {
        (self.range[1] - self.range[0]) / (255.0 * 65_536.0)
    }
}

/// Where a pixel is read: the whole position, and 256ths towards the next one.
fn position(row: &[u32], x: usize, y: usize) -> [i32; 2] {
    let [a, b, c] = [row[0] as i32, row[1] as i32, row[2] as i32];
    let at = a.wrapping_mul(x as i32).wrapping_add(b.wrapping_mul(y as i32)).wrapping_add(c);
    [at >> 16, at >> 8 & 255]
}

impl Operator for Augment {
    const INPUTS: &'static [&'static str] = &["photos"];
    const FORWARD: &'static [Kernel] =
        &[Kernel::new("forward", &["photos", "transform"], &["output"]).per_sample()];

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [batch, height, width, channels] =
            inputs.first().and_then(Shape::nchw).ok_or("it needs photos")?;
        Ok([batch, channels, height, width].into())
    }

    fn local(&self, name: &str, inputs: &[Shape]) -> Option<ArgumentSpec> {
        let photos = inputs.first()?;
        match name {
            "photos" => Some(ArgumentSpec { shape: photos.clone(), dtype: DType::U8, batched: true }),
            "transform" => Some(ArgumentSpec::batched([photos.batch(), TRANSFORM].into()).words()),
            _ => None,
        }
    }

    fn twin<N: Number>(&self, kernel: &str, args: &mut [Arg<N>]) {
        let [photos, transform, output] = args else { wrong_arguments(kernel) };
        let [batch, height, width, channels] = photos.nchw();
        let (photos, output) = (photos.bytes(), output.real_mut());
        let (scale, low) = (N::constant(self.scale()), N::constant(self.range[0]));
        let inside = |position: i32, extent: usize| position.clamp(0, extent as i32 - 1) as usize;
        for n in 0..batch {
            let transform = &transform.words()[n * TRANSFORM..][..TRANSFORM];
            for y in 0..height {
                for x in 0..width {
                    let [left, right_weight] = position(&transform[..3], x, y);
                    let [top, bottom_weight] = position(&transform[3..], x, y);
                    let columns = [inside(left, width), inside(left.saturating_add(1), width)];
                    let rows = [inside(top, height), inside(top.saturating_add(1), height)];
                    for c in 0..channels {
                        let mut sum = 0;
                        for (row, row_weight) in rows.iter().zip([256 - bottom_weight, bottom_weight]) {
                            for (column, column_weight) in
                                columns.iter().zip([256 - right_weight, right_weight])
                            {
                                let at = ((n * height + row) * width + column) * channels + c;
                                sum += row_weight * column_weight * i32::from(photos[at]);
                            }
                        }
                        let to = ((n * channels + c) * height + y) * width + x;
                        output[to] = N::exact(sum as f32) * scale + low;
                    }
                }
            }
        }
    }

    fn dispatches(&self, kernel: &str, _variant: Variant, shape: &dyn Fn(&str) -> Shape) -> Vec<Dispatch> {
        let [batch, height, width, channels] = shape("photos").nchw().unwrap_or_default();
        let constants = [
            ("BATCH", batch as f64),
            ("HEIGHT", height as f64),
            ("WIDTH", width as f64),
            ("CHANNELS", channels as f64),
            ("SCALE", self.scale()),
            ("LOW", self.range[0]),
        ];
        vec![Dispatch::line(kernel, batch * height * width, &constants)]
    }

    /// Without a transform: a photo is predicted as it is.
    fn onnx(&self, _inputs: &[Shape]) -> Option<Vec<onnx::Node>> {
        let [low, high] = self.range;
        Some(vec![
            onnx::Node::new("Cast", &["photos"]).with("to", onnx::FLOAT),
            onnx::Node::after("Mul", [onnx::Value::Scalar(((high - low) / 255.0) as f32)]),
            onnx::Node::after("Add", [onnx::Value::Scalar(low as f32)]),
            onnx::Node::after("Transpose", []).with("perm", [0_usize, 3, 1, 2]),
        ])
    }

    fn cases() -> Vec<Case<Self>> {
        [
            ([0.0, 1.0], [1, 1, 1, 1]),
            ([0.0, 1.0], [3, 9, 7, 3]),
            ([-1.0, 1.0], [2, 16, 17, 3]),
            ([0.0, 255.0], [5, 8, 8, 1]),
            ([0.0, 1.0], [1, ROW / 64 + 1, 64, 1]),
        ]
        .map(|(range, shape)| Case::new(Augment { range }, [shape.into()]))
        .into()
    }

    fn fill(&self, name: &str, elements: usize, generator: &mut Generator) -> Option<CaseData> {
        match name {
            "photos" => Some(CaseData::Bytes((0..elements).map(|_| generator.next_u32() as u8).collect())),
            "transform" => {
                // Within one, two or so of the identity, and sometimes far outside of the photo.
                let mut words = Vec::with_capacity(elements);
                for (index, identity) in IDENTITY.iter().cycle().take(elements).enumerate() {
                    let shift = if index % TRANSFORM % 3 == 2 { 20 } else { 17 };
                    let noise = generator.below(1 << shift) as i32 - (1 << (shift - 1));
                    words.push(identity.wrapping_add(noise) as u32);
                }
                Some(CaseData::Words(words))
            }
            _ => None,
        }
    }
}
