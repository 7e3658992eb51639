//! Figures about which of several classes a sample is of.

use super::Figure;
use super::confusion::{Confusion, chosen_class};
use super::interval::{self, Estimate, Interval};

/// Accuracy, balanced accuracy, top-5 accuracy and macro F1.
///
/// `scores` (N, `classes`) are logits or probabilities, row by row; `truth` (N) holds indices of classes.
/// - `accuracy`: [`interval::wilson`]. The class with the largest score is chosen, the first of equals.
/// - `balanced_accuracy`: the mean recall of the classes that occur, [`interval::of_mean`] of Wilson's.
/// - `top5_accuracy`, where there are more than 5 classes: the share of samples whose class is among the 5
///   with the largest scores; of equals the first are. [`interval::wilson`].
/// - `macro_f1`: the mean F1 of the classes that occur or are predicted; interval by the
///   delta method over the counts of the confusion matrix, on the logit.
///
/// Without samples there are no figures. One score that is NaN makes all of them NaN.
///
/// # Panics
/// If the lengths do not fit, or a truth is no index of a class.
pub fn classes(scores: &[f32], classes: usize, truth: &[f32]) -> Vec<Figure> {
    assert_eq!(scores.len(), classes * truth.len(), "a sample has not a score for every class");
    if truth.is_empty() {
        return Vec::new();
    }
    let truth: Vec<usize> = truth.iter().map(|&truth| index(truth, classes)).collect();
    let rows = || scores.chunks_exact(classes);
    let chosen = rows().map(chosen_class);
    let names = vec![String::new(); classes];
    let confusion = Confusion::of(&names, truth.iter().copied().zip(chosen));
    let mut figures = shares(&confusion);
    if classes > 5 {
        let hits = rows().zip(&truth).filter(|(row, truth)| rank(row, **truth) < 5).count();
        figures.push(share("top5_accuracy", hits as u64, truth.len() as u64));
    }
    figures.push(macro_f1(&confusion));
    if scores.iter().any(|score| score.is_nan()) {
        figures.iter_mut().for_each(|figure| *figure = figure.without_value());
    }
    figures
}

/// Precision, recall and F1 of one class with their intervals: [`interval::wilson`] for the first two,
/// [`interval::f1`] for the last. A ratio of nothing to nothing is left out.
pub fn class(confusion: &Confusion, class: usize) -> Vec<Figure> {
    let (right, taken_for_it, of_it) = confusion.margins(class);
    let ratios = [("precision", taken_for_it), ("recall", of_it)];
    let ratios = ratios.into_iter().filter(|(_, whole)| *whole > 0);
    ratios.map(|(name, whole)| share(name, right, whole)).chain(f1(confusion, class)).collect()
}

/// A truth as an index.
pub(super) fn index(truth: f32, classes: usize) -> usize {
    let whole = truth >= 0.0 && truth.fract() == 0.0 && (truth as usize) < classes;
    assert!(whole, "{truth} is none of {classes} classes");
    truth as usize
}

/// Accuracy and balanced accuracy; nothing without samples.
pub(super) fn shares(confusion: &Confusion) -> Vec<Figure> {
    let margins = |class| confusion.margins(class);
    let all = (0..confusion.classes.len()).map(margins);
    let (right, count) = all.fold((0, 0), |(right, count), (hits, _, of_it)| (right + hits, count + of_it));
    if count == 0 {
        return Vec::new();
    }
    let recalls: Vec<Estimate> = (0..confusion.classes.len())
        .map(margins)
        .filter(|(_, _, of_it)| *of_it > 0)
        .map(|(right, _, of_it)| (right as f64 / of_it as f64, interval::wilson(right, of_it)))
        .collect();
    let balanced = confusion.balanced_accuracy();
    vec![
        share("accuracy", right, count),
        Figure::new("balanced_accuracy", balanced, interval::of_mean(&recalls)),
    ]
}

