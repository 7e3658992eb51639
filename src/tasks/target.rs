//! A target: the column that a branch learns to tell, and how.

use super::{Kind, Number, Rules};
use crate::ops::Metric;
use serde::{Deserialize, Serialize};

/// One `[[target]]` of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Unique within the model.
    pub name: String,
    /// The column that holds its labels; if not said, that of its name, and for a target that is called `class` the
    /// only one that can be a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Of what kind it is; if not said, as the column looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Between which two numbers all labels lie, if that is known: what a model says beyond them is taken as the
    /// nearer of the two, in predictions and in metrics. The loss is that of the output as it is, so that it goes
    /// on to pull outputs back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f32; 2]>,
    /// The names of the classes, in their order: of two, the second is the one whose logit is told. Those of the
    /// data if not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Whether all classes count the same in the loss, however rare they are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub balance: bool,
    /// Whether the model learns a number less the mean of the training labels, over their standard deviation: any
    /// unit is then as easy as any other.
    #[serde(default, skip_serializing_if = "is_false")]
    pub standardize: bool,
    /// The mean and the standard deviation that it is standardized by, taken from the training labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_and_deviation: Option<[f32; 2]>,
    /// What a label of each class weighs in the loss, if they are balanced, taken from the training labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f32>,
    /// The line in the model file, from 1.
    #[serde(skip)]
    pub line: usize,
}

/// What a model says of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Of a number, within its range.
    pub number: Option<f32>,
    /// The likeliest class's place.
    pub class: Option<usize>,
    /// Its probability.
    pub probability: Option<f64>,
}

/// A target of this name gives its metric no name of its own: there is only one class to speak of.
pub const PLAIN_NAME: &str = "class";

fn is_false(value: &bool) -> bool {
    !value
}

impl Target {
    /// A target of a kind.
    pub fn new(name: &str, kind: &str) -> Target {
        Target { kind: Kind::named(kind), ..Target::open(name) }
    }

    /// A target of which only the name is known before its column is.
    pub fn open(name: &str) -> Target {
        Target {
            name: name.into(),
            column: None,
            kind: None,
            unit: None,
            range: None,
            classes: Vec::new(),
            balance: false,
            standardize: false,
            mean_and_deviation: None,
            class_weights: Vec::new(),
            line: 1,
        }
    }

