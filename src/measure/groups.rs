//! Figures of groups of samples, and how far they lie apart.

use super::interval::{bonferroni, of_difference};
use super::{Figure, binary, classes, number};

/// Groups with fewer samples than this are shown, but take no part in the largest gap: their figures differ
/// by chance alone.
pub const COMPARED_FROM: usize = 10;

/// Predictions of one target and what is true.
#[derive(Debug, Clone, Copy)]
pub enum Predictions<'a> {
    /// See [`number()`].
    Number {
        /// (N).
        predicted: &'a [f32],
        /// (N).
        truth: &'a [f32],
    },
    /// See [`binary()`].
    Binary {
        /// (N), of the second class.
        probability: &'a [f32],
        /// (N), 0 or 1.
        truth: &'a [f32],
    },
    /// See [`classes()`].
    Classes {
        /// (N, `classes`), row by row.
        scores: &'a [f32],
        /// How many classes there are.
        classes: usize,
        /// (N), indices of classes.
        truth: &'a [f32],
    },
}

impl Predictions<'_> {
    /// The figures of all samples.
    pub fn figures(&self) -> Vec<Figure> {
        match *self {
            Self::Number { predicted, truth } => number(predicted, truth),
            Self::Binary { probability, truth } => binary(probability, truth),
            Self::Classes { scores, classes: count, truth } => classes(scores, count, truth),
        }
    }

    /// The figures of some samples.
    ///
    /// # Panics
    /// If an index is beyond the samples.
    pub fn figures_of(&self, indices: &[usize]) -> Vec<Figure> {
        let pick = |values: &[f32]| -> Vec<f32> { indices.iter().map(|&index| values[index]).collect() };
        match *self {
            Self::Number { predicted, truth } => number(&pick(predicted), &pick(truth)),
            Self::Binary { probability, truth } => binary(&pick(probability), &pick(truth)),
            Self::Classes { scores, classes: count, truth } => {
                let row = |&index: &usize| &scores[index * count..(index + 1) * count];
                classes(&indices.iter().flat_map(row).copied().collect::<Vec<_>>(), count, &pick(truth))
            }
        }
    }
}

/// Samples that have something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they have in common, such as "20-39".
    pub name: String,
    /// Which samples they are.
    pub indices: Vec<usize>,
}

/// The figures of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFigures {
    /// The group's name.
    pub name: String,
    /// How many samples it has.
    pub count: usize,
    /// Whether it takes part in the largest gaps: it has at least [`COMPARED_FROM`] samples.
    pub compared: bool,
    /// Its figures. Some can be absent, as the area under the ROC curve is where only one class occurs.
    pub figures: Vec<Figure>,
}

/// The largest difference of a figure between two of the compared groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// The figure of the group with the highest value.
    pub highest: Figure,
    /// That group's name.
    pub highest_group: String,
    /// The figure of the group with the lowest value.
    pub lowest: Figure,
    /// That group's name.
    pub lowest_group: String,
    /// The difference of both, never negative.
    pub value: f64,
    /// Lower end of its 95 % interval; below 0, the gap can be chance.
    pub low: f64,
    /// Upper end of its 95 % interval.
    pub high: f64,
    /// How many pairs of groups this one is the largest of.
    pub pairs: usize,
}

/// Groups and how far they lie apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// In the order in which they were given.
    pub groups: Vec<GroupFigures>,
    /// One a figure that at least two of the compared groups have with an interval.
    pub gaps: Vec<Gap>,
}

/// The figures of each group, and for each figure the largest gap.
///
/// No sample may be in two groups: an interval of a gap is that of two independent estimates. The largest of
/// many differences is large by chance, so the interval is widened until it would hold for all pairs of
/// groups at once with 95 % (Bonferroni's correction); with two groups it is Newcombe's own.
///
/// R² compares a group's errors with the spread of its own truth. Between groups of different spreads, such
/// as bands of the target itself, its gap says little about the model.
pub fn by_group(predictions: &Predictions, groups: &[Group]) -> Groups {
    let of_group = |group: &Group| GroupFigures {
        name: group.name.clone(),
        count: group.indices.len(),
        compared: group.indices.len() >= COMPARED_FROM,
        figures: predictions.figures_of(&group.indices),
    };
    let groups: Vec<GroupFigures> = groups.iter().map(of_group).collect();
    let mut names: Vec<&str> = Vec::new();
    for figure in groups.iter().flat_map(|group| &group.figures) {
        if !names.contains(&figure.name) {
            names.push(figure.name);
        }
    }
    let gaps = names.into_iter().filter_map(|name| largest_gap(&groups, name)).collect();
    Groups { groups, gaps }
}

