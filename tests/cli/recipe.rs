//! How a model is trained: flags and keys that change it, and the commands that look for good ones.

use crate::common::{code, faces, fail, run, stderr, stdout, succeed, tiny};
use std::fs;
use std::path::Path;

const TRAIN: [&str; 5] = ["train", "--data", "faces", "--adapter", "cpu"];

fn train(folder: &Path, out: &str, more: &[&str]) -> String {
    let tiny = tiny().display().to_string();
    let output = run(folder, &[&TRAIN[..], &["--model", &tiny, "--out", out], more].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stderr(&output)
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn flags_are_written_into_the_configuration_and_a_resumed_run_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    let flags = [
        ["--schedule", "one-cycle"],
        ["--ema", "0.9"],
        ["--clip-norm", "5"],
        ["--weight-decay", "0.01"],
        ["--label-smoothing", "0.1"],
        ["--freeze", "conv1"],
        ["--patience", "9"],
        ["--set", "layer.dropout.rate=0.125"],
        ["--epochs", "2"],
    ];
    train(folder, "run", flags.as_flattened());
    let config = read(folder, "run/config.toml");
    for line in [
        "schedule = \"one_cycle\"",
        "ema = 0.9",
        "clip_norm = 5.0",
        "weight_decay = 0.01",
        "label_smoothing = 0.1",
        "layers = [\"conv1\"]",
        "patience = 9",
        "rate = 0.125",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert!(folder.join("run/weights/ema.safetensors").exists());
    let said = succeed(folder, &["eval", "run", "--weights", "ema", "--adapter", "cpu"]);
    assert!(said.contains("validation"), "{said}");
    succeed(folder, &["train", "--resume", "run", "--epochs", "3", "--adapter", "cpu"]);
    assert_eq!(read(folder, "run/results.csv").lines().count(), 4);
    assert!(read(folder, "run/config.toml").contains("ema = 0.9"));
    fail(folder, &["train", "--resume", "run", "--ema", "0.5"], 2, &["--ema"]);
    // What would make the run unreadable is refused before it is written.
    train(folder, "warm", &["--warmup-epochs", "2", "--epochs", "4", "--patience", "1", "--lr", "1e-30"]);
    fail(
        folder,
        &["train", "--resume", "warm", "--epochs", "2", "--adapter", "cpu"],
        2,
        &["warmup_epochs is 2"],
    );
    succeed(folder, &["eval", "warm", "--adapter", "cpu"]);
}

#[test]
fn training_ends_when_its_patience_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    // A step that changes nothing: but for running statistics every epoch is the same, and the first one is the best.
    let standing = ["--set", "layer.norm.momentum=1e-30", "--lr", "1e-30", "--epochs", "9"];
    let said = train(folder, "run", &[&standing[..], &["--patience", "2"]].concat());
    assert!(
        said.contains("training ends after epoch 3 of 9") && said.contains("epoch 1 for 2 epochs"),
        "{said}"
    );
    assert_eq!(read(folder, "run/results.csv").lines().count(), 4);
    assert!(folder.join("run/report.html").exists());
    // Nothing is left to do, until more patience is asked for.
    succeed(folder, &["train", "--resume", "run", "--adapter", "cpu"]);
    assert_eq!(read(folder, "run/results.csv").lines().count(), 4);
    succeed(folder, &["train", "--resume", "run", "--adapter", "cpu", "--patience", "0", "--epochs", "4"]);
    assert_eq!(read(folder, "run/results.csv").lines().count(), 5);
}

#[test]
fn a_plateau_lowers_the_rate_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    let standing = ["--set", "layer.norm.momentum=1e-30", "--lr", "1e-30", "--epochs", "3"];
    let said = train(folder, "run", &[&standing[..], &["--plateau", "1"]].concat());
    assert!(said.contains("the learning rate is 0.1 of what it was"), "{said}");
}

