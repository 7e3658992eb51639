//! What checks ask of a trainer, besides training.

use super::{Prepared, TrainError, Trainer, write_batch};
use crate::data::batches::Batch;
use crate::ops::Rates;
use crate::plan::{Backend, BackendError, Plan, Purpose, Step};
use crate::spec::Spec;
use crate::train::checkpoint::Tensor;
use crate::train::history::{BranchResult, total_loss};
use crate::verify::{KernelFailure, Planted, StepReport, plant_run, run_for_stale, verify_run, verify_steps};
use std::path::Path;

/// What samples count in a step that is verified: samples that count alike would hide that a kernel mistakes one for
/// another.
const WEIGHTS: [f32; 5] = [0.7, 1.0, 0.0, 2.5, 1.0];

/// Gives samples other weights than those of the batch that was written last.
fn vary_weights(backend: &mut dyn Backend, spec: &Spec, prepared: &Prepared) -> Result<(), BackendError> {
    for branch in &spec.branches {
        if let Some(buffer) = prepared.plan.buffer(&format!("{}.sample_weight", branch.name)) {
            let samples = prepared.plan.buffers[buffer].shape.len();
            let weights: Vec<f32> = WEIGHTS.into_iter().cycle().take(samples).collect();
            backend.write(prepared.id, buffer, bytemuck::cast_slice(&weights))?;
        }
    }
    Ok(())
}

impl<'a> Trainer<'a> {
    /// Prepares a model whose training steps are those of `plan`. Tests give it plans that are wired wrongly.
    pub fn with_plan(
        mut backend: Box<dyn Backend + 'a>,
        spec: &Spec,
        plan: Plan,
    ) -> Result<Self, TrainError> {
        let training = Prepared { id: backend.prepare(&plan)?, plan };
        Self::assemble(backend, spec, training)
    }

    /// Takes over weights; `file` is where they come from, for messages. Others stay as they are.
    pub fn start_from(&mut self, weights: &[Tensor], file: &Path) -> Result<(), TrainError> {
        self.write_tensors(weights, file, |name| weights.iter().any(|tensor| tensor.name == name))
    }

    /// Trains on one batch, and returns its total loss before the update, as the device computed it.
    pub fn measured_step(&mut self, batch: &Batch) -> Result<f64, TrainError> {
        Ok(total_loss(&self.measured_results(batch)?))
    }

    /// The same, and returns the results of each branch; NaN for one that no sample of the batch has a label for.
    pub fn measured_results(&mut self, batch: &Batch) -> Result<Vec<BranchResult>, TrainError> {
        self.reset_sums()?;
        self.train_step(batch)?;
        self.read_sums()
    }

    /// Trains on one batch and verifies every step of it; see [`verify_run`].
    pub fn verify_step(
        &mut self,
        batch: &Batch,
        done: &mut dyn FnMut(&StepReport),
    ) -> Result<(), KernelFailure> {
        self.verify_some(batch, &|_| true, done)
    }

    /// Trains on one batch and verifies those steps that are `wanted`.
    pub fn verify_some(
        &mut self,
        batch: &Batch,
        wanted: &dyn Fn(&Step) -> bool,
        done: &mut dyn FnMut(&StepReport),
    ) -> Result<(), KernelFailure> {
        self.write_step(batch)?;
        vary_weights(&mut *self.backend, &self.spec, &self.training)?;
        verify_steps(&mut *self.backend, &self.training.plan, self.training.id, wanted, done)
    }

    /// Verifies every step of an evaluation of a batch of [`Trainer::evaluation_batch`] samples.
    pub fn verify_evaluation(
        &mut self,
        batch: &Batch,
        done: &mut dyn FnMut(&StepReport),
    ) -> Result<(), KernelFailure> {
        write_batch(&mut *self.backend, &self.spec, &self.evaluation, batch, Rates::STILL)?;
        vary_weights(&mut *self.backend, &self.spec, &self.evaluation)?;
        verify_run(&mut *self.backend, &self.evaluation.plan, self.evaluation.id, done)
    }

    /// Verifies every step of a prediction, as exported programs make it, of a batch as large as in training.
    pub fn verify_prediction(
        &mut self,
        batch: &Batch,
        done: &mut dyn FnMut(&StepReport),
    ) -> Result<(), KernelFailure> {
        let size = self.spec.training.batch;
        let prepared = Prepared::new(&mut *self.backend, &self.spec, size, Purpose::Prediction);
        let prepared = prepared.map_err(|error| match error {
            TrainError::Backend(error) => error,
            error => BackendError::Unsupported(error.to_string()),
        })?;
        write_batch(&mut *self.backend, &self.spec, &prepared, batch, Rates::STILL)?;
        verify_run(&mut *self.backend, &prepared.plan, prepared.id, done)
    }

    /// Trains on one batch twice and plants faults in the results of the second step; see [`plant_run`].
    pub fn plant_faults(
        &mut self,
        batch: &Batch,
        done: &mut dyn FnMut(&Planted),
    ) -> Result<(), KernelFailure> {
        self.write_step(batch)?;
        vary_weights(&mut *self.backend, &self.spec, &self.training)?;
        let stale = run_for_stale(&mut *self.backend, &self.training.plan, self.training.id)?;
        self.write_step(batch)?;
        vary_weights(&mut *self.backend, &self.spec, &self.training)?;
        plant_run(&mut *self.backend, &self.training.plan, self.training.id, &stale, done)
    }
}
