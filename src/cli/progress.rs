//! Progress bars on stderr, where stderr is a terminal.

use super::interrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};
use std::sync::Mutex;
use std::time::Duration;

/// The bars that there are.
static BARS: Mutex<Vec<WeakProgressBar>> = Mutex::new(Vec::new());

/// A bar with time left, or one that shows nothing where stderr is not a terminal.
pub fn bar(what: &str, total: Option<usize>) -> ProgressBar {
    let bar = styled("{msg} {wide_bar} {pos}/{len} {per_sec}, {eta} left", total);
    bar.set_message(what.to_string());
    bar
}

/// A bar that looks like this.
pub fn styled(template: &str, total: Option<usize>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total as u64),
        None => ProgressBar::no_length(),
    };
    // indicatif hides the bar by itself unless stderr is a terminal, and drops colour for NO_COLOR.
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        if let Ok(mut bars) = BARS.lock() {
            bars.retain(|bar| bar.upgrade().is_some());
            bars.push(bar.downgrade());
        }
        // Without it, Ctrl-C leaves the bar behind as it is.
        if let Err(error) = interrupt::install() {
            log::debug!("Ctrl-C cannot be handled: {error}");
        }
        bar.enable_steady_tick(Duration::from_millis(250));
    }
    bar
}

/// Takes all bars off the terminal.
pub fn clear() {
    let bars = BARS.lock().map(|mut bars| std::mem::take(&mut *bars)).unwrap_or_default();
    for bar in bars.iter().filter_map(WeakProgressBar::upgrade) {
        bar.finish_and_clear();
    }
}
