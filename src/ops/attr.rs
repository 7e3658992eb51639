//! Attributes that several operators share.

use super::{Dispatch, onnx};
use crate::shape::Shape;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the gradient of a bias may be small beside its terms.
pub const BALANCED_BIAS: &str = "the terms of a bias's gradient may cancel, as they do to nothing where a normalisation \
    behind it takes the mean away, and nearly where labels are balanced";

/// Why the loss of a sample that is classified with certainty, and its gradient, may be small beside their bounds.
pub const SURE_ANSWER: &str = "the loss of a sure and right prediction is all but nothing, where WGSL lets a logarithm be \
    off by 2^-21, and its gradient is a difference of nearly equal probabilities";

/// Height and width; in TOML either `3` or `[3, 5]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pair(pub [usize; 2]);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairVisitor;
        impl<'de> Visitor<'de> for PairVisitor {
            type Value = Pair;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number such as 3, or two such as [3, 5] for height and width")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Pair, E> {
                let extent = usize::try_from(value)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))?;
                Ok(Pair([extent, extent]))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Pair, E> {
                let extent = usize::try_from(value)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))?;
                Ok(Pair([extent, extent]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Pair, A::Error> {
                let height = items.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let width = items.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                match items.next_element::<usize>()? {
                    None => Ok(Pair([height, width])),
                    Some(_) => Err(de::Error::invalid_length(3, &self)),
                }
            }
        }
        deserializer.deserialize_any(PairVisitor)
    }
}

/// How a window treats the border of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// No padding: windows lie within the input.
    #[default]
    Valid,
    /// Zeros such that the output is `ceil(input / stride)`; an odd one goes to the end.
    Same,
    /// This many zeros on both sides.
    #[serde(untagged)]
    Zeros(Pair),
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "padding is \"valid\", \"same\", a whole number, or two of them")]
        enum Written {
            Word(String),
            Zeros(Pair),
        }
        match Written::deserialize(deserializer)? {
            Written::Word(word) if word == "valid" => Ok(Padding::Valid),
            Written::Word(word) if word == "same" => Ok(Padding::Same),
            Written::Word(word) => {
                Err(de::Error::custom(format!("padding {word:?} is neither \"valid\" nor \"same\"")))
            }
            Written::Zeros(pair) => Ok(Padding::Zeros(pair)),
        }
    }
}

/// Where the windows lie along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Extent of the input.
    pub input: usize,
    /// Extent of the window.
    pub kernel: usize,
    /// Distance between two windows.
    pub stride: usize,
    /// Zeros before the input.
    pub before: usize,
    /// Number of windows.
    pub output: usize,
}

impl Window {
    /// Height and width of the windows over an input, or why there are none.
    pub fn both(
        input: [usize; 2],
        kernel: Pair,
        stride: Pair,
        padding: Padding,
    ) -> Result<[Window; 2], String> {
        let along = |axis: usize, name: &str| {
            let zeros = match padding {
                Padding::Valid => Some(0),
                Padding::Zeros(pair) => Some(pair.0[axis]),
                Padding::Same => None,
            };
            Window::along(input[axis], kernel.0[axis], stride.0[axis], zeros)
                .map_err(|reason| format!("{name}: {reason}"))
        };
        Ok([along(0, "height")?, along(1, "width")?])
    }

    /// The windows along one axis; `zeros` on both sides, or `None` for "same" padding.
    fn along(input: usize, kernel: usize, stride: usize, zeros: Option<usize>) -> Result<Window, String> {
        const MAX_EXTENT: usize = 1 << 20;
        if stride == 0 {
            return Err("the stride is 0; it must be at least 1".into());
        }
        if kernel == 0 {
            return Err("the kernel is 0; it must be at least 1".into());
        }
        for (name, extent) in [("kernel", kernel), ("stride", stride), ("padding", zeros.unwrap_or(0))] {
            if extent > MAX_EXTENT {
                return Err(format!("the {name} of {extent} is larger than {MAX_EXTENT}"));
            }
        }
        let (before, output) = match zeros {
            None => {
                let output = input.div_ceil(stride);
                let total = ((output.max(1) - 1) * stride + kernel).saturating_sub(input);
                (total / 2, output)
            }
            Some(zeros) => {
                let padded = input + 2 * zeros;
                if kernel > padded {
                    return Err(format!("the kernel of {kernel} is larger than its input of {padded}"));
                }
                (zeros, (padded - kernel) / stride + 1)
            }
        };
        Ok(Window { input, kernel, stride, before, output })
    }

