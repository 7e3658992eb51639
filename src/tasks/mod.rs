//! What a model learns to tell. A kind of target is one file here and a line in [`KINDS`].

mod binary;
mod classes;
mod number;
mod target;

pub use binary::Binary;
pub use classes::Classes;
pub use number::Number;
pub use target::{Answer, PLAIN_NAME, Target};

use crate::measure::confusion::{chosen_class, probabilities};
use crate::ops::{Metric, onnx};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;

/// What follows from the kind of a target.
pub trait Rules: Sync {
    /// In model files.
    fn name(&self) -> &'static str;

    /// The losses that it can be learned with. The first is taken if the model names none.
    fn losses(&self) -> &'static [&'static str];

    /// What a branch is measured by while it trains, besides its loss.
    fn metric(&self) -> Metric;

    /// What that is called, in results and in headings: `mae` and `MAE`.
    fn metric_name(&self) -> [&'static str; 2];

    /// The unit of the loss, for axes.
    fn loss_unit(&self, target: &Target) -> String;

    /// Whether so many classes can be told apart; a target without classes has 0.
    fn takes(&self, classes: usize) -> bool;

    /// Values a sample that a branch ends with.
    fn outputs(&self, target: &Target) -> usize;

    /// Whether a column with so many cells and these different values is most likely one of this kind.
    fn is_likely(&self, values: &[&str], cells: usize) -> bool;

    /// The names of the classes, of a column with these different values.
    ///
    /// # Errors
    /// Why the column cannot be of this kind.
    fn classes(&self, values: &[&str]) -> Result<Vec<String>, String>;

    /// A cell as a number: of a class, its place among the target's.
    ///
    /// # Errors
    /// What is wrong with the cell.
    fn label(&self, cell: &str, target: &Target) -> Result<f32, String>;

    /// The bias that a branch's last layer begins with, all of one value, where the labels of the training samples
    /// tell a better one than 0.
    fn first_bias(&self, labels: &[f32], target: &Target) -> Option<f32>;

    /// What the values that a branch ends with mean.
    fn answer(&self, outputs: &[f32], target: &Target) -> Answer;

    /// What [`answer`](Self::answer) tells, as ONNX nodes that read the branch's output as `input`: of a number (N) in
    /// its unit and within its range, of classes (N, classes) their probabilities.
    fn onnx(&self, target: &Target) -> Vec<onnx::Node>;

    /// What a label of each class weighs if all classes are to count the same; `None` if there are no classes.
    fn balance(&self, labels: &[f32], target: &Target) -> Option<Vec<f32>>;

    /// A label of its own for each number, to try a model on without data.
    fn invented(&self, number: usize, target: &Target) -> f32;
}

/// A kind of target.
#[derive(Clone, Copy)]
pub struct Kind(&'static dyn Rules);

/// All kinds. Of those that a column is likely of, the first is taken.
pub const KINDS: [Kind; 3] = [Kind(&Binary), Kind(&Number), Kind(&Classes)];

impl Kind {
    /// Of this name.
    pub fn named(name: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }

    /// Of a target that names so many classes; `None` if it names none.
    pub fn of_classes(classes: usize) -> Option<Kind> {
        KINDS.into_iter().find(|kind| classes > 0 && kind.takes(classes))
    }

    /// The likeliest of a column with so many cells and these different values; `None` if it can be no target.
    pub fn of_column(values: &[&str], cells: usize) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.is_likely(values, cells))
    }
}

impl Deref for Kind {
    type Target = dyn Rules;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kind {}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(deserializer)?;
        Kind::named(&name).ok_or_else(|| {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
            de::Error::custom(format!("there is no kind {name:?}; there are {}", known.join(", ")))
        })
    }
}

/// More different values than this are no classes, unless the source says that they are.
pub const MAX_CLASSES: usize = 100;

/// A finite number, as a cell writes it.
fn value(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Every value once: by value if all are numbers, or else by the alphabet.
pub fn sorted<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut values: Vec<&str> = values.into_iter().collect::<HashSet<_>>().into_iter().collect();
    if values.iter().all(|cell| value(cell).is_some()) {
        let by_value = |a: &&str, b: &&str| value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal);
        values.sort_by(|a, b| by_value(a, b).then_with(|| a.cmp(b)));
    } else {
        values.sort_by_cached_key(|cell| (cell.to_lowercase(), cell.to_string()));
    }
    values.into_iter().map(str::to_owned).collect()
}

