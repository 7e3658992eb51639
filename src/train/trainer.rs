//! The training loop over any backend.

mod check;
mod init;
mod prepared;
mod state;

pub use state::{Place, State};

use super::history::{BranchResult, Epoch};
use crate::data::DataError;
use crate::data::batches::{Batch, Dataset, Variation, each_batch, order};
use crate::data::split::Split;
use crate::file::FileError;
use crate::graph::Graph;
use crate::ops::{Metric, Rates};
use crate::plan::{Backend, BackendError, BackendInfo, BufferId, Plan};
use crate::profile::{self, Profile};
use crate::rng::{Generator, Stream};
use crate::spec::{Spec, SpecError};
use crate::tasks::Target;
use prepared::Prepared;
pub use prepared::evaluation_plan;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Why training cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The model is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The weights do not belong to this model.
    #[error("{file} does not fit the model: {reason}")]
    Weights {
        /// The file.
        file: String,
        /// What does not fit.
        reason: String,
    },
    /// Samples cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A batch does not fit.
    #[error("a batch of {batch} is too large: {reason}; {}", advice(*.fits))]
    Batch {
        /// Samples of the batch.
        batch: usize,
        /// What it needs, and what there is.
        reason: String,
        /// The largest batch that fits, if any does.
        fits: Option<usize>,
    },
    /// A branch cannot be measured.
    #[error("none of the {samples} samples has a label for {}", target.name)]
    Unlabelled {
        /// What the branch learns.
        target: Box<Target>,
        /// Which samples: training or validation.
        samples: &'static str,
    },
    /// Training ran away.
    #[error("training ran away in epoch {epoch}: losses or weights are no longer numbers")]
    Diverged {
        /// From 1.
        epoch: usize,
    },
}

/// What to do about a batch that is too large.
fn advice(fits: Option<usize>) -> String {
    match fits {
        Some(fits) => format!("{fits} fit, with --batch {fits}"),
        None => "not even one sample fits; use a smaller model".into(),
    }
}

/// How far an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Training: steps done, and steps in all.
    Training(usize, usize),
    /// Validation: batches done, and batches in all.
    Validation(usize, usize),
}

/// How an epoch ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// With its results.
    Done(Epoch),
    /// It was asked to stop, after this many steps of the epoch. Training the same epoch again goes on there.
    Interrupted(usize),
}

/// A model in training, or one that predicts.
pub struct Trainer<'a> {
    backend: Box<dyn Backend + 'a>,
    spec: Spec,
    training: Prepared,
    evaluation: Prepared,
    /// What the learning rate is multiplied by besides the schedule's factor.
    reduced: f64,
    /// Batches that it has been trained on so far.
    steps: u32,
    /// Steps done of the epoch that is under way, after an interruption.
    resumed_step: usize,
    /// How long that epoch took before the interruption, if it was in this process.
    spent: Duration,
}

/// Steps after which the losses so far have to be numbers.
const WATCHED_STEPS: usize = 50;

impl<'a> Trainer<'a> {
    /// Prepares a model on a backend. Weights are drawn from the model's seed.
    pub fn new(mut backend: Box<dyn Backend + 'a>, spec: &Spec) -> Result<Self, TrainError> {
        let training = Prepared::for_training(&mut *backend, spec)?;
        Self::assemble(backend, spec, training)
    }

    fn assemble(
        mut backend: Box<dyn Backend + 'a>,
        spec: &Spec,
        training: Prepared,
    ) -> Result<Self, TrainError> {
        let one = Graph::new(spec, 1)?;
        let evaluation = Prepared::for_evaluation(&mut *backend, spec)?;
        let mut trainer = Self {
            backend,
            spec: spec.clone(),
            training,
            evaluation,
            reduced: 1.0,
            steps: 0,
            resumed_step: 0,
            spent: Duration::ZERO,
        };
        trainer.initialise(&one)?;
        Ok(trainer)
    }

