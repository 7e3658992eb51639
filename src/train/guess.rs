//! The best answers that do not look at the sample, taken from the training labels. A model that does no better has
//! learned nothing.

use super::history::BranchResult;
use crate::data::batches::Dataset;
use crate::file::{FileError, read_plain_text, write_whole};
use crate::ops::Metric;
use crate::spec::Spec;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is known of the training labels of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guess {
    /// Of numbers: the mean has the least squared error, the median the least absolute error.
    Number {
        /// Their mean.
        mean: f64,
        /// Their median, the upper one of two.
        median: f32,
    },
    /// Of classes: how many labels are of each. Their shares have the least cross-entropy, the commonest class is
    /// right most often.
    Classes(Vec<usize>),
}

/// How well a guess does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// The mean loss.
    pub loss: f64,
    /// The mean metric: years, or a share of 1.
    pub metric: f64,
    /// How much less a loss has to be to be better for certain.
    pub loss_margin: f64,
    /// The same for the metric.
    pub metric_margin: f64,
}

/// No loss or error counts as better that is less by a smaller share.
const LEAST_MARGIN: f64 = 0.01;
/// Standard errors of a mean loss or error. A model that has learned next to nothing errs much as the guess does, on
/// the same samples, so that their difference varies less than each of the two.
const ERROR_MARGIN: f64 = 0.5;
/// Standard errors of an accuracy: of two answers that are both chance, neither is right where the other is.
const ACCURACY_MARGIN: f64 = 2.0;

/// The mean, and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, (variance / count).sqrt())
}

impl Guess {
    /// From the training labels of a branch with this metric; `None` without labels.
    pub fn from_labels(metric: Metric, mut labels: Vec<f32>) -> Option<Self> {
        labels.sort_by(f32::total_cmp);
        let median = *labels.get(labels.len() / 2)?;
        Some(match metric {
            Metric::AbsoluteError => {
                let values: Vec<f64> = labels.into_iter().map(f64::from).collect();
                Guess::Number { mean: mean(&values).0, median }
            }
            Metric::BinaryAccuracy | Metric::ClassAccuracy => {
                let highest = labels.last().map_or(0, |&label| label as usize);
                let count = |class| labels.iter().filter(|&&label| label as usize == class).count();
                Guess::Classes((0..=highest.max(1)).map(count).collect())
            }
        })
    }

    /// The class with the most labels, the first of equals.
    pub fn commonest(counts: &[usize]) -> usize {
        (0..counts.len()).max_by_key(|&class| (counts[class], usize::MAX - class)).unwrap_or(0)
    }

    /// How well this does on other labels; `None` without labels.
    pub fn score(&self, labels: &[f32]) -> Option<Score> {
        if labels.is_empty() {
            return None;
        }
        let over = |value: &dyn Fn(f32) -> f64| labels.iter().map(|&label| value(label)).collect::<Vec<_>>();
        let error_margin = |(mean, error): (f64, f64)| (LEAST_MARGIN * mean).max(ERROR_MARGIN * error);
        Some(match self {
            Guess::Number { mean: middle, median } => {
                let squared = mean(&over(&|label| (f64::from(label) - middle).powi(2)));
                let absolute = mean(&over(&|label| f64::from(label - median).abs()));
                Score {
                    loss: squared.0,
                    metric: absolute.0,
                    loss_margin: error_margin(squared),
                    metric_margin: error_margin(absolute),
                }
            }
            Guess::Classes(counts) => {
                let all = counts.iter().sum::<usize>().max(1) as f64;
                // A class that no training label has is given half a label: nothing is impossible.
                let share = |label: f32| match counts.get(label as usize) {
                    Some(&count) if count > 0 => count as f64 / all,
                    _ => 0.5 / all,
                };
                let commonest = Self::commonest(counts);
                let entropy = mean(&over(&|label| -share(label).ln()));
                let right = mean(&over(&|label| f64::from(u8::from(label as usize == commonest))));
                Score {
                    loss: entropy.0,
                    metric: right.0,
                    loss_margin: error_margin(entropy),
                    metric_margin: ACCURACY_MARGIN * right.1,
                }
            }
        })
    }
}

/// A branch's results beside those of its guess, over the same samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The model's.
    pub result: BranchResult,
    /// What is guessed.
    pub guess: Guess,
    /// The guess's.
    pub score: Score,
}

