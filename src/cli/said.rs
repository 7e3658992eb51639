//! What a model says of labelled samples: tables, pictures, JSON.

use super::data::GRID;
use super::print;
use crate::data::DataError;
use crate::data::batches::{Dataset, order};
use crate::data::photos::Photos;
use crate::data::samples::Samples;
use crate::measure::confusion::Confusion;
use crate::report::confusion::confusion_matrix;
use crate::report::picture::{Cell, Told, captions, grid};
use crate::report::save_png;
use crate::spec::{Branch, Spec};
use crate::tasks::{Answer, PLAIN_NAME, Target};
use crate::train::run::RunFolder;
use crate::train::{TrainError, Trainer};
use anyhow::Result;
use std::io;
use std::path::Path;

/// A sample that has a label: its place among those that were asked about, a branch's values, and the label.
pub type Labelled<'a> = (usize, &'a [f32], f32);

/// A model's answers to samples.
pub struct Said<'a> {
    spec: &'a Spec,
    samples: &'a Samples,
    asked: &'a [usize],
    /// For each branch, its values a sample.
    outputs: Vec<Vec<f32>>,
}

impl<'a> Said<'a> {
    /// Asks the model.
    pub fn of(
        spec: &'a Spec,
        samples: &'a Samples,
        asked: &'a [usize],
        trainer: &mut Trainer,
    ) -> Result<Self, TrainError> {
        Ok(Said { spec, samples, asked, outputs: trainer.predict(samples, asked)? })
    }

    /// The values of a branch for one of the samples that were asked about.
    fn values(&self, branch: usize, sample: usize) -> &[f32] {
        let outputs = &self.outputs[branch];
        let width = outputs.len() / self.asked.len().max(1);
        &outputs[sample * width..][..width]
    }

