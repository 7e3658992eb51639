//! `faceshader train`

use super::backend::AdapterArguments;
use super::progress::Bars;
use super::saving::Saving;
use super::session::Session;
use super::sessions::{kernels_before, sessions};
use super::texts::Columns;
use super::vocabulary::known_vocabulary;
use super::{Outcome, Usage, above_zero, at_least_one, guessing, init, model, seed, storage};
use crate::data::DataError;
use crate::data::samples::{Purpose, Samples, fitting_model, require_kind};
use crate::plan::BackendInfo;
use crate::spec::{Faces, InputSpec, Schedule, Spec};
use crate::train::run::{RunFolder, SAMPLES_NOTE};
use crate::train::{Place, Trainer};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, face-plus, photo, review, review-plus, or a TOML file; if not given, the one that fits --data, or face
    #[arg(long)]
    model: Option<String>,
    /// A folder, zip or tar.gz of photos (one folder a class, UTKFace names, or --labels), or a CSV of texts; the built-in set if not
    /// given
    #[arg(long)]
    data: Option<PathBuf>,
    /// A CSV with the columns file (or row, of reviews) and split (train, test, and val for what the best epoch
    /// is chosen by if there is a test at the end); a seeded 80/20 split if not given
    #[arg(long)]
    split: Option<PathBuf>,
    /// A CSV or TSV with the labels of photos: a column of file names, and others
    #[arg(long, value_name = "FILE", requires = "data")]
    labels: Option<PathBuf>,
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
    /// Of all randomness
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// Use this many samples only, training and validation together
    #[arg(long, value_parser = at_least_one)]
    limit: Option<usize>,
    /// The run folder; runs/NAME-001 and so on if not given
    #[arg(long)]
    out: Option<PathBuf>,
    /// Begin with these weights, as far as names and shapes fit: a safetensors file, or the best weights of a run
    #[arg(long, value_name = "FILE|RUN")]
    init: Option<PathBuf>,
    /// Go on with a run, where it stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = ["init", "model", "split", "batch", "seed", "limit", "out", "text_column", "label_column", "keep_negations", "no_fuse", "faces"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    how: How,
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

/// What a resumed training may be told as well.
#[derive(Debug, clap::Args)]
pub struct How {
    #[command(flatten)]
    pub adapter: AdapterArguments,
    /// Passes over the training samples
    #[arg(long, value_parser = at_least_one)]
    pub epochs: Option<usize>,
    /// The learning rate
    #[arg(long, value_parser = above_zero)]
    pub lr: Option<f64>,
    #[command(flatten)]
    pub storage: storage::Arguments,
    /// Minutes after which a checkpoint is written within an epoch, too
    #[arg(long, default_value_t = 5.0, value_parser = above_zero)]
    pub save_minutes: f64,
    /// Skip the short check of the kernels before an adapter's first use
    #[arg(long)]
    pub no_verify: bool,
    /// Measure every kernel at the end; profile.json, profile.png and trace.json in the run's profile/
    #[arg(long)]
    pub profile: bool,
    /// Log each epoch, and the pictures at the end, for TensorBoard: tensorboard --logdir RUN/tensorboard
    #[arg(long)]
    pub tensorboard: bool,
    /// One line of JSON an epoch
    #[arg(long)]
    pub json: bool,
}

/// Epochs of the built-in photos if the user names no number: the first try should end in minutes.
const BUILT_IN_PHOTO_EPOCHS: usize = 6;
/// The same for the built-in reviews, whose few words tell little at a time.
const BUILT_IN_TEXT_EPOCHS: usize = 24;

pub fn run(arguments: Arguments) -> Result<Outcome> {
    match arguments.resume.clone() {
        Some(path) => resume(arguments, path),
        None => start(arguments),
    }
}