impl Comparison {
    /// Whether all labels are one and the same, so that nothing can be better than the guess.
    pub fn has_nothing_to_learn(&self) -> bool {
        self.score.loss == 0.0
    }

    /// Whether neither loss nor metric is better by more than chance. One of the two is enough: a model that is too
    /// sure of itself may have a worse loss and still be right more often.
    pub fn is_no_better(&self) -> bool {
        !self.is_better_by(1.0)
    }

    /// Whether it is better, though by no more than chance.
    pub fn is_better_by_chance(&self) -> bool {
        self.is_no_better() && self.is_better_by(0.0)
    }

    /// Whether loss or metric is better by more than so many margins.
    fn is_better_by(&self, margins: f64) -> bool {
        let Self { result, score, .. } = self;
        let has_better_loss = result.loss < score.loss - margins * score.loss_margin;
        let margin = margins * score.metric_margin;
        let has_better_metric = match self.guess {
            Guess::Number { .. } => result.metric < score.metric - margin,
            Guess::Classes(_) => result.metric > score.metric + margin,
        };
        has_better_loss || has_better_metric
    }
}

/// What a model's targets can be guessed by. A run keeps it, so that an evaluation needs no training samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guesses(Vec<(String, Guess)>);

impl Guesses {
    /// From the labels of the training samples.
    pub fn of_training(spec: &Spec, samples: &dyn Dataset, train: &[usize]) -> Self {
        let guess = |(place, target): (usize, &crate::tasks::Target)| {
            let labels = train.iter().filter_map(|&index| samples.answer(index, place));
            let guess = Guess::from_labels(target.metric(), labels.collect())?;
            Some((target.name.clone(), guess))
        };
        Self(spec.targets.iter().enumerate().filter_map(guess).collect())
    }

    /// Holds results against the guesses, over the samples that the results are of.
    pub fn compare(
        &self,
        spec: &Spec,
        results: &[BranchResult],
        samples: &dyn Dataset,
        asked: &[usize],
    ) -> Vec<Comparison> {
        let compare = |result: &BranchResult| {
            // The loss of balanced classes or smoothed labels is another than the guess's, and so is what is best to say.
            let branch = spec.branches.iter().find(|branch| branch.target == result.target.name);
            let mut loss = branch.and_then(|branch| branch.loss.clone());
            let is_smoothed =
                loss.as_mut().and_then(|loss| loss.label_smoothing()).is_some_and(|share| *share > 0.0);
            if is_smoothed || !result.target.class_weights.is_empty() {
                return None;
            }
            let (_, guess) = self.0.iter().find(|(target, _)| *target == result.target.name)?;
            let place = spec.targets.iter().position(|target| target.name == result.target.name)?;
            let labels: Vec<f32> = asked.iter().filter_map(|&index| samples.answer(index, place)).collect();
            let mut score = guess.score(&labels)?;
            // The loss of a standardized number is that of what the model learns.
            let unit = f64::from(result.target.deviation()).powi(2);
            (score.loss, score.loss_margin) = (score.loss / unit, score.loss_margin / unit);
            Some(Comparison { result: result.clone(), guess: guess.clone(), score })
        };
        results.iter().filter_map(compare).collect()
    }

