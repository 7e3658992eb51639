//! Faults on purpose: results as a faulty kernel would leave them, and whether the bounds notice.
//!
//! Faults are planted in what the backend computed, or in what a kernel's fast path on the CPU computes without a part
//! of its terms, so that this works on every backend.

use super::KernelFailure;
use super::step::{read, read_arguments, spec};
use super::values::{Values, computed, twin};
use crate::number::Bounded;
use crate::ops::CaseData;
use crate::plan::{Backend, Plan, PlanId, Step};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// How far an error that is infinite, or may be nothing at all, counts as off.
const MOST: f64 = 1e300;
/// Neighbouring results that a workgroup stores.
const WORKGROUP: usize = crate::ops::WORKGROUP;

/// A planted fault, and whether it is noticed.
#[derive(Debug, Clone, PartialEq)]
pub struct Planted {
    /// The layer, branch or parameter that the step works for.
    pub layer: String,
    /// The kernel's full name.
    pub kernel: String,
    /// The tensor that shows the fault, of several the one that shows it most.
    pub argument: String,
    /// What is wrong.
    pub fault: &'static str,
    /// The largest error over its bound. Above 1 the fault is noticed.
    pub error_over_bound: f64,
    /// Why it is not noticed, where it is not and the operator says so.
    pub exception: Option<&'static str>,
}

impl Planted {
    /// Whether a check fails with this fault.
    pub fn is_noticed(&self) -> bool {
        self.error_over_bound > 1.0
    }
}

/// What the reductions of a plan wrote, by step.
pub type Written = Vec<HashMap<String, CaseData>>;

/// Whether a step adds up many terms.
fn is_reduction(step: &Step) -> bool {
    !step.op.shares(&step.kernel, &|name| step.shape(name)).is_empty()
}

/// Runs a prepared plan whose inputs are written, and keeps what its reductions wrote: the copies that are stale in the
/// next run.
pub fn run_for_stale(backend: &mut dyn Backend, plan: &Plan, id: PlanId) -> Result<Written, KernelFailure> {
    let mut written = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        backend.run_step(id, index)?;
        let mut kept = HashMap::new();
        for argument in step.twin_arguments().filter(|_| is_reduction(step)) {
            if step.signature().writes.contains(&argument.name.as_str()) {
                let data = read(backend, plan, id, argument.buffer, argument.shape.len())?;
                kept.insert(argument.name.clone(), data);
            }
        }
        written.push(kept);
    }
    Ok(written)
}

/// Runs a prepared plan whose inputs are written, and plants faults in the results of every reduction. `stale` is what
/// the run before wrote. `done` hears of each fault.
pub fn plant_run(
    backend: &mut dyn Backend,
    plan: &Plan,
    id: PlanId,
    stale: &Written,
    mut done: impl FnMut(&Planted),
) -> Result<(), KernelFailure> {
    for ((index, step), stale) in plan.steps.iter().enumerate().zip(stale) {
        if !is_reduction(step) {
            backend.run_step(id, index)?;
            continue;
        }
        let known = read_arguments(backend, plan, id, step)?;
        backend.run_step(id, index)?;
        let spec_of = |name: &str| spec(plan, step, name);
        let wants =
            twin::<Bounded>(&step.op, step.signature(), &spec_of, &|name| Values::exact(&known[name]));
        let mut got = HashMap::new();
        for argument in step.twin_arguments().filter(|a| wants.iter().any(|(name, _)| *name == a.name)) {
            got.insert(
                argument.name.as_str(),
                read(backend, plan, id, argument.buffer, argument.shape.len())?,
            );
        }
        let bed = Bed { step, known: &known, got: &got, wants: &wants, stale };
        bed.whole_tensors(&mut done);
        bed.shares(plan, &mut done);
    }
    Ok(())
}

/// Where faults are planted: a step with what it read and wrote.
struct Bed<'a> {
    step: &'a Step,
    known: &'a HashMap<String, CaseData>,
    got: &'a HashMap<&'a str, CaseData>,
    wants: &'a [(&'static str, Values<Bounded>)],
    stale: &'a HashMap<String, CaseData>,
}

