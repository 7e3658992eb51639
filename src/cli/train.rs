//! `faceshader train`

use super::backend::AdapterArguments;
use super::epoch_bar::EpochBar;
use super::report::{draw_curves, write_page};
use super::saving::Saving;
use super::sessions::{kernels_before, sessions, this_session};
use super::set::{Set, Use, require_kind};
use super::texts::Columns;
use super::{
    Outcome, Usage, above_zero, at_least_one, eval, guessing, interrupt, model, profile, seed, table, tell,
};
use crate::data::split::{Side, Split};
use crate::gpu::Chosen;
use crate::plan::BackendInfo;
use crate::spec::{InputSpec, Schedule, Spec};
use crate::train::checkpoint::Notes;
use crate::train::history::{Epoch, total_loss};
use crate::train::run::{RunFolder, SAMPLES_NOTE};
use crate::train::{Place, Progress, Stopped, TrainError, Trainer};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, face-plus, review, review-plus, or a TOML file
    #[arg(long, default_value = "face")]
    model: String,
    /// A folder, zip or tar.gz of photos with UTKFace names, or a CSV of reviews; the built-in set if not
    /// given
    #[arg(long)]
    data: Option<PathBuf>,
    /// A CSV with the columns file (or row, of reviews) and split (train, test, and val for what the best epoch
    /// is chosen by if there is a test at the end); a seeded 80/20 split if not given
    #[arg(long)]
    split: Option<PathBuf>,
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
    /// Go on with a run, where it stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = ["model", "split", "batch", "seed", "limit", "out", "text_column", "label_column", "keep_negations", "no_fuse"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// What a resumed training may be told as well.
#[derive(Debug, clap::Args)]
struct How {
    #[command(flatten)]
    adapter: AdapterArguments,
    /// Passes over the training samples
    #[arg(long, value_parser = at_least_one)]
    epochs: Option<usize>,
    /// The learning rate
    #[arg(long, value_parser = above_zero)]
    lr: Option<f64>,
    /// Minutes after which a checkpoint is written within an epoch, too
    #[arg(long, default_value_t = 5.0, value_parser = above_zero)]
    save_minutes: f64,
    /// Skip the short check of the kernels before an adapter's first use
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
    spec.training.epochs = arguments.how.epochs.unwrap_or(default);
    set_learning_rate(&mut spec, arguments.how.lr);
    absolute_paths(&mut spec)?;
    require_kind(&spec, None)?;
    crate::graph::Graph::new(&spec, spec.training.batch)?;

    spec.to_toml().context("the paths of --data and --split must be UTF-8")?;
    RunFolder::require_free(arguments.out.as_deref())?;
    begin(arguments.how, spec, |spec| Ok(RunFolder::create(&spec.name, arguments.out.as_deref())?))
}

/// Trains from the first step. The folder is made once all is read and ready.
fn begin(how: How, mut spec: Spec, folder: impl FnOnce(&Spec) -> Result<RunFolder>) -> Result<Outcome> {
    let (backend, kernels) = how.adapter.open_for_training(&spec, !how.no_verify, |_| None)?;
    let (samples, split) = Set::load(&mut spec, Use::Training, None)?;
    let mut trainer = Trainer::new(backend, &spec)?;
    trainer.start_from_means(samples.dataset(), &split)?;
    let mut run = folder(&spec)?;
    run.write_config(&spec)?;
    run.write(&run.split(), &samples.split_csv(&split))?;
    samples.save(&run)?;
    let notes = run.notes(samples.checksum());
    Session::new(run, spec, samples, split, trainer, kernels, how, notes).train(0)
}

fn resume(arguments: Arguments, path: PathBuf) -> Result<Outcome> {
    let (mut run, mut spec) = RunFolder::open_to_train(&path)?;
    let how = arguments.how;
    if let Some(path) = arguments.data {
        spec.data.path = Some(path);
    }
    let planned = spec.training.epochs;
    spec.training.epochs = how.epochs.unwrap_or(planned);
    set_learning_rate(&mut spec, how.lr);
    absolute_paths(&mut spec)?;
    if !run.checkpoint().exists() {
        log::info!("{} has no checkpoint yet: its training begins anew", run.path().display());
        return begin(how, spec, |_| Ok(run));
    }
    if spec.training.schedule != Schedule::Constant && spec.training.epochs != planned {
        log::warn!(
            "the learning rate follows {} epochs from here on, and no longer {planned}: it jumps",
            spec.training.epochs
        );
    }
    let mut epochs = run.read_history(&spec)?;
    let sessions = sessions(&run)?;
    let before = |info: &BackendInfo| kernels_before(&sessions, info);
    let (backend, kernels) = how.adapter.open_for_training(&spec, !how.no_verify, before)?;
    // The split of the run is kept, whatever the limit was.
    let mut data = spec.clone();
    data.data.split = Some(run.split());
    data.data.limit = None;
    let (samples, split) = Set::load(&mut data, Use::Resuming, Some(&run)).with_context(|| moved(&spec))?;
    let mut trainer = Trainer::new(backend, &spec)?;
    let Place { epoch: first, step, notes } = trainer.load_state(&run.checkpoint())?;
    let steps = trainer.steps_per_epoch(split.train.len());
    if step > steps {
        bail!(
            "{} is at step {step} of an epoch of {steps}: it is of another run",
            run.checkpoint().display()
        );
    }
    let own = run.notes(samples.checksum());
    if notes.get(SAMPLES_NOTE).is_some_and(|theirs| *theirs != own[SAMPLES_NOTE]) {
        bail!(
            "the {} have changed since the training began, under the same names; it goes on only with those that it \
             began with",
            samples.noun()
        );
    }
    epochs.truncate(first);
    if epochs.len() < first {
        bail!("plots/curves.csv of {} lacks epochs that the checkpoint has", run.path().display());
    }
    run.write_config(&spec)?;
    if first < spec.training.epochs {
        log::info!("going on with epoch {} of {}", first + 1, spec.training.epochs);
    } else {
        log::info!("all {} epochs are done; ask for more with --epochs", spec.training.epochs);
    }
    let mut session = Session::new(run, spec, samples, split, trainer, kernels, how, own);
    session.epochs = epochs;
    session.train(first)
}

