//! Verifies a whole run of a plan, step by step: each step's twin is fed with the very buffers that the
//! backend fed to that step, so that errors do not add up along the way.

use super::kernel::{from_bytes, judge, weigh};
use super::strength::TensorReport;
use super::values::{Values, admits, twin};
use super::{KernelFailure, Mismatch};
use crate::number::Bounded;
use crate::ops::{ArgumentSpec, CaseData};
use crate::plan::{Argument, Backend, Plan, PlanId, Step};
use rayon::prelude::*;
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

/// What steps may hold for their twins, together, before these run.
const HELD_BYTES: usize = 512 << 20;

/// Runs a prepared plan whose inputs are written, and verifies every step of it. `done` hears of each.
pub fn verify_run(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    done: impl FnMut(&StepReport),
) -> Result<(), KernelFailure> {
    verify_steps(backend, plan, id, &|_| true, done)
}

/// The same, where only the steps that are `wanted` are verified. All of them run.
pub fn verify_steps(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    wanted: &dyn Fn(&Step) -> bool,
    mut done: impl FnMut(&StepReport),
) -> Result<(), KernelFailure> {
    let mut held = Vec::new();
    let mut judge_held = |held: &mut Vec<Ran>| -> Result<(), KernelFailure> {
        // The twins take most of the time, and none depends on another.
        let reports: Vec<_> = held.par_iter().with_max_len(1).map(|ran| check(plan, ran)).collect();
        held.clear();
        for report in reports {
            done(&report?);
        }
        Ok(())
    };
    for (index, step) in plan.steps.iter().enumerate() {
        if wanted(step) {
            held.push(run_observed(backend, plan, id, index)?);
        } else {
            backend.run_step(id, index)?;
        }
        if held.iter().map(Ran::bytes).sum::<usize>() > HELD_BYTES {
            judge_held(&mut held)?;
        }
    }
    judge_held(&mut held)
}

/// A step that the backend has run.
struct Ran {
    /// Its place in the plan.
    index: usize,
    /// What it read, as it was before, by argument.
    known: HashMap<String, CaseData>,
    /// What it wrote.
    got: Vec<(&'static str, CaseData)>,
}

impl Ran {
    fn bytes(&self) -> usize {
        let all = self.known.values().chain(self.got.iter().map(|(_, data)| data));
        all.map(|data| match data {
            CaseData::Real(values) => 4 * values.len(),
            CaseData::Words(words) => 4 * words.len(),
            CaseData::Bytes(bytes) => bytes.len(),
        })
        .sum()
    }
}

/// Runs one step and keeps what it read and wrote.
fn run_observed(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    index: usize,
) -> Result<Ran, KernelFailure> {
    let step = &plan.steps[index];
    let kernel = step.signature();
    let known = read_arguments(backend, plan, id, step)?;
    backend.run_step(id, index)?;
    let mut got = Vec::new();
    for &name in kernel.writes {
        if let Some(argument) = step.arguments.iter().find(|argument| argument.name == name) {
            got.push((name, read(backend, plan, id, argument.buffer, argument.shape.len())?));
        }
    }
    Ok(Ran { index, known, got })
}

/// Compares what a step wrote with its twin.
fn check(plan: &Plan, Ran { index, known, got }: &Ran) -> Result<StepReport, KernelFailure> {
    let step = &plan.steps[*index];
    let kernel = step.signature();
    let spec_of = |name: &str| spec(plan, step, name);
    let wants = twin::<Bounded>(&step.op, kernel, &spec_of, &|name| Values::exact(&known[name]));
    let mut report = StepReport { layer: step.layer.clone(), kernel: step.label(), tensors: Vec::new() };
    for (name, want) in wants {
        let Some((_, got)) = got.iter().find(|(written, _)| *written == name) else {
            continue;
        };
        let (label, case) = (step.label(), format!("step {index} of {} for {}", plan.name, step.layer));
        let wrong = |mismatch: Mismatch| KernelFailure::Wrong {
            kernel: label.clone(),
            case: case.clone(),
            argument: name.into(),
            mismatch,
        };
        let too_weak = |bound: f64| KernelFailure::TooWeak {
            kernel: label.clone(),
            case: case.clone(),
            argument: name.into(),
            bound,
        };
        let exact = |name: &str| Values::exact(&known[name]);
        let admitted = |words: &[u32]| admits(&step.op, kernel, &spec_of, &exact, (name, words));
        let worst_fraction = judge(got, &want, false, &admitted).map_err(wrong)?;
        let tensor = weigh((&step.op, &step.kernel, name), &want, false, worst_fraction);
        report.tensors.push(tensor.map_err(too_weak)?);
    }
    Ok(report)
}

/// What a step is about to read, by argument.
pub(super) fn read_arguments(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    step: &Step,
) -> Result<HashMap<String, CaseData>, KernelFailure> {
    let reads = step.signature().reads;
    let arguments = step.twin_arguments().filter(|a| reads.contains(&a.name.as_str()));
    let read = |a: &Argument| Ok((a.name.clone(), read(backend, plan, id, a.buffer, a.shape.len())?));
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
