//! What to train on what, and how: the flags that a new training has, and what it makes of them.

use super::recipe::Recipe;
use super::texts::Columns;
use super::{Usage, at_least_one, init, model, seed};
use crate::data::samples::{Purpose, Samples, fitting_model, require_kind};
use crate::graph::Graph;
use crate::spec::{Faces, Fold, InputSpec, Setting, Spec};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// The flags.
#[derive(Debug, clap::Args)]
pub struct Setup {
    /// face, face-plus, photo, review, review-plus, or a TOML file; if not given, the one that fits --data, or face
    #[arg(long)]
    model: Option<String>,
    /// A folder, zip or tar.gz of photos (one folder a class, UTKFace names, or --labels), or a CSV of texts; the built-in set if not
    /// given
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// A CSV with the columns file (or row, of reviews) and split (train, test, and val for what the best epoch
    /// is chosen by if there is a test at the end); a seeded 80/20 split if not given
    #[arg(long)]
    split: Option<PathBuf>,
    /// A CSV or TSV with the labels of photos: a column of file names, and others
    #[arg(long, value_name = "FILE", requires = "data")]
    pub labels: Option<PathBuf>,
    /// How the photos show faces; found out from the photos if not given
    #[arg(long)]
    faces: Option<FacesArgument>,
    /// Run every layer's kernels on their own
    #[arg(long)]
    no_fuse: bool,
    #[command(flatten)]
    columns: Columns,
    /// Let no, not, nor and words such as don't count in reviews
    #[arg(long)]
    keep_negations: bool,
    /// Samples a step
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// Random seed for initial weights, order, augmentation and dropout
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// Use this many samples only, training and validation together
    #[arg(long, value_parser = at_least_one)]
    limit: Option<usize>,
    /// Begin with these weights, as far as names and shapes fit: a safetensors file, or the best weights of a run
    #[arg(long, value_name = "FILE|RUN")]
    init: Option<PathBuf>,
    /// Cross-validation: learn from the training samples but one fold of them, such as 1/5, and validate with that; other
    /// sides are left out
    #[arg(long, value_name = "K/N", value_parser = Fold::parse)]
    fold: Option<Fold>,
    /// Any key of the model's file: --set layer.dropout.rate=0.2; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = Setting::parse)]
    set: Vec<Setting>,
    #[command(flatten)]
    recipe: Recipe,
}

/// How photos show faces, for the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FacesArgument {
    /// They are taken whole, here and by predictions
    Whole,
    /// Each is a face and not much besides; predictions cut faces out of other photos alike
    Cropped,
    /// They are ordinary photos: the largest face of each is found and cut out
    Detect,
}

impl From<FacesArgument> for Faces {
    fn from(argument: FacesArgument) -> Faces {
        match argument {
            FacesArgument::Whole => Faces::Whole,
            FacesArgument::Cropped => Faces::Cropped,
            FacesArgument::Detect => Faces::Detect,
        }
    }
}

/// Epochs of the built-in photos if the user names no number: the first try should end in minutes.
const BUILT_IN_PHOTO_EPOCHS: usize = 6;
/// The same for the built-in reviews, whose few words tell little at a time.
const BUILT_IN_TEXT_EPOCHS: usize = 24;

