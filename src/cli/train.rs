//! `faceshader train`

use super::backend::AdapterArguments;
use super::progress::Bars;
use super::saving::Saving;
use super::session::Session;
use super::sessions::{kernels_before, sessions};
use super::setup::{Setup, absolute_paths, set_learning_rate};
use super::vocabulary::known_vocabulary;
use super::{Outcome, Usage, above_zero, at_least_one, guessing, init, storage};
use crate::data::DataError;
use crate::data::samples::{Purpose, Samples};
use crate::plan::BackendInfo;
use crate::spec::Spec;
use crate::train::run::{RunFolder, SAMPLES_NOTE};
use crate::train::{Place, Trainer};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    setup: Setup,
    /// The run folder; runs/NAME-001 and so on if not given
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on with a run, where it stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = ["init", "model", "split", "batch", "seed", "limit", "out", "text_column", "label_column", "keep_negations", "no_fuse", "faces", "fold", "set", "schedule", "warmup_epochs", "plateau", "ema", "clip_norm", "weight_decay", "label_smoothing", "freeze"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    how: How,
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
    /// End after so many epochs without a lower validation loss; 0: train all epochs
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<usize>,
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

pub fn run(arguments: Arguments) -> Result<Outcome> {
    match arguments.resume.clone() {
        Some(path) => resume(arguments, path),
        None => start(arguments),
    }
}

fn start(arguments: Arguments) -> Result<Outcome> {
    let Arguments { setup, out, how, .. } = arguments;
    let spec = setup.spec(how.epochs, how.lr, how.patience)?;
    RunFolder::require_free(out.as_deref())?;
    begin(how, spec, out.as_deref(), |spec| Ok(RunFolder::create(&spec.name, out.as_deref())?))
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
    let trained_on = spec.data.path.clone().filter(|path| arguments.setup.data.is_none() && !path.exists());
    if let Some(path) = trained_on {
        bail!(
            "the run was trained on {}, which is not there; if it has moved, name its new place: --resume {} --data PATH",
            path.display(),
            run.path().display()
        );
    }
    spec.data.path = arguments.setup.data.or(spec.data.path);
    spec.data.labels = arguments.setup.labels.or(spec.data.labels);
    let planned = spec.training.epochs;
    spec.training.epochs = how.epochs.unwrap_or(planned);
    set_learning_rate(&mut spec, how.lr);
    spec.training.patience = how.patience.unwrap_or(spec.training.patience);
    spec.training.check().map_err(Usage)?;
    absolute_paths(&mut spec)?;
    if !run.checkpoint().exists() {
        log::info!("{} has no checkpoint yet: its training begins anew", run.path().display());
        return begin(how, spec, Some(&path), |_| Ok(run));
    }
    if spec.training.rate_follows_epochs() && spec.training.epochs != planned {
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
    data.data.fold = None;
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
