//! Curves and the page of a run.

use super::said::confusion_files;
use crate::ops::Metric;
use crate::report::ReportError;
use crate::report::curves::{Chart, Series, draw};
use crate::report::html;
use crate::spec::Spec;
use crate::train::history::{BranchResult, Epoch};
use crate::train::run::{RunError, RunFolder};

/// Redraws the curves: loss and metric of each branch, training and validation.
pub fn draw_curves(run: &RunFolder, spec: &Spec, epochs: &[Epoch]) -> Result<(), ReportError> {
    let mut charts = Vec::new();
    for (index, (_, target)) in spec.tasks().enumerate() {
        let name = &target.name;
        let loss_label = target.rules().loss_unit(target);
        let metric_label = match target.metric() {
            Metric::AbsoluteError => target.unit.clone().unwrap_or_default(),
            _ => "share".into(),
        };
        let chart = |title: String, y_label: &str, value: fn(&BranchResult) -> f64| {
            let points = |side: fn(&Epoch) -> &[BranchResult]| {
                epochs.iter().map(|epoch| (epoch.epoch as f64, value(&side(epoch)[index]))).collect()
            };
            let train = Series { name: "train".into(), points: points(|epoch| &epoch.train) };
            let validation = Series { name: "validation".into(), points: points(|epoch| &epoch.validation) };
            Chart { title, y_label: y_label.into(), series: vec![train, validation], ..Chart::default() }
        };
        charts.push(chart(format!("{name} loss"), &loss_label, |result| result.loss));
        charts.push(chart(target.metric_title(), &metric_label, |result| result.metric));
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
    let pictures = [
        ("curves.png", "Loss and metric of each branch, epoch by epoch"),
        ("predictions.png", "Validation photos: predicted, and in brackets true"),
    ];
    let pictures = pictures.map(|(file, caption)| (file.to_string(), caption.to_string()));
    for (file, caption) in pictures.into_iter().chain(confusion_files(spec)) {
        if run.plot(&file).is_file() {
            images.push((caption, format!("plots/{file}")));
        }
    }
    let title = run.path().file_name().map_or(spec.name.clone(), |name| name.to_string_lossy().into());
    let page = html::report(&title, facts, &header, &rows, &images);
    run.write(&run.report(), &page)
}
