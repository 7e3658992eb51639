//! What outlives a training: weights, and all that it needs to go on.

use super::{TrainError, Trainer};
use crate::file::FileError;
use crate::graph::Graph;
use crate::ops::Rates;
use crate::ops::metrics::SUMS;
use crate::plan::average_name;
use crate::shape::DType;
use crate::train::checkpoint::{Notes, Tensor, load, save};
use crate::train::run::EPOCH_NOTE;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// Everything that lives from step to step, as it was at one moment.
pub struct State {
    tensors: Vec<Tensor>,
    /// The names of those that are weights.
    weights: Vec<String>,
}

impl State {
    /// Writes all that training needs to go on after `step` steps of epoch `epoch`, from 0, with these notes.
    pub fn save(&self, path: &Path, epoch: usize, step: usize, notes: &Notes) -> Result<(), FileError> {
        let mut notes = notes.clone();
        notes.extend([(EPOCH_NOTE.into(), epoch.to_string()), (STEP.into(), step.to_string())]);
        save(path, &self.tensors, &notes)
    }

    /// Writes the weights after `epoch` epochs, under PyTorch's names and in its layouts, with these notes.
    pub fn save_weights(&self, path: &Path, epoch: usize, notes: &Notes) -> Result<(), FileError> {
        let is_weight = |tensor: &&Tensor| self.weights.contains(&tensor.name);
        save(path, self.tensors.iter().filter(is_weight), &at_epoch(notes, epoch))
    }

    /// Writes what validation measured after `epoch` epochs, under the names of the weights: their moving averages if
    /// there are any, or else the weights.
    pub fn save_validated(&self, path: &Path, epoch: usize, notes: &Notes) -> Result<(), FileError> {
        if !self.has_averages() {
            return self.save_weights(path, epoch, notes);
        }
        let averages: HashMap<String, &String> =
            self.weights.iter().map(|name| (average_name(name), name)).collect();
        let named = |tensor: &Tensor| {
            averages.get(&tensor.name).map(|&name| Tensor { name: name.clone(), ..tensor.clone() })
        };
        let tensors: Vec<Tensor> = self.tensors.iter().filter_map(named).collect();
        save(path, &tensors, &at_epoch(notes, epoch))
    }

    /// Whether it has moving averages of the weights.
    pub fn has_averages(&self) -> bool {
        let names: Vec<String> = self.weights.iter().map(|name| average_name(name)).collect();
        self.tensors.iter().any(|tensor| names.contains(&tensor.name))
    }
}

fn at_epoch(notes: &Notes, epoch: usize) -> Notes {
    let mut notes = notes.clone();
    notes.insert(EPOCH_NOTE.into(), epoch.to_string());
    notes
}

/// The place of a checkpoint: steps that are done of an epoch, both from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Epochs that are done.
    pub epoch: usize,
    /// Steps of the next one that are done.
    pub step: usize,
    /// What else the checkpoint says.
    pub notes: Notes,
}

