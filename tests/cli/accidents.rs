//! Kills and full disks: whatever happens to a training, it goes on to the very same files.

use crate::common::{code, faces, program, stderr, tiny};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Kills of one test. By hand: FACESHADER_KILLS=300.
const KILLS: usize = 40;
const EPOCHS: &str = "3";

/// Every file of a run but for what tells of times and sessions.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["", "weights", "plots"] {
        for entry in fs::read_dir(run.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() && entry.file_name() != "env.json" {
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                let bytes = fs::read(entry.path()).unwrap();
                files.insert(name.clone(), without_times(&name, bytes));
            }
        }
    }
    files
}

/// The last column of tables is how long an epoch took.
fn without_times(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    let last_cell = match name {
        "/results.csv" | "plots/curves.csv" => ",",
        "/report.html" => "<td>",
        _ => return bytes,
    };
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.lines().map(|line| line.rsplit_once(last_cell).map_or(line, |(before, _)| before));
    lines.collect::<Vec<&str>>().join("\n").into_bytes()
}

/// Fails with the names of the files that differ.
fn require_same(got: &BTreeMap<String, Vec<u8>>, want: &BTreeMap<String, Vec<u8>>, after: &str) {
    assert_eq!(got.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "after {after}");
    let differ: Vec<&String> = want.keys().filter(|name| got[*name] != want[*name]).collect();
    assert!(differ.is_empty(), "after {after}: {differ:?} differ");
}

/// A training in `folder/RUN`: from its beginning, or where it stopped. `minutes` are those between checkpoints.
fn training(folder: &Path, run: &str, minutes: &str) -> Command {
    let model = tiny().display().to_string();
    let mut command = program(folder);
    command.args(["train", "--adapter", "cpu", "--no-verify", "--epochs", EPOCHS, "--save-minutes", minutes]);
    if folder.join(run).join("config.toml").exists() {
        command.args(["--resume", run]);
    } else {
        command.args(["--model", &model, "--data", "faces", "--batch", "12", "--out", run]);
    }
    command
}

/// Runs the command to its end, and returns what it said on stderr.
fn succeed(mut command: Command, after: &str) -> String {
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "after {after}: {}", stderr(&output));
    stderr(&output)
}

/// Numbers without a pattern, the same in every run.
fn scattered(index: usize) -> u64 {
    let mut bits = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits ^ (bits >> 27)
}

/// A folder in memory, where the system has some: the trainings sync thousands of files.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_training_ends_with_the_same_files() {
    let kills = std::env::var("FACESHADER_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let folder = folder();
    faces(folder.path());
    let begin = Instant::now();
    succeed(training(folder.path(), "whole/run", "5"), "no kill");
    let took = begin.elapsed();
    let want = files(&folder.path().join("whole/run"));
    let (mut killed, mut run, mut tries) = (0, 0, 0);
    while killed < kills {
        run += 1;
        let name = format!("{run}/run");
        // Every other one writes a checkpoint after each step.
        let minutes = ["5", "1e-9"][run % 2];
        // A training is killed three times at most, so that it ends.
        for _ in 0..3 {
            let mut child = start(training(folder.path(), &name, minutes));
            // Those that end before they are killed do not count, so each is killed after another while.
            let wait = scattered(tries) % (took.as_micros() as u64 * 5 / 4);
            tries += 1;
            assert!(tries < 50 * kills, "only {killed} of {tries} trainings were killed before their end");
            std::thread::sleep(Duration::from_micros(wait));
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            assert!(ended.success() || ended.signal() == Some(9), "after kill {killed}: {ended}");
            killed += usize::from(!ended.success());
        }
        let after = format!("kill {killed}");
        succeed(training(folder.path(), &name, minutes), &after);
        require_same(&files(&folder.path().join(&name)), &want, &after);
        fs::remove_dir_all(folder.path().join(&name)).unwrap();
    }
}

/// Each operation on a file that a training writes fails once.
#[test]
fn a_full_disk_at_any_moment_costs_nothing() {
    let folder = folder();
    faces(folder.path());
    succeed(training(folder.path(), "whole/run", "1e-9"), "no fault");
    let want = files(&folder.path().join("whole/run"));
    let (mut within_an_epoch, mut without_fault) = (false, 0);
    for operation in 1.. {
        let mut command = training(folder.path(), "faulty/run", "1e-9");
        let output = command.env("FACESHADER_FAIL_OPERATION", operation.to_string()).output().unwrap();
        let after = format!("the fault of operation {operation}");
        if code(&output) != 0 {
            assert_eq!(code(&output), 1, "after {after}: {}", stderr(&output));
            let said = stderr(&output);
            assert!(said.contains("was not written") || said.contains("was written, but"), "{after}: {said}");
            let said = succeed(training(folder.path(), "faulty/run", "1e-9"), &after);
            within_an_epoch |= said.contains("going on with epoch 1 of");
        }
        require_same(&files(&folder.path().join("faulty/run")), &want, &after);
        fs::remove_dir_all(folder.path().join("faulty/run")).unwrap();
        // A fault that a training gets over is no end.
        without_fault = if code(&output) == 0 { without_fault + 1 } else { 0 };
        if without_fault == 5 {
            assert!(within_an_epoch, "no checkpoint was written within the first epoch");
            assert!(operation > 150, "the training wrote nothing after operation {operation}");
            return;
        }
    }
}

/// What goes on otherwise than the session that failed would have must not be measured by its best weights.
#[test]
fn the_best_weights_are_those_of_an_epoch_of_the_run_whatever_failed() {
    let folder = folder();
    faces(folder.path());
    let train = |more: &[&str]| {
        let model = tiny().display().to_string();
        let mut command = program(folder.path());
        command.args(["train", "--adapter", "cpu", "--no-verify", "--batch", "12", "--epochs", "1"]);
        command.args(["--model", &model, "--data", "faces", "--out"]).args(more);
        succeed(command, "no fault");
    };
    let resume = |run: &str, more: &[&str]| {
        let mut command = program(folder.path());
        command
            .args(["train", "--adapter", "cpu", "--no-verify", "--epochs", "2", "--resume", run])
            .args(more);
        command
    };
    for operation in 1..60 {
        let run = format!("run-{operation}");
        train(&[&run]);
        let failed =
            resume(&run, &[]).env("FACESHADER_FAIL_OPERATION", operation.to_string()).status().unwrap();
        succeed(resume(&run, &["--lr", "1e-30"]), &format!("the fault of operation {operation}: {failed}"));
        let results = fs::read_to_string(folder.path().join(&run).join("results.csv")).unwrap();
        let losses =
            results.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse::<f64>().unwrap());
        let least = losses.fold(f64::INFINITY, f64::min);
        let mut eval = program(folder.path());
        eval.args(["eval", &run, "--adapter", "cpu", "--no-verify", "--json"]);
        let output = eval.output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let loss = told["loss"].as_f64().unwrap();
        assert!((loss - least).abs() < 1e-6 * least, "operation {operation}: {loss}, and not {least}");
    }
}