#[test]
fn flags_that_do_not_suit_the_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    let tiny = tiny().display().to_string();
    let refused = |more: &[&str], words: &[&str]| {
        fail(folder, &[&TRAIN[..], &["--model", &tiny], more].concat(), 2, words);
    };
    refused(&["--ema", "1"], &["--ema", "below 1"]);
    refused(&["--warmup-epochs", "2"], &["warmup_epochs is 2", "half of the 2 epochs"]);
    refused(&["--schedule", "cosine", "--plateau", "2"], &["plateau", "constant"]);
    refused(&["--set", "layer.nothing.rate=1"], &["--set layer.nothing.rate", "there are conv1"]);
    refused(&["--set", "learning_rate"], &["KEY=VALUE"]);
    refused(&["--fold", "6/5"], &["fold 6 of 5"]);
    refused(&["--set", "optimizer.op=sgd", "--weight-decay", "0.1"], &["--weight-decay", "sgd"]);
    let wrong = |more: &[&str], words: &[&str]| {
        fail(folder, &[&TRAIN[..], &["--model", &tiny], more].concat(), 1, words);
    };
    wrong(&["--freeze", "conf1"], &["\"conf1\""]);
    // The line is that of the file.
    wrong(
        &["--set", "layer.dropout.rate=2"],
        &["tiny.toml with --set:58: layer \"dropout\"", "the rate is 2"],
    );
}

#[test]
fn folds_hold_every_training_sample_once_and_leave_other_sides_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    train(folder, "whole", &["--epochs", "1"]);
    let rows = |file: &str, side: &str| {
        let text = read(folder, file);
        let rows = text.lines().filter_map(|line| line.strip_suffix(&format!(",{side}")).map(String::from));
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        rows
    };
    let training = rows("whole/split.csv", "train");
    let mut held_out = Vec::new();
    for fold in 1..=3 {
        let out = format!("fold{fold}");
        let which = format!("{fold}/3");
        // Another seed has the same folds.
        let seed = fold.to_string();
        train(
            folder,
            &out,
            &["--epochs", "1", "--split", "whole/split.csv", "--fold", &which, "--seed", &seed],
        );
        let file = format!("{out}/split.csv");
        let (learned, validated) = (rows(&file, "train"), rows(&file, "test"));
        assert!(learned.iter().chain(&validated).all(|row| training.contains(row)), "{file}");
        assert_eq!(learned.len() + validated.len(), training.len());
        assert!(learned.iter().all(|row| !validated.contains(row)));
        held_out.extend(validated);
    }
    held_out.sort();
    assert_eq!(held_out, training);
    // A resumed fold goes on with its split, and does not split it again.
    succeed(folder, &["train", "--resume", "fold1", "--epochs", "2", "--adapter", "cpu"]);
}

#[test]
fn lr_find_draws_its_curve_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    let tiny = tiny().display().to_string();
    let find =
        ["lr-find", "--model", &tiny, "--data", "faces", "--adapter", "cpu", "--steps", "40", "--json"];
    let said = succeed(folder, &find);
    let object: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(object["steps"].as_u64().unwrap() >= 20, "{object}");
    let csv = read(folder, "lr-find/tiny-001/lr-find.csv");
    let rates: Vec<f64> =
        csv.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(rates.windows(2).all(|pair| pair[1] > pair[0]) && (rates[0] - 1e-5).abs() < 1e-12, "{csv}");
    assert!(folder.join("lr-find/tiny-001/lr-find.png").exists());
    succeed(folder, &find);
    assert!(folder.join("lr-find/tiny-002/lr-find.svg").exists());
    fail(folder, &[&find[..], &["--out", "lr-find/tiny-001"]].concat(), 2, &["another --out"]);
    // A loss that is no number is not a good one.
    let gone = [&find[..], &["--set", "optimizer.op=sgd", "--from", "1e10", "--to", "1e37", "--out", "gone"]]
        .concat();
    let output = run(folder, &gone);
    assert!(!stdout(&output).contains("e+") && !stdout(&output).contains("e37"), "{}", stdout(&output));
    fail(folder, &[&find[..], &["--from", "1", "--to", "0.1"]].concat(), 2, &["--from 1 must be below"]);
}

