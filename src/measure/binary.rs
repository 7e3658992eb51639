//! Figures about which of two classes a sample is of.

use super::Figure;
use super::classes;
use super::confusion::Confusion;
use super::interval::{self, Interval, Z};

/// Accuracy, balanced accuracy, area under the ROC curve and F1 of the second class.
///
/// `probability` (N) is of the second class, which is chosen above 0.5; `truth` (N) is 0 or 1.
/// - `accuracy`: [`interval::wilson`].
/// - `balanced_accuracy`: the mean recall of the classes that occur, [`interval::of_mean`] of Wilson's.
/// - `auc`: the probability that a sample of the second class has the higher probability, ties counting
///   half. With at least 30 samples of each class DeLong's interval, on the logit, else Newcombe's. Left out where only one class occurs.
/// - `f1`: [`interval::f1`]. Left out where nothing is of the second class nor taken for it.
///
/// Without samples there are no figures. One probability that is NaN makes all of them NaN.
///
/// # Panics
/// If the lengths differ, or a truth is neither 0 nor 1.
pub fn binary(probability: &[f32], truth: &[f32]) -> Vec<Figure> {
    assert_eq!(probability.len(), truth.len(), "a prediction has no truth");
    let truth: Vec<usize> = truth.iter().map(|&truth| classes::index(truth, 2)).collect();
    let chosen = probability.iter().map(|&probability| usize::from(probability > 0.5));
    let counts = Confusion::of(&["".into(), "".into()], truth.iter().copied().zip(chosen));
    let mut figures = classes::shares(&counts);
    figures.extend(auc(probability, &truth));
    figures.extend(classes::f1(&counts, 1));
    if probability.iter().any(|probability| probability.is_nan()) {
        figures.iter_mut().for_each(|figure| *figure = figure.without_value());
    }
    figures
}

/// From as many samples of each class on, the interval of an area under a ROC curve is DeLong's.
const DELONG_FROM: f64 = 30.0;

/// The area under the ROC curve, None where only one class occurs.
///
/// With at least 30 samples of each class the variance is that of E. R. DeLong, D. M. DeLong and
/// D. L. Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating characteristic
/// curves", Biometrics 44 (1988), here from one sorted sweep, and the interval is built on the logit, which
/// keeps it within 0 and 1. With fewer it covers too little (91 % with 6 samples of one class), and where the
/// classes are told apart without an error the variance is 0: there the interval is [`newcombe`].
fn auc(scores: &[f32], truth: &[usize]) -> Option<Figure> {
    let mut sorted: Vec<(f32, usize)> = scores.iter().copied().zip(truth.iter().copied()).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = truth.iter().sum::<usize>() as f64;
    let negatives = truth.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut positives_below, mut negatives_below) = (0.0, 0.0);
    // For each score: how many of both classes have it, and the share of the other class that they are
    // told from.
    let mut placements = Vec::new();
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let tied_positives = tied.iter().map(|(_, truth)| truth).sum::<usize>() as f64;
        let tied_negatives = tied.len() as f64 - tied_positives;
        let under = (negatives_below + 0.5 * tied_negatives) / negatives;
        let over = 1.0 - (positives_below + 0.5 * tied_positives) / positives;
        placements.push(((tied_positives, under), (tied_negatives, over)));
        positives_below += tied_positives;
        negatives_below += tied_negatives;
    }
    let area = placements.iter().map(|((count, under), _)| count * under).sum::<f64>() / positives;
    let spread = |(count, share): (f64, f64)| count * (share - area).powi(2);
    let of_positives: f64 = placements.iter().map(|(placed, _)| spread(*placed)).sum();
    let of_negatives: f64 = placements.iter().map(|(_, placed)| spread(*placed)).sum();
    let variance =
        of_positives / ((positives - 1.0) * positives) + of_negatives / ((negatives - 1.0) * negatives);
    let delong = variance > 0.0 && positives.min(negatives) >= DELONG_FROM;
    let interval =
        if delong { interval::on_logits(area, variance) } else { newcombe(area, positives, negatives) };
    Some(Figure::new("auc", area, interval))
}

