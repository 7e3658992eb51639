//! Memory for decoding, shared by all threads: large photos wait for each other.

use std::sync::{Condvar, Mutex, PoisonError};

/// So many bytes, handed out and taken back.
pub struct Budget {
    bytes: u64,
    used: Mutex<u64>,
    given_back: Condvar,
}

/// A part of a budget, given back when it is dropped.
pub struct Reserved<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// Of so many bytes.
    pub const fn new(bytes: u64) -> Budget {
        Budget { bytes, used: Mutex::new(0), given_back: Condvar::new() }
    }

    /// Waits until so much is free. What needs more than the whole budget gets all of it, alone.
    pub fn reserve(&self, bytes: u64) -> Reserved<'_> {
        let bytes = bytes.min(self.bytes);
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = self
            .given_back
            .wait_while(used, |used| *used + bytes > self.bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        Reserved { budget: self, bytes }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        *self.budget.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn no_more_than_the_budget_is_in_use_and_the_largest_gets_it_alone() {
        let budget = Budget::new(100);
        let (used, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for need in [60, 60, 500, 30, 30, 30, 100, 1] {
                let (budget, used, most) = (&budget, &used, &most);
                scope.spawn(move || {
                    let _reserved = budget.reserve(need);
                    let now = used.fetch_add(need.min(100), Ordering::SeqCst) + need.min(100);
                    most.fetch_max(now, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    used.fetch_sub(need.min(100), Ordering::SeqCst);
                });
            }
        });
        assert!(most.into_inner() <= 100);
        assert_eq!(*budget.used.lock().unwrap(), 0);
    }
}
