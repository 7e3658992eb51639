//! `train --tensorboard`: what the event files hold. tests/tensorboard.sh has TensorBoard itself read them.

use crate::common::{faces, succeed, tiny};
use faceshader::report::tensorboard::{Event, FILE, events};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn log(folder: &Path, side: &str) -> Vec<Event> {
    events(&fs::read(folder.join("run/tensorboard").join(side).join(FILE)).unwrap())
}

/// The numbers of a log by their names: (step, value).
fn numbers(events: &[Event]) -> BTreeMap<String, Vec<(i64, f32)>> {
    let mut numbers: BTreeMap<String, Vec<(i64, f32)>> = BTreeMap::new();
    for event in events {
        for value in event.summary.iter().flat_map(|summary| &summary.value) {
            if let Some(number) = value.simple_value {
                numbers.entry(value.tag.clone()).or_default().push((event.step, number));
            }
        }
    }
    numbers
}

/// Names and steps of the pictures of a log.
fn pictures(events: &[Event]) -> Vec<(String, i64)> {
    let values = |event: &Event| {
        let step = event.step;
        let pictures = event.summary.iter().flat_map(|summary| &summary.value).filter(|v| v.image.is_some());
        pictures.map(move |value| (value.tag.clone(), step)).collect::<Vec<_>>()
    };
    events.iter().flat_map(values).collect()
}

/// The values of a column of `results.csv`, an epoch each.
fn column(folder: &Path, name: &str) -> Vec<(i64, f32)> {
    let results = fs::read_to_string(folder.join("run/results.csv")).unwrap();
    let mut lines = results.lines();
    let place = lines.next().unwrap().split(',').position(|column| column == name).unwrap();
    let values = lines.map(|line| line.split(',').nth(place).unwrap().parse::<f64>().unwrap() as f32);
    (1..).zip(values).collect()
}

#[test]
fn every_epoch_is_logged_once_across_a_resume() {
    let folder = tempfile::tempdir().unwrap();
    let (data, tiny) = (faces(folder.path()), tiny());
    let train =
        ["train", "--model", tiny.to_str().unwrap(), "--data", &data, "--out", "run", "--epochs", "2"];
    succeed(folder.path(), &[&train[..], &["--adapter", "cpu", "--tensorboard"]].concat());
    let validation = log(folder.path(), "validation");
    let expected = [("predictions".to_string(), 2), ("confusion".to_string(), 2)];
    assert_eq!(pictures(&validation), expected);
    let before = numbers(&log(folder.path(), "train"));

    let resume = ["train", "--resume", "run", "--epochs", "3", "--adapter", "cpu", "--tensorboard"];
    succeed(folder.path(), &resume);
    let (train, validation) = (log(folder.path(), "train"), log(folder.path(), "validation"));
    let tags = ["age_loss", "age_mae", "gender_accuracy", "gender_loss", "loss"];
    assert_eq!(numbers(&validation).keys().collect::<Vec<_>>(), tags);
    let train = numbers(&train);
    let mut tags_of_train = [&tags[..], &["learning_rate", "seconds"]].concat();
    tags_of_train.sort_unstable();
    assert_eq!(train.keys().collect::<Vec<_>>(), tags_of_train);
    for tag in ["loss", "age_mae", "gender_accuracy"] {
        assert_eq!(train[tag], column(folder.path(), &format!("train_{tag}")), "{tag}");
        assert_eq!(numbers(&validation)[tag], column(folder.path(), &format!("val_{tag}")), "{tag}");
    }
    assert_eq!(train["learning_rate"], [(1, 0.003), (2, 0.003), (3, 0.003)]);
    assert!(before.iter().all(|(tag, values)| train[tag][..2] == values[..]));
    // Those of each end.
    let later = expected.clone().map(|(name, _)| (name, 3));
    assert_eq!(pictures(&validation), [expected, later].concat());
}

#[test]
fn a_resumed_run_that_was_not_logged_before_is_logged_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (data, tiny) = (faces(folder.path()), tiny());
    let train =
        ["train", "--model", tiny.to_str().unwrap(), "--data", &data, "--out", "run", "--epochs", "1"];
    succeed(folder.path(), &[&train[..], &["--adapter", "cpu"]].concat());
    assert!(!folder.path().join("run/tensorboard").exists());
    let resume = ["train", "--resume", "run", "--epochs", "2", "--adapter", "cpu", "--tensorboard"];
    succeed(folder.path(), &resume);
    assert_eq!(numbers(&log(folder.path(), "train"))["loss"], column(folder.path(), "train_loss"));
}