fn largest_gap(groups: &[GroupFigures], name: &str) -> Option<Gap> {
    let usable = |figure: &&Figure| figure.name == name && figure.value.is_finite() && figure.low.is_finite();
    let compared: Vec<(&str, Figure)> = groups
        .iter()
        .filter(|group| group.compared)
        .filter_map(|group| Some((group.name.as_str(), *group.figures.iter().find(usable)?)))
        .collect();
    if compared.len() < 2 {
        return None;
    }
    // Of equal values the first is the highest and the last the lowest, so that they are two groups.
    let highest = compared.iter().rev().max_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    let lowest = compared.iter().rev().min_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    let pairs = compared.len() * (compared.len() - 1) / 2;
    let estimate = |figure: &Figure| (figure.value, (figure.low, figure.high));
    let (low, high) = of_difference(estimate(&highest.1), estimate(&lowest.1), bonferroni(pairs));
    Some(Gap {
        highest: highest.1,
        highest_group: highest.0.into(),
        lowest: lowest.1,
        lowest_group: lowest.0.into(),
        value: highest.1.value - lowest.1.value,
        low,
        high,
        pairs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, indices: std::ops::Range<usize>) -> Group {
        Group { name: name.into(), indices: indices.collect() }
    }

    /// 70 samples of which 56 are right, 80 of which 48 are, and 9 of which none is.
    fn probabilities() -> Vec<f32> {
        let part = |right: usize, wrong: usize| [vec![0.9; right], vec![0.2; wrong]].concat();
        [part(56, 14), part(48, 32), part(0, 9)].concat()
    }

    #[test]
    fn the_largest_gap_is_newcombes_and_leaves_out_small_groups() {
        let (probability, truth) = (probabilities(), [1.0; 159]);
        let predictions = Predictions::Binary { probability: &probability, truth: &truth };
        let groups = [group("a", 0..70), group("b", 70..150), group("c", 150..159)];
        let result = by_group(&predictions, &groups);
        let compared: Vec<bool> = result.groups.iter().map(|group| group.compared).collect();
        assert_eq!(compared, [true, true, false]);
        assert_eq!(result.groups[2].count, 9);
        let gap = &result.gaps[0];
        assert_eq!(
            (gap.highest.name, gap.highest_group.as_str(), gap.lowest_group.as_str()),
            ("accuracy", "a", "b")
        );
        assert_eq!(gap.pairs, 1);
        for (got, want) in [(gap.value, 0.2), (gap.low, 0.05243147240236498), (gap.high, 0.33387265403690614)]
        {
            assert!((got - want).abs() < 1e-12, "{got} is not {want}");
        }
        // One class only: no area under the ROC curve, so no gap of it.
        assert_eq!(
            result.gaps.iter().map(|gap| gap.highest.name).collect::<Vec<_>>(),
            ["accuracy", "balanced_accuracy", "f1"]
        );
    }

    #[test]
    fn a_groups_figures_are_those_of_its_samples() {
        let scores: Vec<f32> = (0..60_u16).map(|value| f32::from(value * 7 % 11)).collect();
        let truth: Vec<f32> = (0..20_u8).map(|value| f32::from(value % 3)).collect();
        let predictions = Predictions::Classes { scores: &scores, classes: 3, truth: &truth };
        let result =
            by_group(&predictions, &[group("late", 8..20), group("all", 0..20), group("none", 0..0)]);
        assert_eq!(result.groups[0].figures, classes(&scores[24..], 3, &truth[8..]));
        assert_eq!(result.groups[1].figures, predictions.figures());
        assert!(result.groups[2].figures.is_empty());
        let number = Predictions::Number { predicted: &scores[..20], truth: &truth };
        // As text, since what is not a number equals nothing.
        let picked = super::number(&[10.0, 7.0, 3.0], &[0.0, 1.0, 2.0]);
        assert_eq!(format!("{:?}", number.figures_of(&[3, 1, 2])), format!("{picked:?}"));
    }

    #[test]
    fn equal_groups_have_a_gap_of_nothing_between_two() {
        let truth: Vec<f32> = (0..36_u8).map(|value| f32::from(value % 12)).collect();
        let predicted: Vec<f32> = truth.iter().map(|value| value * 0.5).collect();
        let groups = [group("a", 0..12), group("b", 12..24), group("c", 24..36)];
        let result = by_group(&Predictions::Number { predicted: &predicted, truth: &truth }, &groups);
        assert_eq!(result.gaps.len(), 4);
        for gap in &result.gaps {
            assert!(gap.value == 0.0 && gap.low < 0.0 && gap.high > 0.0 && gap.pairs == 3, "{gap:?}");
            assert_ne!(gap.highest_group, gap.lowest_group);
        }
        assert!(by_group(&Predictions::Number { predicted: &[], truth: &[] }, &[]).gaps.is_empty());
    }

    #[test]
    fn a_group_with_a_broken_prediction_is_in_no_gap() {
        let truth = vec![1.0; 40];
        let mut probability = vec![0.8; 40];
        probability[30] = f32::NAN;
        let groups = [group("a", 0..20), group("b", 20..40)];
        let result = by_group(&Predictions::Binary { probability: &probability, truth: &truth }, &groups);
        assert!(result.gaps.is_empty() && result.groups[1].figures[0].value.is_nan());
    }
}
