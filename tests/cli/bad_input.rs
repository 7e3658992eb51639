//! Mistakes of every kind: a clear message, a documented exit code, nothing lost.

use crate::common::{code, faces, fail, run, stderr, succeed, tiny};
use std::fs;

fn with_model(text: &str, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), text).unwrap();
    fail(folder.path(), &["summary", "mine.toml"], 1, words);
    fail(folder.path(), &["train", "--model", "mine.toml", "--adapter", "cpu"], 1, words);
    assert!(!folder.path().join("runs").exists(), "a run folder was made for a broken model");
}

fn changed(old: &str, new: &str) -> String {
    let text = fs::read_to_string(tiny()).unwrap();
    assert!(text.contains(old), "{old:?} is not in the model");
    text.replacen(old, new, 1)
}

fn line_of(text: &str, part: &str) -> String {
    let line = 1 + text.lines().position(|line| line.contains(part)).unwrap();
    format!("mine.toml:{line}:")
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_layer() {
    let text = changed("out_channels = 5", "out_channels = 5\ndilation = 2");
    with_model(&text, &[&line_of(&text, "dilation"), "dilation", "conv1"]);
    let text = changed("zoom = 0.1", "zooom = 0.1");
    with_model(&text, &[&line_of(&text, "zooom"), "zooom"]);
    let text = changed("name = \"tiny\"", "name = \"tiny\"\nauthor = \"me\"");
    with_model(&text, &["mine.toml:3:", "author"]);
}

#[test]
fn a_wrong_layer_is_named_with_its_line() {
    let conv1 = |text: &str| {
        let at = text.lines().position(|line| line.contains("conv1")).unwrap();
        format!("mine.toml:{at}:")
    };
    let text = changed("kernel = 3", "kernel = 13");
    with_model(&text, &[&conv1(&text), "conv1", "13", "12"]);
    let text = changed("kernel = 3", "kernel = 3\nstride = 0");
    with_model(&text, &[&conv1(&text), "conv1", "stride is 0"]);
    let text = changed("out_channels = 5", "out_channels = 4000000000000000000");
    with_model(&text, &[&conv1(&text), "conv1", "too large"]);
    let text = changed("out_channels = 5", "out_channels = -5");
    with_model(&text, &["conv1", "-5"]);
    let text = changed("out_channels = 5", "out_channels = \"many\"");
    with_model(&text, &["conv1", "many"]);
    let text = changed("op = \"relu\"", "op = \"gelu\"");
    with_model(&text, &["relu1", "gelu", "there are"]);
    let text = changed("op = \"dense\"\nout_features = 9", "op = \"embedding\"\nvocabulary = 9\nwidth = 2");
    with_model(&text, &["age.dense1", "the numbers of words"]);
    let text = changed("rate = 0.25", "rate = 1.0");
    with_model(&text, &["dropout", "rate is 1"]);
    let text = changed("input = [\"conv2\", \"dropout1\"]", "input = [\"conv2\", \"pool9\"]");
    with_model(&text, &["residual", "pool9"]);
}

#[test]
fn a_loss_follows_from_the_kind_of_its_target_or_has_to_fit_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), changed("loss = { op = \"mse\" }\n", "")).unwrap();
    let told = succeed(folder.path(), &["summary", "mine.toml"]);
    assert_eq!(told, succeed(folder.path(), &["summary", &tiny().display().to_string()]));
    let text = changed("loss = { op = \"mse\" }", "loss = { op = \"bce_with_logits\" }");
    with_model(&text, &["age", "mse"]);
    let text = changed("out_features = 1\n", "out_features = 2\n");
    with_model(&text, &["age", "2 values"]);
}

#[test]
fn branches_need_names_of_their_own() {
    let text = changed("name = \"gender\"", "name = \"age\"");
    with_model(&text, &["\"age\" is taken"]);
    let text = changed("name = \"age\"", "name = \"conv2\"");
    with_model(&text, &["\"conv2\" is taken"]);
    let text = changed("name = \"age\"", "name = \"photo\"");
    with_model(&text, &["\"photo\" is taken"]);
    let text = changed("name = \"age\"", "name = \"my age\"");
    with_model(&text, &["my age", "letters"]);
}

#[test]
fn numbers_that_train_nothing_are_refused_with_their_line() {
    let text = changed("weight = 500.0", "weight = nan");
    with_model(&text, &["gender", "weight is NaN"]);
    let text = changed("weight = 500.0", "weight = -1.0");
    with_model(&text, &["gender", "weight is -1"]);
    let text = changed("learning_rate = 0.003", "learning_rate = 1e300");
    with_model(&text, &[&line_of(&text, "[optimizer]"), "learning_rate"]);
    let text = changed("zoom = 0.1", "zoom = 2.0");
    with_model(&text, &[&line_of(&text, "[augment]"), "zoom is 2"]);
    let text = changed("height = 12", "height = 12\nrange = [0.0, 1e39]");
    with_model(&text, &[&line_of(&text, "[input]"), "range"]);
}

