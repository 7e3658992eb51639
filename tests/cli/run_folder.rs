//! What a training leaves behind, and what other commands make of it.

use crate::common::{code, faces, program, run, stderr, stdout, succeed, tiny};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const COLUMNS: &str =
    "epoch,train_loss,val_loss,train_age_mae,val_age_mae,train_gender_accuracy,val_gender_accuracy,seconds";

fn train(folder: &Path, more: &[&str]) -> String {
    let model = tiny().display().to_string();
    let faces = faces(folder);
    let mut arguments =
        vec!["train", "--model", &model, "--data", &faces, "--adapter", "cpu", "--out", "run"];
    arguments.extend(more);
    succeed(folder, &arguments)
}

#[test]
fn a_training_leaves_everything_the_design_promises() {
    let folder = tempfile::tempdir().unwrap();
    let text = train(folder.path(), &[]);
    assert_eq!(text.lines().count(), 4, "a heading of two lines and a line an epoch: {text}");
    let run = folder.path().join("run");
    for file in [
        "config.toml",
        "env.json",
        "split.csv",
        "results.csv",
        "checkpoint.safetensors",
        "weights/last.safetensors",
        "weights/best.safetensors",
        "plots/curves.png",
        "plots/curves.svg",
        "plots/predictions.png",
        "report.html",
    ] {
        let length = fs::metadata(run.join(file)).map(|metadata| metadata.len()).unwrap_or(0);
        assert!(length > 0, "{file} is missing or empty");
    }
    let results = fs::read_to_string(run.join("results.csv")).unwrap();
    assert_eq!(results.lines().next(), Some(COLUMNS));
    assert_eq!(results.lines().count(), 3);
    let split = fs::read_to_string(run.join("split.csv")).unwrap();
    assert_eq!(split.lines().filter(|line| line.ends_with(",train")).count(), 24);
    assert_eq!(split.lines().filter(|line| line.ends_with(",test")).count(), 6);
    let leftovers = |folder: &Path| {
        fs::read_dir(folder)
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with('.'))
    };
    assert!(!leftovers(&run) && !leftovers(&run.join("weights")), "temporary files are left");
}

#[test]
fn json_lines_have_the_columns_of_the_csv() {
    let folder = tempfile::tempdir().unwrap();
    let text = train(folder.path(), &["--json", "--epochs", "3"]);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let keys: Vec<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.join(","), COLUMNS);
    assert_eq!(lines[2]["epoch"], 3);
    let csv = fs::read_to_string(folder.path().join("run/results.csv")).unwrap();
    let last: Vec<f64> = csv.lines().last().unwrap().split(',').map(|value| value.parse().unwrap()).collect();
    let json: Vec<f64> =
        lines[2].as_object().unwrap().values().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(last, json);
}

#[test]
fn eval_repeats_what_the_training_measured() {
    let folder = tempfile::tempdir().unwrap();
    let text = train(folder.path(), &["--json"]);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let arguments = ["eval", "run", "--weights", "last", "--adapter", "cpu", "--json"];
    let eval: serde_json::Value = serde_json::from_str(&succeed(folder.path(), &arguments)).unwrap();
    for (ours, theirs) in [("age_mae", "val_age_mae"), ("gender_accuracy", "val_gender_accuracy")] {
        let (ours, theirs) = (eval[ours].as_f64().unwrap(), last[theirs].as_f64().unwrap());
        assert!((ours - theirs).abs() < 2e-6, "{ours} instead of {theirs}");
    }
    // All photos of another place, and those that a split names.
    let all = succeed(folder.path(), &["eval", "run", "--data", "faces", "--adapter", "cpu", "--json"]);
    assert!(all.contains("\"photos\":30"), "{all}");
    let split = ["eval", "run", "--data", "faces", "--split", "run/split.csv", "--adapter", "cpu", "--json"];
    assert!(succeed(folder.path(), &split).contains("\"photos\":6"));
}

#[test]
fn predict_writes_a_line_a_photo_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &["--epochs", "1"]);
    fs::write(folder.path().join("faces/zz.jpg"), "<!DOCTYPE html>").unwrap();
    let output = run(folder.path(), &["predict", "run", "faces", "--adapter", "cpu"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().next(), Some("file,age,gender,probability,error"));
    assert_eq!(text.lines().count(), 32);
    assert_eq!(text.lines().last(), Some("faces/zz.jpg,,,,\"an HTML page, not an image\""));
    assert!(stderr(&output).contains("zz.jpg"), "the bad file is not named");
    assert!(folder.path().join("run/plots/predict.png").is_file());
    let json = succeed(folder.path(), &["predict", "run", "faces", "--adapter", "cpu", "--json"]);
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (bad, good) = lines.split_last().unwrap();
    assert_eq!((&bad["file"], &bad["age"]), (&"faces/zz.jpg".into(), &serde_json::Value::Null));
    assert_eq!(bad["error"], "an HTML page, not an image");
    for line in good {
        assert!(line["age"].is_number() && line["gender"].is_string());
        assert!((0.5..=1.0).contains(&line["probability"].as_f64().unwrap()));
    }
}