impl Setup {
    /// The model with all that the flags say; `epochs` and `rate` are those of other flags.
    ///
    /// # Errors
    /// Where flags do not go together, or do not suit the model; where the model is wrong.
    pub fn spec(self, epochs: Option<usize>, rate: Option<f64>, patience: Option<usize>) -> Result<Spec> {
        let name = match (&self.model, &self.data) {
            (Some(name), _) => name.clone(),
            (None, None) => "face".into(),
            (None, Some(data)) => {
                let (name, why) = fitting_model(data, self.labels.as_deref())?;
                log::info!("model: {name}, since {why}; choose another by --model");
                name.into()
            }
        };
        let mut spec = model::load_with(&name, &self.set)?;
        let says_epochs = self.set.iter().any(|setting| setting.key == "training.epochs");
        spec.data.path = self.data.or(spec.data.path);
        spec.data.split = self.split.or(spec.data.split);
        spec.data.limit = self.limit.or(spec.data.limit);
        spec.data.fold = self.fold.or(spec.data.fold);
        spec.data.labels = self.labels.or(spec.data.labels);
        let for_texts = self.columns.are_named();
        if for_texts && spec.data.path.is_none() {
            return Err(Usage("--text-column and --label-column need --data".into()).into());
        }
        let faces = self.faces.map(Faces::from);
        match &mut spec.input {
            InputSpec::Text(_) if faces.is_some() => {
                return Err(Usage("--faces is for models that see photos".into()).into());
            }
            InputSpec::Text(text) => text.keep_negations |= self.keep_negations,
            InputSpec::Photo(_) if for_texts || self.keep_negations => {
                let message =
                    "--text-column, --label-column and --keep-negations are for models that read texts";
                return Err(Usage(message.into()).into());
            }
            InputSpec::Photo(photo) => photo.faces = faces.or(photo.faces),
        }
        if faces == Some(Faces::Detect) && spec.data.path.is_none() {
            return Err(
                Usage("--faces detect needs --data: the faces of the built-in set are drawn".into()).into()
            );
        }
        if self.columns.label_column.is_some() && spec.targets.len() > 1 {
            let message = "--label-column names the column of a model's only target, and this model has several; name \
                           their columns in its [[target]]s";
            return Err(Usage(message.into()).into());
        }
        spec.data.text_column = self.columns.text_column.or(spec.data.text_column);
        spec.data.label_column = self.columns.label_column.or(spec.data.label_column);
        if spec.data.path.is_none() && spec.data.split.is_some() {
            return Err(Usage("--split needs --data: the built-in set has a split of its own".into()).into());
        }
        spec.training.fuse &= !self.no_fuse;
        spec.training.batch = self.batch.unwrap_or(spec.training.batch);
        spec.training.seed = self.seed.unwrap_or(spec.training.seed);
        spec.training.init = self.init.or(spec.training.init).map(|path| init::file_of(&path)).transpose()?;
        let default = match &spec.input {
            _ if spec.data.path.is_some() || says_epochs => spec.training.epochs,
            InputSpec::Photo(_) => BUILT_IN_PHOTO_EPOCHS,
            InputSpec::Text(_) => BUILT_IN_TEXT_EPOCHS,
        };
        spec.training.epochs = epochs.unwrap_or(default);
        set_learning_rate(&mut spec, rate);
        spec.training.patience = patience.unwrap_or(spec.training.patience);
        self.recipe.apply(&mut spec)?;
        spec.training.check().map_err(Usage)?;
        absolute_paths(&mut spec)?;
        require_kind(&spec, Purpose::Training)?;
        if spec.data.path.is_none() {
            Samples::settle_without_data(&mut spec.clone())?;
        }
        if spec.is_settled() {
            // A mistake in it is told before anything that takes long.
            Graph::new(&spec, spec.training.batch)?;
        }
        spec.to_toml().context("the paths of --data and --split must be UTF-8")?;
        Ok(spec)
    }
}

/// Sets the optimiser's learning rate, if one is given.
pub fn set_learning_rate(spec: &mut Spec, rate: Option<f64>) {
    if let (Some(rate), Some(place)) = (rate, spec.optimizer.learning_rate()) {
        *place = rate;
    }
}

/// The run folder has to mean the same photos from everywhere.
pub fn absolute_paths(spec: &mut Spec) -> Result<()> {
    for path in [&mut spec.data.path, &mut spec.data.split, &mut spec.data.labels].into_iter().flatten() {
        *path = std::path::absolute(&*path).with_context(|| format!("{} is no path", path.display()))?;
    }
    Ok(())
}
