//! One of two classes. A branch ends with the logit of the second.

use super::target::{Answer, Target};
use super::{Rules, balanced, distinct, likeliest, only, place};
use crate::ops::Metric;
use crate::ops::onnx::{Node, Value};

/// See the module.
pub struct Binary;

/// The least and the greatest share of a class that a first bias is made of: a set of one class is no certainty.
const SHARES: [f64; 2] = [0.01, 0.99];

impl Rules for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn losses(&self) -> &'static [&'static str] {
        &["bce_with_logits"]
    }

    fn metric(&self) -> Metric {
        Metric::BinaryAccuracy
    }

    fn metric_name(&self) -> [&'static str; 2] {
        ["accuracy", "accuracy"]
    }

    fn loss_unit(&self, _target: &Target) -> String {
        "nats".into()
    }

    fn takes(&self, classes: usize) -> bool {
        classes == 2
    }

    fn outputs(&self, _target: &Target) -> usize {
        1
    }

    fn is_likely(&self, values: &[&str], _cells: usize) -> bool {
        values.len() == 2
    }

    fn classes(&self, values: &[&str]) -> Result<Vec<String>, String> {
        match distinct(values) {
            classes if classes.len() == 2 => Ok(classes),
            classes if classes.len() == 1 => Err(only(&classes[0])),
            classes => Err(format!("it has {} different labels, and a binary target two", classes.len())),
        }
    }

    fn label(&self, cell: &str, target: &Target) -> Result<f32, String> {
        place(cell, &target.classes)
    }

    /// The logit of the share of the second class.
    fn first_bias(&self, labels: &[f32], _target: &Target) -> Option<f32> {
        let mean = labels.iter().map(|&label| f64::from(label)).sum::<f64>() / labels.len().max(1) as f64;
        let share = mean.clamp(SHARES[0], SHARES[1]);
        Some((share / (1.0 - share)).ln() as f32)
    }

    fn answer(&self, outputs: &[f32], _target: &Target) -> Answer {
        likeliest(outputs)
    }

    /// The softmax of 0 and the logit.
    fn onnx(&self, _target: &Target) -> Vec<Node> {
        vec![
            Node::new("Flatten", &["input"]).with("axis", 1),
            Node::after("Mul", [Value::Floats(vec![0.0, 1.0])]),
            Node::after("Softmax", []).with("axis", 1),
        ]
    }

    fn balance(&self, labels: &[f32], target: &Target) -> Option<Vec<f32>> {
        Some(balanced(labels, target.classes.len()))
    }

    fn invented(&self, number: usize, target: &Target) -> f32 {
        (number % target.classes.len().max(2)) as f32
    }
}
