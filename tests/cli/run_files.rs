//! Files of a run that are damaged, moved, or not its own are refused by name.

use crate::common::{code, faces, fail, program, run, stderr, succeed, tiny, without_checksums};
use faceshader::train::checkpoint::{Notes, load, save};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn train(folder: &Path, out: &str, more: &[&str]) {
    let model = tiny().display().to_string();
    let arguments = ["train", "--model", &model, "--data", "faces", "--adapter", "cpu", "--no-verify"];
    let output =
        program(folder).args(arguments).args(["--epochs", "1", "--out", out]).args(more).output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

const RESUME: &[&str] = &["train", "--resume", "run", "--adapter", "cpu", "--no-verify", "--epochs", "2"];

/// A folder with faces, and a run that was trained on them for one epoch.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    train(folder.path(), "run", &[]);
    folder
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_run_is_trained_by_one_process_at_a_time() {
    let folder = trained();
    let mut child = program(folder.path())
        .args(["train", "--resume", "run", "--adapter", "cpu", "--no-verify", "--epochs", "100000", "--json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !folder.path().join("run/faceshader.lock").exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(100));
    let process = format!("in use by process {}", child.id());
    fail(folder.path(), RESUME, 1, &["run is", &process]);
    // To read it is no harm.
    succeed(folder.path(), &["eval", "run", "--adapter", "cpu"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let epochs = fs::read_to_string(folder.path().join("run/results.csv")).unwrap().lines().count();
    let mut resume = RESUME.to_vec();
    let epochs = epochs.to_string();
    *resume.last_mut().unwrap() = &epochs;
    succeed(folder.path(), &resume);
    assert!(!folder.path().join("run/faceshader.lock").exists());
}

#[test]
fn a_training_that_ran_away_goes_on_at_a_smaller_rate() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    let model = tiny().display().to_string();
    let arguments =
        ["train", "--model", &model, "--data", "faces", "--adapter", "cpu", "--no-verify", "--out", "run"];
    let wild = [arguments.as_slice(), &["--lr", "1e30"]].concat();
    let words = ["ran away in epoch 1", "no epoch was finished", "--resume run --adapter cpu --lr "];
    fail(folder.path(), &wild, 1, &words);
    let output = run(folder.path(), &["train", "--resume", "run", "--adapter", "cpu", "--lr", "0.002"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("begins anew"), "{}", stderr(&output));
    let config = fs::read_to_string(folder.path().join("run/config.toml")).unwrap();
    assert!(config.contains("learning_rate = 0.002"), "{config}");
    // The same after an epoch that was saved.
    let wild = ["train", "--resume", "run", "--adapter", "cpu", "--lr", "1e30", "--epochs", "3"];
    fail(folder.path(), &wild, 1, &["ran away in epoch 3", "what was saved before is kept", "--resume run"]);
    succeed(folder.path(), &["train", "--resume", "run", "--adapter", "cpu", "--lr", "0.001"]);
    let results = fs::read_to_string(folder.path().join("run/results.csv")).unwrap();
    assert_eq!(results.lines().count(), 4, "{results}");
}

#[test]
fn what_killed_processes_left_is_swept() {
    let folder = trained();
    let left = ["run/.writing-a", "run/weights/.writing-b", "run/plots/.writing-c"]
        .map(|name| folder.path().join(name));
    left.iter().for_each(|path| fs::write(path, "half").unwrap());
    succeed(folder.path(), RESUME);
    left.iter().for_each(|path| assert!(!path.exists(), "{}", path.display()));
}

#[test]
fn a_flipped_bit_in_weights_or_checkpoint_is_refused() {
    let folder = trained();
    let flip = |name: &str| {
        let path = folder.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    flip("run/weights/best.safetensors");
    let predict = ["predict", "run", "faces", "--adapter", "cpu"];
    fail(folder.path(), &predict, 1, &["best.safetensors", "checksum"]);
    fail(folder.path(), &["eval", "run", "--adapter", "cpu"], 1, &["best.safetensors", "checksum"]);
    flip("run/checkpoint.safetensors");
    fail(folder.path(), RESUME, 1, &["checkpoint.safetensors", "checksum"]);
}

#[test]
fn photos_that_moved_are_found_by_a_flag_and_changed_ones_are_refused() {
    let folder = trained();
    let (here, there) = (folder.path().join("faces"), folder.path().join("moved"));
    fs::rename(&here, &there).unwrap();
    fail(folder.path(), RESUME, 1, &["faces", "--resume run --data"]);
    succeed(folder.path(), &[RESUME, &["--data", "moved"]].concat());
    let mut names: Vec<_> = fs::read_dir(&there).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    fs::copy(&names[0], &names[1]).unwrap();
    let more = ["train", "--resume", "run", "--adapter", "cpu", "--no-verify", "--epochs", "3"];
    fail(folder.path(), &more, 1, &["photos have changed", "same names"]);
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let folder = trained();
    let path = folder.path().join("run/weights/best.safetensors");
    for bad in [f32::NAN, f32::INFINITY] {
        fs::copy(&path, folder.path().join("good")).unwrap();
        let (mut tensors, notes) = load(&path).unwrap();
        tensors[0].bytes[..4].copy_from_slice(&bad.to_le_bytes());
        save(&path, &tensors, &notes).unwrap();
        let words = ["best.safetensors", &tensors[0].name, "no numbers"];
        fail(folder.path(), &["predict", "run", "faces", "--adapter", "cpu"], 1, &words);
        fs::copy(folder.path().join("good"), &path).unwrap();
    }
}

#[test]
fn a_checkpoint_beyond_the_end_of_an_epoch_is_refused() {
    let folder = trained();
    let path = folder.path().join("run/checkpoint.safetensors");
    let (tensors, mut notes) = load(&path).unwrap();
    notes.insert("step".into(), "999".into());
    save(&path, &tensors, &notes).unwrap();
    fail(folder.path(), RESUME, 1, &["checkpoint.safetensors", "step 999 of an epoch of 4"]);
}

#[test]
fn files_that_were_changed_or_are_of_another_run_are_refused() {
    let folder = trained();
    let path = |name: &str| folder.path().join(name);
    let eval = ["eval", "run", "--adapter", "cpu"];
    for (file, from, to) in
        [("run/config.toml", "seed = 11", "seed = 12"), ("run/split.csv", ",test", ",train")]
    {
        let kept = fs::read(path(file)).unwrap();
        change(&path(file), from, to);
        for command in [eval.as_slice(), RESUME] {
            fail(folder.path(), command, 1, &[file, "checksum"]);
        }
        fs::write(path(file), kept).unwrap();
    }
    train(folder.path(), "other", &["--seed", "5"]);
    fs::copy(path("other/weights/best.safetensors"), path("run/weights/best.safetensors")).unwrap();
    fail(folder.path(), &eval, 1, &["best.safetensors", "another model or training", "config.toml"]);
    succeed(folder.path(), &["eval", "run", "--weights", "last", "--adapter", "cpu"]);
}

#[test]
fn a_run_of_an_older_version_still_loads() {
    let folder = trained();
    let path = |name: &str| folder.path().join(name);
    without_checksums(&path("run"));
    succeed(folder.path(), &["eval", "run", "--adapter", "cpu"]);
    succeed(folder.path(), RESUME);
    let (_, notes) = load(&path("run/checkpoint.safetensors")).unwrap();
    assert!(notes.len() > Notes::from([("epoch".into(), "2".into()), ("step".into(), "0".into())]).len());
}

#[test]
fn a_run_whose_end_failed_is_finished_by_the_next_session() {
    let folder = trained();
    let path = |name: &str| folder.path().join("run").join(name);
    for file in ["report.html", "results.csv", "plots/curves.png", "plots/predictions.png"] {
        fs::remove_file(path(file)).unwrap();
    }
    succeed(folder.path(), &["train", "--resume", "run", "--adapter", "cpu", "--no-verify"]);
    for file in ["report.html", "results.csv", "plots/curves.png", "plots/predictions.png"] {
        assert!(path(file).is_file(), "{file} is not there");
    }
}

/// As root, too, whom no permission stops.
#[cfg(unix)]
#[test]
fn a_picture_takes_the_place_of_plain_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for out in ["pipe", "/dev/null"] {
        fail(folder.path(), &["data", "show", "--out", out], 1, &[out, "not a plain file"]);
    }
    fs::write(folder.path().join("named.png"), "old").unwrap();
    std::os::unix::fs::symlink("named.png", folder.path().join("link.png")).unwrap();
    succeed(folder.path(), &["data", "show", "--out", "link.png"]);
    assert!(folder.path().join("link.png").is_symlink());
    assert!(fs::metadata(folder.path().join("named.png")).unwrap().len() > 1000);
}

#[test]
fn results_that_were_changed_are_not_gone_on_from() {
    let folder = trained();
    let path = folder.path().join("run/plots/curves.csv");
    let good = fs::read_to_string(&path).unwrap();
    let row = good.lines().nth(1).unwrap();
    let number = row.split(',').nth(2).unwrap();
    change(&path, number, "0.5");
    fail(folder.path(), RESUME, 1, &["curves.csv", "not the results that the training wrote"]);
    fs::write(&path, good.replace("\n1,", "\n7,")).unwrap();
    fail(folder.path(), RESUME, 1, &["curves.csv", "line 2 is not that of epoch 1"]);
    fs::write(&path, good).unwrap();
    succeed(folder.path(), RESUME);
}

#[test]
fn best_weights_of_another_epoch_are_refused_before_anything_is_trained() {
    let folder = trained();
    let path = |name: &str| folder.path().join("run/weights").join(name);
    fs::copy(path("best.safetensors"), folder.path().join("first")).unwrap();
    succeed(folder.path(), &[RESUME, &["--lr", "1e-9"]].concat());
    let (tensors, mut notes) = load(&path("best.safetensors")).unwrap();
    notes.insert("epoch".into(), "7".into());
    save(&path("best.safetensors"), &tensors, &notes).unwrap();
    let words = ["best.safetensors", "it is of epoch 7"];
    fail(folder.path(), &["eval", "run", "--adapter", "cpu"], 1, &words);
    // Where the checkpoint still has them they are written anew; it is of the second epoch, and so may they be.
    let results = fs::read_to_string(folder.path().join("run/results.csv")).unwrap();
    let losses: Vec<f64> =
        results.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    let more = ["train", "--resume", "run", "--adapter", "cpu", "--no-verify", "--epochs", "3"];
    if losses[1] < losses[0] {
        succeed(folder.path(), &more);
    } else {
        fail(folder.path(), &more, 1, &words);
    }
}

#[test]
fn a_configuration_without_its_checksum_has_to_be_the_runs_all_the_same() {
    let folder = trained();
    let path = folder.path().join("run/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let plain: String =
        config.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    fs::write(&path, plain.replace("seed = 11", "seed = 12")).unwrap();
    for command in [["eval", "run", "--adapter", "cpu"].as_slice(), RESUME] {
        fail(folder.path(), command, 1, &["config.toml", "not the one that the training wrote"]);
    }
    fs::write(&path, plain).unwrap();
    succeed(folder.path(), RESUME);
    succeed(folder.path(), &["eval", "run", "--adapter", "cpu"]);
}

#[test]
fn a_prediction_needs_the_model_and_its_weights_only() {
    let folder = trained();
    fs::create_dir_all(folder.path().join("sent/weights")).unwrap();
    for file in ["config.toml", "weights/best.safetensors"] {
        fs::copy(folder.path().join("run").join(file), folder.path().join("sent").join(file)).unwrap();
    }
    let output = run(folder.path(), &["predict", "sent", "faces", "--adapter", "cpu", "--picture", "p.png"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    // With a checkpoint, too, but without the names of the photos.
    fs::remove_file(folder.path().join("run/split.csv")).unwrap();
    succeed(folder.path(), &["predict", "run", "faces", "--adapter", "cpu"]);
}

#[test]
fn a_training_that_runs_away_in_its_last_step_names_its_own_epoch() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    let model = tiny().display().to_string();
    let arguments =
        ["train", "--model", &model, "--data", "faces", "--adapter", "cpu", "--no-verify", "--out", "run"];
    let mut ran_away = 0;
    for (index, rate) in ["1e4", "1e8", "1e12", "1e20"].into_iter().enumerate() {
        let output = run(folder.path(), &[&arguments[..9], &[&format!("run{index}"), "--lr", rate]].concat());
        let said = stderr(&output);
        if code(&output) != 0 {
            assert!(said.contains("ran away in epoch 1") || said.contains("ran away in epoch 2"), "{said}");
            assert!(said.contains("--lr"), "{said}");
            let results = fs::read_to_string(folder.path().join(format!("run{index}/results.csv")));
            let rows = results.map_or(0, |text| text.lines().count().saturating_sub(1));
            let epoch = if said.contains("in epoch 1") { 1 } else { 2 };
            assert_eq!(rows, epoch - 1, "{rate}: {said}");
            ran_away += 1;
        }
    }
    assert!(ran_away > 1, "these rates are no test: {ran_away} of them ran away");
}
