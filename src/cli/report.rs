//! Pictures and the page of a run.

use super::data::GRID;
use crate::data::faces::Photos;
use crate::data::label::Gender;
use crate::report::curves::{Chart, Series, draw};
use crate::report::html;
use crate::report::picture::{Caption, Cell, grid, prediction_captions};
use crate::report::{ReportError, save_png};
use crate::spec::{Spec, Target};
use crate::train::history::{BranchResult, Epoch};
use crate::train::run::{RunError, RunFolder};
use std::path::Path;

/// What a model says of one photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// In years.
    pub age: Option<f32>,
    /// The probability of being female.
    pub female: Option<f32>,
}

impl Answer {
    /// From the outputs of the branches, in the order of the model.
    pub fn new(spec: &Spec, outputs: &[Vec<f32>], photo: usize) -> Self {
        let mut answer = Self { age: None, female: None };
        for (branch, outputs) in spec.branches.iter().zip(outputs) {
            match branch.target {
                Target::Age => answer.age = Some(branch.target.bounded(outputs[photo])),
                Target::Gender => answer.female = Some(1.0 / (1.0 + (-outputs[photo]).exp())),
                Target::Class => {}
            }
        }
        answer
    }

    /// The likelier gender and its probability.
    pub fn gender(&self) -> Option<(Gender, f32)> {
        self.female.map(
            |female| {
                if female > 0.5 { (Gender::Female, female) } else { (Gender::Male, 1.0 - female) }
            },
        )
    }

    fn captions(&self, truth: Option<(u32, &str)>) -> Vec<Caption> {
        let gender = self.gender().map(|(gender, probability)| (gender.to_string(), probability));
        match (self.age, &gender) {
            (Some(age), Some((gender, probability))) => prediction_captions(age, gender, *probability, truth),
            (Some(age), None) => plain(match truth {
                Some((true_age, _)) => format!("{age:.0} ({true_age})"),
                None => format!("{age:.0}"),
            }),
            (None, Some((gender, probability))) => plain(match truth {
                Some((_, true_gender)) => format!("{gender} ({true_gender}) {:.0} %", 100.0 * probability),
                None => format!("{gender} {:.0} %", 100.0 * probability),
            }),
            (None, None) => Vec::new(),
        }
    }
}

fn plain(text: String) -> Vec<Caption> {
    vec![Caption { text, colour: [0x22; 3] }]
}

/// The picture of the first 20 of `chosen`, with what was predicted and, in brackets, what is true.
pub fn draw_predictions(
    path: &Path,
    title: &str,
    photos: &Photos,
    chosen: &[(usize, Answer)],
) -> Result<(), ReportError> {
    let cells: Vec<Cell> = chosen
        .iter()
        .take(GRID[0])
        .map(|&(index, answer)| {
            let label = photos.labels[index].map(|label| (label.age, label.gender.to_string()));
            let truth = label.as_ref().map(|(age, gender)| (*age, gender.as_str()));
            let caption = answer.captions(truth);
            Cell { rgb: photos.photo(index), width: photos.width, height: photos.height, caption }
        })
        .collect();
    save_png(&grid(title, GRID[1], &cells), path)
}

/// Redraws the curves: loss and metric of each branch, training and validation.
pub fn draw_curves(run: &RunFolder, spec: &Spec, epochs: &[Epoch]) -> Result<(), ReportError> {
    let mut charts = Vec::new();
    for (index, branch) in spec.branches.iter().enumerate() {
        let name = branch.target.name();
        let [loss_label, metric, metric_label] = match branch.target {
            Target::Age => ["squared years", "age MAE", "years"],
            Target::Gender => ["nats", "gender accuracy", "share"],
            Target::Class => ["nats", "accuracy", "share"],
        };
        let chart = |title: String, y_label: &str, value: fn(&BranchResult) -> f64| {
            let points = |side: fn(&Epoch) -> &[BranchResult]| {
                epochs.iter().map(|epoch| (epoch.epoch as f64, value(&side(epoch)[index]))).collect()
            };
            let train = Series { name: "train".into(), points: points(|epoch| &epoch.train) };
            let validation = Series { name: "validation".into(), points: points(|epoch| &epoch.validation) };
            Chart { title, y_label: y_label.into(), series: vec![train, validation] }
        };
        charts.push(chart(format!("{name} loss"), loss_label, |result| result.loss));
        charts.push(chart(metric.into(), metric_label, |result| result.metric));
    }
    draw(&charts, &run.plot("curves.png"), &run.plot("curves.svg"))
}

/// Writes the page that shows the whole run.
pub fn write_page(
    run: &RunFolder,
    spec: &Spec,
    epochs: &[Epoch],
    facts: &[(String, String)],
) -> Result<(), RunError> {
    let header: Vec<String> = epochs.first().map_or(Vec::new(), |epoch| {
        epoch.fields().into_iter().map(|(name, _)| name.replace('_', " ")).collect()
    });
    let row = |epoch: &Epoch| {
        let text = |(name, value): (String, f64)| match name.as_str() {
            "epoch" => epoch.epoch.to_string(),
            "seconds" => format!("{value:.1}"),
            _ if name.ends_with("accuracy") => format!("{value:.4}"),
            _ => format!("{value:.3}"),
        };
        epoch.fields().into_iter().map(text).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = epochs.iter().map(row).collect();
    let mut images = Vec::new();
    for (file, caption) in [
        ("curves.png", "Loss and metric of each branch, epoch by epoch"),
        ("predictions.png", "Validation photos: predicted, and in brackets true"),
        ("confusion.png", "Validation reviews: how often each class was taken for each"),
    ] {
        if run.plot(file).is_file() {
            images.push((caption.to_string(), format!("plots/{file}")));
        }
    }
    let title = run.path().file_name().map_or(spec.name.clone(), |name| name.to_string_lossy().into());
    let page = html::report(&title, facts, &header, &rows, &images);
    run.write(&run.report(), &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_age_is_predicted_that_nobody_has() {
        let spec = Spec::parse(include_str!("../../assets/models/face.toml"), "face.toml").unwrap();
        let outputs = [vec![-9.5, 31.25, 412.0], vec![-9.5, 0.0, 3.0]];
        let answers = [0, 1, 2].map(|photo| Answer::new(&spec, &outputs, photo));
        assert_eq!(answers.map(|answer| answer.age), [Some(0.0), Some(31.25), Some(150.0)]);
        // A logit has no range.
        assert!(answers[0].female.is_some_and(|female| female > 0.0 && female < 1e-3));
    }
}