    /// Zeros behind the input that the last window sees, at least.
    pub fn after(&self) -> usize {
        let end = (self.output.max(1) - 1) * self.stride + self.kernel;
        end.saturating_sub(self.before + self.input)
    }

    /// The input position that tap `tap` of window `output` sees, unless it is padding.
    #[inline]
    pub fn source(&self, output: usize, tap: usize) -> Option<usize> {
        (output * self.stride + tap).checked_sub(self.before).filter(|&position| position < self.input)
    }
}

/// Colour channels of a photo.
pub const IMAGE_CHANNELS: usize = 3;

/// A stride of one.
pub fn unit_stride() -> Pair {
    Pair([1, 1])
}

/// The four axes of an image batch, or what is wrong.
pub fn image_axes(inputs: &[Shape]) -> Result<[usize; 4], String> {
    let shape = inputs.first().ok_or("it has no input")?;
    let axes = shape.nchw().ok_or_else(|| {
        format!("it needs an image (channels x height x width), but its input is {} values", shape.len())
    })?;
    if axes.contains(&0) {
        return Err(format!("its input {shape} has an axis of 0"));
    }
    Ok(axes)
}

/// The windows of a pooling layer: no padding, and side by side if no stride is given.
pub fn pool_windows(inputs: &[Shape], kernel: Pair, stride: Option<Pair>) -> Result<[Window; 2], String> {
    let [_, _, height, width] = image_axes(inputs)?;
    Window::both([height, width], kernel, stride.unwrap_or(kernel), Padding::Valid)
}

/// The output of a pooling layer.
pub fn pool_output(inputs: &[Shape], kernel: Pair, stride: Option<Pair>) -> Result<Shape, String> {
    let [batch, channels, ..] = image_axes(inputs)?;
    let [y, x] = pool_windows(inputs, kernel, stride)?;
    Ok([batch, channels, y.output, x.output].into())
}

/// A pooling layer in ONNX.
pub fn pool_onnx(op_type: &'static str, kernel: Pair, stride: Option<Pair>) -> onnx::Node {
    let stride = stride.unwrap_or(kernel);
    onnx::Node::new(op_type, &["input"]).with("kernel_shape", kernel.0).with("strides", stride.0)
}

/// A pooling kernel as one dispatch: `forward` computes an output an invocation, all others an input.
pub fn pool_dispatch(kernel: &str, input: &Shape, [y, x]: [Window; 2]) -> Vec<Dispatch> {
    let planes = input.nchw().map_or(0, |[batch, channels, ..]| batch * channels);
    let constants = [
        ("PLANES", planes as f64),
        ("IN_HEIGHT", y.input as f64),
        ("IN_WIDTH", x.input as f64),
        ("OUT_HEIGHT", y.output as f64),
        ("OUT_WIDTH", x.output as f64),
        ("KERNEL_HEIGHT", y.kernel as f64),
        ("KERNEL_WIDTH", x.kernel as f64),
        ("STRIDE_Y", y.stride as f64),
        ("STRIDE_X", x.stride as f64),
    ];
    let pixels = if kernel == "forward" { y.output * x.output } else { y.input * x.input };
    vec![Dispatch::line(kernel, planes * pixels, &constants)]
}

/// Stops on arguments that are not those of the kernel's signature: a mistake in this program.
pub fn wrong_arguments(kernel: &str) -> ! {
    unreachable!("the arguments are not those of kernel {kernel:?}")
}