impl Bed<'_> {
    /// The floats that the step wrote: name, result, bounds, and the copy of the run before.
    fn tensors(&self) -> impl Iterator<Item = (&'static str, &[f32], &[Bounded], &[f32])> {
        self.wants.iter().filter_map(|(name, want)| match (self.got.get(name), want, self.stale.get(*name)) {
            (Some(CaseData::Real(got)), Values::Real(want), Some(CaseData::Real(stale))) => {
                Some((*name, got.as_slice(), want.as_slice(), stale.as_slice()))
            }
            _ => None,
        })
    }

    fn planted(&self, argument: &str, fault: &'static str, error_over_bound: f64) -> Planted {
        let Step { layer, op, kernel, .. } = self.step;
        let exception = if error_over_bound > 1.0 { None } else { op.cancels(kernel, argument) };
        let (layer, kernel) = (layer.clone(), self.step.label());
        Planted { layer, kernel, argument: argument.into(), fault, error_over_bound, exception }
    }

    /// Faults of each tensor on its own.
    fn whole_tensors(&self, done: &mut impl FnMut(&Planted)) {
        for (name, got, want, stale) in self.tensors() {
            // A few neighbours whose results are not all zero.
            let filled: Vec<usize> = (0..got.len()).step_by(WORKGROUP).collect();
            let middle = filled.len() / 2;
            let is_filled = |first: &&usize| got[**first..].iter().take(WORKGROUP).any(|&value| value != 0.0);
            let first =
                filled[middle..].iter().chain(&filled[..middle]).find(is_filled).copied().unwrap_or(0);
            let mut report = |fault, faulty: &(dyn Fn(usize) -> f32 + Sync)| {
                done(&self.planted(name, fault, error_over_bound(want, faulty)));
            };
            report("all zero", &|_| 0.0);
            report("sign flipped", &|i| -got[i]);
            // What comes out alike for the same batch, such as of a frozen layer, is no other for being stale.
            if stale != got {
                report("a stale copy", &|i| stale[i]);
            }
            if got.len() > 1 {
                report("neighbours swapped", &|i| got[if i ^ 1 < got.len() { i ^ 1 } else { i }]);
            }
            report("a workgroup's results", &|i| {
                if (first..first + WORKGROUP).contains(&i) { 0.0 } else { got[i] }
            });
        }
    }

    /// Parts of a sum that are left out. Of the parts that could be, the first one counts without which something
    /// comes out differently: terms that are zero cannot be missed.
    fn shares(&self, plan: &Plan, done: &mut impl FnMut(&Planted)) {
        let whole = self.computed(plan, "", &CaseData::Real(Vec::new()));
        for share in self.step.op.shares(&self.step.kernel, &|name: &str| self.step.shape(name)) {
            let results = share.parts.iter().filter_map(|part| self.without(plan, share.argument, part));
            let Some(faulty) = results.into_iter().find(|faulty| differ(faulty, &whole)) else { continue };
            let of_tensor = |(name, faulty): &(&'static str, Values<f32>)| {
                let (_, _, want, _) = self.tensors().find(|(other, ..)| other == name)?;
                let Values::Real(faulty) = faulty else { return None };
                Some((*name, error_over_bound(want, &|i| faulty[i])))
            };
            let most = faulty.iter().filter_map(of_tensor).max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((name, error_over_bound)) = most {
                done(&self.planted(name, share.fault, error_over_bound));
            }
        }
    }

    /// The step's results without a part of what it read, or wrote.
    fn without(&self, plan: &Plan, argument: &'static str, part: &[Range<usize>]) -> Option<Results> {
        let known = self.known.get(argument);
        let CaseData::Real(values) = known.or_else(|| self.got.get(argument))? else { return None };
        let mut values = values.clone();
        part.iter().for_each(|range| values[range.clone()].fill(0.0));
        Some(match known {
            Some(_) => self.computed(plan, argument, &CaseData::Real(values)),
            None => vec![(argument, Values::Real(values))],
        })
    }

    /// The step's results as the CPU backend has them, with another `argument`.
    fn computed(&self, plan: &Plan, argument: &str, other: &CaseData) -> Results {
        let known = |name: &str| Values::exact(if name == argument { other } else { &self.known[name] });
        let spec_of = |name: &str| spec(plan, self.step, name);
        computed(&self.step.op, self.step.signature(), &spec_of, &known)
    }
}

/// What a step writes, by argument.
type Results = Vec<(&'static str, Values<f32>)>;

/// Whether a part of the results is not the same.
fn differ(part: &Results, whole: &Results) -> bool {
    part.iter().any(|(name, values)| whole.iter().any(|(other, whole)| other == name && values != whole))
}

/// The largest error of a result over its bound.
///
/// A number for JSON, where there is no infinity.
fn error_over_bound(want: &[Bounded], faulty: &(dyn Fn(usize) -> f32 + Sync)) -> f64 {
    let ratio = |(index, want): (usize, &Bounded)| {
        let error = (f64::from(faulty(index)) - want.value).abs();
        match error.is_finite() {
            true if error == 0.0 => 0.0,
            true => (error / want.err).min(MOST),
            false => MOST,
        }
    };
    want.par_iter().enumerate().map(ratio).reduce(|| 0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_as_large_as_its_worst_element() {
        let want = [Bounded::within(1.0, 0.5), Bounded::within(2.0, 0.1), Bounded::within(0.0, 0.0)];
        let ratio = |values: [f32; 3]| error_over_bound(&want, &|i| values[i]);
        assert_eq!(ratio([1.0, 2.0, 0.0]), 0.0);
        assert!((ratio([1.25, 2.2, 0.0]) - 2.0).abs() < 1e-6);
        assert_eq!(ratio([1.0, 2.0, 1e-9]), MOST);
        assert_eq!(ratio([f32::NAN, 2.0, 0.0]), MOST);
    }
}