    fn initialise(&mut self, graph: &Graph) -> Result<(), TrainError> {
        for (index, (name, parameter)) in graph.parameters().into_iter().enumerate() {
            let Some(buffer) = self.training.plan.buffer(&name) else { continue };
            let mut generator = Generator::new(self.spec.training.seed, 0, index as u32, Stream::Init);
            let values = parameter.init.draw(parameter.shape.len(), &mut generator);
            self.backend.write(self.training.id, buffer, bytemuck::cast_slice(&values))?;
        }
        Ok(())
    }

    /// Lets each branch begin with the best answer that does not look at the sample: the bias of its
    /// last layer becomes the mean of a number's training labels, or the logit of the share of the second of two
    /// classes. Several classes begin as equals.
    ///
    /// Without it, the first epochs push all weights of the last layer up to reach the mean age, and
    /// then every hidden unit that dropout disturbs shifts the answer the same way: predictions, made
    /// without dropout, come out years too low.
    pub fn start_from_means(&mut self, samples: &dyn Dataset, split: &Split) -> Result<(), TrainError> {
        let graph = Graph::new(&self.spec, 1)?;
        for (end, branch) in graph.branches.iter().zip(&self.spec.branches) {
            let name = format!("{}.bias", graph.nodes[end.node].name);
            let Some(buffer) = self.training.plan.buffer(&name) else { continue };
            if self.training.plan.buffers[buffer].shape.len() > 1 {
                continue;
            }
            let place = self.spec.target_place(branch);
            let labels = split.train.iter().filter_map(|&index| samples.answer(index, place));
            let target = &end.target;
            let Some(bias) = target.rules().first_bias(&labels.collect::<Vec<f32>>(), target) else {
                continue;
            };
            self.backend.write(self.training.id, buffer, &bias.to_le_bytes())?;
        }
        Ok(())
    }

    /// What computes.
    pub fn info(&self) -> BackendInfo {
        self.backend.info()
    }

    /// Waits for all steps so far.
    pub fn wait(&mut self) -> Result<(), TrainError> {
        Ok(self.backend.wait()?)
    }

    /// The plan of a training step.
    pub fn plan(&self) -> &Plan {
        &self.training.plan
    }

    /// Dispatches of a training step.
    pub fn dispatches(&self) -> usize {
        self.backend.dispatches(self.training.id)
    }

    /// Submits of a training step.
    pub fn submits(&self) -> usize {
        self.backend.submits(self.training.id)
    }

    /// Samples that are evaluated or predicted at once.
    pub fn evaluation_batch(&self) -> usize {
        self.evaluation.plan.batch
    }

    /// Steps of an epoch over so many training samples.
    pub fn steps_per_epoch(&self, samples: usize) -> usize {
        samples.div_ceil(self.spec.training.batch)
    }

    /// Memory that the buffers of training and validation take.
    pub fn memory_bytes(&self) -> usize {
        self.training.plan.memory_bytes() + self.evaluation.plan.memory_bytes()
    }

    /// Multiplies the learning rate of all steps from here on by this, besides the schedule's factor: what
    /// [`Plateau`](crate::spec::Plateau) says after the epochs so far.
    pub fn reduce_rate(&mut self, factor: f64) {
        self.reduced = factor;
    }