/// What helps where the samples of a run are not found.
fn moved(spec: &Spec) -> String {
    let path = spec.data.path.as_ref().map_or("the built-in set".into(), |path| path.display().to_string());
    format!("the run was trained on {path}; if that has moved, name its new place: --resume RUN --data PATH")
}

fn set_learning_rate(spec: &mut Spec, rate: Option<f64>) {
    if let (Some(rate), Some(place)) = (rate, spec.optimizer.learning_rate()) {
        *place = rate;
    }
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
    /// Kernels that run as something else than usual.
    kernels: Chosen,
    how: How,
    /// What a checkpoint says of the files beside it.
    notes: Notes,
    saving: Saving,
    /// When a checkpoint was last begun.
    saved: Instant,
}

impl<'a> Session<'a> {
    #[allow(clippy::too_many_arguments, reason = "each is a part of the session, and named there")]
    fn new(
        run: RunFolder,
        spec: Spec,
        samples: Set,
        split: Split,
        trainer: Trainer<'a>,
        kernels: Chosen,
        how: How,
        notes: Notes,
    ) -> Self {
        let (epochs, saving, saved) = (Vec::new(), Saving::default(), Instant::now());
        Self { run, spec, samples, split, trainer, epochs, kernels, how, notes, saving, saved }
    }

    fn train(mut self, first: usize) -> Result<Outcome> {
        let asked: &AtomicBool = interrupt::watched()?;
        log::info!("run folder: {}", self.run.path().display());
        let mut sessions = sessions(&self.run)?;
        sessions.push(this_session(&self.trainer.info(), &self.kernels)?);
        self.run.write(&self.run.environment(), &(serde_json::to_string_pretty(&sessions)? + "\n"))?;
        guessing::write(&self.run, &self.spec, &self.samples, &self.split)?;
        if !self.how.json && first < self.spec.training.epochs {
            tell(&table::heading(&self.spec));
        }
        let mut progress = EpochBar::new(self.spec.training.epochs, self.spec.training.batch);
        for epoch in first..self.spec.training.epochs {
            let trained = self.epoch(epoch, asked, &mut progress).map_err(|error| self.advised(error))?;
            let Some(results) = trained else { return self.interrupted() };
            self.finish_epoch(results)?;
            if asked.load(Ordering::Relaxed) && epoch + 1 < self.spec.training.epochs {
                return self.interrupted();
            }
        }
        self.finish()?;
        Ok(Outcome::Done)
    }

    /// Trains an epoch, from 0, with a checkpoint now and then. `None` if the user asked to stop in its midst; the
    /// last checkpoint is then on its way.
    fn epoch(&mut self, epoch: usize, asked: &AtomicBool, progress: &mut EpochBar) -> Result<Option<Epoch>> {
        progress.begin(epoch);
        let between = Duration::try_from_secs_f64(60.0 * self.how.save_minutes).unwrap_or(Duration::MAX);
        loop {
            let stop = AtomicBool::new(false);
            let (mut written, saving, saved) = (Ok(()), &mut self.saving, self.saved);
            let mut show = |step: Progress| {
                progress.show(epoch, step);
                if saving.is_ready() {
                    written = progress.suspend(|| saving.wait());
                }
                // What cannot be saved need not be trained.
                let ends = asked.load(Ordering::Relaxed) || written.is_err() || saved.elapsed() >= between;
                stop.store(ends, Ordering::Relaxed);
            };
            let samples = self.samples.dataset();
            let stopped = self.trainer.epoch(epoch, samples, &self.split, &stop, &mut show);
            // Where the epoch before was not saved, its checkpoint must not be replaced by one that passes it over.
            written?;
            match stopped? {
                Stopped::Done(results) => {
                    progress.clear();
                    return Ok(Some(results));
                }
                Stopped::Interrupted(step) => {
                    progress.suspend(|| self.saving.wait())?;
                    self.save(epoch, step, false, None)?;
                }
            }
            if asked.load(Ordering::Relaxed) {
                progress.clear();
                return Ok(None);
            }
        }
    }