#[test]
fn a_resumed_run_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &["--epochs", "3"]);
    let whole = fs::read(folder.path().join("run/weights/last.safetensors")).unwrap();
    fs::remove_dir_all(folder.path().join("run")).unwrap();
    train(folder.path(), &["--epochs", "1"]);
    succeed(folder.path(), &["train", "--resume", "run", "--epochs", "3", "--adapter", "cpu"]);
    assert!(fs::read(folder.path().join("run/weights/last.safetensors")).unwrap() == whole);
    let results = fs::read_to_string(folder.path().join("run/results.csv")).unwrap();
    assert_eq!(results.lines().count(), 4);
}

#[test]
fn an_adapter_is_checked_before_its_first_training_only() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    let model = tiny().display().to_string();
    let train = |out: &str, more: &[&str]| {
        let arguments =
            ["train", "--model", &model, "--data", &faces, "--adapter", "cpu", "--epochs", "1", "--out", out];
        let output = program(folder.path()).args(arguments).args(more).output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stderr(&output)
    };
    assert!(!train("skipped", &["--no-verify"]).contains("first use"));
    assert!(train("first", &[]).contains("first use of this adapter"));
    assert!(!train("second", &[]).contains("first use"));
    let kept = fs::read_to_string(folder.path().join(".cache/faceshader/verified.txt")).unwrap();
    assert!(kept.starts_with("cpu; "), "{kept}");
}

#[cfg(unix)]
#[test]
fn a_training_goes_on_when_nobody_reads_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    let model = tiny().display().to_string();
    let mut child = program(folder.path())
        .args([
            "train",
            "--model",
            &model,
            "--data",
            &faces,
            "--adapter",
            "cpu",
            "--out",
            "run",
            "--epochs",
            "5",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    let results = fs::read_to_string(folder.path().join("run/results.csv")).unwrap();
    assert_eq!(results.lines().count(), 6);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    let model = tiny().display().to_string();
    let child = program(folder.path())
        .args([
            "train",
            "--model",
            &model,
            "--data",
            &faces,
            "--adapter",
            "cpu",
            "--out",
            "run",
            "--epochs",
            "100000",
        ])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !folder.path().join("run/results.csv").is_file() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130);
    assert!(stderr(&output).contains("--resume run"), "{}", stderr(&output));
    let done = fs::read_to_string(folder.path().join("run/results.csv")).unwrap().lines().count();
    let epochs = (done + 1).to_string();
    succeed(folder.path(), &["train", "--resume", "run", "--epochs", &epochs, "--adapter", "cpu"]);
    let results = fs::read_to_string(folder.path().join("run/results.csv")).unwrap();
    assert_eq!(results.lines().count(), done + 2);
}

/// An epoch's files are written while the next one trains: whatever it tells of is there, and training does not
/// go on for long once nothing can be written.
#[cfg(unix)]
#[test]
fn an_epoch_that_cannot_be_saved_ends_the_training_and_leaves_the_one_before() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    let model = tiny().display().to_string();
    let arguments = ["train", "--model", &model, "--data", &faces, "--adapter", "cpu", "--json"];
    let mut child = program(folder.path())
        .args(arguments)
        .args(["--out", "run", "--epochs", "100000"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let run = folder.path().join("run");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = 0;
    lines.next().unwrap().unwrap();
    for file in ["checkpoint.safetensors", "weights/last.safetensors", "weights/best.safetensors"] {
        assert!(run.join(file).is_file(), "the first epoch is told of without {file}");
    }
    // A file takes the folder's place, between two writes if need be.
    while fs::rename(run.join("weights"), run.join("moved")).is_err() {}
    fs::write(run.join("weights"), "").unwrap();
    for line in lines {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        told = line["epoch"].as_u64().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("was not written"), "{}", stderr(&output));

    fs::remove_file(run.join("weights")).unwrap();
    fs::rename(run.join("moved"), run.join("weights")).unwrap();
    let epochs = (told + 3).to_string();
    succeed(folder.path(), &["train", "--resume", "run", "--epochs", &epochs, "--adapter", "cpu"]);
}

#[test]
fn a_software_adapter_gives_the_same_weights_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    let model = tiny().display().to_string();
    let weights = ["1", "2"].map(|threads| {
        // Mesa's own variable; other drivers do not know it and run as they are.
        let arguments = [
            "train",
            "--no-verify",
            "--model",
            &model,
            "--data",
            &faces,
            "--adapter",
            "vulkan",
            "--out",
            threads,
        ];
        let output = program(folder.path()).args(arguments).env("LP_NUM_THREADS", threads).output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        fs::read(folder.path().join(threads).join("weights/last.safetensors")).unwrap()
    });
    assert!(weights[0] == weights[1]);
}
