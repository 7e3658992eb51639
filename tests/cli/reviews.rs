//! Reviews, from the file to a prediction.

use crate::common::{fail, succeed, without_checksums};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn model() -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets/tiny_text.toml");
    path.display().to_string()
}

/// Writes 60 short reviews of two classes, and a model for two.
fn reviews(folder: &Path) {
    let mut text = String::from("Mood,Opinion\n");
    for index in 0..60 {
        let (class, word) = [("Neg", "dreadful"), ("Pos", "splendid")][index % 2];
        writeln!(text, "{class},\"A {word}, number {index}, and the engine is {word}!\"").unwrap();
    }
    fs::write(folder.join("reviews.csv"), text).unwrap();
    let two = fs::read_to_string(model()).unwrap();
    let two = two
        .replace("out_features = 3", "out_features = 1")
        .replace("softmax_cross_entropy", "bce_with_logits");
    fs::write(folder.join("two.toml"), two).unwrap();
}

const COLUMNS: [&str; 4] = ["--text-column", "Opinion", "--label-column", "Mood"];

fn train(folder: &Path, more: &[&str]) -> String {
    let mut arguments =
        vec!["train", "--model", "two.toml", "--data", "reviews.csv", "--adapter", "cpu", "--out", "run"];
    arguments.extend(COLUMNS);
    arguments.extend(more);
    succeed(folder, &arguments)
}

#[test]
fn a_training_on_reviews_leaves_all_that_a_prediction_needs() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let text = train(folder.path(), &["--epochs", "8"]);
    for word in ["train", "val", "accuracy", "taken for", "precision", "recall", "F1"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let run = folder.path().join("run");
    for file in ["vocabulary.json", "plots/confusion.png", "plots/curves.png", "report.html"] {
        assert!(fs::metadata(run.join(file)).is_ok_and(|file| file.len() > 0), "{file}");
    }
    let results = fs::read_to_string(run.join("results.csv")).unwrap();
    let columns = "epoch,train_loss,val_loss,train_accuracy,val_accuracy,seconds";
    assert_eq!(results.lines().next(), Some(columns));
    // The reviews are not needed any more; their words are in the run.
    let eval = succeed(folder.path(), &["eval", "run", "--adapter", "cpu", "--json"]);
    let eval: serde_json::Value = serde_json::from_str(&eval).unwrap();
    assert_eq!((eval["accuracy"].as_f64(), eval["reviews"].as_u64()), (Some(1.0), Some(12)));
    assert_eq!(eval["confusion"]["classes"], serde_json::json!(["Neg", "Pos"]));
    fs::remove_file(folder.path().join("reviews.csv")).unwrap();
    fs::write(folder.path().join("lines.txt"), "a splendid engine\n\nsuch a dreadful car\n").unwrap();
    let asked = ["predict", "run", "lines.txt", "Splendid!", "splendid cars", "--adapter", "cpu", "--json"];
    let text = succeed(folder.path(), &asked);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let labels: Vec<&str> = lines.iter().filter_map(|line| line["label"].as_str()).collect();
    assert_eq!((labels.len(), &labels[..2], labels[3]), (4, &["Pos", "Neg"][..], "Pos"));
    assert!(lines[0]["probability"].as_f64().is_some_and(|p| p > 0.5));
    // Punctuation is no part of a word.
    assert_eq!((&lines[2]["words"][0]["word"], labels[2]), (&"splendid".into(), "Pos"));
    let words = lines[3]["words"].as_array().unwrap();
    let splendid = words.iter().find(|word| word["word"] == "splendid").unwrap();
    assert!(splendid["weight"].as_f64().is_some_and(|weight| weight > 0.0), "{words:?}");
}

#[test]
fn a_resumed_training_on_reviews_ends_like_one_in_one_go() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let weights = |run: &str| fs::read(folder.path().join(run).join("weights/last.safetensors")).unwrap();
    train(folder.path(), &["--epochs", "3"]);
    fs::rename(folder.path().join("run"), folder.path().join("whole")).unwrap();
    train(folder.path(), &["--epochs", "1"]);
    succeed(folder.path(), &["train", "--resume", "run", "--epochs", "3", "--adapter", "cpu"]);
    assert!(weights("run") == weights("whole"));
    // As many other reviews in the same places.
    let file = folder.path().join("reviews.csv");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("engine", "gearbox")).unwrap();
    let arguments = ["train", "--resume", "run", "--epochs", "4", "--adapter", "cpu"];
    fail(folder.path(), &arguments, 1, &["not the reviews that the run was trained on", "--data"]);
}

#[test]
fn a_model_for_other_classes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let model = model();
    let mut arguments = vec!["train", "--model", &model, "--data", "reviews.csv", "--adapter", "cpu"];
    arguments.extend(COLUMNS);
    fail(
        folder.path(),
        &arguments,
        1,
        &["\"mood\" ends with 3 values", "class has 2 classes", "out_features = 2"],
    );
}

