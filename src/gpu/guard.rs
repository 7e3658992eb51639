//! Panics of wgpu, as errors: where a driver fails, wgpu has no error to return in some places.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is about to become an error, so that its message need not be printed.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Calls wgpu, and returns the message of its panic if it panics. The message is not printed.
pub fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                print(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    CAUGHT.set(outer);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("the driver failed").trim().to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| -> u8 { panic!("no memory in {}", "queue") }), Err("no memory in queue".into()));
        assert_eq!(caught(|| -> u8 { panic!("lost") }), Err("lost".into()));
        // What panics inside of another call is that one's error, too.
        assert_eq!(caught(|| caught(|| -> u8 { panic!("deep") })), Ok(Err("deep".into())));
        assert!(!CAUGHT.get());
    }
}
