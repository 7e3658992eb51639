//! Mutants that the proof cannot tell from the shader, and why: `known.toml`.

use crate::mutate::Mutant;
use serde::Deserialize;
use std::collections::HashSet;

/// Why a mutant passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It leaves the same in every buffer that anybody reads, whatever it is given.
    Equivalent,
    /// It is wrong, but the adapters at hand do not show it. It counts as not caught.
    Unobservable,
}

/// Changes with the same reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    reason: String,
    /// As [`Mutant::line`] has them.
    changes: Vec<String>,
}

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    equivalent: Vec<Entry>,
    unobservable: Vec<Entry>,
}

impl Known {
    /// Reads the list.
    pub fn read() -> Known {
        let known: Known = toml::from_str(include_str!("known.toml")).unwrap();
        let mut entries = known.equivalent.iter().chain(&known.unobservable);
        assert!(entries.all(|entry| entry.reason.len() > 20), "every entry needs a reason");
        known
    }

    /// What is known of a mutant.
    pub fn standing(&self, mutant: &Mutant) -> Option<Standing> {
        let line = mutant.line();
        let lists = [(&self.equivalent, Standing::Equivalent), (&self.unobservable, Standing::Unobservable)];
        let holds = |entries: &[Entry]| entries.iter().any(|entry| entry.changes.contains(&line));
        lists.into_iter().find(|(entries, _)| holds(entries)).map(|(_, standing)| standing)
    }

    /// Entries that fit no mutant at all any more.
    pub fn stale(&self, lines: &HashSet<String>) -> Vec<String> {
        let changes = self.equivalent.iter().chain(&self.unobservable).flat_map(|entry| &entry.changes);
        let stale = changes.filter(|change| !lines.contains(*change));
        stale.map(|change| format!("listed, but there is no such change: {change}")).collect()
    }
}