/// The likeliest class by a branch's values, and its probability.
fn likeliest(outputs: &[f32]) -> Answer {
    let class = chosen_class(outputs);
    Answer { number: None, class: Some(class), probability: probabilities(outputs).get(class).copied() }
}

/// Why labels that are all the same are no classes.
fn only(class: &str) -> String {
    format!("every label in it is `{class}`; there must be two classes to tell apart")
}

/// The classes of a column with these values, in order. Of values that [`place`] takes for one, such as `Yes` and
/// `yes`, the first stays.
fn distinct(values: &[&str]) -> Vec<String> {
    let mut classes: Vec<String> = Vec::new();
    for value in sorted(values.iter().copied()) {
        if place(&value, &classes).is_err() {
            classes.push(value);
        }
    }
    classes
}

/// The place of a class, or why there is none.
fn place(cell: &str, classes: &[String]) -> Result<f32, String> {
    let place = classes.iter().position(|class| class == cell);
    // Spreadsheets write what they like.
    let place = place.or_else(|| classes.iter().position(|class| class.eq_ignore_ascii_case(cell)));
    let place = place.or_else(|| {
        let number = value(cell)?;
        classes.iter().position(|class| value(class) == Some(number))
    });
    place.map(|place| place as f32).ok_or_else(|| {
        let shown: Vec<&str> = classes.iter().take(10).map(String::as_str).collect();
        let more = if classes.len() > shown.len() { ", …" } else { "" };
        format!("the label `{cell}` is none of the model's: {}{more}", shown.join(", "))
    })
}

/// What a label of each class weighs if all classes that occur are to count the same, and the mean weight is 1; 1 for
/// those that do not occur.
fn balanced(labels: &[f32], classes: usize) -> Vec<f32> {
    let mut counts = vec![0; classes];
    for &label in labels {
        if let Some(count) = counts.get_mut(label as usize) {
            *count += 1;
        }
    }
    let occurring = counts.iter().filter(|&&count| count > 0).count();
    let weight = |count| if count == 0 { 1.0 } else { labels.len() as f32 / (occurring * count) as f32 };
    counts.into_iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_taken_for_what_it_most_likely_is() {
        let kind = |values: &[&str], cells| Kind::of_column(values, cells).map(|kind| kind.name());
        assert_eq!(kind(&["no", "yes"], 2), Some("binary"));
        assert_eq!(kind(&["1", "2"], 90), Some("binary"));
        assert_eq!(kind(&["1", "2", "3", "4", "5"], 90), Some("classes"));
        assert_eq!(kind(&["red", "green", "blue"], 9), Some("classes"));
        assert_eq!(kind(&["1.5", "2", "3"], 90), Some("number"));
        let ages: Vec<String> = (0..40).map(|age| age.to_string()).collect();
        let ages: Vec<&str> = ages.iter().map(String::as_str).collect();
        assert_eq!(kind(&ages, 400), Some("number"));
        assert_eq!(kind(&["ann", "bob", "eve"], 3), None, "names");
        assert_eq!(kind(&["same"], 9), None);
        assert_eq!(kind(&[], 0), None);
    }

    #[test]
    fn classes_are_in_the_order_of_numbers_or_of_the_alphabet() {
        assert_eq!(sorted(["10", "9", "9"]), ["9", "10"]);
        assert_eq!(sorted(["b", "C", "a"]), ["a", "b", "C"]);
    }

    #[test]
    fn values_that_are_one_label_are_one_class() {
        assert_eq!(distinct(&["yes", "no", "Yes"]), ["no", "Yes"]);
        assert_eq!(distinct(&["1", "1.0", "0"]), ["0", "1"]);
        assert_eq!(place("YES", &distinct(&["yes", "no", "Yes"])), Ok(1.0));
    }

    #[test]
    fn balanced_weights_have_the_mean_1_and_the_same_sum_for_each_class() {
        assert_eq!(balanced(&[0.0, 0.0, 0.0, 2.0], 3), [2.0 / 3.0, 1.0, 2.0]);
    }
}
