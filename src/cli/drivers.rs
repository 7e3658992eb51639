//! What drivers print while adapters are looked for.
//!
//! Mesa's layer that selects a device asks for a Wayland display, and libwayland prints an error where there is
//! none: twice at the head of every run on a machine without a desktop. It prints past every logger, so that it can
//! only be caught at stderr itself.

use std::io;

/// Lines that say nothing of computing.
const MEANINGLESS: [&str; 1] = ["XDG_RUNTIME_DIR is invalid or not set"];

/// Looks for adapters, and passes on what drivers print meanwhile, but for lines that are known to mean nothing.
pub fn heard<T>(look: impl FnOnce() -> T) -> T {
    // Where stderr cannot be caught, it stays as it is.
    let caught = Caught::begin().ok();
    let found = look();
    drop(caught);
    found
}

/// The lines that are worth telling.
fn meaningful(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !MEANINGLESS.iter().any(|known| line.contains(known)))
}

/// Stderr while it goes to a file.
#[cfg(unix)]
struct Caught {
    stderr: std::os::fd::OwnedFd,
    file: std::fs::File,
}

#[cfg(unix)]
impl Caught {
    fn begin() -> io::Result<Self> {
        use std::os::fd::AsFd;
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        let file = tempfile::tempfile()?;
        rustix::stdio::dup2_stderr(&file)?;
        Ok(Self { stderr, file })
    }
}

#[cfg(unix)]
impl Drop for Caught {
    /// Whatever ended the search, stderr is what it was.
    fn drop(&mut self) {
        use std::io::{Read, Seek};
        // Nobody could be told that this failed.
        let _ = rustix::stdio::dup2_stderr(&self.stderr);
        let mut text = Vec::new();
        if self.file.rewind().and_then(|()| self.file.read_to_end(&mut text)).is_ok() {
            meaningful(&String::from_utf8_lossy(&text)).for_each(|line| log::warn!("{line}"));
        }
    }
}

#[cfg(not(unix))]
struct Caught;

#[cfg(not(unix))]
impl Caught {
    fn begin() -> io::Result<Self> {
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_has_to_say_is_told_but_not_that_there_is_no_desktop() {
        let text = "error: XDG_RUNTIME_DIR is invalid or not set in the environment.\n\nlibEGL: no screen\n";
        assert_eq!(meaningful(text).collect::<Vec<_>>(), ["libEGL: no screen"]);
    }
}