#[test]
fn mistakes_about_columns_and_models_are_told() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let train = |more: &[&'static str]| {
        let mut arguments = vec!["train", "--model", "two.toml", "--data", "reviews.csv", "--adapter", "cpu"];
        arguments.extend(more);
        arguments
    };
    fail(folder.path(), &train(&["--text-column", "Body"]), 1, &["reviews.csv", "Body", "Opinion"]);
    fail(folder.path(), &["train", "--text-column", "Body"], 2, &["--text-column", "--data"]);
    fs::write(folder.path().join("reviews.csv"), "Mood,Opinion\nPos,fine\nPos,nice\n").unwrap();
    fail(folder.path(), &train(&COLUMNS), 1, &["reviews.csv", "Pos"]);
    let faces =
        fs::read_to_string(folder.path().join("two.toml")).unwrap().replace("\"class\"", "\"gender\"");
    fs::write(folder.path().join("two.toml"), faces).unwrap();
    let text = ["--text-column", "Opinion"];
    fail(folder.path(), &train(&text), 1, &["two.toml", "no column `gender`", "Mood"]);
}

#[test]
fn a_vocabulary_that_is_not_the_models_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    train(folder.path(), &["--epochs", "1"]);
    without_checksums(&folder.path().join("run"));
    let path = folder.path().join("run/vocabulary.json");
    let good = fs::read_to_string(&path).unwrap();
    let length = |length: &str| {
        let start = good.find("\"length\": ").unwrap() + 10;
        let end = start + good[start..].find('\n').unwrap();
        format!("{} {length}{}", &good[..start], &good[end..])
    };
    let fewer = good.replacen("    \"splendid\",\n", "", 1);
    assert_ne!(fewer, good);
    for (text, words) in [
        (length("7"), "its length is 7, but the model's is"),
        (length("1000000000000000000"), "`length` is 1000000000000000000"),
        (fewer, "its number of words and padding is"),
        (good.replace("\"keep_negations\": false", "\"keep_negations\": true"), "its keep_negations is true"),
        (good.replace("\"unicode_words\"", "\"white_space\""), "its tokens is WhiteSpace"),
    ] {
        fs::write(&path, text).unwrap();
        for command in [
            &["eval", "run"][..],
            &["predict", "run", "a splendid car"],
            &["train", "--resume", "run", "--epochs", "2"],
        ] {
            fail(folder.path(), &[command, &["--adapter", "cpu"]].concat(), 1, &["vocabulary.json", words]);
        }
    }
    fs::write(&path, good).unwrap();
    succeed(folder.path(), &["eval", "run", "--adapter", "cpu"]);
}

#[test]
fn a_run_from_before_there_were_rules_reads_words_as_it_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    fs::write(
        folder.path().join("two.toml"),
        fs::read_to_string(folder.path().join("two.toml"))
            .unwrap()
            .replace("[input]", "[input]\ntokens = \"white_space\""),
    )
    .unwrap();
    train(folder.path(), &["--epochs", "1"]);
    without_checksums(&folder.path().join("run"));
    for (file, key) in
        [("config.toml", "tokens = \"white_space\"\n"), ("vocabulary.json", "\"tokens\": \"white_space\",")]
    {
        let path = folder.path().join("run").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(key), "{text}");
        fs::write(&path, text.replace(key, "")).unwrap();
    }
    let predict = ["predict", "run", "Engine!", "engine", "--adapter", "cpu", "--json"];
    let text = succeed(folder.path(), &predict);
    let words: Vec<usize> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["words"].as_array().unwrap().len()
        })
        .collect();
    assert_eq!(words, [0, 1]);
}

#[test]
fn a_table_of_tabs_is_checked_trained_on_and_predicted() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    let csv = fs::read_to_string(folder.path().join("reviews.csv")).unwrap();
    let tsv = csv.replacen(',', "\t", 1).replace("Neg,", "Neg\t").replace("Pos,", "Pos\t");
    fs::write(folder.path().join("reviews.tsv"), tsv).unwrap();
    let check = |file: &str| succeed(folder.path(), &[&["data", "check", file][..], &COLUMNS].concat());
    assert_eq!(check("reviews.tsv"), check("reviews.csv"));
    let train = ["train", "--model", "two.toml", "--data", "reviews.tsv", "--adapter", "cpu", "--out", "run"];
    succeed(folder.path(), &[&train[..], &COLUMNS, &["--epochs", "1"]].concat());
    let predict = ["predict", "run", "reviews.tsv", "--adapter", "cpu", "--json"];
    assert_eq!(succeed(folder.path(), &[&predict[..], &COLUMNS].concat()).lines().count(), 60);
}

#[test]
fn a_table_given_to_a_model_for_photos_or_photos_to_one_for_texts_gets_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    reviews(folder.path());
    fs::create_dir(folder.path().join("faces")).unwrap();
    fail(
        folder.path(),
        &["train", "--data", "reviews.csv", "--model", "face"],
        1,
        &["reviews.csv", "--model review"],
    );
    fail(folder.path(), &["train", "--data", "reviews.csv", "--model", "face-plus"], 1, &["--model review"]);
    fail(folder.path(), &["train", "--data", "faces", "--model", "review"], 1, &["faces", "--model photo"]);
    fail(folder.path(), &["train", "--data", "faces.zip", "--model", "two.toml"], 1, &["--model photo"]);
    fail(
        folder.path(),
        &["data", "show", "reviews.csv"],
        1,
        &["data show` draws photos", "data check reviews.csv"],
    );
    assert!(!folder.path().join("faces.png").exists());
}
