//! What a model is trained on or asked about: photos of faces, or reviews.

use super::data::GRID;
use super::photos;
use super::report::{Answer, draw_predictions};
use super::vocabulary::vocabulary_of;
use super::{terminal, texts};
use crate::data::batches::{Batch, Dataset, Variation, batch, order};
use crate::data::error::shown_path;
use crate::data::faces::Photos;
use crate::data::names::PhotoNames;
use crate::data::reviews::Texts;
use crate::data::split::{Contents, Copies, Samples, Split};
use crate::measure::confusion::Confusion;
use crate::spec::{InputSpec, PhotoSpec, Spec};
use crate::train::Trainer;
use crate::train::run::RunFolder;
use anyhow::{Result, bail};
use std::collections::HashMap;
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
            InputSpec::Photo(photo) => {
                Ok(Set::Faces(photos::built_in(photo, &(0..count).collect::<Vec<_>>())))
            }
            InputSpec::Text(_) => {
                let reviews = texts::built_in(count);
                let all = Split { train: (0..reviews.texts.len()).collect(), ..Split::default() };
                // The model keeps its own vocabulary: what counts is its shape.
                texts::numbered(reviews, &all, None, &mut spec.clone()).map(Set::Reviews)
            }
        }
    }

    /// Reads what a model's `[data]` says, or makes the built-in set. Reviews are numbered with the
    /// vocabulary of `run`, or with their own: its size is written into the model.
    pub fn load(spec: &mut Spec, purpose: Use, run: Option<&RunFolder>) -> Result<(Set, Split)> {
        require_kind(spec, run)?;
        match &spec.input {
            InputSpec::Photo(photo) => {
                let (photos, split) = faces(photo, spec, purpose)?;
                Ok((Set::Faces(photos), split))
            }
            InputSpec::Text(_) => {
                let known = run.map(|run| vocabulary_of(run, spec)).transpose()?;
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
                    terminal::told(texts::print_confusion(&confusion));
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

/// Fails if the model's `[data]` is of the other kind, and says what to do: a model for photos is asked
/// to read a table, or one for texts a folder or an archive. `run` is that of a trained model.
pub fn require_kind(spec: &Spec, run: Option<&RunFolder>) -> Result<()> {
    let Some(path) = &spec.data.path else { return Ok(()) };
    let (is, reads, model) = match &spec.input {
        InputSpec::Photo(_) if texts::is_table(path) && !path.is_dir() => {
            ("a table of texts", "photos", "--model review or --model review-plus")
        }
        InputSpec::Text(_) if path.is_dir() || holds_photos(path) => {
            ("no table of texts", "texts", "--model face for photos")
        }
        _ => return Ok(()),
    };
    let what = match run {
        Some(_) => "name a run of the other kind".into(),
        None => format!("add {model}"),
    };
    bail!("{} is {is}, and the model {:?} reads {reads}; {what}", shown_path(path), spec.name)
}

/// Whether a path is named like a photo, or an archive of photos.
fn holds_photos(path: &Path) -> bool {
    let known = ["zip", "tar", "gz", "tgz", "jpg", "jpeg", "png"];
    path.extension().is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Photos and their split. Where a part of them is enough, it is chosen by names, and only that part is
/// decoded or drawn.
fn faces(size: &PhotoSpec, spec: &Spec, purpose: Use) -> Result<(Photos, Split)> {
    let is_part = spec.data.split.is_some() || spec.data.limit.is_some();
    let Some(path) = &spec.data.path else {
        let all = photos::built_in_names(photos::BUILT_IN_FACES);
        let numbers: HashMap<String, usize> = all.iter().cloned().zip(0..).collect();
        let (names, chosen) = choose(PhotoNames(all), spec, purpose)?;
        let numbers: Vec<usize> = names.0.iter().filter_map(|name| numbers.get(name).copied()).collect();
        return accepted(photos::built_in(size, &numbers), chosen, spec, purpose);
    };
    if !is_part || purpose == Use::EvaluationOfAll {
        return split(photos::read(path, size, photos::Labels::Required)?.photos, spec, purpose);
    }
    let (source, listed) = photos::list(path)?;
    let (names, chosen) = choose(PhotoNames(listed.names), spec, purpose)?;
    require_sides::<PhotoNames>(names.0.len(), &chosen, purpose)?;
    let photos = photos::read_chosen(&source, size, &names.0)?;
    let lost = names.0.len().saturating_sub(photos.len());
    if lost > 0 && purpose == Use::Resuming {
        bail!(
            "{}: {lost} photos cannot be read any more; a training goes on only with the photos it began with",
            shown_path(path)
        );
    }
    // Those that cannot be read are on no side.
    let places: HashMap<&String, usize> = photos.names.iter().zip(0..).collect();
    let there = |indices: &Vec<usize>| {
        indices.iter().filter_map(|&index| places.get(&names.0[index]).copied()).collect()
    };
    let [train, validation, test] = [&chosen.train, &chosen.validation, &chosen.test].map(there);
    accepted(photos, Split { train, validation, test }, spec, purpose)
}

/// Splits samples as the model's `[data]` says, and leaves out those on no side.
fn split<S: Contents>(samples: S, spec: &Spec, purpose: Use) -> Result<(S, Split)> {
    let (samples, chosen) = choose(samples, spec, purpose)?;
    accepted(samples, chosen, spec, purpose)
}

/// Splits samples by what they are called, and leaves out those on no side.
fn choose<S: Samples>(samples: S, spec: &Spec, purpose: Use) -> Result<(S, Split)> {
    let mut chosen = match &spec.data.split {
        _ if purpose == Use::EvaluationOfAll => {
            Split { validation: (0..samples.names().len()).collect(), ..Split::default() }
        }
        Some(path) => from_csv(path, &samples, purpose)?,
        None => Split::by_names(samples.names(), spec.training.seed),
    };
    if let Some(limit) = spec.data.limit {
        chosen = chosen.limited(limit, spec.training.seed);
    }
    Ok(chosen.compact(samples))
}

/// Samples and their split, once it is known which of them are copies: those are kept on one side of a seeded
/// split, and told of in one that was given.
fn accepted<S: Contents>(samples: S, chosen: Split, spec: &Spec, purpose: Use) -> Result<(S, Split)> {
    let (copies, name) = (Copies::of(&samples), S::NAME);
    let chosen = match &spec.data.split {
        _ if purpose == Use::EvaluationOfAll => chosen,
        Some(path) => {
            if purpose == Use::Training {
                warn_of_copies(path, &samples, &chosen);
            }
            chosen
        }
        None => {
            if copies.count() > 0 {
                let count = copies.count();
                log::info!("{count} {name}s are copies of others; those of one {name} are kept on one side");
            }
            copies.together(chosen)
        }
    };
    require_sides::<S>(samples.names().len() - copies.count(), &chosen, purpose)?;
    if needs_training(purpose) {
        let (train, validation) = (chosen.train.len(), chosen.validation.len());
        let test = match chosen.test.len() {
            0 => String::new(),
            test => format!(", {test} for a test at the end"),
        };
        log::info!("{name}s: {train} to train on, {validation} to validate with{test}");
    }
    Ok((samples, chosen))
}

fn needs_training(purpose: Use) -> bool {
    matches!(purpose, Use::Training | Use::Resuming)
}

/// Fails if a side that is needed has no sample, of so many different ones.
fn require_sides<S: Samples>(different: usize, chosen: &Split, purpose: Use) -> Result<()> {
    let none_to_measure = chosen.validation.is_empty() && chosen.test.is_empty();
    if none_to_measure || (chosen.train.is_empty() && needs_training(purpose)) {
        let name = S::NAME;
        bail!("{different} different {name}s are too few: training and validation need at least one each");
    }
    Ok(())
}

fn from_csv<S: Samples>(path: &Path, samples: &S, purpose: Use) -> Result<Split> {
    let (name, file) = (S::NAME, shown_path(path));
    let (chosen, notes) = match purpose {
        Use::Evaluation | Use::EvaluationOfAll => Split::measured_from_csv(path, samples)?,
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

/// Says which samples are on two sides of a split that was given.
pub fn warn_of_copies<S: Contents>(path: &Path, samples: &S, split: &Split) {
    let apart = Copies::of(samples).apart(split);
    if apart.samples == 0 {
        return;
    }
    let pair = |&(copy, original): &(usize, usize)| {
        let names = samples.names();
        format!("{} of {}", names[copy].escape_debug(), names[original].escape_debug())
    };
    let named: Vec<String> = apart.first.iter().map(pair).collect();
    let more = if apart.samples > named.len() { ", …" } else { "" };
    log::warn!(
        "warning: {}: {} {name}s to measure with are copies of {name}s on another side: {key} {}{more}; what is \
         measured on them is too good; without --split, copies are kept on one side",
        shown_path(path),
        apart.samples,
        named.join(", "),
        name = S::NAME,
        key = S::KEY,
    );
}
