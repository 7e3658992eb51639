//! The table of epochs that a training prints: at most 80 columns wide for up to three branches.

use crate::spec::Spec;
use crate::train::history::{Epoch, total_loss};

/// Columns of the terminal that everybody has.
const TERMINAL: usize = 80;
/// Width of the first and of the last column, the latter with its gap.
const EPOCH: usize = 5;
const SECONDS: usize = 9;
/// The least and the greatest width of the others, each after a gap of 1.
const NARROWEST: usize = 7;
const WIDEST: usize = 10;
/// Decimals of losses and metrics, where there is room.
const LOSS_DECIMALS: usize = 3;
const METRIC_DECIMALS: usize = 4;

/// Width of the columns of losses and metrics.
fn width(branches: usize) -> usize {
    let each = (TERMINAL - EPOCH - SECONDS) / (2 * (branches + 1));
    each.saturating_sub(1).clamp(NARROWEST, WIDEST)
}

/// Two lines: what is measured, and on which samples.
pub fn heading(spec: &Spec) -> String {
    let width = width(spec.branches.len());
    let mut groups = " ".repeat(EPOCH);
    let mut columns = format!("{:>EPOCH$}", "epoch");
    let names = spec.tasks().map(|(_, target)| target.metric_name().replace('_', " "));
    for name in std::iter::once("loss".to_string()).chain(names) {
        let pair = 2 * width + 1;
        let name: String = name.chars().take(pair).collect();
        groups += &format!(" {name:>pair$}");
        columns += &format!(" {:>width$} {:>width$}", "train", "val");
    }
    format!("{groups}\n{columns} {:>1$}", "seconds", SECONDS - 1)
}

/// The line of an epoch.
pub fn row(epoch: &Epoch) -> String {
    let width = width(epoch.train.len());
    let mut text = format!("{:>EPOCH$}", epoch.epoch);
    let mut add = |value: f64, decimals: usize| text += &format!(" {}", fitted(value, width, decimals));
    add(total_loss(&epoch.train), LOSS_DECIMALS);
    add(total_loss(&epoch.validation), LOSS_DECIMALS);
    for (train, validation) in epoch.train.iter().zip(&epoch.validation) {
        add(train.metric, METRIC_DECIMALS);
        add(validation.metric, METRIC_DECIMALS);
    }
    format!("{text} {}", fitted(epoch.seconds, SECONDS - 1, 1))
}

/// A number with as many of these decimals as there is room for; as a power of ten where there is too little.
fn fitted(value: f64, width: usize, decimals: usize) -> String {
    let plain = (0..=decimals).rev().map(|decimals| format!("{value:>width$.decimals$}"));
    plain.into_iter().find(|text| text.len() <= width).unwrap_or_else(|| format!("{value:>width$.1e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::history::BranchResult;

    fn epoch(branches: usize, value: f64) -> Epoch {
        let target = crate::tasks::Target::new("age", "number");
        let result = BranchResult { target, weight: 1.0, loss: value, metric: value };
        Epoch {
            epoch: 1000,
            train: vec![result.clone(); branches],
            validation: vec![result; branches],
            seconds: value,
        }
    }

    #[test]
    fn lines_of_up_to_three_branches_fit_80_columns_and_stand_below_their_headings() {
        let mut spec = Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap();
        spec.branches.push(spec.branches[1].clone());
        for branches in 1..=3 {
            spec.branches.truncate(3);
            let mut spec = spec.clone();
            spec.branches.truncate(branches);
            let heading = heading(&spec);
            let widths: Vec<usize> = heading.lines().map(str::len).collect();
            assert!(widths[0] < widths[1] && widths[1] <= 80, "{heading}");
            for value in [0.0, 0.123_456, 862.558_619, 12_345.678, 1e30] {
                assert_eq!(row(&epoch(branches, value)).len(), widths[1], "{heading}\n{value}");
            }
        }
        // More of them are as narrow as they can be.
        assert_eq!(width(9), NARROWEST);
    }

    #[test]
    fn numbers_lose_decimals_before_they_lose_their_column() {
        assert_eq!(fitted(0.5, 8, 3), "   0.500");
        assert_eq!(fitted(12_345.678_9, 8, 3), "12345.68");
        assert_eq!(fitted(1e30, 8, 3), "  1.0e30");
        assert_eq!(fitted(f64::NAN, 8, 3), "     NaN");
    }
}
