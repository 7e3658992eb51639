//! What a model is trained on or asked about: photos of faces, or reviews.

use super::data::GRID;
use super::photos;
use super::report::{Answer, draw_predictions};
use super::texts;
use crate::data::batches::{Batch, Dataset, Variation, batch, order};
use crate::data::faces::Photos;
use crate::data::reviews::Texts;
use crate::data::split::{Samples, Split};
use crate::spec::{InputSpec, Spec};
use crate::train::Trainer;
use crate::train::confusion::Confusion;
use crate::train::run::RunFolder;
use anyhow::{Result, bail};
use std::path::Path;

/// What samples are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A new training.
    Training,
    /// Going on with one, which needs the very same samples.
    Resuming,
    /// Measuring, which needs no training samples.
    Evaluation,
    /// Measuring with all that there are.
    EvaluationOfAll,
}

/// The samples of one kind of model.
pub enum Set {
    /// Photos with age and gender.
    Faces(Photos),
    /// Texts with their class.
    Reviews(Texts),
}

impl Set {
    /// At least so many samples of the built-in set, to try a model on.
    pub fn built_in(spec: &mut Spec, count: usize) -> Result<Set> {
        match &spec.input {
            InputSpec::Photo(photo) => Ok(Set::Faces(photos::built_in(photo, count, photos::BUILT_IN_SEED))),
            InputSpec::Text(_) => {
                let reviews = texts::built_in(count);
                let all = Split { train: (0..reviews.texts.len()).collect(), validation: Vec::new() };
                // The model keeps its own vocabulary: what counts is its shape.
                texts::numbered(reviews, &all, None, &mut spec.clone()).map(Set::Reviews)
            }
        }
    }

    /// Reads what a model's `[data]` says, or makes the built-in set. Reviews are numbered with the
    /// vocabulary of `run`, or with their own: its size is written into the model.
    pub fn load(spec: &mut Spec, purpose: Use, run: Option<&RunFolder>) -> Result<(Set, Split)> {
        match &mut spec.input {
            InputSpec::Photo(photo) => {
                let photos = match &spec.data.path {
                    Some(path) => photos::read(path, photo, photos::Labels::Required)?.photos,
                    None => photos::built_in(photo, photos::BUILT_IN_FACES, photos::BUILT_IN_SEED),
                };
                let (photos, split) = split(photos, spec, purpose)?;
                Ok((Set::Faces(photos), split))
            }
            InputSpec::Text(_) => {
                let known = run.map(texts::vocabulary_of).transpose()?;
                let classes = known.as_ref().map(|vocabulary| vocabulary.classes().to_vec());
                let reviews = texts::load(&spec.data, classes)?;
                let (reviews, split) = split(reviews, spec, purpose)?;
                let texts = texts::numbered(reviews, &split, known, spec)?;
                if purpose == Use::Resuming {
                    texts::require_the_same(&texts, &split)?;
                }
                Ok((Set::Reviews(texts), split))
            }
        }
    }

    /// The samples as training sees them.
    pub fn dataset(&self) -> &dyn Dataset {
        match self {
            Set::Faces(photos) => photos,
            Set::Reviews(texts) => texts,
        }
    }

    /// The first samples in a batch, as the model's training would see them.
    pub fn first_batch(&self, spec: &Spec) -> Batch {
        self.samples_from(spec, 0, spec.training.batch)
    }

    /// `count` samples from `first` on in a batch, as the model's training would see them.
    pub fn samples_from(&self, spec: &Spec, first: usize, count: usize) -> Batch {
        let chosen: Vec<usize> = (first..first + count).collect();
        let variation = Variation { augment: &spec.augment, seed: spec.training.seed, epoch: 0 };
        batch(self.dataset(), &chosen, spec.training.batch, Some(variation))
    }

    /// The first `count` samples in a batch of `size`, as an evaluation would see them: as they are.
    pub fn plain_batch(&self, count: usize, size: usize) -> Batch {
        let chosen: Vec<usize> = (0..count).collect();
        batch(self.dataset(), &chosen, size, None)
    }

