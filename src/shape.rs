//! Shapes and element types of buffers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What one element of a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// A float of 32 bits.
    F32,
    /// An unsigned integer of 32 bits; signed ones travel as their bits.
    U32,
    /// A byte of a photo. Four of them are one word of a WGSL array.
    U8,
}

impl DType {
    /// Bytes that one element takes.
    pub fn bytes(self) -> usize {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::U8 => 1,
        }
    }
}

/// The extent of every axis, outermost first. Activations are (batch, channels, height, width) or
/// (batch, features).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape(pub Vec<usize>);

impl Shape {
    /// The largest number of elements a buffer may have: WebGPU binds at most 128 MiB at once by
    /// default, and the shaders index with 32 bits.
    pub const MAX_ELEMENTS: usize = 1 << 31;

    /// Number of elements; 1 for a scalar.
    pub fn len(&self) -> usize {
        self.0.iter().product()
    }

    /// Whether there is no element at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Like [`Shape::len`], but `None` above [`Shape::MAX_ELEMENTS`] instead of wrapping around.
    pub fn checked_len(&self) -> Option<usize> {
        let elements = self.0.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent))?;
        (elements <= Self::MAX_ELEMENTS).then_some(elements)
    }

    /// The first axis, which is the batch for all activations.
    pub fn batch(&self) -> usize {
        self.0.first().copied().unwrap_or(1)
    }

    /// The axes of (batch, channels, height, width), if there are four.
    pub fn nchw(&self) -> Option<[usize; 4]> {
        self.0.as_slice().try_into().ok()
    }

    /// The same shape with another first axis.
    pub fn with_batch(&self, batch: usize) -> Shape {
        let mut axes = self.0.clone();
        if let Some(first) = axes.first_mut() {
            *first = batch;
        }
        Shape(axes)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(axes: [usize; N]) -> Self {
        Shape(axes.to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (axis, extent) in self.0.iter().enumerate() {
            if axis > 0 {
                f.write_str(" x ")?;
            }
            write!(f, "{extent}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}