#[test]
fn a_sweep_trains_every_combination_goes_on_where_it_stopped_and_tells_which_is_best() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    let tiny = tiny().display().to_string();
    let text = format!(
        "folds = 2\nmetric = \"val_age_mae\"\n[train]\nmodel = {tiny:?}\ndata = \"faces\"\nadapter = \"cpu\"\nepochs = 1\n\
         [values]\n\"optimizer.learning_rate\" = [0.001, 0.01]\n"
    );
    fs::write(folder.join("rates.toml"), &text).unwrap();
    let commands = succeed(folder, &["sweep", "rates.toml", "--dry-run"]);
    assert_eq!(commands.lines().count(), 4);
    assert!(commands.contains("--set optimizer.learning_rate=0.001 --seed 0 --fold 1/2 --out"), "{commands}");
    let output = run(folder, &["sweep", "rates.toml"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let (said, table) = (stdout(&output), read(folder, "sweeps/rates/trials.csv"));
    assert!(said.contains("learning_rate 0.01, seed 0, fold 2/2: val_age_mae"), "{said}");
    assert!(
        table.starts_with("trial,val_age_mae,val_age_mae_standard_error,trainings,optimizer.learning_rate\n")
    );
    let means: Vec<f64> =
        table.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert!(means.len() == 2 && means[0] <= means[1], "{table}");
    assert_eq!(read(folder, "sweeps/rates/trainings.csv").lines().count(), 5);
    assert!(folder.join("sweeps/rates/sweep.png").exists());

    // What is done is not trained again; one more value is.
    let runs = || fs::read_dir(folder.join("sweeps/rates/runs")).unwrap().count();
    assert_eq!(runs(), 4);
    let before = read(folder, "sweeps/rates/trainings.csv");
    fs::write(folder.join("rates.toml"), text.replace("0.01]", "0.01, 0.1]")).unwrap();
    succeed(folder, &["sweep", "rates.toml"]);
    assert_eq!(runs(), 6);
    let after = read(folder, "sweeps/rates/trainings.csv");
    assert_eq!(after.lines().take(5).collect::<Vec<_>>(), before.lines().collect::<Vec<_>>());

    // Another model under the same name is another training.
    let own = folder.join("own.toml");
    fs::copy(&tiny, &own).unwrap();
    let of_own = text.replace(&format!("{tiny:?}"), "\"own.toml\"");
    fs::write(folder.join("own-rates.toml"), &of_own).unwrap();
    let trained = || fs::read_dir(folder.join("sweeps/own-rates/runs")).unwrap().count();
    succeed(folder, &["sweep", "own-rates.toml"]);
    assert_eq!(trained(), 4);
    fs::write(&own, fs::read_to_string(&own).unwrap().replace("out_features = 9", "out_features = 8"))
        .unwrap();
    succeed(folder, &["sweep", "own-rates.toml"]);
    assert_eq!(trained(), 8);

    // A combination that cannot be trained does not stop the others.
    fs::write(folder.join("rates.toml"), text.replace("0.01]", "-1.0]")).unwrap();
    let output = run(folder, &["sweep", "rates.toml"]);
    let said = stderr(&output);
    assert!(code(&output) == 1 && said.contains("2 of 4 trainings failed"), "{said}");
    assert!(said.contains("learning_rate -1.0") && said.contains("above 0"), "{said}");
    assert_eq!(read(folder, "sweeps/rates/trainings.csv").lines().count(), 3);
    fs::write(folder.join("rates.toml"), text.replace("val_age_mae", "val_mae")).unwrap();
    fail(folder, &["sweep", "rates.toml"], 2, &["val_mae", "val_age_mae"]);
    fs::write(folder.join("rates.toml"), "trails = 3\n").unwrap();
    fail(folder, &["sweep", "rates.toml"], 1, &["rates.toml:1", "trails"]);
}

#[test]
fn runs_are_compared_by_their_best_epochs_and_drawn_together() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    for (out, epochs) in [("short", "1"), ("long", "3")] {
        train(folder, out, &["--epochs", epochs]);
    }
    let said = succeed(folder, &["compare", "short", "long/", "--picture", "both.png"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].contains("val_loss") && lines[0].contains("val_gender_accuracy"), "{said}");
    assert!(lines[1].starts_with("short") && lines[1].contains("1 of 1"), "{said}");
    assert!(lines[2].starts_with("long ") && lines[2].contains("of 3"), "{said}");
    let svg = read(folder, "both.svg");
    assert!(svg.contains("short") && svg.contains("long") && folder.join("both.png").exists());
    let json = succeed(folder, &["compare", "long", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(object["epochs"] == 3 && object["val_age_mae"].is_f64(), "{json}");
    fail(folder, &["compare", "short", "--picture", "both.png"], 2, &["both.png exists"]);
    fail(folder, &["compare", "faces"], 1, &["not a run folder"]);
}