    /// For each branch its target, and the samples that have its label: places among those that were asked about,
    /// the branch's values, and the labels.
    pub fn labelled(&self) -> Vec<(&'a Target, Vec<Labelled<'_>>)> {
        let of_branch = |(branch, (of, target)): (usize, (&Branch, &'a Target))| {
            let place = self.spec.target_place(of);
            let labelled = self.asked.iter().enumerate().filter_map(|(sample, &index)| {
                Some((sample, self.values(branch, sample), self.samples.answer(index, place)?))
            });
            (target, labelled.collect())
        };
        self.spec.tasks().enumerate().map(of_branch).collect()
    }

    /// How often each class was taken for each, of every target with classes.
    pub fn confusions(&self) -> Vec<(&'a Target, Confusion)> {
        let with_classes = self.labelled().into_iter().filter(|(target, _)| !target.classes.is_empty());
        let confusion = |(target, labelled): (&'a Target, Vec<Labelled<'_>>)| {
            let pair =
                |(_, values, truth): &Labelled<'_>| Some((*truth as usize, target.answer(values).class?));
            (target, Confusion::of(&target.classes, labelled.iter().filter_map(pair)))
        };
        with_classes.map(confusion).collect()
    }

    /// The first samples that an epoch of their own would show, as places among those that were asked about: in the
    /// order of names all would be of one age.
    fn shown(&self) -> Vec<usize> {
        let all: Vec<usize> = (0..self.asked.len()).collect();
        let mut shown = order(&all, self.spec.training.seed, 0);
        shown.truncate(GRID[0]);
        shown
    }

    /// Draws what is said of a few photos, and how often classes are taken for others.
    pub fn draw(&self, run: &RunFolder) -> Result<()> {
        if let Some(photos) = self.samples.photos() {
            let answers: Vec<(usize, Vec<Told>)> = (self.shown().into_iter())
                .map(|sample| {
                    let index = self.asked[sample];
                    let told = (self.spec.tasks().enumerate()).map(|(branch, (of, target))| {
                        let truth = self.samples.answer(index, self.spec.target_place(of));
                        told(target, &target.answer(self.values(branch, sample)), truth)
                    });
                    (index, told.collect())
                })
                .collect();
            let title = "Validation photos: predicted, and in brackets true";
            draw_predictions(&run.plot("predictions.png"), title, photos, &answers)?;
        }
        let confusions = self.confusions();
        for (target, confusion) in &confusions {
            let name = confusion_file(target, confusions.len());
            let of = if target.name == PLAIN_NAME { String::new() } else { format!(", {}", target.name) };
            let right = 100.0 * confusion.accuracy();
            let title = format!("Validation {}{of}: {right:.1} % right", self.samples.noun());
            save_png(&confusion_matrix(&title, &confusion.classes, &confusion.counts), &run.plot(&name))?;
        }
        Ok(())
    }
}

/// The picture of a target's classes; `confusions` of all targets are drawn.
fn confusion_file(target: &Target, confusions: usize) -> String {
    if confusions == 1 { "confusion.png".into() } else { format!("confusion-{}.png", target.name) }
}

/// The pictures of a model's classes that a run may have, with what they show.
pub fn confusion_files(spec: &Spec) -> Vec<(String, String)> {
    let targets: Vec<&Target> =
        spec.tasks().map(|(_, target)| target).filter(|target| !target.classes.is_empty()).collect();
    let file = |target: &&Target| {
        let of = if target.name == PLAIN_NAME { "class" } else { &target.name };
        let caption = format!("Validation: how often each {of} was taken for each");
        (confusion_file(target, targets.len()), caption)
    };
    targets.iter().map(file).collect()
}

/// An answer beside the label, where it is known.
pub fn told(target: &Target, answer: &Answer, truth: Option<f32>) -> Told {
    let is_right = truth.map(|truth| match answer.number {
        Some(number) => target.is_close(number, truth),
        None => answer.class == Some(truth as usize),
    });
    Told {
        text: target.shown(answer),
        truth: truth.map(|truth| target.shown_label(truth)),
        is_right,
        probability: answer.probability.map(|probability| probability as f32),
    }
}

/// The picture of the first 20 photos, with what was predicted and, in brackets, what is true.
pub fn draw_predictions(
    path: &Path,
    title: &str,
    photos: &Photos,
    chosen: &[(usize, Vec<Told>)],
) -> Result<()> {
    let cells: Vec<Cell> = chosen
        .iter()
        .take(GRID[0])
        .map(|(index, told)| {
            let rgb = photos.photo(*index)?;
            Ok(Cell { rgb, width: photos.width, height: photos.height, caption: captions(told) })
        })
        .collect::<Result<_, DataError>>()?;
    Ok(save_png(&grid(title, GRID[1], &cells), path)?)
}

/// Prints counts, precision, recall and F1.
pub fn print_confusion(target: &Target, confusion: &Confusion) -> io::Result<()> {
    let Confusion { classes, counts } = confusion;
    print("")?;
    if target.name != PLAIN_NAME {
        print(format_args!("{}:", target.name))?;
    }
    if classes.len() <= MOST_COUNTED {
        let columns: String = classes.iter().map(|class| format!("{:>12}", shortened(class))).collect();
        print(format_args!("{:<12}{columns}   taken for", ""))?;
        for (class, row) in classes.iter().zip(counts) {
            let row: String = row.iter().map(|count| format!("{count:>12}")).collect();
            print(format_args!("{:<12}{row}", shortened(class)))?;
        }
        print("")?;
    }
    print(format_args!("{:<12}{:>12}{:>12}{:>12}{:>12}", "", "precision", "recall", "F1", "samples"))?;
    for (index, class) in classes.iter().enumerate() {
        let score = confusion.score(index);
        let samples: u64 = counts[index].iter().sum();
        print(format_args!(
            "{:<12}{:>12.4}{:>12.4}{:>12.4}{samples:>12}",
            shortened(class),
            score.precision,
            score.recall,
            score.f1
        ))?;
    }
    print(format_args!("accuracy    {:>12.4}", confusion.accuracy()))
}

/// More classes are not printed as a table of counts, which would be too wide.
const MOST_COUNTED: usize = 12;

fn shortened(class: &str) -> String {
    let plain = class.chars().map(|c| if c.is_control() { '?' } else { c });
    let mut text: String = plain.collect();
    if text.chars().count() > 11 {
        text = text.chars().take(10).chain(['…']).collect();
    }
    text
}

/// The same for machines.
pub fn confusion_json(confusion: &Confusion) -> serde_json::Value {
    let scores: serde_json::Map<String, serde_json::Value> = (confusion.classes.iter().enumerate())
        .map(|(index, class)| {
            let score = confusion.score(index);
            let numbers = serde_json::json!({
                "precision": score.precision, "recall": score.recall, "f1": score.f1,
            });
            (class.clone(), numbers)
        })
        .collect();
    serde_json::json!({ "classes": confusion.classes, "counts": confusion.counts, "scores": scores })
}
