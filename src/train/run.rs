//! The run folder: everything that a training leaves behind.

use super::checkpoint::{Notes, notes};
use super::history::{Epoch, best, curves_csv, history_checksum, read_curves, results_csv};
use super::listing;
use super::lock::{LOCK, Lock};
use super::seal::{model_name, seal, unseal};
use crate::file::{FileError, checksum, is_temporary, read_plain, read_plain_text, sweep, write_whole};
use crate::spec::{Spec, SpecError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A run folder cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It is there already.
    #[error("{0} exists and is not empty; choose another --out, or go on with it by --resume {0}")]
    Exists(PathBuf),
    /// It cannot be made.
    #[error("the run folder {path} cannot be made: {source}; choose another with --out")]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process trains in it.
    #[error(
        "{path} is in use by {}; wait for it, or stop it with Ctrl-C",
        .process.map_or("another process".into(), |process| format!("process {process}"))
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other process's number, where it is known.
        process: Option<u32>,
    },
    /// It is not a run folder.
    #[error("{path} is not a run folder: {reason}")]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The model in it is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The model cannot be written as TOML.
    #[error("the model cannot be written as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
    /// A file in it cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A folder such as `runs/face-001`.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// What its configuration calls its model; see [`seal`](super::seal).
    model: Option<String>,
    /// Held while this process trains in it.
    lock: Option<Lock>,
}

/// The folders within a run's.
const WEIGHTS: &str = "weights";
const PLOTS: &str = "plots";

