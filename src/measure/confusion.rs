//! How often each class was taken for each.

/// Counts of true and predicted classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// `counts[row][column]`: samples of class `row` that were taken for class `column`.
    pub counts: Vec<Vec<u64>>,
}

/// How well one class is told from the others. A ratio of nothing to nothing is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// The share of those taken for the class that are of it.
    pub precision: f64,
    /// The share of those of the class that were taken for it.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Confusion {
    /// Counts pairs of true and predicted classes.
    pub fn of(classes: &[String], pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for (truth, predicted) in pairs {
            counts[truth][predicted] += 1;
        }
        Self { classes: classes.to_vec(), counts }
    }

    /// The share of samples that were taken for what they are.
    pub fn accuracy(&self) -> f64 {
        let right = (0..self.classes.len()).map(|class| self.counts[class][class]).sum();
        ratio(right, self.counts.iter().flatten().sum())
    }

    /// The mean recall of the classes that occur.
    pub fn balanced_accuracy(&self) -> f64 {
        let occurs = |class: &usize| self.margins(*class).2 > 0;
        mean((0..self.classes.len()).filter(occurs).map(|class| self.score(class).recall))
    }

    /// The mean F1 of the classes that occur or are predicted.
    pub fn macro_f1(&self) -> f64 {
        let present = |class: &usize| self.margins(*class).1 + self.margins(*class).2 > 0;
        mean((0..self.classes.len()).filter(present).map(|class| self.score(class).f1))
    }

    /// Of a class: how many were rightly taken for it, how many were taken for it, how many are of it.
    pub fn margins(&self, class: usize) -> (u64, u64, u64) {
        let taken_for_it = self.counts.iter().map(|row| row[class]).sum();
        (self.counts[class][class], taken_for_it, self.counts[class].iter().sum())
    }

    /// How well a class is told from the others.
    pub fn score(&self, class: usize) -> ClassScore {
        let (right, taken_for_it, of_it) = self.margins(class);
        ClassScore {
            precision: ratio(right, taken_for_it),
            recall: ratio(right, of_it),
            f1: ratio(2 * right, taken_for_it + of_it),
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The mean, 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count == 0.0 { 0.0 } else { sum / count }
}

/// The class that a branch's values mean: the largest, the first of equals; of a single logit, the second
/// of two classes if it is above 0.
pub fn chosen_class(values: &[f32]) -> usize {
    match values {
        [logit] => usize::from(*logit > 0.0),
        _ => (0..values.len()).fold(0, |best, class| if values[class] > values[best] { class } else { best }),
    }
}

/// The probability of each class by a branch's values.
pub fn probabilities(values: &[f32]) -> Vec<f64> {
    let exp = |shift: f64| values.iter().map(move |&value| (f64::from(value) - shift).exp());
    match values {
        [logit] => {
            let second = 1.0 / (1.0 + (-f64::from(*logit)).exp());
            vec![1.0 - second, second]
        }
        _ => {
            let largest = f64::from(values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let sum: f64 = exp(largest).sum();
            exp(largest).map(|value| value / sum).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_textbook() {
        let classes = ["Neg".to_string(), "Pos".to_string()];
        let pairs = |truth, predicted, times| std::iter::repeat_n((truth, predicted), times);
        let all = pairs(0, 0, 118).chain(pairs(0, 1, 24)).chain(pairs(1, 0, 23)).chain(pairs(1, 1, 112));
        let confusion = Confusion::of(&classes, all);
        assert_eq!(confusion.counts, [[118, 24], [23, 112]]);
        assert!((confusion.accuracy() - 230.0 / 277.0).abs() < 1e-12);
        let score = confusion.score(1);
        assert!((score.precision - 112.0 / 136.0).abs() < 1e-12);
        assert!((score.recall - 112.0 / 135.0).abs() < 1e-12);
        let mean = 2.0 * score.precision * score.recall / (score.precision + score.recall);
        assert!((score.f1 - mean).abs() < 1e-12);
    }

    #[test]
    fn a_class_that_nobody_names_scores_zero() {
        let confusion = Confusion::of(&["a".into(), "b".into()], [(0, 0)]);
        assert_eq!(confusion.score(1), ClassScore { precision: 0.0, recall: 0.0, f1: 0.0 });
        // A class that does not occur has no recall, and one that is never predicted either no F1.
        assert_eq!((confusion.balanced_accuracy(), confusion.macro_f1()), (1.0, 1.0));
        let predicted = Confusion::of(&["a".into(), "b".into()], [(0, 0), (0, 1)]);
        assert_eq!(predicted.balanced_accuracy(), 0.5);
        assert_eq!(predicted.macro_f1(), (2.0 / 3.0) / 2.0);
        let nothing = Confusion::of(&[], []);
        assert_eq!((nothing.accuracy(), nothing.balanced_accuracy(), nothing.macro_f1()), (0.0, 0.0, 0.0));
    }

    #[test]
    fn values_become_classes_and_probabilities() {
        assert_eq!((chosen_class(&[0.1]), chosen_class(&[-0.1])), (1, 0));
        assert_eq!((chosen_class(&[1.0, 3.0, 3.0]), chosen_class(&[2.0, 2.0])), (1, 0));
        assert_eq!(probabilities(&[0.0]), [0.5, 0.5]);
        let three = probabilities(&[1000.0, 1000.0, f32::MIN]);
        assert_eq!(three, [0.5, 0.5, 0.0]);
    }
}
