//! `faceshader train`

use super::backend::AdapterArguments;
use super::epoch_bar::EpochBar;
use super::report::{draw_curves, write_page};
use super::saving::Saving;
use super::sessions::{kernels_before, sessions, this_session};
use super::set::{Set, Use};
use super::texts::Columns;
use super::{
    Outcome, Usage, above_zero, at_least_one, guessing, interrupt, model, profile, seed, table, tell,
};
use crate::data::split::Split;
use crate::gpu::Chosen;
use crate::ops::Op;
use crate::plan::BackendInfo;
use crate::spec::{InputSpec, Schedule, Spec};
use crate::train::history::{Epoch, total_loss};
use crate::train::run::RunFolder;
use crate::train::{Progress, Stopped, Trainer};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, face-plus, review, review-plus, or a TOML file
    #[arg(long, default_value = "face")]
    model: String,
    /// A folder, zip or tar.gz of photos with UTKFace names, or a CSV of reviews; the built-in set if not
    /// given
    #[arg(long)]
    data: Option<PathBuf>,
    /// A CSV with the columns file (or row, of reviews) and split (train, test); a seeded 80/20 split if not
    /// given
    #[arg(long)]
    split: Option<PathBuf>,
    /// Run every layer's kernels on their own
    #[arg(long)]
    no_fuse: bool,
    #[command(flatten)]
    adapter: AdapterArguments,
    #[command(flatten)]
    columns: Columns,
    /// Let no, not, nor and words such as don't count in reviews
    #[arg(long)]
    keep_negations: bool,
    /// Passes over the training samples
    #[arg(long, value_parser = at_least_one)]
    epochs: Option<usize>,
    /// Samples a step
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// The learning rate
    #[arg(long, value_parser = above_zero)]
    lr: Option<f64>,
    /// Of all randomness
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// Use this many samples only, training and validation together
    #[arg(long, value_parser = at_least_one)]
    limit: Option<usize>,
    /// The run folder; runs/NAME-001 and so on if not given
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on with a run, where it stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = ["model", "split", "batch", "lr", "seed", "limit", "out", "text_column", "label_column", "keep_negations", "no_fuse"])]
    resume: Option<PathBuf>,
    /// Skip the short check of the kernels before an adapter's first training
    #[arg(long)]
    no_verify: bool,
    /// Measure every kernel at the end; profile.json, profile.png and trace.json in the run's profile/
    #[arg(long)]
    profile: bool,
    /// One line of JSON an epoch
    #[arg(long)]
    json: bool,
}

/// Epochs of the built-in photos if the user names no number: the first try should end in minutes.
const BUILT_IN_PHOTO_EPOCHS: usize = 6;
/// The same for the built-in reviews, whose few words tell little at a time.
const BUILT_IN_TEXT_EPOCHS: usize = 24;
/// Steps that --profile measures.
const PROFILED_STEPS: usize = 5;

pub fn run(arguments: Arguments) -> Result<Outcome> {
    match arguments.resume.clone() {
        Some(path) => resume(arguments, path),
        None => start(arguments),
    }
}

fn start(arguments: Arguments) -> Result<Outcome> {
    let mut spec = model::load(&arguments.model)?;
    spec.data.path = arguments.data.or(spec.data.path);
    spec.data.split = arguments.split.or(spec.data.split);
    spec.data.limit = arguments.limit.or(spec.data.limit);
    let for_texts = arguments.columns.are_named();
    if for_texts && spec.data.path.is_none() {
        return Err(Usage("--text-column and --label-column need --data".into()).into());
    }
    match &mut spec.input {
        InputSpec::Text(text) => text.keep_negations |= arguments.keep_negations,
        InputSpec::Photo(_) if for_texts || arguments.keep_negations => {
            let message = "--text-column, --label-column and --keep-negations are for models that read texts";
            return Err(Usage(message.into()).into());
        }
        InputSpec::Photo(_) => {}
    }
    spec.data.text_column = arguments.columns.text_column.or(spec.data.text_column);
    spec.data.label_column = arguments.columns.label_column.or(spec.data.label_column);
    if spec.data.path.is_none() && spec.data.split.is_some() {
        return Err(Usage("--split needs --data: the built-in set has a split of its own".into()).into());
    }
    spec.training.fuse &= !arguments.no_fuse;
    spec.training.batch = arguments.batch.unwrap_or(spec.training.batch);
    spec.training.seed = arguments.seed.unwrap_or(spec.training.seed);
    let default = match &spec.input {
        _ if spec.data.path.is_some() => spec.training.epochs,
        InputSpec::Photo(_) => BUILT_IN_PHOTO_EPOCHS,
        InputSpec::Text(_) => BUILT_IN_TEXT_EPOCHS,
    };
    spec.training.epochs = arguments.epochs.unwrap_or(default);
    match (arguments.lr, &mut spec.optimizer) {
        (Some(rate), Op::Adam(adam)) => adam.learning_rate = rate,
        (Some(rate), Op::Sgd(sgd)) => sgd.learning_rate = rate,
        _ => {}
    }
    absolute_paths(&mut spec)?;
    crate::graph::Graph::new(&spec, spec.training.batch)?;

    spec.to_toml().context("the paths of --data and --split must be UTF-8")?;
    RunFolder::require_free(arguments.out.as_deref())?;

    let (backend, kernels) = arguments.adapter.open_for_training(&spec, !arguments.no_verify, |_| None)?;
    let (samples, split) = Set::load(&mut spec, Use::Training, None)?;
    let mut trainer = Trainer::new(backend, &spec)?;
    trainer.start_from_means(samples.dataset(), &split)?;
    let run = RunFolder::create(&spec.name, arguments.out.as_deref())?;
    run.write(&run.config(), &spec.to_toml()?)?;
    run.write(&run.split(), &samples.split_csv(&split))?;
    samples.save(&run)?;
    let Arguments { adapter, profile, json, .. } = arguments;
    let (adapter, epochs, saving) = (adapter.flags(), Vec::new(), Saving::default());
    Session { run, spec, samples, split, trainer, epochs, adapter, kernels, profile, json, saving }.train(0)
}

