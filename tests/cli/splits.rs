//! Splits that the user gives: three sides, copies, and what is no split.

use crate::common::{faces, fail, run, stderr, succeed, tiny};
use std::fs;
use std::path::Path;

/// Writes a split of `faces/` with 18 to train on, and 6 each to validate and to test with.
fn three_sides(folder: &Path) {
    let mut names: Vec<String> = fs::read_dir(folder.join("faces"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let side = |index: usize| ["train", "val", "train", "test", "train"][index % 5];
    let rows = names.iter().enumerate().map(|(index, name)| format!("{name},{}\n", side(index)));
    fs::write(folder.join("split.csv"), format!("file,split\n{}", rows.collect::<String>())).unwrap();
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn the_best_epoch_is_chosen_on_val_and_test_is_measured_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (path, faces, model) = (folder.path(), faces(folder.path()), tiny().display().to_string());
    three_sides(path);
    let train = ["train", "--model", &model, "--data", &faces, "--split", "split.csv", "--adapter", "cpu"];
    let output = run(path, &[&train[..], &["--out", "run", "--epochs", "3", "--json"]].concat());
    assert!(stderr(&output).contains("18 to train on, 6 to validate with, 6 for a test at the end"));
    let text = String::from_utf8(output.stdout).unwrap();
    let losses: Vec<f64> = text.lines().map(|line| json(line)["val_loss"].as_f64().unwrap()).collect();
    assert_eq!((losses.len(), json(&text)["epoch"].as_u64()), (3, Some(3)), "{text}");
    let test: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("run/test.json")).unwrap()).unwrap();
    assert_eq!((test["side"].as_str(), test["photos"].as_u64()), (Some("test"), Some(6)));
    assert!(fs::read_to_string(path.join("run/report.html")).unwrap().contains("6 photos: loss"));
    let eval = |more: &[&str]| {
        json(&succeed(path, &[&["eval", "run", "--adapter", "cpu", "--json"][..], more].concat()))
    };
    let mut told = eval(&[]);
    // What an evaluation tells beyond that.
    for more in ["figures", "gender_confusion"] {
        assert!(told.as_object_mut().unwrap().remove(more).is_some(), "{more}");
    }
    assert_eq!(told, test);
    let validation = eval(&["--side", "validation"]);
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(validation["side"].as_str(), Some("validation"));
    assert!((validation["loss"].as_f64().unwrap() - least).abs() < 1e-4 * least, "{validation} {least}");
    assert_ne!(validation["loss"], test["loss"]);
    // Going on keeps the sides.
    let split = || fs::read_to_string(path.join("run/split.csv")).unwrap();
    let before = split();
    assert_eq!(before.matches(",val\n").count(), 6);
    succeed(path, &["train", "--resume", "run", "--epochs", "4", "--adapter", "cpu"]);
    assert_eq!(split(), before);
    assert_eq!(eval(&[])["photos"].as_u64(), Some(6));
    // A limit does, too.
    let text = succeed(path, &[&train[..], &["--out", "few", "--epochs", "1", "--limit", "10"]].concat());
    assert!(text.lines().last().unwrap().starts_with("test, 2 photos: loss"), "{text}");
}

#[test]
fn a_split_of_two_sides_validates_with_its_test_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (path, faces, model) = (folder.path(), faces(folder.path()), tiny().display().to_string());
    three_sides(path);
    let split = fs::read_to_string(path.join("split.csv")).unwrap().replace(",val\n", ",test\n");
    fs::write(path.join("split.csv"), split).unwrap();
    let train = ["train", "--model", &model, "--data", &faces, "--split", "split.csv", "--adapter", "cpu"];
    succeed(path, &[&train[..], &["--out", "run", "--epochs", "1"]].concat());
    assert!(!path.join("run/test.json").exists());
    let eval = json(&succeed(path, &["eval", "run", "--adapter", "cpu", "--json"]));
    assert_eq!((eval["side"].as_str(), eval["photos"].as_u64()), (Some("validation"), Some(12)));
    fail(path, &["eval", "run", "--side", "test", "--adapter", "cpu"], 1, &["no photos on its side test"]);
    fail(path, &["eval", "run", "--side", "test", "--data", &faces], 2, &["--side needs a split"]);
}

#[test]
fn copies_on_two_sides_are_told_and_kept_on_one_side_without_a_split() {
    let folder = tempfile::tempdir().unwrap();
    let (path, faces, model) = (folder.path(), faces(folder.path()), tiny().display().to_string());
    three_sides(path);
    // As in Kaggle's UTKFace: the same photos in another folder. They are called the same, too.
    let twice = path.join("twice");
    let mut split = String::from("file,split\n");
    for (index, entry) in fs::read_dir(path.join(&faces)).unwrap().enumerate() {
        let entry = entry.unwrap();
        for (folder, side) in [("a", "train"), ("b", if index < 5 { "test" } else { "train" })] {
            fs::create_dir_all(twice.join(folder)).unwrap();
            fs::copy(entry.path(), twice.join(folder).join(entry.file_name())).unwrap();
            split += &format!("{folder}/{},{side}\n", entry.file_name().to_str().unwrap());
        }
    }
    fs::write(path.join("split.csv"), split).unwrap();
    let train = ["train", "--model", &model, "--data", "twice", "--epochs", "1", "--adapter", "cpu"];
    let said = stderr(&run(path, &[&train[..], &["--split", "split.csv", "--out", "given"]].concat()));
    assert!(
        said.contains("split.csv: 5 photos to measure with are copies of photos on another side"),
        "{said}"
    );
    assert!(said.contains(" of a/") && said.contains(", …;"), "{said}");
    let said = stderr(&run(path, &[&train[..], &["--out", "seeded"]].concat()));
    assert!(!said.contains("another side") && said.contains("30 photos are copies of others"), "{said}");
    let split = fs::read_to_string(path.join("seeded/split.csv")).unwrap();
    let side = |row: &str| split.contains(&format!("{row}\n"));
    for row in split.lines().filter(|row| row.starts_with("a/")) {
        assert!(side(&row.replacen("a/", "b/", 1)), "{row}");
    }
    assert!(split.contains(",test") && split.contains(",train"));
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_refused_as_table_and_as_split() {
    let folder = tempfile::tempdir().unwrap();
    let (path, faces, model) = (folder.path(), faces(folder.path()), tiny().display().to_string());
    for name in ["pipe.csv", "pipe"] {
        assert!(std::process::Command::new("mkfifo").arg(path.join(name)).status().unwrap().success());
    }
    let train = ["train", "--model", &model, "--data", &faces, "--adapter", "cpu"];
    fail(path, &[&train[..], &["--split", "pipe"]].concat(), 1, &["pipe", "not a plain file"]);
    let train = ["train", "--model", "review", "--data", "pipe.csv", "--adapter", "cpu"];
    fail(path, &train, 1, &["pipe.csv", "not a plain file"]);
    fail(path, &["data", "check", "pipe.csv"], 1, &["pipe.csv", "not a plain file"]);
}
