//! The run folder: everything that a training leaves behind.

use super::history::{Epoch, curves_csv, read_curves, results_csv};
use super::listing;
use crate::file::{FileError, write_whole};
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
    /// A file in it cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A folder such as `runs/face-001`.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Fails if the folder that the user names cannot become a run's: before the photos are read, which
    /// takes a while.
    pub fn require_free(chosen: Option<&Path>) -> Result<(), RunError> {
        let Some(path) = chosen else { return Ok(()) };
        match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Err(RunError::Exists(path.into())),
            Ok(false) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(RunError::Create { path: path.into(), source }),
        }
    }

    /// Makes a new folder: the next number of `runs/NAME-001` and so on, or the one that the user
    /// names, which must not exist or be empty.
    pub fn create(name: &str, chosen: Option<&Path>) -> Result<Self, RunError> {
        let path = match chosen {
            Some(path) => {
                let create = |source| RunError::Create { path: path.into(), source };
                fs::create_dir_all(path).map_err(create)?;
                if fs::read_dir(path).map_err(create)?.next().is_some() {
                    return Err(RunError::Exists(path.into()));
                }
                path.to_path_buf()
            }
            None => next_numbered(Path::new("runs"), name)?,
        };
        let run = Self { path };
        for folder in ["weights", "plots"] {
            let path = run.path.join(folder);
            fs::create_dir(&path).map_err(|source| RunError::Create { path, source })?;
        }
        Ok(run)
    }

    /// Opens a folder that a training left.
    pub fn open(path: &Path) -> Result<(Self, Spec), RunError> {
        let run = Self { path: path.into() };
        let config = run.config();
        let text = fs::read_to_string(&config).map_err(|error| RunError::NotARun {
            path: path.into(),
            reason: listing::reason(path, &error),
        })?;
        let spec = Spec::parse(&text, &config.display().to_string())?;
        Ok((run, spec))
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

    /// The weights of the epoch with the lowest validation loss.
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

    /// The epochs so far; none if there is no file yet.
    pub fn read_history(&self, spec: &Spec) -> Result<Vec<Epoch>, RunError> {
        let path = self.plot("curves.csv");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(FileError::Read { path, source }.into()),
        };
        Ok(read_curves(&text, spec).map_err(|reason| FileError::Contents { path, reason })?)
    }
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
}
