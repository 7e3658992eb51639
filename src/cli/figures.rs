//! Figures with their 95 % intervals: of all samples, and of groups of them.

use super::print;
use super::said::Said;
use crate::data::samples::Samples;
use crate::measure::confusion::probabilities;
use crate::measure::{Better, Figure, Group, Groups, Predictions, Scale, by_band, by_class, by_group};
use crate::ops::Metric;
use crate::report::groups::{Chart, Row, draw};
use crate::spec::nearest;
use crate::tasks::{PLAIN_NAME, Target};
use crate::train::run::RunFolder;
use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use std::io;

/// What is said of the samples that have a target's label.
pub struct Predicted<'a> {
    /// The target.
    pub target: &'a Target,
    /// Places of the samples among those that were asked about.
    places: Vec<usize>,
    /// Numbers, probabilities of the second class, or a score a class.
    values: Vec<f32>,
    truth: Vec<f32>,
}

/// What the pictures of groups say below their charts.
const FOOT: [&str; 2] = [
    "Dot: value of the group. Bar: 95 % interval. Vertical line: all samples.",
    "Grey: too few samples to compare. Arrow: the interval goes on.",
];

impl<'a> Predicted<'a> {
    /// Of each branch.
    pub fn all(said: &Said<'a>) -> Vec<Predicted<'a>> {
        said.labelled()
            .into_iter()
            .map(|(target, labelled)| {
                let (mut places, mut values, mut truth) = (Vec::new(), Vec::new(), Vec::new());
                for (place, outputs, label) in labelled {
                    places.push(place);
                    truth.push(label);
                    match target.metric() {
                        Metric::AbsoluteError => values.push(target.bounded(outputs[0])),
                        Metric::BinaryAccuracy => values.push(probabilities(outputs)[1] as f32),
                        Metric::ClassAccuracy => values.extend_from_slice(outputs),
                    }
                }
                Predicted { target, places, values, truth }
            })
            .collect()
    }

    fn predictions(&self) -> Predictions<'_> {
        let truth = &self.truth;
        match self.target.metric() {
            Metric::AbsoluteError => Predictions::Number { predicted: &self.values, truth },
            Metric::BinaryAccuracy => Predictions::Binary { probability: &self.values, truth },
            Metric::ClassAccuracy => {
                let classes = self.values.len() / truth.len().max(1);
                Predictions::Classes { scores: &self.values, classes, truth }
            }
        }
    }

    /// The figures of all.
    pub fn figures(&self) -> Vec<Figure> {
        self.predictions().figures()
    }

    /// The figures of groups of the samples that were asked about.
    fn groups(&self, groups: &[Group]) -> Groups {
        let of_place: std::collections::HashMap<usize, usize> =
            self.places.iter().copied().zip(0..).collect();
        let own = |group: &Group| Group {
            name: group.name.clone(),
            indices: group.indices.iter().filter_map(|place| of_place.get(place).copied()).collect(),
        };
        let groups: Vec<Group> = groups.iter().map(own).filter(|group| !group.indices.is_empty()).collect();
        by_group(&self.predictions(), &groups)
    }

    /// A value of a figure for people.
    fn shown(&self, figure: &Figure, value: f64) -> String {
        match figure.scale {
            _ if !value.is_finite() => "-".into(),
            Scale::Share => format!("{:.2} %", 100.0 * value),
            Scale::Plain => format!("{value:.4}"),
            Scale::Unit => self.target.shown_metric(value, 3),
        }
    }
}

/// Prints every figure of every target.
pub fn print_figures(predicted: &[Predicted]) -> io::Result<()> {
    for of in predicted {
        print("")?;
        let name = if of.target.name == PLAIN_NAME { String::new() } else { format!("{}, ", of.target.name) };
        print(format_args!("{name}{} samples with a label; in brackets, the 95 % interval", of.truth.len()))?;
        for figure in of.figures() {
            let [value, low, high] =
                [figure.value, figure.low, figure.high].map(|value| of.shown(&figure, value));
            print(format_args!("  {:<26} {value:>14}  ({low} to {high})", figure.title()))?;
        }
    }
    Ok(())
}

fn number(value: f64) -> Value {
    if value.is_finite() { value.into() } else { Value::Null }
}

fn figures_json(figures: &[Figure]) -> Value {
    let one = |figure: &Figure| {
        let numbers = json!({
            "value": number(figure.value), "low": number(figure.low), "high": number(figure.high),
        });
        (figure.name.to_owned(), numbers)
    };
    figures.iter().map(one).collect::<Map<_, _>>().into()
}

/// Every figure of every target, for machines.
pub fn figures_as_json(predicted: &[Predicted]) -> Value {
    let one = |of: &Predicted| {
        let mut object = Map::new();
        object.insert("samples".into(), of.truth.len().into());
        if let Value::Object(figures) = figures_json(&of.figures()) {
            object.extend(figures);
        }
        (of.target.name.clone(), object.into())
    };
    predicted.iter().map(one).collect::<Map<_, _>>().into()
}

