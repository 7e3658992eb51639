//! Samples that cannot be used, and why.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A photo that cannot be used, a file that is only named like one, or a row that is no review.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Skipped {
    /// The path within the source, or `line 7`.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// The files or rows that were skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedGroup {
    /// Why.
    pub reason: String,
    /// In their order.
    pub files: Vec<String>,
}

/// Skipped files by reason, the most frequent first.
pub fn by_reason(skipped: &[Skipped]) -> Vec<SkippedGroup> {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Skipped { file, reason } in skipped {
        groups.entry(reason).or_default().push(file.clone());
    }
    let mut groups: Vec<SkippedGroup> =
        groups.into_iter().map(|(reason, files)| SkippedGroup { reason: reason.into(), files }).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.files.len()));
    groups
}

/// Files that are no photos, counted by what they are instead. Hidden files and `__MACOSX` do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ignored(BTreeMap<&'static str, usize>);

impl Ignored {
    /// Counts one file.
    pub fn add(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// How many there are of all kinds.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }
}

/// Such as `12 text, 1 empty`, the most frequent first.
impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|&(kind, files)| (std::cmp::Reverse(*files), *kind));
        let parts: Vec<String> = kinds.iter().map(|(kind, files)| format!("{files} {kind}")).collect();
        f.write_str(&parts.join(", "))
    }
}

/// The rows that were skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedReason {
    /// Why.
    pub reason: String,
    /// How many rows.
    pub count: usize,
    /// The first of them, such as `line 7`.
    pub files: Vec<String>,
}

/// Rows that were skipped, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SkippedRows {
    count: usize,
    /// In the order of their first rows.
    reasons: Vec<SkippedReason>,
}

/// Rows named a reason.
const NAMED: usize = 10;
/// Reasons that are told apart; a reason may quote what the row says.
const REASONS: usize = 50;
/// Reasons, and rows to each, that a one-line message lists.
const LISTED: usize = 4;

impl SkippedRows {
    /// Counts a row, which begins in this line.
    pub fn push(&mut self, line: u64, reason: String) {
        self.count += 1;
        let known = self.reasons.iter().position(|known| known.reason == reason);
        let place = known.unwrap_or_else(|| {
            let reason = if self.reasons.len() < REASONS { reason } else { "other reasons".to_owned() };
            if self.reasons.len() <= REASONS {
                self.reasons.push(SkippedReason { reason, count: 0, files: Vec::new() });
            }
            self.reasons.len() - 1
        });
        let group = &mut self.reasons[place];
        group.count += 1;
        if group.files.len() < NAMED {
            group.files.push(format!("line {line}"));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// By reason, the most frequent first.
    pub fn by_reason(&self) -> Vec<SkippedReason> {
        let mut reasons = self.reasons.clone();
        reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        reasons
    }
}

impl SkippedReason {
    /// The first rows, at most so many, and whether there are more.
    pub fn named(&self, most: usize) -> String {
        let named = &self.files[..self.files.len().min(most)];
        format!("{}{}", named.join(", "), if self.count > named.len() { ", …" } else { "" })
    }
}

/// In one line.
impl fmt::Display for SkippedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.by_reason();
        for (index, reason) in reasons.iter().take(LISTED).enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{} skipped: {} ({})", reason.count, reason.reason, reason.named(LISTED))?;
        }
        match reasons.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "; {more} more reasons"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_the_most_frequent_first() {
        let skipped = |file: &str, reason: &str| Skipped { file: file.into(), reason: reason.into() };
        let groups = by_reason(&[skipped("1", "x"), skipped("2", "y"), skipped("3", "y")]);
        assert_eq!(groups[0], SkippedGroup { reason: "y".into(), files: vec!["2".into(), "3".into()] });
        assert_eq!(groups.len(), 2);
    }

    #[test]
    fn a_million_bad_rows_are_counted_and_the_first_are_named() {
        let mut skipped = SkippedRows::default();
        for line in 0..1_000_000 {
            skipped
                .push(line, if line % 2 == 0 { "the review is empty".into() } else { format!("no {line}") });
        }
        let reasons = skipped.by_reason();
        assert_eq!((skipped.len(), reasons.len()), (1_000_000, REASONS + 1));
        assert_eq!(reasons.iter().map(|reason| reason.count).sum::<usize>(), 1_000_000);
        assert!(reasons.iter().all(|reason| reason.files.len() <= 10));
        assert_eq!((reasons[0].count, reasons[1].reason.as_str()), (500_000, "other reasons"));
        let text = skipped.to_string();
        let begin =
            "500000 skipped: the review is empty (line 0, line 2, line 4, line 6, …); 499951 skipped: other";
        assert!(text.starts_with(begin) && text.ends_with("; 47 more reasons"), "{text}");
    }
}
