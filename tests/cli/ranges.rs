//! What is known of a target bounds what is said of it.

use crate::common::{faces, succeed, tiny};
use std::fs;

/// Faces that are all of age 0, so that a model's raw outputs lie on both sides of it.
fn newborns(folder: &std::path::Path) {
    let faces = folder.join(faces(folder));
    let mut photos: Vec<_> = fs::read_dir(&faces).unwrap().map(|entry| entry.unwrap().path()).collect();
    photos.sort();
    for (number, photo) in photos.iter().enumerate() {
        fs::rename(photo, faces.join(format!("0_{}_0_{number}.jpg", number % 2))).unwrap();
    }
}

#[test]
fn ages_below_zero_are_neither_predicted_nor_measured() {
    let folder = tempfile::tempdir().unwrap();
    newborns(folder.path());
    let model = tiny().display().to_string();
    let train = ["train", "--model", &model, "--data", "faces", "--adapter", "cpu", "--out", "run"];
    succeed(folder.path(), &train);
    let lines = succeed(folder.path(), &["predict", "run", "faces", "--adapter", "cpu", "--json"]);
    let ages: Vec<f64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["age"].as_f64().unwrap())
        .collect();
    let below = ages.iter().filter(|&&age| age == 0.0).count();
    assert!(ages.iter().all(|&age| age >= 0.0) && (1..ages.len()).contains(&below), "{ages:?}");

    // The metric is that of the ages that are predicted; the loss is that of the raw outputs.
    let eval = ["eval", "run", "--data", "faces", "--adapter", "cpu", "--json"];
    let measured: serde_json::Value = serde_json::from_str(&succeed(folder.path(), &eval)).unwrap();
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / ages.len() as f64;
    let mae = measured["age_mae"].as_f64().unwrap();
    assert!((mae - mean(&mut ages.iter().copied())).abs() < 1e-6, "{measured} {ages:?}");
    let bounded_loss = mean(&mut ages.iter().map(|age| age * age));
    assert!(measured["age_loss"].as_f64().unwrap() > 1.05 * bounded_loss, "{measured} {ages:?}");
}