    /// Trains one epoch, numbered from 0, and validates. `stop` is looked at after every step.
    pub fn epoch(
        &mut self,
        epoch: usize,
        samples: &dyn Dataset,
        split: &Split,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Stopped, TrainError> {
        let start = Instant::now();
        let (seed, size) = (self.spec.training.seed, self.spec.training.batch);
        let augment = self.spec.augment;
        let variation = Variation { augment: &augment, seed, epoch: epoch as u32 };
        let order = order(&split.train, seed, epoch as u32);
        let steps = order.len().div_ceil(size);
        let spent = std::mem::take(&mut self.spent);
        let first = std::mem::take(&mut self.resumed_step);
        if first == 0 {
            self.reset_sums()?;
        }
        let mut stopped = None;
        each_batch(samples, &order, size, first, Some(variation), |step, _, batch| {
            let rate = self.spec.training.rate_factor(epoch as f64 + step as f64 / steps as f64);
            self.train_step(&batch.at_rate(rate * self.reduced))?;
            progress(Progress::Training(step + 1, steps));
            if (step + 1).is_multiple_of(WATCHED_STEPS) {
                self.require_finite(epoch)?;
            }
            if stop.load(Ordering::Relaxed) {
                stopped = Some(step + 1);
                return Ok(ControlFlow::Break(()));
            }
            Ok::<_, TrainError>(ControlFlow::Continue(()))
        })?;
        if let Some(step) = stopped {
            (self.resumed_step, self.spent) = (step, spent + start.elapsed());
            return Ok(Stopped::Interrupted(step));
        }
        self.require_finite(epoch)?;
        let train = self.read_sums()?;
        require_labels(&train, "training")?;
        let validation = self.evaluate(samples, &split.validation, &mut |done, all| {
            progress(Progress::Validation(done, all));
        })?;
        self.require_finite(epoch)?;
        require_labels(&validation, "validation")?;
        let seconds = (spent + start.elapsed()).as_secs_f64();
        Ok(Stopped::Done(Epoch { epoch: epoch + 1, train, validation, seconds }))
    }

    /// Trains on one batch.
    pub fn train_step(&mut self, batch: &Batch) -> Result<(), TrainError> {
        self.upload(batch)?;
        self.train_again()
    }

    /// Hands the batch of the next step to the device, with all that changes from step to step.
    pub fn upload(&mut self, batch: &Batch) -> Result<(), TrainError> {
        Ok(self.write_step(batch)?)
    }

    fn write_step(&mut self, batch: &Batch) -> Result<(), BackendError> {
        self.steps = self.steps.saturating_add(1);
        let rates = Rates {
            factor: batch.factor,
            corrections: self.spec.optimizer.corrections(self.steps),
            ema_share: self.spec.training.ema_share(self.steps),
        };
        write_batch(&mut *self.backend, &self.spec, &self.training, batch, rates)
    }

    /// Trains on the batch that came last, as one and the same step.
    pub fn train_again(&mut self) -> Result<(), TrainError> {
        Ok(self.backend.run(self.training.id)?)
    }

    /// Measures the kernels of a training step, on the batch that came last. It trains on it as often.
    pub fn profile(&mut self, runs: usize) -> Result<Profile, TrainError> {
        Ok(profile::measure(&mut *self.backend, &self.training.plan, self.training.id, runs)?)
    }

    /// Losses and metrics of labelled samples.
    pub fn evaluate(
        &mut self,
        samples: &dyn Dataset,
        asked: &[usize],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<BranchResult>, TrainError> {
        self.reset_sums()?;
        let size = self.evaluation.plan.batch;
        let batches = asked.len().div_ceil(size);
        each_batch(samples, asked, size, 0, None, |index, _, batch| {
            write_batch(&mut *self.backend, &self.spec, &self.evaluation, &batch, Rates::STILL)?;
            self.backend.run(self.evaluation.id)?;
            progress(index + 1, batches);
            Ok::<_, TrainError>(ControlFlow::Continue(()))
        })?;
        self.read_sums()
    }

    /// What each branch answers for each sample that is asked about: (branch, sample), with as many
    /// values a sample as the branch ends with.
    pub fn predict(&mut self, samples: &dyn Dataset, asked: &[usize]) -> Result<Vec<Vec<f32>>, TrainError> {
        let size = self.evaluation.plan.batch;
        let outputs: Vec<BufferId> = (self.spec.branches.iter())
            .filter_map(|branch| output_of(&self.evaluation.plan, &branch.name))
            .collect();
        let mut answers = vec![Vec::with_capacity(asked.len()); outputs.len()];
        each_batch(samples, asked, size, 0, None, |_, chosen, batch| {
            write_batch(&mut *self.backend, &self.spec, &self.evaluation, &batch, Rates::STILL)?;
            self.backend.run(self.evaluation.id)?;
            for (answers, &output) in answers.iter_mut().zip(&outputs) {
                let bytes = self.backend.read(self.evaluation.id, output)?;
                let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
                answers.extend_from_slice(&values[..chosen.len() * (values.len() / size)]);
            }
            Ok::<_, TrainError>(ControlFlow::Continue(()))
        })?;
        Ok(answers)
    }

    fn reset_sums(&mut self) -> Result<(), TrainError> {
        for buffer in sums(&self.evaluation.plan, &self.spec) {
            let zeros = vec![0; self.evaluation.plan.buffers[buffer].bytes()];
            self.backend.write(self.evaluation.id, buffer, &zeros)?;
        }
        Ok(())
    }

    /// The running sums of each branch, as they are now.
    fn running_sums(&mut self) -> Result<Vec<Vec<f32>>, BackendError> {
        let sums = sums(&self.evaluation.plan, &self.spec);
        sums.map(|buffer| Ok(bytemuck::pod_collect_to_vec(&self.backend.read(self.evaluation.id, buffer)?)))
            .collect()
    }

    /// Fails if training has run away within epoch `epoch`, from 0.
    fn require_finite(&mut self, epoch: usize) -> Result<(), TrainError> {
        match self.running_sums()?.iter().flatten().all(|sum| sum.is_finite()) {
            true => Ok(()),
            false => Err(TrainError::Diverged { epoch: epoch + 1 }),
        }
    }

    /// The branches' results so far; NaN for one that no sample had a label for.
    fn read_sums(&mut self) -> Result<Vec<BranchResult>, TrainError> {
        let mut results = Vec::new();
        for (values, branch) in self.running_sums()?.into_iter().zip(&self.spec.branches) {
            let (target, weight) = (self.spec.target(branch), branch.weight());
            let result = BranchResult::from_sums(target, weight, &values);
            let nothing =
                || BranchResult { target: target.clone(), weight, loss: f64::NAN, metric: f64::NAN };
            results.push(result.unwrap_or_else(nothing));
        }
        Ok(results)
    }
}

/// Fails if no sample had a label for some branch. Numbers too large for float32 have been refused before.
fn require_labels(results: &[BranchResult], samples: &'static str) -> Result<(), TrainError> {
    match results.iter().find(|result| result.loss.is_nan()) {
        Some(BranchResult { target, .. }) => {
            Err(TrainError::Unlabelled { target: Box::new(target.clone()), samples })
        }
        None => Ok(()),
    }
}

/// The running sums of each branch.
fn sums<'p>(plan: &'p Plan, spec: &'p Spec) -> impl Iterator<Item = BufferId> + 'p {
    spec.branches.iter().filter_map(|branch| plan.buffer(&format!("{}.sums", branch.name)))
}

/// What a branch answers: the buffer that its loss reads, which is the first step for the branch as a whole.
fn output_of(plan: &Plan, branch: &str) -> Option<BufferId> {
    let loss = plan.steps.iter().find(|step| step.layer == branch)?;
    loss.arguments.iter().find(|argument| argument.name == "input").map(|argument| argument.buffer)
}

/// Writes the inputs of a run.
fn write_batch(
    backend: &mut dyn Backend,
    spec: &Spec,
    prepared: &Prepared,
    batch: &Batch,
    rates: Rates,
) -> Result<(), BackendError> {
    let mut write = |name: &str, bytes: &[u8]| match prepared.plan.buffer(name) {
        Some(buffer) => backend.write(prepared.id, buffer, bytes),
        // A plan without dropout, say, does not ask for the samples' numbers.
        None => Ok(()),
    };
    for (name, bytes) in &batch.inputs {
        write(name, bytes)?;
    }
    write("sample", bytemuck::cast_slice(&batch.sample))?;
    write("batch", bytemuck::cast_slice(&batch.words(rates)))?;
    for branch in &spec.branches {
        let (place, target) = (spec.target_place(branch), spec.target(branch));
        write(&format!("{}.sample_weight", branch.name), bytemuck::cast_slice(&batch.weights[place]))?;
        let name = format!("{}.targets", branch.name);
        let labels = &batch.answers[place];
        if target.metric() == Metric::ClassAccuracy {
            let classes: Vec<u32> = labels.iter().map(|&class| class as u32).collect();
            write(&name, bytemuck::cast_slice(&classes))?;
        } else {
            let outputs: Vec<f32> = labels.iter().map(|&label| target.to_output(label)).collect();
            write(&name, bytemuck::cast_slice(&outputs))?;
        }
    }
    Ok(())
}
