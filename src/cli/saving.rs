//! Writing what an epoch has reached while the next one trains: on a fast GPU it takes longer than the epoch.

use super::{message, tell};
use crate::file::FileError;
use anyhow::{Context, Result, bail};
use std::thread::JoinHandle;

/// Tensors that are written to files while training goes on, and the line that tells of their epoch once they are.
#[derive(Default)]
pub struct Saving(Option<Writing>);

/// The thread that writes, and the line.
type Writing = (JoinHandle<Result<(), FileError>>, Option<String>);

impl Saving {
    /// Begins to write. What was begun before has to be done.
    pub fn start(
        &mut self,
        line: Option<String>,
        write: impl FnOnce() -> Result<(), FileError> + Send + 'static,
    ) -> Result<()> {
        let thread = std::thread::Builder::new().name("saving".into()).spawn(write);
        self.0 = Some((thread.context("no thread could be started to write the checkpoint")?, line));
        Ok(())
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
        line.iter().for_each(|line| tell(line));
        Ok(())
    }
}

impl Drop for Saving {
    /// Whatever ends the training, what it has reached is written.
    fn drop(&mut self) {
        if let Err(error) = self.wait() {
            log::error!("error: {}", message(&error));
        }
    }
}