    /// What follows from its kind. One that is still open counts as a number; a graph cannot be made of it.
    pub fn rules(&self) -> &'static dyn Rules {
        self.kind.map_or(&Number, |kind| kind.0)
    }

    /// Whether its labels are classes.
    pub fn has_classes(&self) -> bool {
        !self.rules().takes(0)
    }

    /// What its branch is measured by, besides its loss.
    pub fn metric(&self) -> Metric {
        self.rules().metric()
    }

    /// The metric's name in results: `age_mae`, `gender_accuracy`, `accuracy`.
    pub fn metric_name(&self) -> String {
        let [metric, _] = self.rules().metric_name();
        if self.name == PLAIN_NAME { metric.into() } else { format!("{}_{metric}", self.name) }
    }

    /// The metric's name in headings: `age MAE`.
    pub fn metric_title(&self) -> String {
        let [_, metric] = self.rules().metric_name();
        if self.name == PLAIN_NAME {
            metric.into()
        } else {
            format!("{} {metric}", self.name.replace('_', " "))
        }
    }

    /// A metric for people: `5.210 years`, `91.20 %`.
    pub fn shown_metric(&self, metric: f64, decimals: usize) -> String {
        match (self.metric(), &self.unit) {
            (Metric::AbsoluteError, Some(unit)) => format!("{metric:.decimals$} {unit}"),
            (Metric::AbsoluteError, None) => format!("{metric:.decimals$}"),
            _ => format!("{:.2} %", 100.0 * metric),
        }
    }

    /// Values a sample that its branch ends with.
    pub fn outputs(&self) -> usize {
        self.rules().outputs(self)
    }

    /// What a label of this value is learned as.
    pub fn to_output(&self, label: f32) -> f32 {
        match self.mean_and_deviation {
            Some([mean, deviation]) => (label - mean) / deviation,
            None => label,
        }
    }

    /// The label that a branch's value means.
    pub fn to_label(&self, output: f32) -> f32 {
        match self.mean_and_deviation {
            Some([mean, deviation]) => output * deviation + mean,
            None => output,
        }
    }

    /// How large a difference of 1 between two of a branch's values is between labels.
    pub fn deviation(&self) -> f32 {
        self.mean_and_deviation.map_or(1.0, |[_, deviation]| deviation)
    }

    /// What a label weighs in the loss.
    pub fn weight(&self, label: f32) -> f32 {
        self.class_weights.get(label as usize).copied().unwrap_or(1.0)
    }

    /// Between which two of a branch's values all labels lie.
    pub fn output_range(&self) -> Option<[f32; 2]> {
        self.range.map(|range| range.map(|label| self.to_output(label)))
    }

    /// A prediction: the value of a branch as a label within the target's range.
    pub fn bounded(&self, output: f32) -> f32 {
        let label = self.to_label(output);
        self.range.map_or(label, |[low, high]| label.clamp(low, high))
    }

    /// What the values that its branch ends with mean.
    pub fn answer(&self, outputs: &[f32]) -> Answer {
        self.rules().answer(outputs, self)
    }

    /// What a class is called.
    pub fn class(&self, place: usize) -> String {
        self.classes.get(place).cloned().unwrap_or_else(|| place.to_string())
    }

    /// A label or an answer in words: `31`, `female`.
    pub fn shown(&self, answer: &Answer) -> String {
        match (answer.number, answer.class) {
            (Some(number), _) => self.shown_number(number),
            (None, Some(class)) => self.class(class),
            (None, None) => String::new(),
        }
    }

    /// A label in words.
    pub fn shown_label(&self, label: f32) -> String {
        match self.metric() {
            Metric::AbsoluteError => self.shown_number(label),
            _ => self.class(label as usize),
        }
    }

    /// Whether a predicted number is about right: within a thirtieth of the range, or a quarter of the labels'
    /// standard deviation.
    pub fn is_close(&self, predicted: f32, label: f32) -> bool {
        let reach = match (self.range, self.mean_and_deviation) {
            (Some([low, high]), _) => (high - low) / 30.0,
            (None, Some([_, deviation])) => deviation / 4.0,
            (None, None) => 0.0,
        };
        (predicted - label).abs() <= reach
    }

    /// With as many digits as its spread tells.
    fn shown_number(&self, number: f32) -> String {
        let spread = self.range.map_or(self.deviation(), |[low, high]| (high - low) / 10.0);
        let decimals =
            (1.0 - f64::from(spread.max(f32::MIN_POSITIVE)).log10()).ceil().clamp(0.0, 6.0) as usize;
        format!("{number:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age() -> Target {
        Target { unit: Some("years".into()), range: Some([0.0, 150.0]), ..Target::new("age", "number") }
    }

    #[test]
    fn no_age_is_predicted_that_nobody_has() {
        let ages = [-9.5, 31.25, 412.0].map(|output| age().answer(&[output]).number);
        assert_eq!(ages, [Some(0.0), Some(31.25), Some(150.0)]);
    }

    #[test]
    fn a_standardized_number_is_told_in_its_unit() {
        let target = Target { standardize: true, mean_and_deviation: Some([30.0, 20.0]), ..age() };
        assert_eq!((target.to_output(50.0), target.answer(&[-1.0]).number), (1.0, Some(10.0)));
        assert_eq!(target.output_range(), Some([-1.5, 6.0]));
        assert_eq!(target.answer(&[-7.0]).number, Some(0.0));
    }

    #[test]
    fn answers_of_classes_have_the_probability_of_the_likeliest() {
        let mut target = Target::new("gender", "binary");
        target.classes = vec!["male".into(), "female".into()];
        let answer = target.answer(&[3.0]);
        assert_eq!(target.shown(&answer), "female");
        assert!(answer.probability.is_some_and(|probability| (probability - 0.952_574).abs() < 1e-6));
        assert_eq!(target.shown(&target.answer(&[-3.0])), "male");
        let answer = Target::new("x", "classes").answer(&[1000.0, 1001.0, f32::MIN]);
        assert_eq!(answer.class, Some(1));
        assert!(answer.probability.is_some_and(|probability| (probability - 0.731_059).abs() < 1e-6));
    }

    #[test]
    fn metrics_are_named_after_their_targets_but_for_the_plain_class() {
        assert_eq!(age().metric_name(), "age_mae");
        assert_eq!(age().metric_title(), "age MAE");
        assert_eq!(age().shown_metric(5.214_9, 3), "5.215 years");
        let class = Target::new("class", "classes");
        assert_eq!((class.metric_name(), class.shown_metric(0.5, 3)), ("accuracy".into(), "50.00 %".into()));
    }
}
