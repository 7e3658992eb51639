//! Rows that are no reviews: counted by reason, so that millions of them need no more memory than a few.

use std::fmt;

use serde::Serialize;

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
