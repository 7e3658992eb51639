//! Simulations: do the intervals hold the true value as often as they say?

use std::collections::BTreeMap;

use super::{Figure, Group, Predictions, binary, by_group, classes, number};
use crate::rng::{Generator, Stream};

const REPETITIONS: u32 = 2000;

/// Compares figures with name, value and interval as other programs tell them.
pub(super) fn assert_known(figures: &[Figure], known: &[(&str, f64, f64, f64)]) {
    assert_eq!(figures.len(), known.len());
    for (figure, &(name, value, low, high)) in figures.iter().zip(known) {
        assert_eq!(figure.name, name);
        for (got, want) in [(figure.value, value), (figure.low, low), (figure.high, high)] {
            assert!((got - want).abs() < 1e-9, "{name}: {got} is not {want}");
        }
    }
}

/// The share of repetitions in which a figure's interval holds its true value, by name.
fn covered(truths: &[(&'static str, f64)], figures: impl Fn(&mut Generator) -> Vec<Figure>) {
    let mut hits: BTreeMap<&str, u32> = BTreeMap::new();
    for repetition in 0..REPETITIONS {
        let figures = figures(&mut Generator::new(18, 0, repetition, Stream::Test));
        for &(name, truth) in truths {
            let figure = figures.iter().find(|figure| figure.name == name).expect(name);
            *hits.entry(name).or_default() += u32::from(figure.low <= truth && truth <= figure.high);
        }
    }
    for &(name, truth) in truths {
        let share = f64::from(hits[name]) / f64::from(REPETITIONS);
        assert!((0.93..=0.97).contains(&share), "{name} holds {truth} in {share} of the repetitions");
    }
}

/// True values of errors that are normal with a deviation of 6 and of ages with a deviation of 15.
#[test]
fn intervals_of_numbers_hold_the_true_value() {
    let mae = 6.0 * (2.0 / std::f64::consts::PI).sqrt();
    let median = 6.0 * 0.674489750196;
    let truths = [("mae", mae), ("rmse", 6.0), ("r2", 1.0 - 36.0 / 225.0), ("median_error", median)];
    covered(&truths, |random| {
        let truth: Vec<f32> = (0..150).map(|_| 40.0 + 15.0 * random.normal()).collect();
        let predicted: Vec<f32> = truth.iter().map(|age| age + 6.0 * random.normal()).collect();
        number(&predicted, &truth)
    });
}

/// The normal distribution's share below 0.75 is 0.7734, and below 1.5 / √2 it is 0.8556 (SciPy 1.17.1).
#[test]
fn intervals_of_two_classes_hold_the_true_value() {
    let right = 0.7733726476231317;
    let f1 = 0.8 * right / (0.8 * right + (1.0 - right));
    let auc = 0.8555778168267576;
    let truths = [("accuracy", right), ("balanced_accuracy", right), ("auc", auc), ("f1", f1)];
    covered(&truths, |random| {
        let truth: Vec<f32> = (0..200).map(|_| f32::from(u8::from(random.unit() < 0.4))).collect();
        let logits = truth.iter().map(|second| 1.5 * second - 0.75 + random.normal());
        let probability: Vec<f32> = logits.map(|logit| 1.0 / (1.0 + (-logit).exp())).collect();
        binary(&probability, &truth)
    });
}

/// Of 8 classes the first are more frequent and better known. Wrong choices are equally often of each other
/// class, and the true class has the second to fifth largest score in half of them.
#[test]
fn intervals_of_classes_hold_the_true_value() {
    const K: usize = 8;
    let frequency = |class: usize| (K - class) as f64 / 36.0;
    let known = |class: usize| 0.95 - 0.05 * class as f64;
    let sum = |of: &dyn Fn(usize) -> f64| (0..K).map(of).sum::<f64>();
    let wrong = |class: usize| frequency(class) * (1.0 - known(class));
    let all_wrong = sum(&wrong);
    let f1 = |class: usize| {
        let right = frequency(class) * known(class);
        let taken = right + (all_wrong - wrong(class)) / (K - 1) as f64;
        2.0 * right / (frequency(class) + taken)
    };
    let truths = [
        ("accuracy", 1.0 - all_wrong),
        ("balanced_accuracy", sum(&known) / K as f64),
        ("top5_accuracy", 1.0 - 0.5 * all_wrong),
        ("macro_f1", sum(&f1) / K as f64),
    ];
    covered(&truths, |random| {
        let (mut scores, mut truth) = (Vec::new(), Vec::new());
        for _ in 0..250 {
            let mut place = f64::from(random.unit());
            let class = (0..K - 1).find(|&class| {
                place -= frequency(class);
                place < 0.0
            });
            let class = class.unwrap_or(K - 1);
            let right = f64::from(random.unit()) < known(class);
            let rank = match (right, random.unit() < 0.5) {
                (true, _) => 0,
                (false, true) => 1 + random.below(4) as usize,
                (false, false) => 5 + random.below(3) as usize,
            };
            let mut order: Vec<usize> = (0..K).filter(|other| *other != class).collect();
            random.shuffle(&mut order);
            order.insert(rank, class);
            let mut row = [0.0; K];
            order.iter().enumerate().for_each(|(rank, &class)| row[class] = -(rank as f32));
            scores.extend(row);
            truth.push(class as f32);
        }
        classes(&scores, K, &truth)
    });
}

/// Probabilities that are right in as many of 100 samples of each group as drawn, and the groups.
fn drawn_groups(random: &mut Generator, right: &[f32]) -> (Vec<f32>, Vec<Group>) {
    let mut probability = Vec::new();
    let mut groups = Vec::new();
    for (number, right) in right.iter().enumerate() {
        let first = probability.len();
        probability.extend((0..100).map(|_| if random.unit() < *right { 0.9 } else { 0.1 }));
        groups.push(Group { name: number.to_string(), indices: (first..first + 100).collect() });
    }
    (probability, groups)
}

#[test]
fn the_interval_of_the_gap_between_two_groups_holds_the_true_gap() {
    let mut hits = 0;
    for repetition in 0..REPETITIONS {
        let mut random = Generator::new(19, 0, repetition, Stream::Test);
        let (probability, groups) = drawn_groups(&mut random, &[0.9, 0.8]);
        let truth = vec![1.0; probability.len()];
        let gaps = by_group(&Predictions::Binary { probability: &probability, truth: &truth }, &groups).gaps;
        let gap = gaps.iter().find(|gap| gap.highest.name == "accuracy").expect("a gap");
        let true_gap = if gap.highest_group == "0" { 0.1 } else { -0.1 };
        hits += u32::from(gap.low <= true_gap && true_gap <= gap.high);
    }
    let share = f64::from(hits) / f64::from(REPETITIONS);
    assert!((0.93..=0.97).contains(&share), "{share}");
}

/// Without the widening, the largest of 15 gaps would look real in a third of the repetitions.
#[test]
fn groups_that_do_not_differ_seldom_seem_to() {
    let mut seeming = 0;
    for repetition in 0..REPETITIONS {
        let mut random = Generator::new(20, 0, repetition, Stream::Test);
        let (probability, groups) = drawn_groups(&mut random, &[0.85; 6]);
        let truth = vec![1.0; probability.len()];
        let gaps = by_group(&Predictions::Binary { probability: &probability, truth: &truth }, &groups).gaps;
        let gap = gaps.iter().find(|gap| gap.highest.name == "accuracy").expect("a gap");
        assert_eq!(gap.pairs, 15);
        seeming += u32::from(gap.low > 0.0);
    }
    let share = f64::from(seeming) / f64::from(REPETITIONS);
    assert!((0.01..=0.06).contains(&share), "{share}");
}
