//! What a column of labels holds, and what a model could learn of it.

use std::fmt;

use serde::Serialize;

use crate::data::error::shown;
use crate::data::table::{Column, Table};
use crate::tasks::Target;

/// How many samples are of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The label.
    pub class: String,
    /// How many have it.
    pub samples: usize,
}

/// How numbers are spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Numbers {
    /// The least.
    pub min: f64,
    /// Half are at most this large; between the two in the middle where their number is even.
    pub median: f64,
    /// The sum over the number.
    pub mean: f64,
    /// The greatest.
    pub max: f64,
}

impl Numbers {
    /// `None` of no numbers.
    pub fn of(mut numbers: Vec<f64>) -> Option<Numbers> {
        numbers.sort_by(f64::total_cmp);
        let (&min, &max) = (numbers.first()?, numbers.last()?);
        let count = numbers.len();
        let median = (numbers[(count - 1) / 2] + numbers[count / 2]) / 2.0;
        Some(Numbers { min, median, mean: numbers.iter().sum::<f64>() / count as f64, max })
    }
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Its header.
    pub name: String,
    /// Of which kind a target of it would be; `None` if it can be none.
    pub kind: Option<String>,
    /// Of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// How numbers are spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
    /// The classes, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassCount>,
    /// How many different labels there are.
    pub different: usize,
    /// Of a column of numbers, samples whose label is none.
    pub unreadable: usize,
    /// Samples without a label.
    pub missing: usize,
}

/// Classes that are printed a column.
const PRINTED: usize = 30;

impl ColumnSummary {
    /// Of each column.
    pub fn all(table: &Table) -> Vec<ColumnSummary> {
        table.columns.iter().map(ColumnSummary::of).collect()
    }

    fn of(column: &Column) -> ColumnSummary {
        let counts = column.counts();
        let target = column.as_target().filter(|_| counts.len() > 1);
        let is_number = |target: &Target| !target.has_classes();
        let has_classes = target.as_ref().is_some_and(|target| target.kind.is_some() && !is_number(target));
        let numbers = target.as_ref().filter(|target| is_number(target)).and_then(|_| {
            let of_value = |(value, count): &(String, usize)| Some(vec![number(value)?; *count]);
            Numbers::of(counts.iter().filter_map(of_value).flatten().collect())
        });
        ColumnSummary {
            name: column.name.clone(),
            kind: target.as_ref().and_then(|target| target.kind).map(|kind| kind.name().to_owned()),
            unit: target.and_then(|target| target.unit),
            unreadable: match &numbers {
                Some(_) => {
                    counts.iter().filter(|(value, _)| number(value).is_none()).map(|(_, count)| count).sum()
                }
                None => 0,
            },
            numbers,
            different: counts.len(),
            classes: match has_classes {
                true => counts.into_iter().map(|(class, samples)| ClassCount { class, samples }).collect(),
                false => Vec::new(),
            },
            missing: column.missing(),
        }
    }
}

/// A finite number, as a cell writes it.
fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Prints columns below each other.
pub(super) fn write(f: &mut fmt::Formatter<'_>, columns: &[ColumnSummary]) -> fmt::Result {
    for column in columns {
        let kind = match (&column.kind, column.different) {
            (Some(kind), _) => format!("a target of kind {kind}"),
            (None, 0) => "no label at all".into(),
            (None, 1) => "no target: all labels are the same".into(),
            (None, different) => format!("no target: {different} different texts"),
        };
        writeln!(f, "column   {}: {kind}", shown(&column.name))?;
        if let Some(Numbers { min, median, mean, max }) = column.numbers {
            let unit = column.unit.as_ref().map_or(String::new(), |unit| format!(" {unit}"));
            writeln!(f, "         min {min}, median {median}, mean {mean:.1}, max {max}{unit}")?;
        }
        for ClassCount { class, samples } in column.classes.iter().take(PRINTED) {
            writeln!(f, "  {samples:>7}  {}", shown(class))?;
        }
        if column.classes.len() > PRINTED {
            writeln!(f, "           and {} more classes", column.classes.len() - PRINTED)?;
        }
        if column.unreadable > 0 {
            writeln!(f, "  {:>7}  have a label that is no number; it counts as missing", column.unreadable)?;
        }
        if column.missing > 0 {
            writeln!(f, "  {:>7}  have no label", column.missing)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(Numbers::of(vec![]), None);
        let numbers = Numbers::of(vec![30.0, 1.0, 2.0, 5.0]).unwrap();
        assert_eq!((numbers.min, numbers.median, numbers.mean, numbers.max), (1.0, 3.5, 9.5, 30.0));
    }
}
