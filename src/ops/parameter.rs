//! What a layer keeps from step to step, and how it starts.

use crate::rng::Generator;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// All zeros.
    Zeros,
    /// All ones.
    Ones,
    /// Uniform within `sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010).
    GlorotUniform {
        /// Inputs that one output sees.
        fan_in: usize,
        /// Outputs that one input reaches.
        fan_out: usize,
    },
    /// The table of an embedding: its first row, which stands for no word, is zero, and the others are as
    /// Glorot and Bengio's.
    Rows {
        /// Rows of the table.
        rows: usize,
        /// Columns of the table.
        width: usize,
    },
}

impl Init {
    /// Draws a parameter of so many elements.
    pub fn draw(self, elements: usize, generator: &mut Generator) -> Vec<f32> {
        match self {
            Init::Zeros => vec![0.0; elements],
            Init::Ones => vec![1.0; elements],
            Init::GlorotUniform { fan_in, fan_out } => {
                let limit = (6.0 / fan_in.saturating_add(fan_out).max(1) as f64).sqrt() as f32;
                (0..elements).map(|_| generator.uniform(-limit, limit)).collect()
            }
            Init::Rows { rows, width } => {
                let mut drawn =
                    Init::GlorotUniform { fan_in: rows, fan_out: width }.draw(elements, generator);
                drawn[..width.min(elements)].fill(0.0);
                drawn
            }
        }
    }
}

/// What a layer keeps from step to step, and what is saved as its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Such as `weight`.
    pub name: &'static str,
    /// The extent of every axis, in PyTorch's order.
    pub shape: Shape,
    /// How it starts.
    pub init: Init,
    /// Whether the optimiser changes it, by its gradient; otherwise the layer itself does.
    pub trained: bool,
    /// Whether it has no buffer together with others: its operator takes the optimiser's step with it by itself.
    pub apart: bool,
}

impl Parameter {
    /// A parameter that the optimiser changes.
    pub fn trained(name: &'static str, shape: impl Into<Shape>, init: Init) -> Self {
        Self { name, shape: shape.into(), init, trained: true, apart: false }
    }

    /// A running statistic that the layer's forward pass changes during training.
    pub fn running(name: &'static str, shape: impl Into<Shape>, init: Init) -> Self {
        Self { name, shape: shape.into(), init, trained: false, apart: false }
    }

    /// The same parameter with a buffer of its own.
    pub fn apart(self) -> Self {
        Self { apart: true, ..self }
    }
}
