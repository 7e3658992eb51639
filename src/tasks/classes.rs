//! One of several classes. A branch ends with a logit for each.

use super::target::{Answer, Target};
use super::{MAX_CLASSES, Rules, balanced, distinct, likeliest, only, place, value};
use crate::ops::Metric;
use crate::ops::onnx::Node;

/// See the module.
pub struct Classes;

/// Whole numbers with more different values than this, such as ages, are rather numbers than classes.
const MAX_NUMBERED: usize = 10;

impl Rules for Classes {
    fn name(&self) -> &'static str {
        "classes"
    }

    fn losses(&self) -> &'static [&'static str] {
        &["softmax_cross_entropy"]
    }

    fn metric(&self) -> Metric {
        Metric::ClassAccuracy
    }

    fn metric_name(&self) -> [&'static str; 2] {
        ["accuracy", "accuracy"]
    }

    fn loss_unit(&self, _target: &Target) -> String {
        "nats".into()
    }

    fn takes(&self, classes: usize) -> bool {
        classes >= 2
    }

    fn outputs(&self, target: &Target) -> usize {
        target.classes.len()
    }

    fn is_likely(&self, values: &[&str], cells: usize) -> bool {
        let numbers: Vec<f64> = values.iter().filter_map(|cell| value(cell)).collect();
        match numbers.len() == values.len() {
            true => {
                (3..=MAX_NUMBERED).contains(&values.len()) && numbers.iter().all(|value| value.fract() == 0.0)
            }
            // Of names, almost every one occurs once.
            false => (3..=MAX_CLASSES).contains(&values.len()) && cells >= 2 * values.len(),
        }
    }

    fn classes(&self, values: &[&str]) -> Result<Vec<String>, String> {
        match distinct(values) {
            classes if classes.len() < 2 => Err(match classes.first() {
                Some(class) => only(class),
                None => "it has no label".into(),
            }),
            classes => Ok(classes),
        }
    }

    fn label(&self, cell: &str, target: &Target) -> Result<f32, String> {
        place(cell, &target.classes)
    }

    /// All begin as equals.
    fn first_bias(&self, _labels: &[f32], _target: &Target) -> Option<f32> {
        None
    }

    fn answer(&self, outputs: &[f32], _target: &Target) -> Answer {
        likeliest(outputs)
    }

    fn onnx(&self, _target: &Target) -> Vec<Node> {
        vec![Node::new("Flatten", &["input"]).with("axis", 1), Node::after("Softmax", []).with("axis", 1)]
    }

    fn balance(&self, labels: &[f32], target: &Target) -> Option<Vec<f32>> {
        Some(balanced(labels, target.classes.len()))
    }

    fn invented(&self, number: usize, target: &Target) -> f32 {
        (number % target.classes.len().max(2)) as f32
    }
}