fn resume(arguments: Arguments, path: PathBuf) -> Result<Outcome> {
    let (run, mut spec) = RunFolder::open(&path)?;
    let mut epochs = run.read_history(&spec)?;
    if let Some(path) = arguments.data {
        spec.data.path = Some(path);
    }
    let planned = spec.training.epochs;
    spec.training.epochs = arguments.epochs.unwrap_or(planned);
    if spec.training.schedule != Schedule::Constant && spec.training.epochs != planned {
        log::warn!(
            "the learning rate follows {} epochs from here on, and no longer {planned}: it jumps",
            spec.training.epochs
        );
    }
    absolute_paths(&mut spec)?;
    let sessions = sessions(&run)?;
    let before = |info: &BackendInfo| kernels_before(&sessions, info);
    let (backend, kernels) = arguments.adapter.open_for_training(&spec, !arguments.no_verify, before)?;
    // The split of the run is kept, whatever the limit was.
    let mut data = spec.clone();
    data.data.split = Some(run.split());
    data.data.limit = None;
    let (samples, split) = Set::load(&mut data, Use::Resuming, Some(&run))?;
    let mut trainer = Trainer::new(backend, &spec)?;
    let first = trainer.load_state(&run.checkpoint())?;
    epochs.truncate(first);
    if epochs.len() < first {
        bail!("plots/curves.csv of {} lacks epochs that the checkpoint has", run.path().display());
    }
    if first >= spec.training.epochs {
        log::info!("all {} epochs are done; ask for more with --epochs", spec.training.epochs);
        return Ok(Outcome::Done);
    }
    run.write(&run.config(), &spec.to_toml()?)?;
    log::info!("going on with epoch {} of {}", first + 1, spec.training.epochs);
    let Arguments { adapter, profile, json, .. } = arguments;
    let (adapter, saving) = (adapter.flags(), Saving::default());
    Session { run, spec, samples, split, trainer, epochs, adapter, kernels, profile, json, saving }
        .train(first)
}

/// The run folder has to mean the same photos from everywhere.
fn absolute_paths(spec: &mut Spec) -> Result<()> {
    for path in [&mut spec.data.path, &mut spec.data.split].into_iter().flatten() {
        *path = std::path::absolute(&*path).with_context(|| format!("{} is no path", path.display()))?;
    }
    Ok(())
}

/// A training under way.
struct Session<'a> {
    run: RunFolder,
    spec: Spec,
    samples: Set,
    split: Split,
    trainer: Trainer<'a>,
    epochs: Vec<Epoch>,
    /// The flags by which the user named the adapter.
    adapter: String,
    /// Kernels that run as something else than usual.
    kernels: Chosen,
    /// Whether to measure the kernels at the end.
    profile: bool,
    json: bool,
    saving: Saving,
}