fn start(arguments: Arguments) -> Result<Outcome> {
    let name = match (&arguments.model, &arguments.data) {
        (Some(name), _) => name.clone(),
        (None, None) => "face".into(),
        (None, Some(data)) => {
            let (name, why) = fitting_model(data, arguments.labels.as_deref())?;
            log::info!("model: {name}, since {why}; choose another by --model");
            name.into()
        }
    };
    let mut spec = model::load(&name)?;
    spec.data.path = arguments.data.or(spec.data.path);
    spec.data.split = arguments.split.or(spec.data.split);
    spec.data.limit = arguments.limit.or(spec.data.limit);
    spec.data.labels = arguments.labels.or(spec.data.labels);
    let for_texts = arguments.columns.are_named();
    if for_texts && spec.data.path.is_none() {
        return Err(Usage("--text-column and --label-column need --data".into()).into());
    }
    let faces = arguments.faces.map(Faces::from);
    match &mut spec.input {
        InputSpec::Text(_) if faces.is_some() => {
            return Err(Usage("--faces is for models that see photos".into()).into());
        }
        InputSpec::Text(text) => text.keep_negations |= arguments.keep_negations,
        InputSpec::Photo(_) if for_texts || arguments.keep_negations => {
            let message = "--text-column, --label-column and --keep-negations are for models that read texts";
            return Err(Usage(message.into()).into());
        }
        InputSpec::Photo(photo) => photo.faces = faces.or(photo.faces),
    }
    if faces == Some(Faces::Detect) && spec.data.path.is_none() {
        return Err(
            Usage("--faces detect needs --data: the faces of the built-in set are drawn".into()).into()
        );
    }
    if arguments.columns.label_column.is_some() && spec.targets.len() > 1 {
        let message = "--label-column names the column of a model's only target, and this model has several; name \
                       their columns in its [[target]]s";
        return Err(Usage(message.into()).into());
    }
    spec.data.text_column = arguments.columns.text_column.or(spec.data.text_column);
    spec.data.label_column = arguments.columns.label_column.or(spec.data.label_column);
    if spec.data.path.is_none() && spec.data.split.is_some() {
        return Err(Usage("--split needs --data: the built-in set has a split of its own".into()).into());
    }
    spec.training.fuse &= !arguments.no_fuse;
    spec.training.batch = arguments.batch.unwrap_or(spec.training.batch);
    spec.training.seed = arguments.seed.unwrap_or(spec.training.seed);
    spec.training.init =
        arguments.init.or(spec.training.init).map(|path| init::file_of(&path)).transpose()?;
    let default = match &spec.input {
        _ if spec.data.path.is_some() => spec.training.epochs,
        InputSpec::Photo(_) => BUILT_IN_PHOTO_EPOCHS,
        InputSpec::Text(_) => BUILT_IN_TEXT_EPOCHS,
    };
    spec.training.epochs = arguments.how.epochs.unwrap_or(default);
    set_learning_rate(&mut spec, arguments.how.lr);
    absolute_paths(&mut spec)?;
    require_kind(&spec, Purpose::Training)?;
    if spec.data.path.is_none() {
        Samples::settle_without_data(&mut spec.clone())?;
    }
    if spec.is_settled() {
        // A mistake in it is told before anything that takes long.
        crate::graph::Graph::new(&spec, spec.training.batch)?;
    }
    spec.to_toml().context("the paths of --data and --split must be UTF-8")?;
    RunFolder::require_free(arguments.out.as_deref())?;
    let out = arguments.out;
    begin(arguments.how, spec, out.as_deref(), |spec| Ok(RunFolder::create(&spec.name, out.as_deref())?))
}

/// Trains from the first step. The folder is made once all is read and ready.
fn begin(
    how: How,
    mut spec: Spec,
    run: Option<&Path>,
    folder: impl FnOnce(&Spec) -> Result<RunFolder>,
) -> Result<Outcome> {
    if let Some(path) = spec.data.path.as_ref().filter(|path| !path.exists()) {
        // Before anything that takes long.
        return Err(DataError::Missing { path: path.clone() }.into());
    }
    how.adapter.require()?;
    // Which kernels suit an adapter is tried on the model, so that its data have to be known.
    let (samples, split) =
        Samples::load(&mut spec, Purpose::Training, None, &how.storage.storage(run), &Bars::default())?;
    let (backend, kernels) = how.adapter.open_for_training(&spec, !how.no_verify, |_| None)?;
    let mut trainer = Trainer::new(backend, &spec)?;
    trainer.start_from_means(&samples, &split)?;
    if let Some(file) = &spec.training.init {
        init::take(&mut trainer, &spec, file, samples.vocabulary())?;
    }
    let mut run = folder(&spec)?;
    run.write_config(&spec)?;
    run.write(&run.split(), &split.to_csv(&samples.records))?;
    if let Some(vocabulary) = samples.vocabulary() {
        vocabulary.write(&run.vocabulary())?;
    }
    guessing::write(&run, &spec, &samples, &split)?;
    let notes = run.notes(samples.checksum()?);
    let (epochs, saving, saved, board) = (Vec::new(), Saving::default(), Instant::now(), None);
    Session { run, spec, samples, split, trainer, epochs, kernels, how, notes, saving, saved, board }.train(0)
}

