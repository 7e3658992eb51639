//! The one way to the terminal: messages go to stderr, results to stdout.
//!
//! Names of files and layers may hold escape sequences, which a terminal would obey. And where nobody can take a
//! message, because stderr is closed or its disk is full, the program goes on without.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

/// The text with its control characters spelled out, but for newlines and tabs, and with the characters that let a
/// line run from right to left.
pub fn safe(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_unsafe) {
        return text.into();
    }
    let spelled = |c: char| if is_unsafe(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(spelled).collect::<String>().into()
}

/// Writes a message to stderr.
pub fn say(message: impl Display) {
    let line = safe(&message.to_string()).into_owned() + "\n";
    // If it cannot be told, neither can that.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Lets messages of [`log`] reach stderr.
pub fn start_log() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error,faceshader=info"))
        .format(|f, record| writeln!(f, "{}", safe(&record.args().to_string())))
        .init();
}

/// Writes a line for people to stdout.
pub fn print(line: impl Display) -> io::Result<()> {
    write_line(&safe(&line.to_string()))
}

/// Writes a line for programs to stdout: CSV or JSON, with names as they are. Only where a terminal would read it is
/// it made safe.
pub fn print_data(line: impl Display) -> io::Result<()> {
    let line = line.to_string();
    write_line(&if io::stdout().is_terminal() { safe(&line) } else { line.into() })
}

fn write_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}").map_err(of_stdout)
}

/// Names stdout in an error.
pub fn of_stdout(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("standard output: {error}"))
}

/// Why stdout could not take a line of a training.
static UNTOLD: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line of a training; see [`told`].
pub fn tell(line: &str) {
    told(print(line));
}

/// A training goes on if something cannot be told: its files have all that it says.
pub fn told(printed: io::Result<()>) {
    let Err(error) = printed else { return };
    let Ok(mut untold) = UNTOLD.lock() else { return };
    if untold.is_none() && error.kind() != io::ErrorKind::BrokenPipe {
        log::warn!("warning: {error}; the training goes on, and its run folder has all results");
        *untold = Some(error);
    }
}

/// Why not all of a training could be told, if so: its exit code says so as well.
pub fn untold() -> Option<io::Error> {
    UNTOLD.lock().ok()?.take()
}

/// Lets writing beyond the limit on the size of files fail like any other writing, in place of ending the process. To
/// be called before there are threads.
pub fn let_large_writes_fail() {
    #[cfg(unix)]
    {
        use nix::sys::signal::{SigSet, Signal};
        let mut limit = SigSet::empty();
        limit.add(Signal::SIGXFSZ);
        if let Err(error) = limit.thread_block() {
            log::debug!("SIGXFSZ cannot be blocked: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(safe("a\u{1b}[2Jb\r\u{7}"), "a\\u{1b}[2Jb\\r\\u{7}");
        assert_eq!(safe("\u{9b}31m\u{7f}"), "\\u{9b}31m\\u{7f}");
        assert_eq!(safe("gpj\u{202e}exe"), "gpj\\u{202e}exe");
        assert!(matches!(safe("two lines\n\tof µ, 漢字 and 😀"), Cow::Borrowed(_)));
    }
}
