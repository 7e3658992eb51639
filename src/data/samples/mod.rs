//! What a model is trained on or asked about: contents, labels, and which sample is for what.

mod choose;
mod photos;
mod texts;

pub use choose::warn_of_copies;
pub use photos::{
    BUILT_IN_FACES, BUILT_IN_SEED, built_in_faces, built_in_records, labelled, read_contents, read_photos,
    tell, tell_skipped,
};
pub use texts::{built_in_reviews, tell_skipped_rows};

use super::batches::{Batch, Dataset, Input, Variation, batch};
use super::error::{DataError, shown_path};
use super::photos::Photos;
use super::records::{Key, Records};
use super::reviews::{Texts, Vocabulary};
use super::split::Split;
use super::storage::Storage;
use super::watch::Watch;
use crate::spec::{InputSpec, Spec};
use crate::tasks::Target;
use std::path::Path;

/// What samples are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A new training.
    Training,
    /// Going on with one, which needs the very same samples.
    Resuming,
    /// Measuring, which needs no training samples.
    Evaluation,
    /// Measuring with all that there are.
    EvaluationOfAll,
}

/// What the model sees of samples.
#[derive(Debug)]
pub enum Inputs {
    /// Photos.
    Photos(Photos),
    /// Texts.
    Texts(Texts),
}

/// Samples of one kind of model.
#[derive(Debug)]
pub struct Samples {
    /// Names and labels.
    pub records: Records,
    /// What the model sees.
    pub inputs: Inputs,
    /// The model's targets.
    targets: Vec<Target>,
}

/// Why samples cannot be had: messages are for the user.
pub type Failed = anyhow::Error;

impl Samples {
    /// Samples for a model's targets.
    pub fn new(records: Records, inputs: Inputs, spec: &Spec) -> Samples {
        Samples { records, inputs, targets: spec.targets.clone() }
    }

    /// At least so many samples of the built-in set, to try a model on. Labels that it does not have are made up.
    ///
    /// # Errors
    /// When the model leaves open what only its own data can tell.
    pub fn built_in(spec: &mut Spec, count: usize, watch: &dyn Watch) -> Result<Samples, Failed> {
        let records = |spec: &InputSpec| match spec {
            InputSpec::Photo(_) => built_in_records(count),
            InputSpec::Text(_) => built_in_reviews(count).1,
        };
        let mut records = settle_built_in(spec, records(&spec.input))?;
        let all: Vec<usize> = (0..records.len()).collect();
        records.settle_training(spec, &all);
        let inputs = match &spec.input {
            InputSpec::Photo(photo) => Inputs::Photos(built_in_faces(photo, &all, watch)),
            InputSpec::Text(_) => {
                let texts = built_in_reviews(count).0;
                // The model keeps its own vocabulary: what counts is its shape.
                Inputs::Texts(texts::numbered(texts, &all, None, &mut spec.clone())?)
            }
        };
        if records.answers.is_empty() {
            records.invent(spec);
        }
        Ok(Samples::new(records, inputs, spec))
    }

    /// Completes a model that has no data of its own, to show what it looks like: by the built-in set.
    ///
    /// # Errors
    /// When the model leaves open what only its own data can tell.
    pub fn settle_without_data(spec: &mut Spec) -> Result<(), Failed> {
        let records = match &spec.input {
            InputSpec::Photo(_) => built_in_records(BUILT_IN_FACES),
            InputSpec::Text(_) => built_in_reviews(0).1,
        };
        let records = settle_built_in(spec, records)?;
        let all: Vec<usize> = (0..records.len()).collect();
        records.settle_training(spec, &all);
        Ok(())
    }

    /// Reads what a model's `[data]` says, or makes the built-in set. What the model leaves open is filled in.
    /// Texts are numbered with the vocabulary of a run, or with their own; photos go to `storage`.
    ///
    /// # Errors
    /// When the data cannot be read, or are not what the model needs.
    pub fn load(
        spec: &mut Spec,
        purpose: Purpose,
        vocabulary: Option<Vocabulary>,
        storage: &Storage,
        watch: &dyn Watch,
    ) -> Result<(Samples, Split), Failed> {
        require_kind(spec, purpose)?;
        match &spec.input {
            InputSpec::Photo(_) => photos::load(spec, purpose, storage, watch),
            InputSpec::Text(_) => texts::load(spec, purpose, vocabulary),
        }
    }

    /// The first samples in a batch, as the model's training would see them.
    ///
    /// # Errors
    /// When they lie in a file that cannot be read.
    pub fn first_batch(&self, spec: &Spec) -> Result<Batch, DataError> {
        self.samples_from(spec, 0, spec.training.batch)
    }

    /// `count` samples from `first` on in a batch, as the model's training would see them.
    ///
    /// # Errors
    /// When they lie in a file that cannot be read.
    pub fn samples_from(&self, spec: &Spec, first: usize, count: usize) -> Result<Batch, DataError> {
        let chosen: Vec<usize> = (first..first + count).collect();
        let variation = Variation { augment: &spec.augment, seed: spec.training.seed, epoch: 0 };
        batch(self, &chosen, spec.training.batch, Some(variation))
    }

    /// The first `count` samples in a batch of `size`, as an evaluation would see them: as they are.
    ///
    /// # Errors
    /// When they lie in a file that cannot be read.
    pub fn plain_batch(&self, count: usize, size: usize) -> Result<Batch, DataError> {
        let chosen: Vec<usize> = (0..count).collect();
        batch(self, &chosen, size, None)
    }