/// F1 of a class; None where no sample is of it nor taken for it.
pub(super) fn f1(confusion: &Confusion, class: usize) -> Option<Figure> {
    let (right, taken_for_it, of_it) = confusion.margins(class);
    let either = taken_for_it + of_it - right;
    let value = confusion.score(class).f1;
    (either > 0).then(|| Figure::new("f1", value, interval::f1(right, either)))
}

fn share(name: &'static str, hits: u64, count: u64) -> Figure {
    Figure::new(name, hits as f64 / count as f64, interval::wilson(hits, count))
}

/// How many classes come before a class when they are sorted by their scores.
fn rank(row: &[f32], class: usize) -> usize {
    let before =
        |(other, score): (usize, &f32)| *score > row[class] || (*score == row[class] && other < class);
    row.iter().enumerate().filter(|pair| before(*pair)).count()
}

/// The mean F1 of the classes that occur or are predicted.
///
/// The variance is that of the delta method over the multinomial counts (K. Takahashi, K. Yamamoto,
/// A. Kuchiba and T. Koyama, "Confidence interval for micro-averaged F1 and macro-averaged F1 scores",
/// Applied Intelligence 52, 2022); the interval is built on the logit. Where all or none are right the
/// variance is 0, and the interval is [`interval::of_mean`] of the classes' own.
fn macro_f1(confusion: &Confusion) -> Figure {
    let present: Vec<(usize, f64, f64)> = (0..confusion.classes.len())
        .map(|class| (class, confusion.margins(class)))
        .filter(|(_, (_, taken_for_it, of_it))| taken_for_it + of_it > 0)
        .map(|(class, (_, taken_for_it, of_it))| {
            (class, confusion.score(class).f1, (taken_for_it + of_it) as f64)
        })
        .collect();
    let value = confusion.macro_f1();
    let interval = match macro_f1_variance(confusion, &present) {
        variance if variance > 0.0 => interval::on_logits(value, variance),
        _ => macro_f1_without_variance(confusion, &present),
    };
    Figure::new("macro_f1", value, interval)
}

/// `present` holds the classes with their F1 and their row's and column's sum together.
fn macro_f1_variance(confusion: &Confusion, present: &[(usize, f64, f64)]) -> f64 {
    let classes = present.len() as f64;
    let mut variance = 0.0;
    for &(row, row_f1, row_sums) in present {
        for &(column, column_f1, column_sums) in present {
            let count = confusion.counts[row][column] as f64;
            // The derivative of the mean by the count of this cell.
            let slope = match row == column {
                true => 2.0 * (1.0 - row_f1) / row_sums,
                false => -(row_f1 / row_sums + column_f1 / column_sums),
            };
            variance += count * (slope / classes).powi(2);
        }
    }
    variance
}