#[test]
fn a_training_goes_on_only_with_its_own_photos() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    let model = tiny().display().to_string();
    let train =
        ["train", "--model", &model, "--data", &faces, "--adapter", "cpu", "--out", "run", "--epochs", "1"];
    succeed(folder.path(), &train);
    let gone = fs::read_dir(folder.path().join("faces")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(gone).unwrap();
    fail(
        folder.path(),
        &["train", "--resume", "run", "--epochs", "2", "--adapter", "cpu"],
        1,
        &["1 photos", "gone"],
    );
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    with_model("name = \"x\"\n[input\n", &["mine.toml:2:"]);
    with_model("", &["mine.toml:1:", "name"]);
}

#[test]
fn flags_out_of_range_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, value) in [
        ("--epochs", "0"),
        ("--batch", "0"),
        ("--lr", "nan"),
        ("--lr", "-1"),
        ("--lr", "inf"),
        ("--limit", "0"),
    ] {
        fail(folder.path(), &["train", "--adapter", "cpu", &format!("{flag}={value}")], 2, &[flag]);
    }
    fail(folder.path(), &["train", "--adapter", "cpu", "--split", "a.csv"], 2, &["--data"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was written");
}

#[test]
fn an_adapter_that_is_not_there_ends_with_three_and_the_list() {
    let folder = tempfile::tempdir().unwrap();
    fail(folder.path(), &["train", "--adapter", "voodoo"], 3, &["voodoo", "there are", "cpu"]);
    fail(folder.path(), &["verify", "--adapter", "voodoo"], 3, &["voodoo"]);
}

#[test]
fn places_without_photos_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let train = |data: &str, words: &[&str]| {
        fail(folder.path(), &["train", "--adapter", "cpu", "--data", data], 1, words);
    };
    train("empty", &["empty"]);
    train("nowhere", &["nowhere"]);
    assert!(!folder.path().join("runs").exists(), "a run folder was made without photos");
}

#[test]
fn one_good_photo_among_bad_ones_is_found_and_the_others_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let faces = folder.path().join(faces(folder.path()));
    let mut names: Vec<_> = fs::read_dir(&faces).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let (good, others) = names.split_first().unwrap();
    others.iter().for_each(|path| fs::remove_file(path).unwrap());
    let jpeg = fs::read(good).unwrap();
    let label = |date: &str| faces.join(format!("30_1_0_{date}.jpg.chip.jpg"));
    fs::write(label("1"), &jpeg[..jpeg.len() / 2]).unwrap();
    fs::write(label("2"), "<!DOCTYPE html><html></html>").unwrap();
    fs::write(label("3"), "").unwrap();
    image::RgbImage::new(1, 1).save(label("4")).unwrap();
    let output = run(folder.path(), &["data", "check", "faces"]);
    assert_eq!(code(&output), 0);
    let said = String::from_utf8(output.stdout).unwrap();
    for part in ["photos        1", "skipped       4", "cut short", "HTML", "empty file", "1x1"] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    // One photo cannot be split.
    fail(folder.path(), &["train", "--adapter", "cpu", "--data", "faces"], 1, &["too few"]);
}

#[test]
fn a_run_folder_with_contents_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/thesis.txt"), "years of work").unwrap();
    let arguments = ["train", "--adapter", "cpu", "--data", &faces, "--out", "mine"];
    fail(folder.path(), &arguments, 1, &["mine", "--out", "--resume"]);
    assert_eq!(fs::read_dir(folder.path().join("mine")).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_no_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    for command in [["eval", "mine", "--adapter", "cpu"].as_slice(), &["predict", "mine", "x.jpg"]] {
        fail(folder.path(), command, 1, &["mine", "not a run folder"]);
    }
    fail(folder.path(), &["train", "--resume", "mine"], 1, &["mine", "not a run folder"]);
}

#[test]
fn damaged_weights_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    let model = tiny().display().to_string();
    succeed(
        folder.path(),
        &["train", "--model", &model, "--data", &faces, "--adapter", "cpu", "--out", "run", "--epochs", "1"],
    );
    let best = folder.path().join("run/weights/best.safetensors");
    let bytes = fs::read(&best).unwrap();
    fs::write(&best, &bytes[..bytes.len() / 2]).unwrap();
    fail(folder.path(), &["eval", "run", "--adapter", "cpu"], 1, &["best.safetensors", "damaged"]);
}

#[test]
fn half_a_zip_gives_its_whole_photos_and_a_warning() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let faces = folder.path().join(faces(folder.path()));
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut zip = zip::ZipWriter::new(&mut bytes);
    let mut names: Vec<_> = fs::read_dir(&faces).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().to_string();
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&fs::read(path).unwrap()).unwrap();
    }
    zip.finish().unwrap();
    let bytes = bytes.into_inner();
    fs::write(folder.path().join("half.zip"), &bytes[..bytes.len() / 2]).unwrap();
    let output = run(folder.path(), &["data", "check", "--list", "half.zip"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("half.zip"), "{}", stderr(&output));
    let rows =
        String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.contains(".chip.jpg  ")).count();
    assert!((8..20).contains(&rows), "{rows} rows");
}