impl Trainer<'_> {
    /// The weights, under PyTorch's names and in its layouts.
    pub fn weights(&mut self) -> Result<Vec<Tensor>, TrainError> {
        let names = self.weight_names()?;
        self.read_tensors(|name| names.iter().any(|other| other == name))
    }

    /// Everything that lives from step to step. Fails if training has run away within epoch `epoch`, from 0.
    pub fn state(&mut self, epoch: usize) -> Result<State, TrainError> {
        let mut tensors = self.read_tensors(|_| true)?;
        tensors.push(steps_tensor(self.steps));
        require_numbers(&tensors, epoch)?;
        Ok(State { tensors, weights: self.weight_names()? })
    }

    fn weight_names(&self) -> Result<Vec<String>, TrainError> {
        Ok(Graph::new(&self.spec, 1)?.parameters().into_iter().map(|(name, _)| name).collect())
    }

    fn read_tensors(&mut self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Tensor>, TrainError> {
        let mut tensors = Vec::new();
        for (id, buffer) in self.training.plan.lasting().filter(|(_, buffer)| wanted(&buffer.name)) {
            let bytes = self.backend.read(self.training.id, id)?;
            let (name, shape, dtype) = (buffer.name.clone(), buffer.shape.clone(), buffer.dtype);
            tensors.push(Tensor { name, shape, dtype, bytes });
        }
        Ok(tensors)
    }

    /// Goes back to a saved state, and says where it is.
    pub fn load_state(&mut self, path: &Path) -> Result<Place, TrainError> {
        let (mut tensors, mut notes) = load(path)?;
        tensors.iter_mut().for_each(add_weights);
        let wrong = |reason: String| TrainError::Weights { file: path.display().to_string(), reason };
        let note = |name: &str| {
            let number = notes.get(name).and_then(|value| value.parse::<usize>().ok());
            number.ok_or_else(|| wrong(format!("it does not say its {name}")))
        };
        let (epoch, step) = (note(EPOCH_NOTE)?, note(STEP)?);
        let steps = tensors.iter().find(|tensor| tensor.name == STEPS);
        let number = |tensor: &Tensor| match tensor.dtype {
            DType::U32 => tensor.bytes.as_slice().try_into().ok().map(u32::from_le_bytes),
            _ => None,
        };
        self.steps = match steps.map(number) {
            Some(Some(steps)) => steps,
            // Optimisers for which all steps are alike did not count them once.
            None if self.spec.optimizer.corrections(1) == Rates::STILL.corrections => 0,
            _ => return Err(wrong(format!("it does not say its {STEPS}"))),
        };
        self.write_tensors(&tensors, path, |_| true)?;
        self.resumed_step = step;
        notes.retain(|name, _| name != EPOCH_NOTE && name != STEP);
        Ok(Place { epoch, step, notes })
    }

    /// Takes over weights from a file; other tensors in it are left alone. Moving averages, if there are any, become
    /// what they are.
    pub fn load_weights(&mut self, path: &Path) -> Result<(), TrainError> {
        let (mut tensors, _) = load(path)?;
        let names = self.weight_names()?;
        self.write_tensors(&tensors, path, |name| names.iter().any(|other| other == name))?;
        if self.spec.training.ema.is_some() {
            let averages: Vec<String> = names.iter().map(|name| average_name(name)).collect();
            tensors.iter_mut().for_each(|tensor| tensor.name = average_name(&tensor.name));
            self.write_tensors(&tensors, path, |name| averages.iter().any(|other| other == name))?;
        }
        Ok(())
    }

    pub(super) fn write_tensors(
        &mut self,
        tensors: &[Tensor],
        path: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), TrainError> {
        let wrong = |reason: String| TrainError::Weights { file: path.display().to_string(), reason };
        for (id, buffer) in self.training.plan.lasting().filter(|(_, buffer)| wanted(&buffer.name)) {
            let name = &buffer.name;
            let tensor = tensors.iter().find(|tensor| tensor.name == *name);
            let tensor = tensor.ok_or_else(|| wrong(format!("it has no {name}")))?;
            if tensor.shape != buffer.shape || tensor.dtype != buffer.dtype {
                let (is, needs) = (&tensor.shape, &buffer.shape);
                return Err(wrong(format!("{name} is {is} of {:?}, but {needs} is needed", tensor.dtype)));
            }
            if !is_finite(tensor) {
                return Err(wrong(format!("{name} holds values that are no numbers, or infinite")));
            }
            self.backend.write(self.training.id, id, &tensor.bytes)?;
        }
        Ok(())
    }
}

/// Brings the running sums of a checkpoint from before samples had weights to what they are now: each counted 1.
fn add_weights(tensor: &mut Tensor) {
    if tensor.name.ends_with(".sums") && tensor.shape.len() == SUMS - 1 && tensor.dtype == DType::F32 {
        let counted = tensor.bytes[tensor.bytes.len() - size_of::<f32>()..].to_vec();
        tensor.bytes.extend(counted);
        tensor.shape = [SUMS].into();
    }
}

/// The note that says, with [`EPOCH_NOTE`], where a checkpoint is.
const STEP: &str = "step";

/// The name of the number of steps that a model has been trained for.
const STEPS: &str = "optimizer.step";

fn steps_tensor(steps: u32) -> Tensor {
    let bytes = steps.to_le_bytes().to_vec();
    Tensor { name: STEPS.into(), shape: [1].into(), dtype: DType::U32, bytes }
}

/// Fails if a float is not a number, or infinite.
fn require_numbers(tensors: &[Tensor], epoch: usize) -> Result<(), TrainError> {
    match tensors.iter().all(is_finite) {
        true => Ok(()),
        false => Err(TrainError::Diverged { epoch: epoch + 1 }),
    }
}

/// Whether all floats of a tensor are numbers, and none is infinite.
fn is_finite(tensor: &Tensor) -> bool {
    let finite = |bytes: &[u8]| bytes.try_into().is_ok_and(|bytes| f32::from_le_bytes(bytes).is_finite());
    tensor.dtype != DType::F32 || tensor.bytes.par_chunks_exact(4).all(finite)
}