/// Groups of the samples that were asked about, by a column of their labels.
pub fn groups_by(samples: &Samples, asked: &[usize], column: &str) -> Result<Vec<Group>> {
    let table = &samples.records.table;
    let Some(column) = table.column(column) else {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let near = nearest(column, &names).map_or(String::new(), |near| format!("; did you mean {near}?"));
        let names = if names.is_empty() { "none".into() } else { names.join(", ") };
        bail!("--by {column}: there is no such column; there is {names}{near}");
    };
    let cells = || asked.iter().map(|&index| column.cell(index));
    let is_number = column.as_target().is_some_and(|target| target.metric() == Metric::AbsoluteError);
    if is_number {
        return Ok(by_band(&cells().map(|cell| cell.and_then(|cell| cell.parse().ok())).collect::<Vec<_>>()));
    }
    let names: Vec<String> = column.counts().into_iter().map(|(name, _)| name).collect();
    if names.len() > MOST_GROUPS {
        bail!(
            "--by {}: it has {} different values; at most {MOST_GROUPS} can be compared",
            column.name,
            names.len()
        );
    }
    let place = |cell: Option<&str>| cell.and_then(|cell| names.iter().position(|name| name == cell));
    Ok(by_class(&cells().map(place).collect::<Vec<_>>(), &names))
}

/// Groups that are compared at most.
const MOST_GROUPS: usize = 40;

/// The figures of groups, and how far they lie apart.
pub struct Grouped<'a> {
    predicted: &'a [Predicted<'a>],
    column: &'a str,
    groups: Vec<Groups>,
}

impl<'a> Grouped<'a> {
    /// Compares groups of the samples that were asked about.
    pub fn of(predicted: &'a [Predicted<'a>], column: &'a str, groups: &[Group]) -> Self {
        Grouped { predicted, column, groups: predicted.iter().map(|of| of.groups(groups)).collect() }
    }

    /// Prints a table a target.
    pub fn print(&self) -> io::Result<()> {
        for (of, groups) in self.predicted.iter().zip(&self.groups) {
            print("")?;
            print(format_args!("{} by {}; in brackets, the 95 % interval", of.target.name, self.column))?;
            for figure in of.figures() {
                print(format_args!("  {}", figure.title()))?;
                for group in &groups.groups {
                    let Some(own) = group.figures.iter().find(|own| own.name == figure.name) else {
                        continue;
                    };
                    let [value, low, high] = [own.value, own.low, own.high].map(|value| of.shown(own, value));
                    let few = if group.compared { "" } else { "  too few to compare" };
                    print(format_args!(
                        "    {:<16} {:>6} samples {value:>14}  ({low} to {high}){few}",
                        group.name, group.count
                    ))?;
                }
                if let Some(gap) = groups.gaps.iter().find(|gap| gap.highest.name == figure.name) {
                    let [value, low, high] =
                        [gap.value, gap.low, gap.high].map(|value| of.shown(&figure, value));
                    let chance = if gap.low < 0.0 { "; it can be chance" } else { "" };
                    let (worse, better) = match figure.better {
                        Better::Lower => (&gap.highest_group, &gap.lowest_group),
                        Better::Higher => (&gap.lowest_group, &gap.highest_group),
                    };
                    print(format_args!(
                        "    largest gap: {value} ({low} to {high}), {worse} worse than {better}{chance}"
                    ))?;
                }
            }
        }
        Ok(())
    }

    /// The same for machines.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("by".into(), self.column.into());
        for (of, groups) in self.predicted.iter().zip(&self.groups) {
            let group = |group: &crate::measure::GroupFigures| {
                json!({
                    "name": group.name, "samples": group.count, "compared": group.compared,
                    "figures": figures_json(&group.figures),
                })
            };
            let gap = |gap: &crate::measure::Gap| {
                let numbers = json!({
                    "highest": gap.highest_group, "lowest": gap.lowest_group, "value": number(gap.value),
                    "low": number(gap.low), "high": number(gap.high), "pairs": gap.pairs,
                });
                (gap.highest.name.to_owned(), numbers)
            };
            let told = json!({
                "groups": groups.groups.iter().map(group).collect::<Vec<_>>(),
                "largest_gaps": groups.gaps.iter().map(gap).collect::<Map<_, _>>(),
            });
            object.insert(of.target.name.clone(), told);
        }
        object.into()
    }

    /// Draws a picture a target into the run's plots, and tells where.
    pub fn draw(&self, run: &RunFolder) -> Result<()> {
        for (of, groups) in self.predicted.iter().zip(&self.groups) {
            let charts: Vec<Chart> =
                of.figures().iter().map(|figure| self.chart(of, groups, figure)).collect();
            let column: String =
                self.column.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let name = format!("{}-by-{column}", of.target.name);
            let title = format!("{} by {}", of.target.name, self.column);
            let [png, svg] = ["png", "svg"].map(|kind| run.plot(&format!("{name}.{kind}")));
            draw(&title, &charts, FOOT, &png, &svg)?;
            log::info!("picture: {}", png.display());
        }
        Ok(())
    }

    fn chart(&self, of: &Predicted, groups: &Groups, figure: &Figure) -> Chart {
        let factor = if figure.scale == Scale::Share { 100.0 } else { 1.0 };
        let row = |group: &crate::measure::GroupFigures| {
            let own = group.figures.iter().find(|own| own.name == figure.name)?;
            let [value, low, high] = [own.value, own.low, own.high].map(|value| factor * value);
            Some(Row {
                label: group.name.clone(),
                note: format!("{} samples", group.count),
                value,
                low,
                high,
                text: of.shown(own, own.value),
                faint: !group.compared,
            })
        };
        Chart {
            title: figure.title().into(),
            overall: factor * figure.value,
            overall_text: of.shown(figure, figure.value),
            rows: groups.groups.iter().filter_map(row).collect(),
        }
    }
}