impl Session<'_> {
    fn train(mut self, first: usize) -> Result<Outcome> {
        let stop: &AtomicBool = interrupt::watched()?;
        log::info!("run folder: {}", self.run.path().display());
        let mut sessions = sessions(&self.run)?;
        sessions.push(this_session(&self.trainer.info(), &self.kernels)?);
        self.run.write(&self.run.environment(), &(serde_json::to_string_pretty(&sessions)? + "\n"))?;
        guessing::write(&self.run, &self.spec, &self.samples, &self.split)?;
        if !self.json {
            tell(&table::heading(&self.spec));
        }
        let mut progress = EpochBar::new(self.spec.training.epochs, self.spec.training.batch);
        for epoch in first..self.spec.training.epochs {
            progress.begin(epoch);
            let (mut saved, saving) = (Ok(()), &mut self.saving);
            let mut show = |step: Progress| {
                progress.show(epoch, step);
                if saving.is_ready() {
                    saved = progress.suspend(|| saving.wait());
                    // What cannot be saved need not be trained.
                    stop.fetch_or(saved.is_err(), Ordering::Relaxed);
                }
            };
            let samples = self.samples.dataset();
            let stopped = self.trainer.epoch(epoch, samples, &self.split, stop, &mut show)?;
            progress.clear();
            match stopped {
                Stopped::Done(results) => {
                    saved?;
                    self.finish_epoch(results)?;
                }
                Stopped::Interrupted(step) => {
                    // If the epoch before could not be saved, this may still be.
                    let earlier = saved.and_then(|()| self.saving.wait());
                    let state = self.trainer.state(epoch)?;
                    state.save_weights(&self.run.last())?;
                    state.save(&self.run.checkpoint(), epoch, step)?;
                    earlier?;
                    return Ok(self.interrupted());
                }
            }
            if stop.load(Ordering::Relaxed) && epoch + 1 < self.spec.training.epochs {
                self.saving.wait()?;
                return Ok(self.interrupted());
            }
        }
        self.finish()?;
        Ok(Outcome::Done)
    }

    fn interrupted(&self) -> Outcome {
        let (run, adapter) = (self.run.path().display(), &self.adapter);
        log::info!("stopped; go on with: faceshader train --resume {run} {adapter}");
        Outcome::Interrupted
    }

    /// Writes the epoch's results, and begins to write its tensors; the epoch is told of when they are written.
    /// The checkpoint comes last: whatever fails before it, the run goes on from the epoch before, and does the
    /// same again.
    fn finish_epoch(&mut self, results: Epoch) -> Result<()> {
        self.saving.wait()?;
        let state = self.trainer.state(results.epoch - 1)?;
        let loss = total_loss(&results.validation);
        let is_best = self.epochs.iter().all(|epoch| loss < total_loss(&epoch.validation));
        let line = if self.json { results.json() } else { table::row(&results) };
        let number = results.epoch;
        self.epochs.push(results);
        self.run.write_history(&self.epochs)?;
        let (last, best, checkpoint) = (self.run.last(), self.run.best(), self.run.checkpoint());
        self.saving.start(line, move || {
            state.save_weights(&last)?;
            if is_best {
                state.save_weights(&best)?;
            }
            state.save(&checkpoint, number, 0)
        });
        draw_curves(&self.run, &self.spec, &self.epochs)?;
        Ok(write_page(&self.run, &self.spec, &self.epochs, &self.facts())?)
    }

    /// What the best weights say of the validation samples, and the last word.
    fn finish(&mut self) -> Result<()> {
        self.saving.wait()?;
        self.trainer.load_weights(&self.run.best())?;
        let by_loss =
            |a: &&Epoch, b: &&Epoch| total_loss(&a.validation).total_cmp(&total_loss(&b.validation));
        if let Some(best) = self.epochs.iter().min_by(by_loss) {
            log::info!(
                "the pictures show the weights of epoch {}, whose validation loss is least",
                best.epoch
            );
        }
        self.samples.show(&self.run, &self.spec, &mut self.trainer, &self.split.validation, self.json)?;
        let told = guessing::last_words(&self.spec, &self.samples, &self.split, &self.epochs);
        write_page(&self.run, &self.spec, &self.epochs, &[self.facts(), told].concat())?;
        if self.profile {
            let profile = self.trainer.profile(PROFILED_STEPS)?;
            profile::write(&profile, &self.run.path().join("profile"))?;
            if !self.json {
                profile::tell(&profile, false)?;
            }
        }
        log::info!("report: {}", self.run.report().display());
        Ok(())
    }

    fn facts(&self) -> Vec<(String, String)> {
        let info = self.trainer.info();
        let data =
            self.spec.data.path.as_ref().map_or("built-in set".into(), |path| path.display().to_string());
        [
            ("model", self.spec.name.clone()),
            ("data", data),
            ("training", self.split.train.len().to_string()),
            ("validation", self.split.validation.len().to_string()),
            ("adapter", format!("{}: {}", info.backend, info.adapter)),
            ("driver", info.driver),
            ("batch", self.spec.training.batch.to_string()),
            ("seed", self.spec.training.seed.to_string()),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into()
    }
}