    /// What the samples are called.
    pub fn noun(&self) -> &'static str {
        match self {
            Set::Faces(_) => "photos",
            Set::Reviews(_) => "reviews",
        }
    }

    /// Which sample was used for what.
    pub fn split_csv(&self, split: &Split) -> String {
        match self {
            Set::Faces(photos) => split.to_csv(photos),
            Set::Reviews(texts) => split.to_csv(&texts.reviews),
        }
    }

    /// What tells these samples from others, also from those of the same names.
    pub fn checksum(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        match self {
            Set::Faces(photos) => {
                for index in 0..photos.len() {
                    hasher.update(format!("{:?}", photos.labels[index]).as_bytes());
                    hasher.update(photos.photo(index));
                }
            }
            Set::Reviews(texts) => {
                for (text, label) in texts.reviews.texts.iter().zip(&texts.reviews.labels) {
                    hasher.update(format!("{label:?} {}", text.len()).as_bytes());
                    hasher.update(text.as_bytes());
                }
            }
        }
        crate::file::checksum(hasher.finalize().as_bytes())
    }

    /// Writes what a prediction needs besides weights.
    pub fn save(&self, run: &RunFolder) -> Result<()> {
        match self {
            Set::Faces(_) => Ok(()),
            Set::Reviews(texts) => Ok(texts.vocabulary.write(&run.vocabulary())?),
        }
    }

    /// What a model says of validation samples, as a picture, and for reviews in figures, too.
    pub fn show(
        &self,
        run: &RunFolder,
        spec: &Spec,
        trainer: &mut Trainer,
        validation: &[usize],
        json: bool,
    ) -> Result<()> {
        match self {
            Set::Faces(photos) => {
                // In the order of names all would be of one age.
                let mut asked = order(validation, spec.training.seed, 0);
                asked.truncate(GRID[0]);
                let outputs = trainer.predict(photos, &asked)?;
                let answers: Vec<(usize, Answer)> = asked
                    .iter()
                    .enumerate()
                    .map(|(photo, &index)| (index, Answer::new(spec, &outputs, photo)))
                    .collect();
                let title = "Validation photos: predicted, and in brackets true";
                Ok(draw_predictions(&run.plot("predictions.png"), title, photos, &answers)?)
            }
            Set::Reviews(texts) => {
                let confusion = texts::confusion(texts, trainer, validation)?;
                texts::draw_confusion(&confusion, &run.plot("confusion.png"))?;
                if !json {
                    texts::print_confusion(&confusion)?;
                }
                Ok(())
            }
        }
    }

    /// What an evaluation tells besides losses and metrics.
    pub fn confusion(&self, trainer: &mut Trainer, asked: &[usize]) -> Result<Option<Confusion>> {
        match self {
            Set::Faces(_) => Ok(None),
            Set::Reviews(texts) => texts::confusion(texts, trainer, asked).map(Some),
        }
    }
}

/// Splits samples as the model's `[data]` says, and leaves out those on neither side.
fn split<S: Samples>(samples: S, spec: &Spec, purpose: Use) -> Result<(S, Split)> {
    let count = samples.names().len();
    let name = S::NAME;
    let mut chosen = match &spec.data.split {
        _ if purpose == Use::EvaluationOfAll => Split { train: Vec::new(), validation: (0..count).collect() },
        Some(path) => from_csv(path, &samples, purpose)?,
        None => Split::seeded(&samples, spec.training.seed),
    };
    if let Some(limit) = spec.data.limit {
        chosen = chosen.limited(limit, spec.training.seed);
    }
    let needs_training = matches!(purpose, Use::Training | Use::Resuming);
    if chosen.validation.is_empty() || (chosen.train.is_empty() && needs_training) {
        bail!(
            "{} {name}s are too few: training and validation need at least one each",
            chosen.train.len() + chosen.validation.len()
        );
    }
    if needs_training {
        let (train, validation) = (chosen.train.len(), chosen.validation.len());
        log::info!("{name}s: {train} to train on, {validation} to validate with");
    }
    Ok(chosen.compact(samples))
}

fn from_csv<S: Samples>(path: &Path, samples: &S, purpose: Use) -> Result<Split> {
    let (name, file) = (S::NAME, path.display());
    let (chosen, notes) = match purpose {
        Use::Evaluation | Use::EvaluationOfAll => Split::validation_from_csv(path, samples)?,
        Use::Training | Use::Resuming => Split::from_csv(path, samples)?,
    };
    let (gone, unnamed) = (notes.rows_without_sample, notes.samples_without_row);
    if gone > 0 && purpose == Use::Resuming {
        bail!(
            "{gone} {name}s of {file} are gone; a training goes on only with the {name}s it began with. If they \
             have moved, name their new place by --data"
        );
    }
    if gone > 0 {
        log::warn!("{file}: {gone} rows name no {name} that is there");
    }
    if unnamed > 0 && purpose != Use::Resuming {
        log::warn!("{file}: {unnamed} {name}s have no row and are left out");
    }
    Ok(chosen)
}