    /// What the samples are called: photos or reviews.
    pub fn noun(&self) -> &'static str {
        match self.records.key {
            Key::File => "photos",
            Key::Row => "reviews",
        }
    }

    /// What tells these samples from others, also from those of the same names.
    ///
    /// # Errors
    /// When they lie in a file that cannot be read.
    pub fn checksum(&self) -> Result<String, DataError> {
        let mut hasher = blake3::Hasher::new();
        for index in 0..self.records.len() {
            for answers in &self.records.answers {
                hasher.update(format!("{:?} ", answers[index]).as_bytes());
            }
            match &self.inputs {
                Inputs::Photos(photos) => hasher.update(&photos.photo(index)?),
                Inputs::Texts(texts) => {
                    let text = &texts.texts[index];
                    hasher.update(format!("{} ", text.len()).as_bytes()).update(text.as_bytes())
                }
            };
        }
        Ok(crate::file::checksum(hasher.finalize().as_bytes()))
    }

    /// The photos, if they are some.
    pub fn photos(&self) -> Option<&Photos> {
        match &self.inputs {
            Inputs::Photos(photos) => Some(photos),
            Inputs::Texts(_) => None,
        }
    }

    /// The vocabulary of texts.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match &self.inputs {
            Inputs::Photos(_) => None,
            Inputs::Texts(texts) => Some(&texts.vocabulary),
        }
    }
}

impl Dataset for Samples {
    fn inputs(
        &self,
        chosen: &[usize],
        size: usize,
        variation: Option<Variation>,
    ) -> Result<Vec<Input>, DataError> {
        Ok(match &self.inputs {
            Inputs::Photos(photos) => {
                let (photos, transforms) = photos.batch(chosen, size, variation)?;
                vec![("photos", photos), ("transform", bytemuck::cast_slice(&transforms).to_vec())]
            }
            Inputs::Texts(texts) => {
                vec![("tokens", bytemuck::cast_slice(&texts.batch(chosen, size, variation)).to_vec())]
            }
        })
    }

    fn targets(&self) -> usize {
        self.targets.len()
    }

    fn answer(&self, sample: usize, target: usize) -> Option<f32> {
        *self.records.answers.get(target)?.get(sample)?
    }

    fn weight(&self, sample: usize, target: usize) -> f32 {
        self.answer(sample, target).map_or(0.0, |label| self.targets[target].weight(label))
    }
}

/// The size of photos that do not say how large they are: that of the drawn faces.
const BUILT_IN_SIDE: usize = 128;

/// Completes a model by the built-in set, and labels the set where it has all of the model's targets.
fn settle_built_in(spec: &mut Spec, records: Records) -> Result<Records, Failed> {
    if let InputSpec::Photo(photo) = &mut spec.input
        && photo.width == 0
    {
        (photo.width, photo.height) = (BUILT_IN_SIDE, BUILT_IN_SIDE);
    }
    let mut settled = spec.clone();
    let labelled = records.settle(&mut settled).and_then(|()| records.clone().answer(&settled));
    match labelled {
        Ok((records, ..)) => {
            *spec = settled;
            Ok(records)
        }
        // Labels can be made up of targets that the model tells all of.
        Err(_) if spec.targets.iter().all(|target| target.kind.is_some() && target.outputs() > 0) => {
            Ok(records)
        }
        Err(error) => Err(error.into()),
    }
}

/// Fails if the model's `[data]` is of the other kind, and says what to do: a model for photos is asked
/// to read a table, or one for texts a folder or an archive.
pub fn require_kind(spec: &Spec, purpose: Purpose) -> Result<(), Failed> {
    let Some(path) = &spec.data.path else { return Ok(()) };
    let (is, reads, model) = match &spec.input {
        InputSpec::Photo(_) if is_table(path) && !path.is_dir() => {
            ("a table of texts", "photos", "--model review or --model review-plus")
        }
        InputSpec::Text(_) if path.is_dir() || holds_photos(path) => {
            ("no table of texts", "texts", "--model photo for photos")
        }
        _ => return Ok(()),
    };
    let what = match purpose {
        Purpose::Training => format!("add {model}"),
        _ => "name a run of the other kind".into(),
    };
    anyhow::bail!("{} is {is}, and the model {:?} reads {reads}; {what}", shown_path(path), spec.name)
}

/// The built-in model for what lies at a path, and why it is the one.
///
/// # Errors
/// When nothing can be read there.
pub fn fitting_model(path: &Path, labels: Option<&Path>) -> Result<(&'static str, &'static str), Failed> {
    if is_table(path) && !path.is_dir() {
        return Ok(("review-plus", "the data are a table of texts"));
    }
    if labels.is_some() {
        return Ok(("photo", "the data are photos with labels of their own"));
    }
    let names = super::load::survey(&super::source::Source::open(path)?)?.names;
    Ok(match (super::labels::utkface::WAY.fits)(&names) {
        true => ("face-plus", "the data are photos whose names tell age and gender"),
        false => ("photo", "the data are photos with labels of their own"),
    })
}

/// Whether a path is named like a table of texts.
pub fn is_table(path: &Path) -> bool {
    let known = ["csv", "tsv", "tab"];
    path.extension().is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Whether a path is named like a photo, or an archive of photos.
fn holds_photos(path: &Path) -> bool {
    let known = ["zip", "tar", "gz", "tgz", "jpg", "jpeg", "png"];
    path.extension().is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}