    /// Writes them into a file.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let text = serde_json::to_string(self)
            .map_err(|error| FileError::Contents { path: path.into(), reason: error.to_string() })?;
        write_whole(path, (text + "\n").as_bytes())
    }

    /// Reads them back; `None` if the run has none, being older.
    pub fn read(path: &Path) -> Result<Option<Self>, FileError> {
        let text = match read_plain_text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FileError::Read { path: path.into(), source }),
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| FileError::Contents { path: path.into(), reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(kind: &str, loss: f64, metric: f64) -> BranchResult {
        BranchResult { target: crate::tasks::Target::new("x", kind), weight: 1.0, loss, metric }
    }

    fn compared(guess: &Guess, labels: &[f32], result: BranchResult) -> Comparison {
        Comparison { result, guess: guess.clone(), score: guess.score(labels).unwrap() }
    }

    #[test]
    fn numbers_are_guessed_by_mean_and_median_of_the_training_labels() {
        let guess = Guess::from_labels(Metric::AbsoluteError, vec![9.0, 1.0, 2.0]).unwrap();
        assert_eq!(guess, Guess::Number { mean: 4.0, median: 2.0 });
        let score = guess.score(&[2.0, 6.0]).unwrap();
        assert_eq!((score.loss, score.metric), (4.0, 2.0));
        assert_eq!(Guess::from_labels(Metric::AbsoluteError, Vec::new()), None);
        assert_eq!(guess.score(&[]), None);
    }

    #[test]
    fn classes_are_guessed_by_their_shares_and_by_the_commonest() {
        let guess = Guess::from_labels(Metric::BinaryAccuracy, vec![1.0, 0.0, 1.0, 1.0]).unwrap();
        assert_eq!(guess, Guess::Classes(vec![1, 3]));
        let score = guess.score(&[1.0, 0.0]).unwrap();
        assert!((score.loss - -(0.75_f64.ln() + 0.25_f64.ln()) / 2.0).abs() < 1e-12);
        assert_eq!(score.metric, 0.5);
        // Of equals the first; a class without training labels is not impossible.
        assert_eq!(Guess::commonest(&[2, 3, 3]), 1);
        assert!(guess.score(&[2.0]).unwrap().loss.is_finite());
    }

    #[test]
    fn a_model_that_stays_at_ln_2_is_no_better_than_guessing() {
        let labels: Vec<f32> = (0..1000).map(|n| (n % 2) as f32).collect();
        let guess = Guess::from_labels(Metric::BinaryAccuracy, labels.clone()).unwrap();
        let is_no_better =
            |loss, metric| compared(&guess, &labels, result("binary", loss, metric)).is_no_better();
        assert!(is_no_better(std::f64::consts::LN_2, 0.5));
        // What chance alone may do.
        assert!(is_no_better(0.6925, 0.52));
        assert!(compared(&guess, &labels, result("binary", 0.6925, 0.52)).is_better_by_chance());
        assert!(!compared(&guess, &labels, result("binary", 0.7, 0.49)).is_better_by_chance());
        assert!(!is_no_better(0.64, 0.5) && !is_no_better(0.6925, 0.56));
        // Too sure of itself, but right more often.
        assert!(!is_no_better(1.4, 0.7));
        // Losses that are no numbers are no better.
        assert!(is_no_better(f64::NAN, f64::NAN));
    }

    #[test]
    fn labels_that_are_all_the_same_leave_nothing_to_learn() {
        for (metric, kind, label) in
            [(Metric::AbsoluteError, "number", 40.0), (Metric::ClassAccuracy, "classes", 2.0)]
        {
            let guess = Guess::from_labels(metric, vec![label; 3]).unwrap();
            let compare = |labels: &[f32]| compared(&guess, labels, result(kind, 0.5, 0.5));
            assert!(compare(&[label]).has_nothing_to_learn() && compare(&[label]).is_no_better());
            assert!(!compare(&[label, 1.0]).has_nothing_to_learn());
        }
    }

    #[test]
    fn ages_by_the_mean_are_no_better_than_guessing() {
        let ages: Vec<f32> = (0..400).map(|n| (n % 100) as f32).collect();
        let guess = Guess::from_labels(Metric::AbsoluteError, ages.clone()).unwrap();
        let Score { loss, metric, .. } = guess.score(&ages).unwrap();
        let is_no_better = |share: f64| {
            compared(&guess, &ages, result("number", share * loss, share * metric)).is_no_better()
        };
        assert!(is_no_better(1.0) && is_no_better(0.99) && is_no_better(1.5));
        assert!(!is_no_better(0.9));
    }

    #[test]
    fn a_run_keeps_its_guesses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guessing.json");
        assert_eq!(Guesses::read(&path).unwrap(), None);
        let guesses = Guesses(vec![
            ("age".into(), Guess::Number { mean: 31.234_567_890_123, median: 28.0 }),
            ("gender".into(), Guess::Classes(vec![3, 4])),
        ]);
        guesses.write(&path).unwrap();
        assert_eq!(Guesses::read(&path).unwrap(), Some(guesses));
        std::fs::write(&path, "{").unwrap();
        assert!(Guesses::read(&path).unwrap_err().to_string().contains("guessing.json"));
    }
}
