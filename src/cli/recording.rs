//! Training steps that are recorded beside an exported program, for a replayer to check itself: initial values, the
//! inputs of each step, and results.

use super::backend::{AdapterArguments, Kernels};
use super::progress::Bars;
use crate::data::batches::{Variation, batch};
use crate::data::samples::Samples;
use crate::data::split::Split;
use crate::graph::Graph;
use crate::plan::{
    Backend, BackendError, BackendInfo, BufferId, Clock, Kind, Plan, PlanId, Purpose, Span, lower,
};
use crate::shape::Shape;
use crate::spec::Spec;
use crate::train::Trainer;
use crate::train::checkpoint::{Notes, Tensor, save};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Trains `steps` steps of `spec` on an adapter with one kind of kernels, evaluates and predicts the last batch, and
/// writes into `folder`:
///
/// - `initial.safetensors`: the values of persistent buffers before the first step; all others are zeros,
/// - `step-N.safetensors`: what the host writes before step N, from 0,
/// - `training.safetensors`, `evaluation.safetensors`, `prediction.safetensors`: every buffer that the program of this
///   name writes and the host may read, after the last step, and then after one run each on the last step's inputs.
///
/// Tensors have the names of the program's buffers.
pub fn record(folder: &Path, spec: &Spec, steps: usize, adapter: &str, kernels: Kernels) -> Result<()> {
    let adapter = AdapterArguments { adapter: adapter.into(), checked: false, kernels: Some(kernels) };
    let mut backend = adapter.open()?;
    let tape = train(&mut *backend, spec, steps)?;
    std::fs::create_dir(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let BackendInfo { backend: api, adapter, driver } = backend.info();
    let notes = [("backend", api), ("adapter", adapter), ("driver", driver), ("steps", steps.to_string())];
    let notes: Notes = notes.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    let write = |name: &str, tensors: &[Tensor]| save(&folder.join(name), tensors, &notes);

    write("initial.safetensors", &tape.initial.into_values().collect::<Vec<_>>())?;
    for (step, inputs) in tape.steps.iter().enumerate() {
        write(&format!("step-{step}.safetensors"), inputs)?;
    }
    let Some((plan, id)) = &tape.training else { return Ok(()) };
    write("training.safetensors", &results(&mut *backend, plan, *id)?)?;
    let graph = Graph::new(spec, spec.training.batch)?;
    for purpose in [Purpose::Evaluation, Purpose::Prediction] {
        let plan = lower(&graph, &spec.name, purpose);
        let id = backend.prepare(&plan)?;
        for input in tape.steps.last().into_iter().flatten() {
            if let Some(buffer) = plan.buffer(&input.name) {
                backend.write(id, buffer, &input.bytes)?;
            }
        }
        backend.run(id)?;
        let name = format!("{purpose:?}.safetensors").to_lowercase();
        write(&name, &results(&mut *backend, &plan, id)?)?;
    }
    Ok(())
}

/// Trains on the built-in set, a batch a step, as the program does.
fn train(backend: &mut dyn Backend, spec: &Spec, steps: usize) -> Result<Tape> {
    let tape = Arc::new(Mutex::new(Tape::default()));
    let size = spec.training.batch;
    let mut spec = spec.clone();
    let set = Samples::built_in(&mut spec, size * steps, &Bars::default())?;
    let samples: Vec<usize> = (0..size * steps).collect();
    let mut trainer = Trainer::new(Box::new(Recorder { backend, tape: tape.clone() }), &spec)?;
    let all = Split { train: samples.clone(), ..Split::default() };
    trainer.start_from_means(&set, &all)?;
    let variation = Some(Variation { augment: &spec.augment, seed: spec.training.seed, epoch: 0 });
    for chosen in samples.chunks(size) {
        trainer.train_step(&batch(&set, chosen, size, variation)?)?;
    }
    trainer.wait()?;
    drop(trainer);
    Ok(std::mem::take(&mut locked(&tape)))
}

/// What a run has written and the host may read.
fn results(backend: &mut dyn Backend, plan: &Plan, id: PlanId) -> Result<Vec<Tensor>, BackendError> {
    let written: BTreeSet<BufferId> = plan.steps.iter().flat_map(|step| step.writes()).collect();
    let readable = written.into_iter().filter(|&id| plan.buffers[id].kind != Kind::Transient);
    readable.map(|buffer| backend.read(id, buffer).map(|bytes| tensor(plan, buffer, bytes))).collect()
}

/// A buffer's first bytes as a tensor; one of less than the whole buffer has a single axis.
fn tensor(plan: &Plan, buffer: BufferId, mut bytes: Vec<u8>) -> Tensor {
    let buffer = &plan.buffers[buffer];
    let whole = buffer.shape.len() * buffer.dtype.bytes();
    bytes.truncate(whole);
    let shape = match bytes.len() == whole {
        true => buffer.shape.clone(),
        false => Shape(vec![bytes.len() / buffer.dtype.bytes()]),
    };
    Tensor { name: buffer.name.clone(), shape, dtype: buffer.dtype, bytes }
}

/// What a training has handed to its backend.
#[derive(Default)]
struct Tape {
    /// The plan that was prepared first.
    training: Option<(Plan, PlanId)>,
    /// The values that persistent buffers were given before the first run, by name.
    initial: BTreeMap<String, Tensor>,
    /// The inputs that were written before the next run.
    inputs: Vec<Tensor>,
    /// The inputs of each run.
    steps: Vec<Vec<Tensor>>,
}

/// A backend that keeps what the plan that was prepared first is given.
struct Recorder<'a> {
    backend: &'a mut dyn Backend,
    tape: Arc<Mutex<Tape>>,
}