fn macro_f1_without_variance(confusion: &Confusion, present: &[(usize, f64, f64)]) -> Interval {
    let parts: Vec<Estimate> = present
        .iter()
        .filter_map(|&(class, ..)| f1(confusion, class))
        .map(|figure| (figure.value, (figure.low, figure.high)))
        .collect();
    interval::of_mean(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores that choose as often as `counts` says.
    fn scores(counts: &[[u64; 3]; 3]) -> (Vec<f32>, Vec<f32>) {
        let (mut scores, mut truths) = (Vec::new(), Vec::new());
        for (truth, row) in counts.iter().enumerate() {
            for (chosen, &count) in row.iter().enumerate() {
                for _ in 0..count {
                    scores.extend((0..3).map(|class| if class == chosen { 2.0 } else { -1.0 }));
                    truths.push(truth as f32);
                }
            }
        }
        (scores, truths)
    }

    fn check(figures: &[Figure], known: &[(&str, f64, f64, f64)]) {
        assert_eq!(figures.len(), known.len(), "{figures:?}");
        for (figure, &(name, value, low, high)) in figures.iter().zip(known) {
            assert_eq!(figure.name, name);
            for (got, want) in [(figure.value, value), (figure.low, low), (figure.high, high)] {
                assert!((got - want).abs() < 1e-9, "{name}: {got} is not {want}");
            }
        }
    }

    /// Values by scikit-learn 1.9.1, Wilson's intervals by statsmodels 0.15.0. The variance of macro F1 is
    /// that of the multinomial counts with derivatives by differences, in NumPy 2.4.6: a standard error of
    /// 0.0596, where 50,000 resamples give 0.0620.
    #[test]
    fn figures_are_those_of_scikit_learn_and_statsmodels() {
        let counts = [[12, 3, 0], [2, 20, 4], [1, 0, 8]];
        let (scores, truth) = scores(&counts);
        check(
            &classes(&scores, 3, &truth),
            &[
                ("accuracy", 0.8, 0.6696289406777458, 0.8875624998422389),
                ("balanced_accuracy", 0.8193732193732194, 0.6686939549700975, 0.885706795006883),
                ("macro_f1", 0.7927437641723355, 0.6527176610780333, 0.8861578013314493),
            ],
        );
        let names = ["a", "b", "c"].map(String::from);
        let confusion = Confusion { classes: names.to_vec(), counts: counts.map(Vec::from).to_vec() };
        let (f1_low, f1_high) = interval::f1(20, 29);
        check(
            &class(&confusion, 1),
            &[
                ("precision", 20.0 / 23.0, 0.6787251772990404, 0.9546234090636876),
                ("recall", 20.0 / 26.0, 0.5794844592105631, 0.8896615059421672),
                ("f1", 0.8163265306122449, f1_low, f1_high),
            ],
        );
    }

    #[test]
    fn five_of_more_classes_may_hold_the_true_one() {
        let mut row: Vec<f32> = (0..7_u8).map(f32::from).collect();
        // Classes 2 to 6 have the largest scores; of equal ones the first are taken.
        let top5 = |row: &[f32], truth: f32| classes(row, 7, &[truth])[2];
        assert_eq!((top5(&row, 2.0).name, top5(&row, 2.0).value), ("top5_accuracy", 1.0));
        assert_eq!(top5(&row, 1.0).value, 0.0);
        row[1] = row[2];
        assert_eq!((top5(&row, 1.0).value, top5(&row, 2.0).value), (1.0, 0.0));
        assert!(classes(&row[..5], 5, &[1.0]).iter().all(|figure| figure.name != "top5_accuracy"));
    }

    #[test]
    fn all_right_or_all_wrong_still_have_intervals() {
        let (right, truth) = scores(&[[10, 0, 0], [0, 20, 0], [0, 0, 30]]);
        for figure in classes(&right, 3, &truth) {
            assert!(figure.value == 1.0 && figure.high == 1.0, "{figure:?}");
            assert!(figure.low > 0.8 && figure.low < 0.96, "{figure:?}");
        }
        let (wrong, truth) = scores(&[[0, 10, 0], [0, 0, 20], [30, 0, 0]]);
        for figure in classes(&wrong, 3, &truth) {
            assert!(figure.value == 0.0 && figure.low == 0.0, "{figure:?}");
            assert!(figure.high > 0.02 && figure.high < 0.2, "{figure:?}");
        }
    }

    #[test]
    fn classes_that_do_not_occur_do_not_count() {
        let (scores, truth) = scores(&[[10, 0, 0], [0, 10, 0], [0, 0, 0]]);
        let figures = classes(&scores, 3, &truth);
        assert!(figures.iter().all(|figure| figure.value == 1.0), "{figures:?}");
        assert!(classes(&[], 3, &[]).is_empty());
        let broken = classes(&[0.1, f32::NAN, 0.2], 3, &[0.0]);
        assert!(broken.len() == 3 && broken.iter().all(|figure| figure.value.is_nan()));
    }
}
