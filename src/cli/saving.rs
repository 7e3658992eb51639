//! Writing what an epoch has reached while the next one trains: on a fast GPU it takes longer than the epoch.

use super::tell;
use crate::file::FileError;
use anyhow::{Result, bail};
use std::thread::JoinHandle;

/// An epoch's tensors, which are written to files while the next epoch trains, and the line that tells of the
/// epoch once they are.
#[derive(Default)]
pub struct Saving(Option<(JoinHandle<Result<(), FileError>>, String)>);

impl Saving {
    /// Begins to write.
    pub fn start(&mut self, line: String, write: impl FnOnce() -> Result<(), FileError> + Send + 'static) {
        self.0 = Some((std::thread::spawn(write), line));
    }

    /// Whether there is something to tell without waiting.
    pub fn is_ready(&self) -> bool {
        self.0.as_ref().is_some_and(|(thread, _)| thread.is_finished())
    }

    /// Waits for the files, and tells of the epoch.
    pub fn wait(&mut self) -> Result<()> {
        let Some((thread, line)) = self.0.take() else { return Ok(()) };
        match thread.join() {
            Ok(written) => written?,
            Err(_) => bail!("writing the epoch's files failed; the message is above"),
        }
        tell(&line);
        Ok(())
    }
}

impl Drop for Saving {
    /// Whatever ends the training, what it has reached is written.
    fn drop(&mut self) {
        if let Err(error) = self.wait() {
            log::error!("{error:#}");
        }
    }
}
