//! 95 % confidence intervals: the formulas that the figures share.

/// The 97.5 % quantile of the standard normal distribution.
pub const Z: f64 = 1.959_963_984_540_054;

/// Lower and upper end; both NaN where there are too few samples for an interval.
pub type Interval = (f64, f64);

/// The interval where there is none.
pub const NONE: Interval = (f64::NAN, f64::NAN);

/// Of a share of `count` samples: Wilson's score interval.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
/// American Statistical Association 22 (1927). Of no samples it is 0 to 1.
pub fn wilson(hits: u64, count: u64) -> Interval {
    if count == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (count as f64, hits as f64 / count as f64);
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // At a share of 0 or 1 an end of the interval is that share, but for rounding.
    (((middle - half) / scale).clamp(0.0, share), ((middle + half) / scale).clamp(share, 1.0))
}

/// Of an F1 score 2 TP / (2 TP + FP + FN): `hits` is TP, `count` is TP + FP + FN.
///
/// With J = TP / (TP + FP + FN), F1 = 2J / (1 + J) grows with J; and given TP + FP + FN, TP is binomial
/// with the true J as its probability. So Wilson's interval of J, carried over, is one of F1.
pub fn f1(hits: u64, count: u64) -> Interval {
    let f1 = |jaccard: f64| 2.0 * jaccard / (1.0 + jaccard);
    let (low, high) = wilson(hits, count);
    (f1(low), f1(high))
}

/// The 97.5 % quantile of Student's t distribution for the mean of `samples` values; NaN below 2 samples.
///
/// Below 30 degrees of freedom by the finite series of its distribution function (Abramowitz and Stegun,
/// *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4), above by the expansion 26.7.5.
pub fn student(samples: usize) -> f64 {
    let freedom = match samples {
        0 | 1 => return f64::NAN,
        _ => samples - 1,
    };
    if freedom < 30 {
        let (mut low, mut high) = (1.0, 16.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if student_within(middle, freedom) < 0.95 { low = middle } else { high = middle }
        }
        return 0.5 * (low + high);
    }
    let (x, v) = (Z, freedom as f64);
    let x2 = x * x;
    let first = (x2 + 1.0) * x / 4.0;
    let second = ((5.0 * x2 + 16.0) * x2 + 3.0) * x / 96.0;
    let third = (((3.0 * x2 + 19.0) * x2 + 17.0) * x2 - 15.0) * x / 384.0;
    x + (first + (second + third / v) / v) / v
}

/// The probability that Student's t lies within -t and t.
fn student_within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    let (mut power, mut term, mut sum) = (freedom % 2, if odd { cos } else { 1.0 }, 0.0);
    while power + 2 <= freedom {
        sum += term;
        term *= cos * cos * (power + 1) as f64 / (power + 2) as f64;
        power += 2;
    }
    if odd { std::f64::consts::FRAC_2_PI * (angle + sin * sum) } else { sin * sum }
}

/// Mean and the standard error of the mean, which is NaN for one value.
pub fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

/// Of the median of sorted values: between two order statistics, interpolated so that the interval
/// covers 95 % rather than at least 95 %.
///
/// T. P. Hettmansperger and S. J. Sheather, "Confidence intervals based on interpolated order
/// statistics", Statistics & Probability Letters 4 (1986). Beyond 1,000 values the binomial distribution
/// of the ranks is taken as normal. Below 6 values the smallest and the largest cover less than 95 %.
pub fn median(sorted: &[f64]) -> Interval {
    let n = sorted.len();
    if n < 6 {
        return NONE;
    }
    // The interval goes from the value of this rank, counted from 1 and with a fraction, to the same rank
    // counted from the end.
    let (rank, part) = if n > 1000 {
        let place = 0.5 * (n as f64 + 1.0) - 0.5 * Z * (n as f64).sqrt();
        (place.floor() as usize, place.fract())
    } else {
        interpolated_rank(n)
    };
    let between = |near: usize, far: usize| sorted[near] + part * (sorted[far] - sorted[near]);
    (between(rank - 1, rank), between(n - rank, n - rank - 1))
}

fn interpolated_rank(n: usize) -> (usize, f64) {
    let mut probability = 0.5_f64.powi(n as i32);
    let (mut rank, mut outside) = (1, 2.0 * probability);
    loop {
        probability *= (n - rank + 1) as f64 / rank as f64;
        let next = outside + 2.0 * probability;
        if next > 0.05 {
            let share = (0.05 - outside) / (next - outside);
            let (n, d) = (n as f64, rank as f64);
            return (rank, (n - d) * share / (d + (n - 2.0 * d) * share));
        }
        (rank, outside) = (rank + 1, next);
    }
}

/// Of a share-like figure with a variance, built on the logit and carried back, so that it stays
/// within 0 and 1. The variance must be positive and the figure within 0 and 1.
pub fn on_logits(value: f64, variance: f64) -> Interval {
    let logit = (value / (1.0 - value)).ln();
    let half = Z * variance.sqrt() / (value * (1.0 - value));
    let back = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    (back(logit - half), back(logit + half))
}

/// An estimate and its interval.
pub type Estimate = (f64, Interval);

