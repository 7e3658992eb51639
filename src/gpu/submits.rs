//! How the dispatches of a run are cut into submits, so that none takes too long.

use std::ops::Range;

/// How a run becomes submits.
#[derive(Debug)]
pub enum Submits {
    /// Nobody knows yet how long the dispatches take: each is a submit of its own and waited for. So many runs
    /// go by before it is believed, since the first one compiles and pages in.
    Measuring(usize),
    /// Ranges of dispatches.
    Known(Vec<Range<usize>>),
}

/// Runs that are measured before dispatches share a submit.
pub const MEASURED_RUNS: usize = 2;

/// Puts neighbouring dispatches, of which each takes so many seconds, together as long as they take no more than
/// `limit` seconds.
pub fn group(dispatches: &[f64], limit: f64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut sum = f64::INFINITY;
    for (index, &seconds) in dispatches.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if sum + seconds <= limit => {
                group.end += 1;
                sum += seconds;
            }
            _ => {
                groups.push(index..index + 1);
                sum = seconds;
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    fn neighbouring_dispatches_share_a_submit_up_to_its_limit() {
        let seconds = [0.1, 0.1, 0.1, 0.5, 0.05, 0.05, 0.05];
        assert_eq!(group(&seconds, 0.25), [0..2, 2..3, 3..4, 4..7]);
        assert_eq!(group(&seconds[..3], 0.35).first(), Some(&(0..3)));
        assert_eq!(group(&seconds, f64::INFINITY).len(), 1);
        assert_eq!(group(&seconds, 0.0).len(), seconds.len());
        assert!(group(&[], 0.25).is_empty());
    }
}