    /// Begins to write the tensors after `step` steps of epoch `epoch`, from 0; `line` is told once they are
    /// written. The checkpoint comes last: whatever fails before it, the run goes on from the one before, and does
    /// the same again.
    fn save(&mut self, epoch: usize, step: usize, is_best: bool, line: Option<String>) -> Result<()> {
        let state = self.trainer.state(epoch)?;
        let (last, best, checkpoint) = (self.run.last(), self.run.best(), self.run.checkpoint());
        let notes = self.notes.clone();
        self.saved = Instant::now();
        self.saving.start(line, move || {
            state.save_weights(&last, &notes)?;
            if is_best {
                state.save_weights(&best, &notes)?;
            }
            state.save(&checkpoint, epoch, step, &notes)
        })
    }

    /// Adds what helps to a training that ran away.
    fn advised(&self, error: anyhow::Error) -> anyhow::Error {
        if !matches!(error.downcast_ref(), Some(TrainError::Diverged { .. })) {
            return error;
        }
        let saved = match self.run.checkpoint().exists() {
            true => "what was saved before is kept",
            false => "no epoch was finished, so that it would begin anew",
        };
        let rate = self.spec.optimizer.clone().learning_rate().map_or(1e-3, |rate| *rate / 10.0);
        let hint = format!("--resume {} --lr {rate}", self.run.path().display());
        error.context(format!(
            "the learning rate is too high for this model; {saved}; try: faceshader train {hint}"
        ))
    }

    fn interrupted(&mut self) -> Result<Outcome> {
        self.saving.wait()?;
        let (run, adapter) = (self.run.path().display(), self.how.adapter.flags());
        log::info!("stopped; go on with: faceshader train --resume {run} {adapter}");
        Ok(Outcome::Interrupted)
    }

    /// Writes the epoch's results, and begins to write its tensors; the epoch is told of when they are written.
    fn finish_epoch(&mut self, results: Epoch) -> Result<()> {
        self.saving.wait()?;
        let loss = total_loss(&results.validation);
        let is_best = self.epochs.iter().all(|epoch| loss < total_loss(&epoch.validation));
        let line = if self.how.json { results.json() } else { table::row(&results) };
        let number = results.epoch;
        self.epochs.push(results);
        self.run.write_history(&self.epochs)?;
        self.save(number, 0, is_best, Some(line))?;
        self.draw(&[])
    }

    /// Redraws what shows the whole run, with `more` facts.
    fn draw(&self, more: &[(String, String)]) -> Result<()> {
        draw_curves(&self.run, &self.spec, &self.epochs)?;
        Ok(write_page(&self.run, &self.spec, &self.epochs, &[&self.facts(), more].concat())?)
    }

    /// What the best weights say of the validation samples, and the last word.
    fn finish(&mut self) -> Result<()> {
        self.saving.wait()?;
        // Again, where it is a resumed run whose last session failed in its last words.
        self.run.write_history(&self.epochs)?;
        self.trainer.load_weights(&self.run.best())?;
        let by_loss =
            |a: &&Epoch, b: &&Epoch| total_loss(&a.validation).total_cmp(&total_loss(&b.validation));
        if let Some(best) = self.epochs.iter().min_by(by_loss) {
            log::info!(
                "the pictures show the weights of epoch {}, whose validation loss is least",
                best.epoch
            );
        }
        self.samples.show(&self.run, &self.spec, &mut self.trainer, &self.split.validation, self.how.json)?;
        let test = self.measure_test()?;
        let mut told = guessing::last_words(&self.spec, &self.samples, &self.split, &self.epochs);
        told.extend(test);
        self.draw(&told)?;
        if self.how.profile {
            let profile = self.trainer.profile(PROFILED_STEPS)?;
            profile::write(&profile, &self.run.path().join("profile"))?;
            if !self.how.json {
                profile::tell(&profile, false)?;
            }
        }
        log::info!("report: {}", self.run.report().display());
        Ok(())
    }

    /// Measures the best weights, which are loaded, on the test samples of a split that has some: for the
    /// user, for `test.json`, and for the report.
    fn measure_test(&mut self) -> Result<Option<(String, String)>> {
        let (test, noun) = (&self.split.test, self.samples.noun());
        if test.is_empty() {
            return Ok(None);
        }
        let results = self.trainer.evaluate(self.samples.dataset(), test, &mut |_, _| {})?;
        let object = eval::object(noun, Side::Test.name(), test.len(), &results);
        self.run
            .write(&self.run.path().join("test.json"), &(serde_json::to_string_pretty(&object)? + "\n"))?;
        let metrics: Vec<String> = results.iter().map(eval::plain).collect();
        let text = format!("{} {noun}: loss {:.3}, {}", test.len(), total_loss(&results), metrics.join(", "));
        // The last line of --json is that of the last epoch.
        match self.how.json {
            true => log::info!("test, {text}"),
            false => tell(&format!("test, {text}")),
        }
        Ok(Some(("test".into(), text)))
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
