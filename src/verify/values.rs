//! Arguments of kernels by name, and the twin run on them.

use crate::number::{Bounded, Number};
use crate::ops::{Arg, ArgumentSpec, CaseData, Data, Kernel, Op};
use crate::shape::DType;

/// The elements of an argument, for twins of one number type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values<N> {
    /// Numbers.
    Real(Vec<N>),
    /// Integers.
    Words(Vec<u32>),
    /// Bytes of photos.
    Bytes(Vec<u8>),
}

impl<N: Number> Values<N> {
    /// Float32 values, exactly.
    pub fn exact(data: &CaseData) -> Self {
        match data {
            CaseData::Real(values) => Values::Real(values.iter().map(|&value| N::exact(value)).collect()),
            CaseData::Words(words) => Values::Words(words.clone()),
            CaseData::Bytes(bytes) => Values::Bytes(bytes.clone()),
        }
    }

    /// The values as a device would hold them.
    pub fn rounded(&self) -> CaseData {
        match self {
            Values::Real(values) => CaseData::Real(values.iter().map(|value| value.value() as f32).collect()),
            Values::Words(words) => CaseData::Words(words.clone()),
            Values::Bytes(bytes) => CaseData::Bytes(bytes.clone()),
        }
    }
}

/// Runs a kernel's twin. `known` holds what the kernel reads; the result is what it writes.
pub fn twin<N: Number>(
    op: &Op,
    kernel: &Kernel,
    spec_of: &dyn Fn(&str) -> ArgumentSpec,
    known: &dyn Fn(&str) -> Values<N>,
) -> Vec<(&'static str, Values<N>)> {
    let is_read = |name: &str| kernel.reads.contains(&name).then(|| known(name));
    with_arguments(kernel, spec_of, &is_read, |args| op.twin(kernel.name, args)).1
}

/// The same as the CPU backend computes it.
pub fn computed(
    op: &Op,
    kernel: &Kernel,
    spec_of: &dyn Fn(&str) -> ArgumentSpec,
    known: &dyn Fn(&str) -> Values<f32>,
) -> Vec<(&'static str, Values<f32>)> {
    let is_read = |name: &str| kernel.reads.contains(&name).then(|| known(name));
    let work = |args: &mut [Arg<f32>]| {
        if !op.fast(kernel.name, args) {
            op.twin(kernel.name, args);
        }
    };
    with_arguments(kernel, spec_of, &is_read, work).1
}

/// Whether the integers that a device `got` for the argument `name` are decisions that may stand; see
/// [`Op::admits`].
pub fn admits(
    op: &Op,
    kernel: &Kernel,
    spec_of: &dyn Fn(&str) -> ArgumentSpec,
    known: &dyn Fn(&str) -> Values<Bounded>,
    (name, got): (&str, &[u32]),
) -> bool {
    let given = |other: &str| match (other == name, kernel.reads.contains(&other)) {
        (true, _) => Some(Values::Words(got.to_vec())),
        (false, true) => Some(known(other)),
        (false, false) => None,
    };
    with_arguments(kernel, spec_of, &given, |args| op.admits(kernel.name, args)).0
}

/// Calls `work` with a kernel's arguments, with poison in those that are not `given`, and returns what it
/// returns and what the kernel's results then hold.
fn with_arguments<N: Number, T>(
    kernel: &Kernel,
    spec_of: &dyn Fn(&str) -> ArgumentSpec,
    given: &dyn Fn(&str) -> Option<Values<N>>,
    work: impl FnOnce(&mut [Arg<N>]) -> T,
) -> (T, Vec<(&'static str, Values<N>)>) {
    let names: Vec<&'static str> = kernel.arguments().collect();
    let mut held: Vec<(ArgumentSpec, Values<N>)> = names
        .iter()
        .map(|&name| {
            let spec = spec_of(name);
            let values = given(name).unwrap_or_else(|| match spec.dtype {
                DType::F32 => Values::Real(vec![N::exact(f32::NAN); spec.shape.len()]),
                DType::U32 => Values::Words(vec![u32::MAX; spec.shape.len()]),
                DType::U8 => Values::Bytes(vec![u8::MAX; spec.shape.len()]),
            });
            (spec, values)
        })
        .collect();
    let mut args: Vec<Arg<N>> = held
        .iter_mut()
        .zip(&names)
        .map(|((spec, values), name)| {
            let data = match (values, kernel.writes.contains(name)) {
                (Values::Real(values), true) => Data::Write(values),
                (Values::Real(values), false) => Data::Read(values),
                (Values::Words(words), true) => Data::WriteWords(words),
                (Values::Words(words), false) => Data::ReadWords(words),
                (Values::Bytes(bytes), _) => Data::ReadBytes(bytes),
            };
            Arg { shape: spec.shape.clone(), data, batched: spec.batched }
        })
        .collect();
    let result = work(&mut args);
    let written = names
        .into_iter()
        .zip(held)
        .filter(|(name, _)| kernel.writes.contains(name))
        .map(|(name, (_, values))| (name, values))
        .collect();
    (result, written)
}
