//! Proves a whole run of a plan, step by step: each step's twin is fed with the very buffers that the
//! backend fed to that step, so that errors do not add up along the way.

use super::kernel::{from_bytes, judge};
use super::values::{Values, admits, twin};
use super::{KernelFailure, Mismatch};
use crate::number::Bounded;
use crate::ops::{ArgumentSpec, CaseData};
use crate::plan::{Backend, Plan, PlanId, Step};
use std::collections::HashMap;

/// What came out of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The layer, branch or parameter that the step works for.
    pub layer: String,
    /// The kernel's full name.
    pub kernel: String,
    /// Elements compared.
    pub elements: usize,
    /// The largest error as a fraction of its bound.
    pub worst_fraction: f64,
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
        let mut known: HashMap<&str, CaseData> = HashMap::new();
        for argument in step.twin_arguments().filter(|a| kernel.reads.contains(&a.name.as_str())) {
            known.insert(&argument.name, read(backend, plan, id, argument.buffer, argument.shape.len())?);
        }
        backend.run_step(id, index)?;
        let spec_of = |name: &str| spec(plan, step, name);
        let wants = twin::<Bounded>(&step.op, kernel, &spec_of, &|name| Values::exact(&known[name]));
        let mut report =
            StepReport { layer: step.layer.clone(), kernel: step.label(), elements: 0, worst_fraction: 0.0 };
        for (name, want) in wants {
            let Some(argument) = step.arguments.iter().find(|argument| argument.name == name) else {
                continue;
            };
            let got = read(backend, plan, id, argument.buffer, argument.shape.len())?;
            let wrong = |mismatch: Mismatch| KernelFailure::Wrong {
                kernel: step.label(),
                case: format!("step {index} of {} for {}", plan.name, step.layer),
                argument: name.into(),
                mismatch,
            };
            let exact = |name: &str| Values::exact(&known[name]);
            let admitted = |words: &[u32]| admits(&step.op, kernel, &spec_of, &exact, (name, words));
            let fraction = judge(&got, &want, false, &admitted).map_err(wrong)?;
            report.elements += argument.shape.len();
            report.worst_fraction = report.worst_fraction.max(fraction);
        }
        done(&report);
    }
    Ok(())
}

fn spec(plan: &Plan, step: &Step, name: &str) -> ArgumentSpec {
    match step.arguments.iter().find(|argument| argument.name == name) {
        Some(argument) => {
            let buffer = &plan.buffers[argument.buffer];
            ArgumentSpec { shape: argument.shape.clone(), dtype: buffer.dtype, batched: buffer.batched }
        }
        None => unreachable!("{} has no argument {name:?}", step.label()),
    }
}

fn read(
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
