//! Which trials of a sweep are best.

use std::collections::BTreeMap;

/// A trial's results.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The place of the trial.
    pub trial: usize,
    /// The mean of the metric over its trainings that are done.
    pub mean: f64,
    /// The standard error of the mean; NaN of a single training.
    pub error: f64,
    /// How many are done.
    pub done: usize,
}

/// What trials come to, the best first; `values` are trials and metrics of the trainings that are done. Trials that lack
/// some of their `planned` trainings come last: those that failed may be the ones that would have been bad.
pub fn ranking(values: &[(usize, f64)], planned: usize, higher_is_better: bool) -> Vec<Ranked> {
    let mut of_trial: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    values.iter().for_each(|&(trial, value)| of_trial.entry(trial).or_default().push(value));
    let ranked = |(trial, values): (usize, Vec<f64>)| {
        let done = values.len();
        let mean = values.iter().sum::<f64>() / done as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let error = (squares / (done as f64 - 1.0) / done as f64).sqrt();
        Ranked { trial, mean, error, done }
    };
    let mut ranking: Vec<Ranked> = of_trial.into_iter().map(ranked).collect();
    let by_mean = |a: &Ranked, b: &Ranked| match higher_is_better {
        true => b.mean.total_cmp(&a.mean),
        false => a.mean.total_cmp(&b.mean),
    };
    ranking.sort_by(|a, b| (a.done < planned).cmp(&(b.done < planned)).then_with(|| by_mean(a, b)));
    ranking
}

/// Whether a column of `results.csv` is better the higher it is.
pub fn is_better_higher(metric: &str) -> bool {
    metric.ends_with("accuracy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_trial_comes_first() {
        let values = [(0, 5.0), (1, 3.0), (0, 7.0), (2, 9.0), (2, 9.0), (3, 1.0), (3, 1.0)];
        let lower = ranking(&values, 2, false);
        // The only training of trial 1 that is done may be a lucky one.
        assert_eq!(lower.iter().map(|result| result.trial).collect::<Vec<_>>(), [3, 0, 2, 1]);
        assert_eq!((lower[1].mean, lower[1].error, lower[1].done), (6.0, 1.0, 2));
        assert!(lower[3].error.is_nan());
        assert_eq!(ranking(&values, 2, true)[0].trial, 2);
        assert!(is_better_higher("val_gender_accuracy") && !is_better_higher("val_age_mae"));
    }
}
