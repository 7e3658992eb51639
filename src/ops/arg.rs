//! The arguments that a kernel's twin works on.

use crate::shape::{DType, Shape};
use std::ops::Range;

/// The elements of one argument, borrowed from whoever owns the buffer.
#[derive(Debug)]
pub enum Data<'a, N> {
    /// Floats that the kernel only reads.
    Read(&'a [N]),
    /// Floats that the kernel writes.
    Write(&'a mut [N]),
    /// Integers that the kernel only reads.
    ReadWords(&'a [u32]),
    /// Integers that the kernel writes.
    WriteWords(&'a mut [u32]),
    /// Bytes of photos; kernels only read them.
    ReadBytes(&'a [u8]),
}

/// One argument of a kernel: a shape and its elements.
#[derive(Debug)]
pub struct Arg<'a, N> {
    /// The extent of every axis.
    pub shape: Shape,
    /// The elements, row-major.
    pub data: Data<'a, N>,
    /// Whether the first axis is the batch.
    pub batched: bool,
}

impl<'a, N> Arg<'a, N> {
    /// Floats of a batch, to read.
    pub fn read(shape: Shape, values: &'a [N]) -> Self {
        Self { shape, data: Data::Read(values), batched: true }
    }

    /// Floats of a batch, to write.
    pub fn write(shape: Shape, values: &'a mut [N]) -> Self {
        Self { shape, data: Data::Write(values), batched: true }
    }
}

impl<N> Arg<'_, N> {
    /// The same elements again, to read.
    pub fn again(&self) -> Arg<'_, N> {
        let data = match &self.data {
            Data::Read(values) => Data::Read(values),
            Data::Write(values) => Data::Read(values),
            Data::ReadWords(values) => Data::ReadWords(values),
            Data::WriteWords(values) => Data::ReadWords(values),
            Data::ReadBytes(values) => Data::ReadBytes(values),
        };
        Arg { shape: self.shape.clone(), data, batched: self.batched }
    }

    /// The same floats again, to write.
    pub fn again_mut(&mut self) -> Arg<'_, N> {
        let (shape, batched) = (self.shape.clone(), self.batched);
        Arg { shape, data: Data::Write(self.real_mut()), batched }
    }

    /// One sample of a batch, to read.
    pub fn sample(&self, n: usize) -> Arg<'_, N> {
        self.samples(n..n + 1)
    }

    /// Some samples of a batch, to read.
    pub fn samples(&self, range: Range<usize>) -> Arg<'_, N> {
        let one = self.shape.with_batch(1).len();
        let (shape, range) = (self.shape.with_batch(range.len()), range.start * one..range.end * one);
        let data = match &self.data {
            Data::ReadWords(_) | Data::WriteWords(_) => Data::ReadWords(&self.words()[range]),
            Data::ReadBytes(values) => Data::ReadBytes(&values[range]),
            Data::Read(_) | Data::Write(_) => Data::Read(&self.real()[range]),
        };
        Arg { shape, data, batched: true }
    }

    /// One of so many parts of equal length, one after the other.
    pub fn part(&mut self, part: usize, parts: usize) -> Arg<'_, N> {
        let shape = self.shape.with_batch(self.shape.batch() / parts);
        let range = part * shape.len()..(part + 1) * shape.len();
        let data = match &mut self.data {
            Data::Read(values) => Data::Read(&values[range]),
            Data::Write(values) => Data::Write(&mut values[range]),
            Data::ReadWords(values) => Data::ReadWords(&values[range]),
            Data::WriteWords(values) => Data::WriteWords(&mut values[range]),
            Data::ReadBytes(values) => Data::ReadBytes(&values[range]),
        };
        Arg { shape, data, batched: self.batched }
    }

    /// The floats, to read. Empty if the argument holds something else.
    pub fn real(&self) -> &[N] {
        match &self.data {
            Data::Read(values) => values,
            Data::Write(values) => values,
            _ => &[],
        }
    }

    /// The floats, to write. Empty if the argument holds something else or is only read.
    pub fn real_mut(&mut self) -> &mut [N] {
        match &mut self.data {
            Data::Write(values) => values,
            _ => &mut [],
        }
    }

    /// The integers, to read. Empty if the argument holds something else.
    pub fn words(&self) -> &[u32] {
        match &self.data {
            Data::ReadWords(values) => values,
            Data::WriteWords(values) => values,
            _ => &[],
        }
    }

    /// The integers, to write. Empty if the argument holds something else or is only read.
    pub fn words_mut(&mut self) -> &mut [u32] {
        match &mut self.data {
            Data::WriteWords(values) => values,
            _ => &mut [],
        }
    }

    /// The bytes, to read. Empty if the argument holds something else.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::ReadBytes(values) => values,
            _ => &[],
        }
    }

    /// The four axes of (batch, channels, height, width); missing ones count as 1.
    pub fn nchw(&self) -> [usize; 4] {
        let mut axes = [1; 4];
        for (axis, &extent) in axes.iter_mut().zip(&self.shape.0) {
            *axis = extent;
        }
        axes
    }

    /// Rows and columns of (batch, features), with all axes but the first as features.
    pub fn rows(&self) -> [usize; 2] {
        let batch = self.shape.batch();
        [batch, self.shape.len() / batch.max(1)]
    }
}

/// What the plan has to know of an argument to make room for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgumentSpec {
    /// The extent of every axis.
    pub shape: Shape,
    /// What one element is.
    pub dtype: DType,
    /// Whether the first axis is the batch.
    pub batched: bool,
}

impl ArgumentSpec {
    /// Floats whose first axis is the batch.
    pub fn batched(shape: Shape) -> Self {
        Self { shape, dtype: DType::F32, batched: true }
    }

    /// Floats that all samples share.
    pub fn shared(shape: Shape) -> Self {
        Self { shape, dtype: DType::F32, batched: false }
    }

    /// The same as integers.
    pub fn words(self) -> Self {
        Self { dtype: DType::U32, ..self }
    }
}
