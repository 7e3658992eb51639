//! How the dispatches of a run are cut into submits, so that none takes too long.

use std::ops::Range;

/// How a run becomes submits.
#[derive(Debug)]
pub enum Submits {
    /// Nobody knows yet how long the steps take: each is a submit of its own and waited for. So many runs
    /// go by before it is believed, since the first one compiles and pages in.
    Measuring(usize),
    /// Ranges of dispatches.
    Known(Vec<Range<usize>>),
}

/// Runs that are measured before steps share a submit.
pub const MEASURED_RUNS: usize = 2;

/// Puts neighbouring steps together as long as they take no more than `limit` seconds. A step has its
/// seconds and the number of its dispatches.
pub fn group(steps: &[(f64, usize)], limit: f64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut end, mut sum) = (0, f64::INFINITY);
    for &(seconds, dispatches) in steps {
        match groups.last_mut() {
            Some(group) if sum + seconds <= limit => {
                group.end += dispatches;
                sum += seconds;
            }
            _ => {
                groups.push(end..end + dispatches);
                sum = seconds;
            }
        }
        end += dispatches;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    fn neighbouring_steps_share_a_submit_up_to_its_limit() {
        let steps = [(0.1, 2), (0.1, 1), (0.1, 1), (0.5, 3), (0.05, 1), (0.05, 0), (0.05, 2)];
        assert_eq!(group(&steps, 0.25), [0..3, 3..4, 4..7, 7..10]);
        assert_eq!(group(&steps[..3], 0.35).first(), Some(&(0..4)));
        assert_eq!(group(&steps, f64::INFINITY).len(), 1);
        assert_eq!(group(&steps, 0.0).len(), steps.len());
        assert!(group(&[], 0.25).is_empty());
    }
}
