//! A number in some unit: an age, a price. A branch ends with one value, learned by its squared error.

use super::target::{Answer, Target};
use super::{Classes, Rules, value};
use crate::ops::Metric;
use crate::ops::onnx::{Node, Value};

/// See the module.
pub struct Number;

/// A column is still one of numbers where one in so many different values is none.
const ERRORS_ONE_IN: usize = 5;

impl Rules for Number {
    fn name(&self) -> &'static str {
        "number"
    }

    fn losses(&self) -> &'static [&'static str] {
        &["mse"]
    }

    fn metric(&self) -> Metric {
        Metric::AbsoluteError
    }

    fn metric_name(&self) -> [&'static str; 2] {
        ["mae", "MAE"]
    }

    fn loss_unit(&self, target: &Target) -> String {
        match &target.unit {
            _ if target.standardize => "squared deviations".into(),
            Some(unit) => format!("squared {unit}"),
            None => "squared error".into(),
        }
    }

    fn takes(&self, classes: usize) -> bool {
        classes == 0
    }

    fn outputs(&self, _target: &Target) -> usize {
        1
    }

    /// A few cells may be in error.
    fn is_likely(&self, values: &[&str], cells: usize) -> bool {
        let numbers = values.iter().filter(|cell| value(cell).is_some()).count();
        let is_classes = Classes.is_likely(values, cells) && numbers == values.len();
        numbers > 1 && !is_classes && ERRORS_ONE_IN * (values.len() - numbers) <= values.len()
    }

    fn classes(&self, _values: &[&str]) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn label(&self, cell: &str, target: &Target) -> Result<f32, String> {
        let number = value(cell).map(|value| value as f32).filter(|value| value.is_finite());
        let number = number.ok_or_else(|| format!("`{cell}` is no number"))?;
        match target.range {
            Some([low, high]) if !(low..=high).contains(&number) => {
                Err(format!("{number} is not between {low} and {high}"))
            }
            _ => Ok(number),
        }
    }

    /// The mean.
    fn first_bias(&self, labels: &[f32], target: &Target) -> Option<f32> {
        let mean = labels.iter().map(|&label| f64::from(label)).sum::<f64>() / labels.len().max(1) as f64;
        Some(target.to_output(mean as f32))
    }

    fn answer(&self, outputs: &[f32], target: &Target) -> Answer {
        let number = target.bounded(outputs.first().copied().unwrap_or(f32::NAN));
        Answer { number: Some(number), class: None, probability: None }
    }

    fn onnx(&self, target: &Target) -> Vec<Node> {
        let mut nodes = vec![Node::new("Reshape", &["input"])];
        nodes[0].inputs.push(Value::Integers(vec![-1]));
        if let Some([mean, deviation]) = target.mean_and_deviation {
            nodes.push(Node::after("Mul", [Value::Scalar(deviation)]));
            nodes.push(Node::after("Add", [Value::Scalar(mean)]));
        }
        if let Some(range) = target.range {
            nodes.push(Node::after("Clip", range.map(Value::Scalar)));
        }
        nodes
    }

    fn balance(&self, _labels: &[f32], _target: &Target) -> Option<Vec<f32>> {
        None
    }

    /// Spread evenly over the range, or over 0 to 1.
    fn invented(&self, number: usize, target: &Target) -> f32 {
        let [low, high] = target.range.unwrap_or([0.0, 1.0]);
        low + (high - low) * ((number * 37) % 101) as f32 / 100.0
    }
}