fn resume(arguments: Arguments, path: PathBuf) -> Result<Outcome> {
    let (mut run, mut spec) = RunFolder::open_to_train(&path)?;
    let how = arguments.how;
    let trained_on = spec.data.path.clone().filter(|path| arguments.data.is_none() && !path.exists());
    if let Some(path) = trained_on {
        bail!(
            "the run was trained on {}, which is not there; if it has moved, name its new place: --resume {} --data PATH",
            path.display(),
            run.path().display()
        );
    }
    spec.data.path = arguments.data.or(spec.data.path);
    spec.data.labels = arguments.labels.or(spec.data.labels);
    let planned = spec.training.epochs;
    spec.training.epochs = how.epochs.unwrap_or(planned);
    set_learning_rate(&mut spec, how.lr);
    absolute_paths(&mut spec)?;
    if !run.checkpoint().exists() {
        log::info!("{} has no checkpoint yet: its training begins anew", run.path().display());
        return begin(how, spec, Some(&path), |_| Ok(run));
    }
    if spec.training.schedule != Schedule::Constant && spec.training.epochs != planned {
        log::warn!(
            "the learning rate follows {} epochs from here on, and no longer {planned}: it jumps",
            spec.training.epochs
        );
    }
    let epochs = run.saved_history(&spec)?;
    let sessions = sessions(&run)?;
    let before = |info: &BackendInfo| kernels_before(&sessions, info);
    let (backend, kernels) = how.adapter.open_for_training(&spec, !how.no_verify, before)?;
    // The split of the run is kept, whatever the limit was.
    let mut data = spec.clone();
    data.data.split = Some(run.split());
    data.data.limit = None;
    let vocabulary = known_vocabulary(&run, &spec)?;
    let storage = how.storage.storage(Some(&path));
    let (samples, split) =
        Samples::load(&mut data, Purpose::Resuming, vocabulary, &storage, &Bars::default())?;
    // What a run from before models had targets leaves open.
    spec.targets = data.targets;
    let mut trainer = Trainer::new(backend, &spec)?;
    let Place { epoch: first, step, notes } = trainer.load_state(&run.checkpoint())?;
    let steps = trainer.steps_per_epoch(split.train.len());
    if step > steps {
        bail!(
            "{} is at step {step} of an epoch of {steps}: it is of another run",
            run.checkpoint().display()
        );
    }
    let checksum = samples.checksum()?;
    if notes.get(SAMPLES_NOTE).is_some_and(|theirs| *theirs != checksum) {
        bail!(
            "the {} have changed since the training began, under the same names; it goes on only with those that it \
             began with",
            samples.noun()
        );
    }
    if epochs.len() < first {
        bail!("plots/curves.csv of {} lacks epochs that the checkpoint has", run.path().display());
    }
    if first + usize::from(step > 0) > spec.training.epochs {
        let done = if step > 0 { "begun" } else { "done" };
        let begun = first + usize::from(step > 0);
        return Err(
            Usage(format!("{begun} epochs are {done} already; --epochs must be at least that")).into()
        );
    }
    run.write_config(&spec)?;
    if first < spec.training.epochs {
        log::info!("going on with epoch {} of {}", first + 1, spec.training.epochs);
    } else {
        log::info!("all {} epochs are done; ask for more with --epochs", spec.training.epochs);
    }
    if !run.guessing().exists() {
        guessing::write(&run, &spec, &samples, &split)?;
    }
    let (notes, saving, saved, board) = (run.notes(checksum), Saving::default(), Instant::now(), None);
    let mut session =
        Session { run, spec, samples, split, trainer, epochs, kernels, how, notes, saving, saved, board };
    session.require_best(step)?;
    session.train(first)
}

fn set_learning_rate(spec: &mut Spec, rate: Option<f64>) {
    if let (Some(rate), Some(place)) = (rate, spec.optimizer.learning_rate()) {
        *place = rate;
    }
}

/// The run folder has to mean the same photos from everywhere.
fn absolute_paths(spec: &mut Spec) -> Result<()> {
    for path in [&mut spec.data.path, &mut spec.data.split, &mut spec.data.labels].into_iter().flatten() {
        *path = std::path::absolute(&*path).with_context(|| format!("{} is no path", path.display()))?;
    }
    Ok(())
}
