//! Progress bars on stderr, where stderr is a terminal.

use super::interrupt;
use crate::data::watch::Watch;
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike, WeakProgressBar};
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The bars that there are.
static BARS: Mutex<Vec<WeakProgressBar>> = Mutex::new(Vec::new());

/// Shows how far the reading of samples is.
#[derive(Default)]
pub struct Bars(Mutex<Option<ProgressBar>>);

impl Bars {
    fn with(&self, show: impl FnOnce(&mut Option<ProgressBar>)) {
        show(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Watch for Bars {
    fn begin(&self, what: &'static str, total: Option<usize>) {
        self.with(|shown| *shown = Some(bar(what, total)));
    }

    fn at(&self, done: usize) {
        self.with(|shown| {
            if let Some(bar) = shown {
                bar.set_position(done as u64);
            }
        });
    }

    fn end(&self) {
        self.with(|shown| {
            if let Some(bar) = shown.take() {
                bar.finish_and_clear();
            }
        });
    }
}

/// A bar with time left, or one that shows nothing where stderr is not a terminal.
pub fn bar(what: &str, total: Option<usize>) -> ProgressBar {
    let bar = styled("{msg} {wide_bar} {count} {pace}", total);
    bar.set_message(what.to_string());
    bar
}

/// A bar that looks like this. Besides indicatif's keys there are `count` and `pace`, which are empty as long as nobody
/// knows how much there is to do.
pub fn styled(template: &str, total: Option<usize>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total as u64),
        None => ProgressBar::no_length(),
    };
    // indicatif hides its own target unless stderr is a terminal that can show a bar.
    let usual = ProgressDrawTarget::stderr();
    let is_shown = !usual.is_hidden();
    let target = Narrow(Term::buffered_stderr());
    bar.set_draw_target(if is_shown {
        ProgressDrawTarget::term_like_with_hz(Box::new(target), 10)
    } else {
        usual
    });
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("count", count).with_key("pace", pace));
    }
    if is_shown {
        if let Ok(mut bars) = BARS.lock() {
            bars.retain(|bar| bar.upgrade().is_some());
            bars.push(bar.downgrade());
        }
        // Without it, Ctrl-C leaves the bar behind as it is.
        if let Err(error) = interrupt::install() {
            log::debug!("Ctrl-C cannot be handled: {error}");
        }
        // The tick has a thread of its own, and indicatif panics where there is none left.
        if std::thread::Builder::new().spawn(|| ()).is_ok() {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
    }
    bar
}

/// How much is done, and of how much.
fn count(state: &ProgressState, out: &mut dyn fmt::Write) {
    if let Some(all) = state.len() {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}/{all}", state.pos());
    }
}

/// How fast it is done, and the time left.
fn pace(state: &ProgressState, out: &mut dyn fmt::Write) {
    if state.len().is_some() {
        let _ = write!(out, "{:.0}/s, {} left", state.per_sec(), clock(state.eta().as_secs_f64()));
    }
}

/// Minutes and seconds, with hours where there are some.
pub fn clock(secs: f64) -> String {
    let secs = secs.ceil() as u64;
    let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Stderr's terminal without its last columns. A bar leaves the cursor behind its end, and there the terminal writes
/// the `^C` of an interrupt: at the last column it would begin a line of its own, and what clears the bar would miss it.
#[derive(Debug)]
struct Narrow(Term);

/// Columns for `^C` twice, and one that keeps the cursor on its line.
const FOR_INTERRUPT: u16 = 5;

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        TermLike::width(&self.0).saturating_sub(FOR_INTERRUPT).max(1)
    }
    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }
    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }
    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }
    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }
    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }
    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Takes all bars off the terminal.
pub fn clear() {
    let bars = BARS.lock().map(|mut bars| std::mem::take(&mut *bars)).unwrap_or_default();
    for bar in bars.iter().filter_map(WeakProgressBar::upgrade) {
        bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_a_clock() {
        let times = [0.2, 12.0, 75.0, 3_600.0, 36_061.0].map(clock);
        assert_eq!(times, ["0:01", "0:12", "1:15", "1:00:00", "10:01:01"]);
    }
}
