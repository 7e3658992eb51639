//! What kernels are compared with their twins on.

use crate::shape::Shape;

/// Inputs for which an operator's kernels are proven.
#[derive(Debug, Clone)]
pub struct Case<Operator> {
    /// The operator with its attributes.
    pub op: Operator,
    /// The shapes of its inputs.
    pub inputs: Vec<Shape>,
}

impl<O> Case<O> {
    /// An operator and the shapes of its inputs.
    pub fn new(op: O, inputs: impl IntoIterator<Item = Shape>) -> Self {
        Self { op, inputs: inputs.into_iter().collect() }
    }
}

/// Values that an operator wants for an argument of its cases.
#[derive(Debug, Clone, PartialEq)]
pub enum CaseData {
    /// Floats.
    Real(Vec<f32>),
    /// Integers.
    Words(Vec<u32>),
    /// Bytes.
    Bytes(Vec<u8>),
}