fn locked(tape: &Mutex<Tape>) -> MutexGuard<'_, Tape> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backend for Recorder<'_> {
    fn prepare(&mut self, plan: &Plan) -> Result<PlanId, BackendError> {
        let id = self.backend.prepare(plan)?;
        locked(&self.tape).training.get_or_insert_with(|| (plan.clone(), id));
        Ok(id)
    }

    fn write(&mut self, plan: PlanId, buffer: BufferId, bytes: &[u8]) -> Result<(), BackendError> {
        let mut tape = locked(&self.tape);
        let written = tape.training.as_ref().filter(|(_, id)| *id == plan);
        if let Some(tensor) = written.map(|(plan, _)| tensor(plan, buffer, bytes.to_vec())) {
            let is_input =
                tape.training.as_ref().is_some_and(|(plan, _)| plan.buffers[buffer].kind == Kind::Input);
            match is_input {
                true => tape.inputs.push(tensor),
                false => drop(tape.initial.insert(tensor.name.clone(), tensor)),
            }
        }
        self.backend.write(plan, buffer, bytes)
    }

    fn run(&mut self, plan: PlanId) -> Result<(), BackendError> {
        let mut tape = locked(&self.tape);
        if tape.training.as_ref().is_some_and(|(_, id)| *id == plan) {
            let inputs = std::mem::take(&mut tape.inputs);
            tape.steps.push(inputs);
        }
        self.backend.run(plan)
    }

    fn info(&self) -> BackendInfo {
        self.backend.info()
    }

    fn check(&self, plan: &Plan) -> Result<(), BackendError> {
        self.backend.check(plan)
    }

    fn run_step(&mut self, plan: PlanId, step: usize) -> Result<(), BackendError> {
        self.backend.run_step(plan, step)
    }

    fn run_timed(&mut self, plan: PlanId) -> Result<Vec<Span>, BackendError> {
        self.backend.run_timed(plan)
    }

    fn clock(&self, plan: PlanId) -> Clock {
        self.backend.clock(plan)
    }

    fn dispatches(&self, plan: PlanId) -> usize {
        self.backend.dispatches(plan)
    }

    fn submits(&self, plan: PlanId) -> usize {
        self.backend.submits(plan)
    }

    fn wait(&mut self) -> Result<(), BackendError> {
        self.backend.wait()
    }

    fn read(&mut self, plan: PlanId, buffer: BufferId) -> Result<Vec<u8>, BackendError> {
        self.backend.read(plan, buffer)
    }
}