/// Of the mean of independent estimates, by the squares of the distances to the ends of their intervals.
///
/// G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general
/// approach", Statistics in Medicine 27 (2008).
pub fn of_mean(parts: &[Estimate]) -> Interval {
    let n = parts.len() as f64;
    let mean = parts.iter().map(|part| part.0).sum::<f64>() / n;
    let below: f64 = parts.iter().map(|(value, (low, _))| (value - low).powi(2)).sum();
    let above: f64 = parts.iter().map(|(value, (_, high))| (high - value).powi(2)).sum();
    (mean - below.sqrt() / n, mean + above.sqrt() / n)
}

/// Of the difference `a - b` of two independent estimates, whose distances to both ends are
/// multiplied by `widening`.
///
/// For shares with Wilson's intervals this is method 10 of R. G. Newcombe, "Interval estimation for the
/// difference between independent proportions", Statistics in Medicine 17 (1998); for any other figure
/// it is Zou and Donner's generalisation.
pub fn of_difference(
    (a, (a_low, a_high)): Estimate,
    (b, (b_low, b_high)): Estimate,
    widening: f64,
) -> Interval {
    let below = widening * (a - a_low).hypot(b_high - b);
    let above = widening * (a_high - a).hypot(b - b_low);
    (a - b - below, a - b + above)
}

/// The factor by which an interval is wider if it shall hold for all of `count` comparisons at once:
/// Bonferroni's correction, on the scale of the normal distribution.
///
/// The quantile is Abramowitz and Stegun's 26.2.23, whose error is below 4.5e-4.
pub fn bonferroni(count: usize) -> f64 {
    if count < 2 {
        return 1.0;
    }
    let t = (-2.0 * (0.025 / count as f64).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    (t - above / below) / Z
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, by: f64) {
        assert!((got - want).abs() <= by, "{got} is not {want}");
    }

    /// `scipy.stats.t.ppf(0.975, samples - 1)` of SciPy 1.17.1.
    #[test]
    fn quantiles_of_student_are_those_of_scipy() {
        let known = [
            (2, 12.706204736174694),
            (3, 4.302652729749462),
            (5, 2.7764451051977934),
            (10, 2.262157162798205),
            (29, 2.0484071417952454),
            (30, 2.045229642132703),
            (31, 2.0422724563012378),
            (32, 2.039513446396408),
            (60, 2.000995378088267),
            (200, 1.9719565442517533),
        ];
        known.iter().for_each(|&(samples, quantile)| close(student(samples), quantile, 2e-6));
        close(student(10_000_000), Z, 1e-6);
        assert!(student(1).is_nan() && student(0).is_nan());
    }

    /// `proportion_confint(hits, count, method="wilson")` of statsmodels 0.15.0.
    #[test]
    fn wilson_is_that_of_statsmodels() {
        let (low, high) = wilson(15, 20);
        close(low, 0.5312991223812559, 1e-12);
        close(high, 0.8881382985923344, 1e-12);
        for count in [1, 3, 10, 1000] {
            let ((none, few), (many, all)) = (wilson(0, count), wilson(count, count));
            assert_eq!((none, all), (0.0, 1.0));
            assert!(few < 1.0 && many > 0.0);
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    /// Newcombe's examples, as `confint_proportions_2indep(…, method="newcomb")` of statsmodels 0.15.0
    /// computes them.
    #[test]
    fn a_difference_of_shares_has_newcombes_interval() {
        let share = |hits: u64, count: u64| (hits as f64 / count as f64, wilson(hits, count));
        let (low, high) = of_difference(share(56, 70), share(48, 80), 1.0);
        close(low, 0.05243147240236498, 1e-12);
        close(high, 0.33387265403690614, 1e-12);
        let (low, high) = of_difference(share(10, 10), share(0, 20), 1.0);
        close(low, 0.6790860371419145, 1e-12);
        close(high, 1.0, 1e-12);
    }

    /// `norm.ppf(1 - 0.025 / count) / norm.ppf(0.975)` of SciPy 1.17.1.
    #[test]
    fn more_comparisons_widen_an_interval() {
        assert_eq!(bonferroni(1), 1.0);
        let known = [(3, 1.2214407094731932), (6, 1.3460743637571853), (28, 1.593771444252785)];
        known.iter().for_each(|&(count, factor)| close(bonferroni(count), factor, 3e-4));
    }

    /// Ranks of 12 values by hand: the 3rd and the 10th cover 96.14 %, the 4th and the 9th 85.40 %.
    #[test]
    fn the_median_lies_between_ranks() {
        let ramp: Vec<f64> = (1..=12).map(f64::from).collect();
        let (low, high) = median(&ramp);
        assert!(low > 3.0 && low < 4.0 && (low + high - 13.0).abs() < 1e-12, "{low} {high}");
        assert!(median(&ramp[..5]).0.is_nan());
        assert!(median(&ramp[..6]).0 >= 1.0);
        // Both ways meet where the one takes over.
        let ends = |count: u32| {
            median(&(0..count).map(|rank| f64::from(rank) / f64::from(count)).collect::<Vec<_>>())
        };
        close(ends(1000).0, ends(1001).0, 2e-4);
    }
}
