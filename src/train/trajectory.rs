//! Whole trainings that another program recorded, replayed and compared.
//!
//! A check of single steps feeds every step's twin with the buffers that the step itself read. Whether these were
//! the right ones, and whether every step is there, only a training as a whole can tell: a swapped buffer, a stale
//! weight or a lost gradient moves its losses and where its weights end.

mod read;

use super::checkpoint::Tensor;
use super::{TrainError, Trainer};
use crate::data::DataError;
use crate::data::batches::{Dataset, Input, Variation, batch};
use crate::file::FileError;
use crate::ops::augment::IDENTITY;
use crate::spec::{AugmentSpec, Spec, SpecError};
use std::path::PathBuf;

/// How far a float32 training may end from float64: of each batch's loss, and of the distance that all weights
/// together cover.
pub const LIMIT: f64 = 1e-4;

/// A case that cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum TrajectoryError {
    /// A file cannot be read, or holds something else.
    #[error(transparent)]
    File(#[from] FileError),
    /// The model is wrong, or trains at random.
    #[error(transparent)]
    Model(#[from] SpecError),
    /// A tensor is missing, or is not what the model needs.
    #[error("{}: {tensor}: {reason}", file.display())]
    Tensor {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A recorded training.
#[derive(Debug)]
pub struct Trajectory {
    spec: Spec,
    file: PathBuf,
    samples: Recorded,
    /// The total loss of each batch, before its update.
    losses: Vec<f64>,
    initial: Vec<Tensor>,
    /// The weights after the last step, by name.
    last: Vec<(String, Vec<f64>)>,
}

/// The samples of all steps, in the order in which they are trained on.
#[derive(Debug)]
struct Recorded {
    inputs: Inputs,
    /// For each target of the model, a label a sample.
    answers: Vec<Vec<f32>>,
}

#[derive(Debug)]
enum Inputs {
    /// (samples, height, width, 3) bytes.
    Photos(Vec<u8>),
    /// (samples, length).
    Tokens(Vec<u32>),
}

/// `count` rows of a table of `rows`, and zeros until there are `size`.
fn rows<T: Copy + Default>(table: &[T], rows: usize, chosen: &[usize], size: usize) -> Vec<T> {
    let width = table.len() / rows.max(1);
    let row = |&index: &usize| &table[index * width..][..width];
    let mut taken: Vec<T> = chosen.iter().flat_map(row).copied().collect();
    taken.resize(size * width, T::default());
    taken
}

impl Recorded {
    fn samples(&self) -> usize {
        self.answers.iter().map(Vec::len).max().unwrap_or(0)
    }
}

impl Dataset for Recorded {
    fn inputs(
        &self,
        chosen: &[usize],
        size: usize,
        _variation: Option<Variation>,
    ) -> Result<Vec<Input>, DataError> {
        Ok(match &self.inputs {
            Inputs::Photos(photos) => {
                let transforms = bytemuck::cast_slice(&IDENTITY.repeat(size)).to_vec();
                vec![("photos", rows(photos, self.samples(), chosen, size)), ("transform", transforms)]
            }
            Inputs::Tokens(tokens) => {
                let tokens = rows(tokens, self.samples(), chosen, size);
                vec![("tokens", bytemuck::cast_slice(&tokens).to_vec())]
            }
        })
    }

    fn targets(&self) -> usize {
        self.answers.len()
    }

    fn answer(&self, sample: usize, target: usize) -> Option<f32> {
        self.answers[target].get(sample).copied()
    }
}

impl Trajectory {
    /// The model, with batches as large as the recorded ones.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The number of steps.
    pub fn steps(&self) -> usize {
        self.losses.len()
    }

    /// The samples of all steps, in order.
    pub fn samples(&self) -> &dyn Dataset {
        &self.samples
    }

    /// Trains a new `trainer` of [`Trajectory::spec`], fused or not, as it was recorded, and compares.
    pub fn replay(&self, trainer: &mut Trainer) -> Result<Replay, TrainError> {
        trainer.start_from(&self.initial, &self.file)?;
        let size = self.spec.training.batch;
        let variation = Variation { augment: &AugmentSpec::default(), seed: 0, epoch: 0 };
        let mut worst_loss = Difference { of: "nothing".into(), value: 0.0 };
        for (step, want) in self.losses.iter().enumerate() {
            let chosen: Vec<usize> = (step * size..(step + 1) * size).collect();
            let got = trainer.measured_step(&batch(&self.samples, &chosen, size, Some(variation))?)?;
            let off = (got - want).abs() / want.abs();
            // Equal zeros are equal. What is not a number is worse than anything.
            let value = if got == *want { 0.0 } else { off };
            if step == 0 || value.is_nan() || value > worst_loss.value {
                worst_loss = Difference { of: format!("the loss of step {}", step + 1), value };
            }
            if value.is_nan() {
                break;
            }
        }
        Ok(Replay { loss: worst_loss, weights: self.weights_off(&trainer.weights()?) })
    }

    /// The norm of (got - last) over that of (last - initial), over all parameters, and the one that adds most.
    fn weights_off(&self, got: &[Tensor]) -> Difference {
        let values = |tensors: &[Tensor], name: &str| -> Vec<f32> {
            let found = tensors.iter().find(|tensor| tensor.name == name);
            found.map_or(Vec::new(), |tensor| bytemuck::pod_collect_to_vec(&tensor.bytes))
        };
        let squares = |a: &[f32], b: &[f64]| -> f64 {
            let missing = if a.len() == b.len() { 0.0 } else { f64::NAN };
            missing + a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - b).powi(2)).sum::<f64>()
        };
        let (mut off, mut covered) = (0.0, 0.0);
        let mut most = (0.0, "nothing");
        for (name, last) in &self.last {
            let part = squares(&values(got, name), last);
            covered += squares(&values(&self.initial, name), last);
            off += part;
            if part > most.0 || part.is_nan() {
                most = (part, name);
            }
        }
        Difference { of: format!("the weights, most of it in {}", most.1), value: (off / covered).sqrt() }
    }
}

/// How far something ended from where it should, as a share.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What.
    pub of: String,
    /// How far; not a number if training ran away.
    pub value: f64,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The batch whose loss is furthest off, relative to the recorded loss.
    pub loss: Difference,
    /// How far all weights together ended from the recorded ones, of the distance that these covered.
    pub weights: Difference,
}

impl Replay {
    /// Whether both lie within [`LIMIT`].
    pub fn agrees(&self) -> bool {
        self.loss.value <= LIMIT && self.weights.value <= LIMIT
    }

    /// The one of both that is closer to the limit, or further beyond it.
    pub fn decided(&self) -> &Difference {
        match self.weights.value.total_cmp(&self.loss.value) {
            std::cmp::Ordering::Less => &self.loss,
            _ => &self.weights,
        }
    }
}