impl RunFolder {
    /// Fails if the folder that the user names cannot become a run's: before the photos are read, which
    /// takes a while.
    pub fn require_free(chosen: Option<&Path>) -> Result<(), RunError> {
        let Some(path) = chosen else { return Ok(()) };
        match is_free(path) {
            Ok(true) => Ok(()),
            Ok(false) => Err(RunError::Exists(path.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(RunError::Create { path: path.into(), source }),
        }
    }

    /// Makes a new folder: the next number of `runs/NAME-001` and so on, or the one that the user
    /// names, which must not exist or be empty.
    pub fn create(name: &str, chosen: Option<&Path>) -> Result<Self, RunError> {
        let create = |path: &Path, source| RunError::Create { path: path.into(), source };
        let path = match chosen {
            Some(path) => {
                fs::create_dir_all(path).map_err(|source| create(path, source))?;
                path.to_path_buf()
            }
            None => next_numbered(Path::new("runs"), name)?,
        };
        let lock = Lock::take(&path)?;
        if !is_free(&path).map_err(|source| create(&path, source))? {
            return Err(RunError::Exists(path));
        }
        let run = Self { path, model: None, lock: Some(lock) };
        run.make_ready()?;
        Ok(run)
    }

    /// Opens a folder that a training left, to read it.
    ///
    /// # Errors
    /// Where it is none; where `config.toml`, `split.csv` or `vocabulary.json` is not the file that the training
    /// wrote.
    pub fn open(path: &Path) -> Result<(Self, Spec), RunError> {
        let mut run = Self { path: path.into(), model: None, lock: None };
        let config = run.config();
        let text = read_plain_text(&config).map_err(|error| RunError::NotARun {
            path: path.into(),
            reason: listing::reason(path, &error),
        })?;
        run.model = unseal(&text).map_err(|reason| FileError::Contents { path: config.clone(), reason })?;
        let spec = Spec::parse(&text, &config.display().to_string())?;
        if run.model.is_none()
            && let Some(model) = notes(&run.checkpoint()).remove(MODEL_NOTE)
        {
            // Its first lines are gone, and with them its checksum.
            if model_name(&spec)? != model {
                let reason = "it is not the one that the training wrote; undo the change".into();
                return Err(FileError::Contents { path: config, reason }.into());
            }
            run.model = Some(model);
        }
        run.require_own(&run.checkpoint())?;
        Ok((run, spec))
    }

    /// Opens such a folder to train on in it: no other process can do so meanwhile.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`RunError::InUse`].
    pub fn open_to_train(path: &Path) -> Result<(Self, Spec), RunError> {
        // Nothing is written into a folder that is no run's.
        Self::open(path)?;
        let lock = Lock::take(path)?;
        let (mut run, spec) = Self::open(path)?;
        run.lock = Some(lock);
        run.make_ready()?;
        Ok((run, spec))
    }

    /// Makes the folders within, and removes what killed processes left in them.
    fn make_ready(&self) -> Result<(), RunError> {
        sweep(&self.path);
        sweep(&self.path.join("profile"));
        self.tensorboard().iter().for_each(|folder| sweep(folder));
        for folder in [WEIGHTS, PLOTS] {
            let path = self.path.join(folder);
            fs::create_dir_all(&path).map_err(|source| RunError::Create { path: path.clone(), source })?;
            sweep(&path);
        }
        Ok(())
    }

    /// Writes `config.toml`.
    pub fn write_config(&mut self, spec: &Spec) -> Result<(), RunError> {
        let model = match self.model.take() {
            Some(model) => model,
            None => model_name(spec)?,
        };
        let text = seal(&model, &spec.to_toml()?);
        self.model = Some(model);
        self.write(&self.config(), &text)
    }

    /// Fails if the best weights are there but not those of the best of these epochs. Those of older versions do
    /// not say.
    pub fn require_best(&self, epochs: &[Epoch]) -> Result<(), RunError> {
        let theirs: Option<usize> = notes(&self.best()).get(EPOCH_NOTE).and_then(|epoch| epoch.parse().ok());
        match (theirs, best(epochs)) {
            (Some(theirs), Some(best)) if best.epoch != theirs => {
                let ours = best.epoch;
                let reason = format!(
                    "it is of epoch {theirs}, but the validation loss of epoch {ours} is less; finish the run by \
                     --resume, or use --weights last"
                );
                Err(FileError::Contents { path: self.best(), reason }.into())
            }
            _ => Ok(()),
        }
    }

    /// The epochs that the checkpoint comes after: results of later ones are those of a training that was killed
    /// before it could save them.
    pub fn saved_history(&self, spec: &Spec) -> Result<Vec<Epoch>, RunError> {
        let notes = notes(&self.checkpoint());
        let mut epochs = self.read_history(spec)?;
        if let Some(saved) = notes.get(EPOCH_NOTE).and_then(|epoch| epoch.parse().ok()) {
            epochs.truncate(saved);
        }
        match notes.get(HISTORY_NOTE) {
            Some(theirs) if *theirs != history_checksum(&epochs) => {
                let reason =
                    "these are not the results that the training wrote; restore it from a copy".into();
                Err(FileError::Contents { path: self.plot("curves.csv"), reason }.into())
            }
            _ => Ok(epochs),
        }
    }

    /// What a checkpoint of the run says of the other files; `samples` is a checksum of what it learns from.
    pub fn notes(&self, samples: String) -> Notes {
        let files = self.sealed_files();
        let files =
            files.into_iter().filter_map(|(name, path)| Some((name, checksum(&read_plain(&path).ok()?))));
        let model = self.model.clone().map(|model| (MODEL_NOTE, model));
        let notes = files.chain(model).chain([(SAMPLES_NOTE, samples)]);
        notes.map(|(name, note)| (name.to_string(), note)).collect()
    }

    /// The files that a checkpoint vouches for, which nobody writes again, and what the notes on them are called.
    fn sealed_files(&self) -> [(&'static str, PathBuf); 3] {
        [(SPLIT_NOTE, self.split()), (VOCABULARY_NOTE, self.vocabulary()), (GUESSING_NOTE, self.guessing())]
    }

    /// The best answers that do not look at the sample.
    pub fn guessing(&self) -> PathBuf {
        self.path.join("guessing.json")
    }

    /// What weights of the run say: they may be used elsewhere, where none of its other files is.
    pub fn notes_of_weights(&self) -> Notes {
        let mut notes = self.notes(String::new());
        notes.retain(|name, _| name == MODEL_NOTE || name == VOCABULARY_NOTE);
        notes
    }

    /// Fails if a checkpoint or weights say that they belong to other files than the run has.
    pub fn require_own(&self, tensors: &Path) -> Result<(), RunError> {
        let notes = notes(tensors);
        if let (Some(theirs), Some(ours)) = (notes.get(MODEL_NOTE), &self.model)
            && theirs != ours
        {
            let reason = format!("it is of another model or training than {}", self.config().display());
            return Err(FileError::Contents { path: tensors.into(), reason }.into());
        }
        for (name, path) in self.sealed_files() {
            let Some(theirs) = notes.get(name) else { continue };
            let bytes = match read_plain(&path) {
                Ok(bytes) => bytes,
                // Whoever needs it says so: a prediction needs no split.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(FileError::Read { path, source }.into()),
            };
            if *theirs != checksum(&bytes) {
                let reason = format!(
                    "it is not the file that the training wrote, whose checksum is in {}; restore it from a copy",
                    tensors.display()
                );
                return Err(FileError::Contents { path, reason }.into());
            }
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model and its training, with every default filled in.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Machine, adapter and command line.
    pub fn environment(&self) -> PathBuf {
        self.path.join("env.json")
    }

    /// Which photo was used for what.
    pub fn split(&self) -> PathBuf {
        self.path.join("split.csv")
    }

    /// All that training needs to go on.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// The weights after the last epoch or interruption.
    pub fn last(&self) -> PathBuf {
        self.path.join("weights/last.safetensors")
    }

    /// The moving average of the weights after the last epoch or interruption, if the model has one.
    pub fn ema(&self) -> PathBuf {
        self.path.join("weights/ema.safetensors")
    }

    /// The weights of the epoch with the lowest validation loss: their moving average, if the model has one.
    pub fn best(&self) -> PathBuf {
        self.path.join("weights/best.safetensors")
    }

    /// How a model that reads texts numbers their words.
    pub fn vocabulary(&self) -> PathBuf {
        self.path.join("vocabulary.json")
    }

    /// A picture.
    pub fn plot(&self, name: &str) -> PathBuf {
        self.path.join("plots").join(name)
    }

    /// TensorBoard's logs: of the training samples, and of the validation samples.
    pub fn tensorboard(&self) -> [PathBuf; 2] {
        ["train", "validation"].map(|side| self.path.join("tensorboard").join(side))
    }

    /// The page that shows it all.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// Writes a text file whole.
    pub fn write(&self, path: &Path, text: &str) -> Result<(), RunError> {
        Ok(write_whole(path, text.as_bytes())?)
    }

    /// Writes `results.csv` and the numbers behind the curves.
    pub fn write_history(&self, epochs: &[Epoch]) -> Result<(), RunError> {
        self.write(&self.path.join("results.csv"), &results_csv(epochs))?;
        self.write(&self.plot("curves.csv"), &curves_csv(epochs))
    }

    /// All epochs in `plots/curves.csv`; none if there is no file yet.
    fn read_history(&self, spec: &Spec) -> Result<Vec<Epoch>, RunError> {
        let path = self.plot("curves.csv");
        let text = match read_plain_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(FileError::Read { path, source }.into()),
        };
        Ok(read_curves(&text, spec).map_err(|reason| FileError::Contents { path, reason })?)
    }
}

/// The notes of a checkpoint, each a checksum: its model and training, files beside it, what it learns from.
const MODEL_NOTE: &str = "model";
const SPLIT_NOTE: &str = "split";
/// Of weights as well: which words the rows of an embedding stand for.
pub const VOCABULARY_NOTE: &str = "vocabulary";
const GUESSING_NOTE: &str = "guessing";
/// See [`RunFolder::notes`].
pub const SAMPLES_NOTE: &str = "labelled_samples";
/// Of a checkpoint and of weights: how many epochs they were trained for.
pub const EPOCH_NOTE: &str = "epoch";
/// Of a checkpoint: see [`history_checksum`].
pub const HISTORY_NOTE: &str = "history";

/// Whether nothing would be lost if a training began here: a process that was killed before it wrote anything may
/// have left its lock, an unfinished file, and empty folders.
fn is_free(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_nothing = match name.to_str() {
            Some(LOCK) => true,
            Some(WEIGHTS | PLOTS) => entry.path().is_dir() && is_free(&entry.path())?,
            Some(name) => is_temporary(name),
            None => false,
        };
        if !is_nothing {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes the folder `NAME-NNN` with the lowest number above all that are there.
fn next_numbered(parent: &Path, name: &str) -> Result<PathBuf, RunError> {
    let create = |source| RunError::Create { path: parent.into(), source };
    fs::create_dir_all(parent).map_err(create)?;
    let number_of = |entry: &fs::DirEntry| {
        let file_name = entry.file_name();
        file_name.to_str()?.strip_prefix(name)?.strip_prefix('-')?.parse::<u32>().ok()
    };
    let entries: Vec<fs::DirEntry> =
        fs::read_dir(parent).map_err(create)?.collect::<Result<_, _>>().map_err(create)?;
    let mut number = entries.iter().filter_map(number_of).max().unwrap_or(0);
    loop {
        number += 1;
        let path = parent.join(format!("{name}-{number:03}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            // Another training was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(RunError::Create { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_numbered_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        let names: Vec<String> = (0..3)
            .map(|_| next_numbered(&runs, "face").unwrap().file_name().unwrap().to_str().unwrap().into())
            .collect();
        assert_eq!(names, ["face-001", "face-002", "face-003"]);
        fs::remove_dir(runs.join("face-002")).unwrap();
        assert!(next_numbered(&runs, "face").unwrap().ends_with("face-004"));
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.txt"), "keep").unwrap();
        let error = RunFolder::create("face", Some(folder.path())).unwrap_err();
        assert!(matches!(error, RunError::Exists(_)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_process_left_that_was_killed_at_once_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["weights", "plots"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in [LOCK, ".writing-abc"] {
            fs::write(folder.path().join(name), "1").unwrap();
        }
        let run = RunFolder::create("face", Some(folder.path())).unwrap();
        assert!(!folder.path().join(".writing-abc").exists());
        drop(run);
        fs::write(folder.path().join("weights/last.safetensors"), "").unwrap();
        assert!(matches!(RunFolder::create("face", Some(folder.path())), Err(RunError::Exists(_))));
    }
}
