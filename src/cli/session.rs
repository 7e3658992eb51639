//! A training under way: its epochs, and what each leaves in the run folder.

use super::epoch_bar::EpochBar;
use super::report::{draw_curves, write_page};
use super::said::{Said, print_confusion};
use super::saving::Saving;
use super::sessions::{sessions, this_session};
use super::tensorboard::Board;
use super::train::How;
use super::{Outcome, eval, guessing, interrupt, profile, table, tell, terminal};
use crate::data::samples::Samples;
use crate::data::split::{Side, Split};
use crate::gpu::Chosen;
use crate::spec::Spec;
use crate::tasks::PLAIN_NAME;
use crate::train::checkpoint::{Notes, load};
use crate::train::history::{Epoch, best, history_checksum, total_loss, validation_losses};
use crate::train::run::{HISTORY_NOTE, RunFolder};
use crate::train::{Progress, State, Stopped, TrainError, Trainer};
use anyhow::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Steps that --profile measures.
const PROFILED_STEPS: usize = 5;

/// A training under way.
pub struct Session<'a> {
    pub run: RunFolder,
    pub spec: Spec,
    pub samples: Samples,
    pub split: Split,
    pub trainer: Trainer<'a>,
    /// Those that are done.
    pub epochs: Vec<Epoch>,
    /// Kernels that run as something else than usual.
    pub kernels: Chosen,
    pub how: How,
    /// What a checkpoint says of the files beside it.
    pub notes: Notes,
    pub saving: Saving,
    /// When a checkpoint was last begun.
    pub saved: Instant,
    /// What TensorBoard shows, once the training has begun, if the user asks for it.
    pub board: Option<Board>,
}

