//! One process at a time trains in a run folder.

use super::run::RunError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The name of the file that is locked. It names the process, and is gone after a clean end.
pub const LOCK: &str = "faceshader.lock";
/// How often a lock is asked for whose file was removed meanwhile.
const TRIES: usize = 10;

/// A run folder that this process has for itself. The operating system lets go of it, however the process ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// `None` where the file system cannot lock.
    file: Option<File>,
}

impl Lock {
    /// Takes the folder.
    ///
    /// # Errors
    /// [`RunError::InUse`] where another process has it, [`RunError::Create`] where the folder cannot be written.
    pub fn take(folder: &Path) -> Result<Lock, RunError> {
        let path = folder.join(LOCK);
        let create = |source| RunError::Create { path: folder.into(), source };
        // A link could lead to a file of the user's.
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(create(io::Error::other(format!("{} is no plain file", path.display()))));
        }
        for _ in 0..TRIES {
            let mut options = OpenOptions::new();
            let mut file =
                options.create(true).truncate(false).read(true).write(true).open(&path).map_err(create)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut process = String::new();
                    // Windows does not let others read what is locked.
                    let _ = file.read_to_string(&mut process);
                    let process = process.trim().parse().ok();
                    return Err(RunError::InUse { path: folder.into(), process });
                }
                Err(TryLockError::Error(error)) => {
                    log::warn!(
                        "{}: two trainings in it would not notice each other: {error}",
                        folder.display()
                    );
                    return Ok(Lock { path, file: None });
                }
            }
            // Its last owner may have removed the file just before this process locked it.
            if !is_at(&file, &path) {
                continue;
            }
            file.set_len(0).map_err(create)?;
            file.write_all(std::process::id().to_string().as_bytes()).map_err(create)?;
            return Ok(Lock { path, file: Some(file) });
        }
        Err(create(io::Error::other("its lock changes owners all the time")))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Left behind it would do no harm: an unlocked file keeps nobody out.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether the file is the one at the path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    let own = file.metadata().map(place);
    own.is_ok_and(|own| fs::metadata(path).map(place).is_ok_and(|there| own == there))
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let error = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
        drop(lock);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        Lock::take(folder.path()).unwrap();
    }

    #[test]
    fn what_a_killed_owner_left_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK), "12345678901234567890").unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(LOCK)).unwrap();
        assert_eq!(text, std::process::id().to_string());
        drop(lock);
    }
}
