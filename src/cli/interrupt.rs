//! Ctrl-C: a training ends with its step and a checkpoint; everything else ends at once, and leaves no bar behind.

use super::progress;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Whether somebody looks at [`ASKED`].
static IS_WATCHED: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<Result<(), String>> = OnceLock::new();

/// How long the end may wait for the bar to go.
const PATIENCE: Duration = Duration::from_millis(300);

/// Sets what Ctrl-C does, unless that is done.
pub fn install() -> Result<(), String> {
    HANDLER.get_or_init(|| ctrlc::set_handler(asked).map_err(|error| error.to_string())).clone()
}

/// From here on the first Ctrl-C only sets this flag; the second ends the program at once.
pub fn watched() -> anyhow::Result<&'static AtomicBool> {
    install().map_err(|error| anyhow::anyhow!("Ctrl-C cannot be handled: {error}"))?;
    IS_WATCHED.store(true, Ordering::Relaxed);
    Ok(&ASKED)
}

fn asked() {
    if IS_WATCHED.load(Ordering::Relaxed) && !ASKED.swap(true, Ordering::Relaxed) {
        return;
    }
    // Whoever holds the bar may hold it for long.
    let (is_gone, gone) = channel();
    let clearing = std::thread::Builder::new().spawn(move || {
        progress::clear();
        is_gone.send(())
    });
    if clearing.is_ok() {
        let _ = gone.recv_timeout(PATIENCE);
    }
    std::process::exit(130);
}
