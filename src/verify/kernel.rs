//! Verifies the kernels of an operator, one case at a time.

use super::compare::{Mismatch, compare, compare_exactly};
use super::strength::{Strength, TensorReport, WEAKEST};
use super::values::{Values, admits, twin};
use crate::number::Bounded;
use crate::ops::{ArgumentSpec, Case, CaseData, Kernel, Op};
use crate::plan::{Argument, Backend, BackendError, Buffer, Kind, Plan, Slot, Step};
use crate::rng::{Generator, Stream};
use crate::shape::DType;
use std::collections::HashMap;

/// Which numbers the inputs of a case are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Standard normal ones; results must lie within their bounds.
    Real,
    /// Integers from -3 to 3; results must match bit for bit.
    Integer,
    /// The first tensor that is read: ones, few, and between them numbers a little above half a unit in their last
    /// place; all others: ones. Sums then round up at every addition, which is as far as they can be off.
    Upward,
}

/// What came out of one kernel in one case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseReport {
    /// The kernel's full name.
    pub kernel: String,
    /// What it wrote.
    pub tensors: Vec<TensorReport>,
}

/// A kernel does not compute what its twin says.
#[derive(Debug, thiserror::Error)]
pub enum KernelFailure {
    /// A result is wrong.
    #[error("{kernel}, case {case}, {argument}: {mismatch}")]
    Wrong {
        /// The kernel's full name.
        kernel: String,
        /// The operator's attributes and input shapes.
        case: String,
        /// The argument that is wrong.
        argument: String,
        /// How.
        mismatch: Mismatch,
    },
    /// A result lies within its bounds, but these are so wide that wrong ones would as well.
    #[error(
        "{kernel}, case {case}, {argument}: the check is too weak: its bound is {:.2} % of the root mean square, more \
         than {} %, and the operator does not say why",
        100.0 * bound,
        100.0 * WEAKEST
    )]
    TooWeak {
        /// The kernel's full name.
        kernel: String,
        /// The operator's attributes and input shapes.
        case: String,
        /// The argument.
        argument: String,
        /// The root mean square of the bounds, relative to that of the values.
        bound: f64,
    },
    /// Something was written behind the end of a buffer.
    #[error("{kernel}, case {case}: {argument} was written {words} words behind its end")]
    OutOfBounds {
        /// The kernel's full name.
        kernel: String,
        /// The operator's attributes and input shapes.
        case: String,
        /// The argument.
        argument: String,
        /// How far, at least.
        words: usize,
    },
    /// A recorded case lacks something.
    #[error("case {case}: {argument}: {reason}")]
    Recorded {
        /// The operator's attributes and input shapes.
        case: String,
        /// The tensor.
        argument: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Words behind each buffer that must stay as they are.
const GUARD_WORDS: usize = 64;
/// What outputs hold before a kernel runs, and the guards behind what it only reads. As a float it is
/// not a number, nor is what is computed from it.
const POISON: u8 = 0xff;
/// The guards behind what a kernel writes: as a float 3.4e38, which no kernel computes from its poison.
const UNTOUCHED: u8 = 0x7f;

/// Runs every kernel of the case's operator on the backend and compares with the twin. The inputs are
/// drawn from `seed`; what one kernel writes, as the twin computes it, is what the next one reads.
pub fn verify_case(
    backend: &mut dyn Backend,
    case: &Case<Op>,
    numbers: Numbers,
    seed: u64,
) -> Result<Vec<CaseReport>, KernelFailure> {
    let Case { op, inputs } = case;
    let spec_of = |name: &str| match op.argument(name, inputs) {
        Some(spec) => spec,
        None => unreachable!("{} does not tell the shape of {name:?}", op.name()),
    };
    let mut known: HashMap<&'static str, CaseData> = HashMap::new();
    let mut reports = Vec::new();
    for kernel in op.kernels().into_iter().filter(|kernel| op.takes(kernel.name, inputs)) {
        for name in kernel.reads {
            if !known.contains_key(name) {
                let number = known.len() as u32;
                let is_first = !known.values().any(|data| matches!(data, CaseData::Real(_)));
                let numbers = if numbers == Numbers::Upward && !is_first { None } else { Some(numbers) };
                known.insert(name, fill(op, name, &spec_of(name), numbers, seed, number));
            }
        }
        let read: HashMap<&'static str, CaseData> =
            kernel.reads.iter().map(|&name| (name, known[name].clone())).collect();
        let got = run(backend, case, &[kernel], &spec_of, &read)?;
        let bounded = twin::<Bounded>(op, kernel, &spec_of, &|name| Values::exact(&known[name]));
        let mut report = CaseReport { kernel: format!("{}.{}", op.name(), kernel.name), tensors: Vec::new() };
        for (name, want) in bounded {
            let exactly = numbers == Numbers::Integer && op.is_exact_on_integers();
            let admitted = |words: &[u32]| {
                !exactly && admits(op, kernel, &spec_of, &|name| Values::exact(&known[name]), (name, words))
            };
            let outcome = judge(&got[name], &want, exactly, &admitted);
            let worst_fraction = outcome.map_err(|mismatch| KernelFailure::Wrong {
                kernel: report.kernel.clone(),
                case: describe(case),
                argument: name.into(),
                mismatch,
            })?;
            let tensor = weigh((op, kernel.name, name), &want, exactly, worst_fraction);
            report.tensors.push(tensor.map_err(|bound| KernelFailure::TooWeak {
                kernel: report.kernel.clone(),
                case: describe(case),
                argument: name.into(),
                bound,
            })?);
            known.insert(name, want.rounded());
        }
        reports.push(report);
    }
    Ok(reports)
}

/// Measures how strong the check of a kernel's result was. The error is the relative bound of one that is too weak.
pub(super) fn weigh(
    (op, kernel, argument): (&Op, &str, &str),
    want: &Values<Bounded>,
    exactly: bool,
    worst_fraction: f64,
) -> Result<TensorReport, f64> {
    let (elements, strength) = match want {
        Values::Real(want) => (want.len(), if exactly { None } else { Strength::of(want) }),
        Values::Words(words) => (words.len(), None),
        Values::Bytes(bytes) => (bytes.len(), None),
    };
    let exception = match strength.filter(Strength::is_too_weak) {
        Some(weak) => Some(op.cancels(kernel, argument).ok_or(weak.bound)?),
        None => None,
    };
    Ok(TensorReport { argument: argument.into(), elements, worst_fraction, strength, exception })
}

/// Compares one result. Integers are decisions: they must be the same, or `admitted` has to say that they
/// may stand.
pub(super) fn judge(
    got: &CaseData,
    want: &Values<Bounded>,
    exactly: bool,
    admitted: &dyn Fn(&[u32]) -> bool,
) -> Result<f64, Mismatch> {
    match (got, want) {
        (CaseData::Real(got), Values::Real(want)) if exactly => {
            let want: Vec<f64> = want.iter().map(|want| want.value).collect();
            compare_exactly(got, &want)
        }
        (CaseData::Real(got), Values::Real(want)) => compare(got, want),
        (CaseData::Words(got), Values::Words(want)) => {
            if got.len() != want.len() {
                return Err(Mismatch::Length { got: got.len(), want: want.len() });
            }
            match got.iter().zip(want).position(|(got, want)| got != want) {
                None => Ok(0.0),
                Some(_) if admitted(got) => Ok(0.0),
                Some(index) => Err(Mismatch::Element {
                    index,
                    got: got[index].into(),
                    want: want[index].into(),
                    err: 0.0,
                }),
            }
        }
        _ => unreachable!("a buffer changed its type"),
    }
}

fn describe(case: &Case<Op>) -> String {
    let attributes = serde_json::to_string(&case.op).unwrap_or_default();
    format!("{attributes} on {:?}", case.inputs)
}

/// One in so many numbers is a one, for [`Numbers::Upward`].
const ONES_APART: u32 = 512;

/// Draws an argument that no kernel has written yet; without `numbers` it is ones.
fn fill(
    op: &Op,
    name: &str,
    spec: &ArgumentSpec,
    numbers: Option<Numbers>,
    seed: u64,
    number: u32,
) -> CaseData {
    let elements = spec.shape.len();
    let mut generator = Generator::new(seed, 0, number, Stream::Test);
    if let Some(data) = op.fill(name, elements, &mut generator) {
        return data;
    }
    match (spec.dtype, numbers) {
        (DType::F32, None) => CaseData::Real(vec![1.0; elements]),
        (DType::F32, Some(Numbers::Upward)) => {
            let little = 0.52 * f32::EPSILON;
            let draw = |_| if generator.below(ONES_APART) == 0 { 1.0 } else { little };
            CaseData::Real((0..elements).map(draw).collect())
        }
        (DType::F32, Some(Numbers::Real)) => {
            CaseData::Real((0..elements).map(|_| generator.normal()).collect())
        }
        (DType::F32, Some(Numbers::Integer)) => {
            CaseData::Real((0..elements).map(|_| generator.below(7) as f32 - 3.0).collect())
        }
        (DType::U32, _) => CaseData::Words((0..elements).map(|_| generator.next_u32()).collect()),
        (DType::U8, _) => CaseData::Bytes((0..elements).map(|_| generator.next_u32() as u8).collect()),
    }
}

/// Runs kernels of one operator on the backend, one after the other, with poison in everything that
/// they have to write, and returns what they wrote. `known` holds what they read and do not write.
pub(super) fn run(
    backend: &mut dyn Backend,
    case: &Case<Op>,
    kernels: &[&'static Kernel],
    spec_of: &dyn Fn(&str) -> ArgumentSpec,
    known: &HashMap<&'static str, CaseData>,
) -> Result<HashMap<&'static str, CaseData>, KernelFailure> {
    let mut names: Vec<&'static str> = Vec::new();
    for name in kernels.iter().flat_map(|kernel| kernel.arguments().chain(kernel.scratch.iter().copied())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let plan = plan_of(&case.op, kernels, &names, spec_of);
    let id = backend.prepare(&plan)?;
    let is_written = |name: &&'static str| {
        kernels.iter().any(|kernel| kernel.writes.contains(name) || kernel.scratch.contains(name))
    };
    for (index, name) in names.iter().enumerate() {
        let mut before = vec![POISON; plan.buffers[index].bytes()];
        if is_written(name) {
            let guard = before.len() - 4 * GUARD_WORDS;
            before[guard..].fill(UNTOUCHED);
        }
        backend.write(id, index, &before)?;
        if let Some(data) = known.get(name) {
            backend.write(id, index, &to_bytes(data))?;
        }
    }
    backend.run(id)?;
    let mut written = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        let bytes = backend.read(id, index)?;
        let untouched = if is_written(name) { UNTOUCHED } else { POISON };
        let (inside, guard) = bytes.split_at(bytes.len() - 4 * GUARD_WORDS);
        if let Some(last) = guard.iter().rposition(|&byte| byte != untouched) {
            return Err(KernelFailure::OutOfBounds {
                kernel: plan.name,
                case: describe(case),
                argument: name.to_string(),
                words: last / 4 + 1,
            });
        }
        if kernels.iter().any(|kernel| kernel.writes.contains(name)) {
            written.insert(*name, from_bytes(inside, plan.buffers[index].dtype));
        }
    }
    Ok(written)
}