impl Session<'_> {
    /// Trains from epoch `first` on, from 0, to the end or until the user asks to stop.
    pub fn train(mut self, first: usize) -> Result<Outcome> {
        let asked: &AtomicBool = interrupt::watched()?;
        log::info!("run folder: {}", self.run.path().display());
        let mut sessions = sessions(&self.run)?;
        sessions.push(this_session(&self.trainer.info(), &self.kernels)?);
        self.run.write(&self.run.environment(), &(serde_json::to_string_pretty(&sessions)? + "\n"))?;
        if self.how.tensorboard {
            self.board = Some(Board::open(&self.run, &self.epochs)?);
        }
        if !self.how.json && first < self.spec.training.epochs {
            tell(&table::heading(&self.spec));
        }
        let mut progress = EpochBar::new(self.spec.training.epochs, self.spec.training.batch);
        for epoch in first..self.spec.training.epochs {
            let losses = validation_losses(&self.epochs);
            if self.spec.training.ends_early(&losses) {
                self.tell_early_end();
                break;
            }
            let reduced = self.spec.training.reduced(&losses);
            let reduced_before = self.spec.training.reduced(&losses[..losses.len().saturating_sub(1)]);
            if reduced != reduced_before {
                let share = reduced as f32;
                log::info!(
                    "the validation loss no longer falls: the learning rate is {share} of what it was"
                );
            }
            self.trainer.reduce_rate(reduced);
            let Some(results) = self.epoch(epoch, asked, &mut progress)? else { return self.interrupted() };
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
            let stopped = self.trainer.epoch(epoch, &self.samples, &self.split, &stop, &mut show);
            // Where the epoch before was not saved, its checkpoint must not be replaced by one that passes it over.
            written?;
            match stopped.map_err(|error| self.advised(error))? {
                Stopped::Done(results) => {
                    progress.clear();
                    return Ok(Some(results));
                }
                Stopped::Interrupted(step) => {
                    progress.suspend(|| self.saving.wait())?;
                    let state = self.state(epoch)?;
                    self.save(state, [epoch, step], false, None)?;
                }
            }
            if asked.load(Ordering::Relaxed) {
                progress.clear();
                return Ok(None);
            }
        }
    }

    /// Begins to write the tensors after `step` steps of epoch `epoch`, from 0; `line` is told once they are
    /// written. Whatever fails before the checkpoint, the run goes on from the one before, and does the same again.
    /// The best weights come last: where they fail, the checkpoint still has them.
    fn save(
        &mut self,
        state: State,
        [epoch, step]: [usize; 2],
        is_best: bool,
        line: Option<String>,
    ) -> Result<()> {
        let (last, ema, best) = (self.run.last(), self.run.ema(), self.run.best());
        let checkpoint = self.run.checkpoint();
        let of_weights = self.run.notes_of_weights();
        let mut notes = self.notes.clone();
        notes.insert(HISTORY_NOTE.into(), history_checksum(&self.epochs));
        self.saved = Instant::now();
        self.saving.start(line, move || {
            state.save_weights(&last, epoch, &of_weights)?;
            if state.has_averages() {
                state.save_validated(&ema, epoch, &of_weights)?;
            }
            state.save(&checkpoint, epoch, step, &notes)?;
            if is_best {
                state.save_validated(&best, epoch, &of_weights)?;
            }
            Ok(())
        })
    }

    /// Everything that lives from step to step, after steps of epoch `epoch`, from 0.
    fn state(&mut self, epoch: usize) -> Result<State> {
        self.trainer.state(epoch).map_err(|error| self.advised(error))
    }

    /// Adds what helps to a training that ran away.
    fn advised(&mut self, error: TrainError) -> anyhow::Error {
        if !matches!(error, TrainError::Diverged { .. }) {
            return error.into();
        }
        // A checkpoint may be on its way.
        if let Err(error) = self.saving.wait() {
            return error;
        }
        let saved = match self.run.checkpoint().exists() {
            true => "what was saved before is kept",
            false => "no epoch was finished, so that it would begin anew",
        };
        let rate = self.spec.optimizer.learning_rate().map_or(1e-3, |rate| *rate / 10.0) as f32;
        let (run, adapter) = (self.run.path().display(), self.how.adapter.flags());
        anyhow::Error::from(error).context(format!(
            "the learning rate is too high for this model; {saved}; try: faceshader train --resume {run} {adapter} \
             --lr {rate}"
        ))
    }

    fn tell_early_end(&self) {
        let (done, patience) = (self.epochs.len(), self.spec.training.patience);
        let best = best(&self.epochs).map_or(done, |best| best.epoch);
        log::info!(
            "training ends after epoch {done} of {}: the validation loss has not fallen below that of epoch {best} for \
             {patience} {}; go on with --resume {} and a larger --patience, or 0",
            self.spec.training.epochs,
            if patience == 1 { "epoch" } else { "epochs" },
            self.run.path().display()
        );
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
        let state = self.state(results.epoch - 1)?;
        let line = if self.how.json { results.json() } else { table::row(&results) };
        let number = results.epoch;
        self.epochs.push(results);
        self.run.write_history(&self.epochs)?;
        let is_best = best(&self.epochs).is_some_and(|best| best.epoch == number);
        self.save(state, [number, 0], is_best, Some(line))?;
        // A training does not end for its log.
        if let Some(board) = &self.board
            && let Err(error) = board.add(&self.spec, &self.epochs)
        {
            log::warn!("warning: {error}; nothing more is logged for TensorBoard");
            self.board = None;
        }
        self.draw(&[])
    }

    /// Redraws what shows the whole run, with `more` facts.
    fn draw(&self, more: &[(String, String)]) -> Result<()> {
        draw_curves(&self.run, &self.spec, &self.epochs)?;
        Ok(write_page(&self.run, &self.spec, &self.epochs, &[&self.facts(), more].concat())?)
    }

    /// Makes sure that the best weights are those of the best epoch: a training that was killed just before it wrote
    /// them left them in its checkpoint, which the trainer holds after `step` steps of the next epoch.
    pub fn require_best(&mut self, step: usize) -> Result<()> {
        let done = self.epochs.len();
        if step == 0 && best(&self.epochs).is_some_and(|best| best.epoch == done) {
            let state = self.trainer.state(done)?;
            state.save_validated(&self.run.best(), done, &self.run.notes_of_weights())?;
        }
        if done > 0 {
            self.run.require_best(&self.epochs)?;
            load(&self.run.best())?;
        }
        Ok(())
    }

    /// What the best weights say of the validation samples, and the last word.
    fn finish(&mut self) -> Result<()> {
        self.saving.wait()?;
        // Again, where it is a resumed run whose last session failed in its last words.
        self.run.write_history(&self.epochs)?;
        self.trainer.load_weights(&self.run.best())?;
        if let Some(best) = best(&self.epochs) {
            log::info!(
                "the pictures show the weights of epoch {}, whose validation loss is least",
                best.epoch
            );
        }
        let said = Said::of(&self.spec, &self.samples, &self.split.validation, &mut self.trainer)?;
        said.draw(&self.run)?;
        if let Some(board) = &self.board
            && let Err(error) = board.add_pictures(&self.run, &self.spec, self.epochs.len())
        {
            log::warn!("warning: the pictures are not in TensorBoard's log: {error}");
        }
        if let ([(target, confusion)], false) = (&said.confusions()[..], self.how.json)
            && target.name == PLAIN_NAME
        {
            terminal::told(print_confusion(target, confusion));
        }
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
        let results = self.trainer.evaluate(&self.samples, test, &mut |_, _| {})?;
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
        let init =
            self.spec.training.init.as_ref().map(|file| ("initial weights", file.display().to_string()));
        let data =
            self.spec.data.path.as_ref().map_or("built-in set".into(), |path| path.display().to_string());
        let facts = [
            ("model", self.spec.name.clone()),
            ("data", data),
            ("training", self.split.train.len().to_string()),
            ("validation", self.split.validation.len().to_string()),
            ("adapter", format!("{}: {}", info.backend, info.adapter)),
            ("driver", info.driver),
            ("batch", self.spec.training.batch.to_string()),
            ("seed", self.spec.training.seed.to_string()),
        ];
        facts.into_iter().chain(init).map(|(name, value)| (name.to_string(), value)).collect()
    }
}
