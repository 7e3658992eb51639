//! Progress bars on stderr, where stderr is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A bar with time left, or one that shows nothing where stderr is not a terminal.
pub fn bar(what: &str, total: Option<usize>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total as u64),
        None => ProgressBar::no_length(),
    };
    // indicatif hides the bar by itself unless stderr is a terminal, and drops colour for NO_COLOR.
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{msg} {bar:32} {pos}/{len} {per_sec}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what.to_string());
    // The tick has a thread of its own, and indicatif panics where there is none left.
    if std::thread::Builder::new().spawn(|| ()).is_ok() {
        bar.enable_steady_tick(Duration::from_millis(250));
    }
    bar
}
