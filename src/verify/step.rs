//! Verifies a whole run of a plan, step by step: each step's twin is fed with the very buffers that the
//! backend fed to that step, so that errors do not add up along the way.

use super::kernel::{from_bytes, judge, weigh};
use super::strength::TensorReport;
use super::values::{Values, admits, twin};
use super::{KernelFailure, Mismatch};
use crate::number::Bounded;
use crate::ops::{ArgumentSpec, CaseData};
use crate::plan::{Argument, Backend, Plan, PlanId, Step};
use std::collections::HashMap;

/// What came out of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The layer, branch or parameter that the step works for.
    pub layer: String,
    /// The kernel's full name.
    pub kernel: String,
    /// What it wrote.
    pub tensors: Vec<TensorReport>,
}

/// Runs a prepared plan whose inputs are written, and proves every step of it. `done` hears of each.
pub fn verify_run(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    mut done: impl FnMut(&StepReport),
) -> Result<(), KernelFailure> {
    for (index, step) in plan.steps.iter().enumerate() {
        let kernel = step.signature();
        let known = read_arguments(backend, plan, id, step)?;
        backend.run_step(id, index)?;
        let spec_of = |name: &str| spec(plan, step, name);
        let wants = twin::<Bounded>(&step.op, kernel, &spec_of, &|name| Values::exact(&known[name]));
        let mut report = StepReport { layer: step.layer.clone(), kernel: step.label(), tensors: Vec::new() };
        for (name, want) in wants {
            let Some(argument) = step.arguments.iter().find(|argument| argument.name == name) else {
                continue;
            };
            let got = read(backend, plan, id, argument.buffer, argument.shape.len())?;
            let (kernel_name, case) =
                (step.label(), format!("step {index} of {} for {}", plan.name, step.layer));
            let (kernel_name, case, argument) = (&kernel_name, &case, name.to_string());
            let wrong = |mismatch: Mismatch| KernelFailure::Wrong {
                kernel: kernel_name.clone(),
                case: case.clone(),
                argument: argument.clone(),
                mismatch,
            };
            let too_weak = |bound: f64| KernelFailure::TooWeak {
                kernel: kernel_name.clone(),
                case: case.clone(),
                argument: argument.clone(),
                bound,
            };
            let exact = |name: &str| Values::exact(&known[name]);
            let admitted = |words: &[u32]| admits(&step.op, kernel, &spec_of, &exact, (name, words));
            let worst_fraction = judge(&got, &want, false, &admitted).map_err(wrong)?;
            let tensor = weigh((&step.op, &step.kernel, name), &want, false, worst_fraction);
            report.tensors.push(tensor.map_err(too_weak)?);
        }
        done(&report);
    }
    Ok(())
}

/// What a step is about to read, by argument.
pub(super) fn read_arguments<'a>(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    step: &'a Step,
) -> Result<HashMap<&'a str, CaseData>, KernelFailure> {
    let reads = step.signature().reads;
    let arguments = step.twin_arguments().filter(|a| reads.contains(&a.name.as_str()));
    let read = |a: &'a Argument| Ok((a.name.as_str(), read(backend, plan, id, a.buffer, a.shape.len())?));
    arguments.map(read).collect()
}

pub(super) fn spec(plan: &Plan, step: &Step, name: &str) -> ArgumentSpec {
    match step.arguments.iter().find(|argument| argument.name == name) {
        Some(argument) => {
            let buffer = &plan.buffers[argument.buffer];
            ArgumentSpec { shape: argument.shape.clone(), dtype: buffer.dtype, batched: buffer.batched }
        }
        None => unreachable!("{} has no argument {name:?}", step.label()),
    }
}

pub(super) fn read(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    buffer: usize,
    elements: usize,
) -> Result<CaseData, KernelFailure> {
    let mut data = from_bytes(&backend.read(id, buffer)?, plan.buffers[buffer].dtype);
    match &mut data {
        CaseData::Real(values) => values.truncate(elements),
        CaseData::Words(words) => words.truncate(elements),
        CaseData::Bytes(bytes) => bytes.truncate(elements),
    }
    Ok(data)
}