/// A plan of a step a kernel. Every buffer is longer than its argument by a guard, and kernels see both:
/// a driver that stops writes behind the end of what a kernel sees would hide them from the guard.
fn plan_of(
    op: &Op,
    kernels: &[&'static Kernel],
    names: &[&'static str],
    spec_of: &dyn Fn(&str) -> ArgumentSpec,
) -> Plan {
    let (mut buffers, mut slots) = (Vec::new(), Vec::new());
    for (slot, name) in names.iter().enumerate() {
        let ArgumentSpec { shape, dtype, batched } = spec_of(name);
        let bytes = (shape.len() * dtype.bytes()).next_multiple_of(4) + 4 * GUARD_WORDS;
        let guarded = ArgumentSpec { shape: [bytes / dtype.bytes()].into(), dtype, batched };
        buffers.push(Buffer { slot, ..Buffer::new(*name, guarded, Kind::Output) });
        slots.push(Slot { dtype, bytes, shared_as: None });
    }
    let argument = |name: &'static str| {
        let buffer = names.iter().position(|other| *other == name).unwrap_or_default();
        Argument { name: name.to_string(), buffer, shape: spec_of(name).shape }
    };
    let steps = kernels
        .iter()
        .map(|kernel| Step {
            layer: "case".into(),
            op: op.clone(),
            kernel: kernel.name.into(),
            arguments: kernel.arguments().chain(kernel.scratch.iter().copied()).map(argument).collect(),
        })
        .collect();
    let labels: Vec<&str> = kernels.iter().map(|kernel| kernel.name).collect();
    let name = format!("{}.{}", op.name(), labels.join("+"));
    Plan { name, batch: 1, buffers, slots, steps }
}

pub(super) fn to_bytes(data: &CaseData) -> Vec<u8> {
    match data {
        CaseData::Real(values) => bytemuck::cast_slice(values).to_vec(),
        CaseData::Words(words) => bytemuck::cast_slice(words).to_vec(),
        CaseData::Bytes(bytes) => bytes.clone(),
    }
}

pub(super) fn from_bytes(bytes: &[u8], dtype: DType) -> CaseData {
    match dtype {
        DType::F32 => CaseData::Real(bytemuck::pod_collect_to_vec(bytes)),
        DType::U32 => CaseData::Words(bytemuck::pod_collect_to_vec(bytes)),
        DType::U8 => CaseData::Bytes(bytes.to_vec()),
    }
}