/// Where |θ - area| is at most z times the standard error at θ, which the exponential model gives.
///
/// R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic.
/// Part 2: asymptotic methods and evaluation", method 5, Statistics in Medicine 25 (2006).
fn newcombe(area: f64, positives: f64, negatives: f64) -> Interval {
    let more = 0.5 * (positives + negatives) - 1.0;
    let error = |theta: f64| {
        let spread = 1.0 + more * ((1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta));
        (theta * (1.0 - theta) * spread / (positives * negatives)).sqrt()
    };
    let end = |outside: f64| {
        let (mut inside, mut outside) = (area, outside);
        for _ in 0..60 {
            let middle = 0.5 * (inside + outside);
            let holds = (middle - area).abs() <= Z * error(middle);
            if holds { inside = middle } else { outside = middle }
        }
        inside
    };
    (end(0.0), end(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::assert_known;

    const PROBABILITY: [f32; 20] = [
        0.1, 0.4, 0.35, 0.8, 0.7, 0.9, 0.55, 0.2, 0.6, 0.45, 0.3, 0.95, 0.5, 0.5, 0.15, 0.65, 0.75, 0.05,
        0.85, 0.25,
    ];
    const TRUTH: [u8; 20] = [0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1];

    fn truth() -> Vec<f32> {
        TRUTH.map(f32::from).to_vec()
    }

    /// Values by scikit-learn 1.9.1, Wilson's intervals by statsmodels 0.15.0, Newcombe's by SciPy 1.17.1.
    #[test]
    fn figures_are_those_of_scikit_learn_and_statsmodels() {
        let known = [
            ("accuracy", 0.75, 0.5312991223812559, 0.8881382985923344),
            ("balanced_accuracy", 0.75, 0.5332381572431525, 0.8698793170203087),
            ("auc", 0.855, 0.6022135370290911, 0.9539010566713633),
            ("f1", 0.7368421052631579, 0.4842873410947761, 0.8930336699194779),
        ];
        let figures = binary(&PROBABILITY, &truth());
        assert_known(&figures, &known);
    }

    /// DeLong's variance (0.00229138) from all pairs of samples by NumPy 2.4.6, and by confidenceinterval
    /// 1.0.5.
    #[test]
    fn with_enough_samples_the_interval_of_the_area_is_delongs() {
        let figures = binary(&PROBABILITY.repeat(3), &truth().repeat(3));
        let auc = figures.iter().find(|figure| figure.name == "auc").expect("both classes occur");
        for (got, want) in [(auc.value, 0.855), (auc.low, 0.7345048908448276), (auc.high, 0.9262958942991131)]
        {
            assert!((got - want).abs() < 1e-9, "{got} is not {want}");
        }
    }

    /// The first by the R package SingleCaseES, the others are roots by `scipy.optimize.brentq` of SciPy
    /// 1.17.1.
    #[test]
    fn classes_told_apart_without_an_error_still_have_an_interval() {
        for (area, positives, negatives, low, high) in [
            (0.9166666666666666, 6.0, 7.0, 0.5973193600384168, 0.9859976893703788),
            (1.0, 5.0, 7.0, 0.682789748174357, 1.0),
            (0.5, 1.0, 9.0, 0.11772674538336907, 0.882273254616631),
            (1.0, 30.0, 40.0, 0.9416297119575053, 1.0),
        ] {
            let got = newcombe(area, positives, negatives);
            assert!((got.0 - low).abs() < 1e-9 && (got.1 - high).abs() < 1e-9, "{got:?}");
        }
        for each in [3, 40] {
            let probability = [vec![0.1; each], vec![0.9; each]].concat();
            let truth = [vec![0.0; each], vec![1.0; each]].concat();
            let figures = binary(&probability, &truth);
            let auc = figures.iter().find(|figure| figure.name == "auc").expect("both classes occur");
            assert!(auc.value == 1.0 && auc.high == 1.0 && auc.low > 0.3 && auc.low < 0.96, "{auc:?}");
        }
    }

    #[test]
    fn ties_count_half() {
        let figures = binary(&[0.5; 6], &[0.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        let auc = figures.iter().find(|figure| figure.name == "auc").expect("both classes occur");
        assert!(auc.value == 0.5 && auc.low > 0.0 && auc.low < 0.4, "{auc:?}");
    }

    #[test]
    fn few_samples_lose_what_cannot_be_told() {
        let names = |figures: Vec<Figure>| figures.iter().map(|figure| figure.name).collect::<Vec<_>>();
        assert!(binary(&[], &[]).is_empty());
        assert_eq!(names(binary(&[0.2], &[0.0])), ["accuracy", "balanced_accuracy"]);
        assert_eq!(names(binary(&[0.7, 0.8], &[1.0; 2])), ["accuracy", "balanced_accuracy", "f1"]);
        let broken = binary(&[0.2, f32::NAN, 0.9], &[0.0, 0.0, 1.0]);
        assert_eq!(broken.len(), 4);
        assert!(broken.iter().all(|figure| figure.value.is_nan() && figure.low.is_nan()));
    }

    #[test]
    #[should_panic(expected = "0.5 is none of 2 classes")]
    fn a_truth_between_the_classes_is_refused() {
        binary(&[0.2], &[0.5]);
    }
}
