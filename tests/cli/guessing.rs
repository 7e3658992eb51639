//! A model that has learned nothing is told of as such.

use crate::common::{code, faces, fail, run, stderr, succeed, tiny};
use std::fs;
use std::path::Path;

/// Faces without a pattern: labels that have nothing to do with the pictures.
fn shuffled(folder: &Path) {
    let faces = folder.join(faces(folder));
    let mut photos: Vec<_> = fs::read_dir(&faces).unwrap().map(|entry| entry.unwrap().path()).collect();
    photos.sort();
    for (number, photo) in photos.iter().enumerate() {
        let (age, gender) = ([20, 40, 60][number % 3], number / 3 % 2);
        fs::rename(photo, faces.join(format!("{age}_{gender}_0_{number}.jpg"))).unwrap();
    }
}

#[test]
fn a_training_that_learned_nothing_says_so_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    shuffled(folder.path());
    let model = tiny().display().to_string();
    // Steps so small that the model stays where it begins: at the best constant answers.
    let train = ["train", "--model", &model, "--data", "faces", "--adapter", "cpu", "--out", "run"];
    let output = run(folder.path(), &[train.as_slice(), &["--lr", "1e-9", "--epochs", "1"]].concat());
    assert_eq!(code(&output), 0);
    let said = stderr(&output);
    for part in ["warning: age: no better than guessing", "warning: gender: no better than guessing"] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    for part in [
        "by guessing: ",
        "years",
        "--seed",
        "--epochs",
        "--lr",
        "training set's commonest class, male, would be right for",
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains("warning: gender") && report.contains("no better than guessing"), "{report}");
    // An evaluation knows the training labels from the run.
    let evaluated = run(folder.path(), &["eval", "run", "--adapter", "cpu", "--json"]);
    assert!(
        stderr(&evaluated).contains("warning: gender: no better than guessing"),
        "{}",
        stderr(&evaluated)
    );
    serde_json::from_slice::<serde_json::Value>(&evaluated.stdout).unwrap();
    // Of an older run nothing is known.
    fs::remove_file(folder.path().join("run/guessing.json")).unwrap();
    assert!(!stderr(&run(folder.path(), &["eval", "run", "--adapter", "cpu"])).contains("guessing"));
    fs::write(folder.path().join("run/guessing.json"), "[").unwrap();
    fail(folder.path(), &["eval", "run", "--adapter", "cpu"], 1, &["guessing.json"]);
}

#[test]
fn a_training_that_learned_is_not_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..60)
        .map(|n| match n % 2 {
            0 => format!("lovely wonderful great car {n},5\n"),
            _ => format!("awful terrible broken car {n},1\n"),
        })
        .collect();
    fs::write(folder.path().join("reviews.csv"), format!("review,rating\n{text}")).unwrap();
    let train = ["train", "--model", "review", "--data", "reviews.csv", "--adapter", "cpu", "--out", "run"];
    let output = run(folder.path(), &[train.as_slice(), &["--epochs", "8"]].concat());
    let said = stderr(&output);
    assert_eq!(code(&output), 0, "{said}");
    assert!(!said.contains("warning:"), "{said}");
    assert!(said.contains("100.00 % right"), "{said}");
    succeed(folder.path(), &["eval", "run", "--adapter", "cpu"]);
}
