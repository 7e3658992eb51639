//! Labels of other people: folders of classes, tables beside photos, texts with any column.

use crate::common::{code, faces, fail, run, stderr, succeed, tiny};
use image::{Rgb, RgbImage};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Twelve photos of each of these classes, told by their colour.
fn folders(root: &Path, classes: &[&str]) {
    for (class, name) in classes.iter().enumerate() {
        let folder = root.join("shapes").join(name);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..12_u8 {
            let bright = |channel: usize| if channel == class { 200 + number } else { 3 * number };
            let image = RgbImage::from_pixel(20, 20, Rgb([bright(0), bright(1), bright(2)]));
            image.save(folder.join(format!("{number:02}.png"))).unwrap();
        }
    }
}

const QUICK: [&str; 7] = ["--adapter", "cpu", "--no-verify", "--epochs", "2", "--out", "run"];
const LONGER: [&str; 7] = ["--adapter", "cpu", "--no-verify", "--epochs", "15", "--out", "run"];

#[test]
fn a_folder_a_class_trains_without_a_model_and_predicts_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path(), &["Rot", "grün", "sky blue"]);
    fs::create_dir(folder.path().join("shapes/empty")).unwrap();
    let output = run(folder.path(), &[&["train", "--data", "shapes"][..], &LONGER].concat());
    let said = stderr(&output);
    assert_eq!(code(&output), 0, "{said}");
    for part in ["model: photo, since", "one folder a class", "32x32 pixels", "classes: grün, Rot, sky blue"]
    {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.contains("shapes/empty: the folder of a class holds no photo"), "{said}");
    let text = succeed(folder.path(), &["predict", "run", "shapes/Rot/03.png", "--adapter", "cpu"]);
    assert!(text.starts_with("file,class,probability,error\nshapes/Rot/03.png,"), "{text}");
    let text = succeed(folder.path(), &["eval", "run", "--adapter", "cpu", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["confusion"]["classes"], serde_json::json!(["grün", "Rot", "sky blue"]));
    let rows = succeed(folder.path(), &["predict", "run", "shapes", "--adapter", "cpu", "--json"]);
    let right = |line: &&str| {
        let told: serde_json::Value = serde_json::from_str(line).unwrap();
        told["file"].as_str().unwrap().contains(&format!("/{}/", told["class"].as_str().unwrap()))
    };
    assert!(rows.lines().filter(right).count() >= 30, "{rows}");
    let figure = &told["figures"]["class"]["accuracy"];
    assert_eq!(figure["value"], told["accuracy"]);
    assert!(figure["low"].as_f64() < figure["high"].as_f64(), "{figure}");
    assert!(folder.path().join("run/plots/confusion.png").is_file());
}

/// A zip and a tar of a folder, with entries for its folders as well.
fn archives(root: &Path, folder: &str) -> [String; 2] {
    let mut zip = zip::ZipWriter::new(fs::File::create(root.join("shapes.zip")).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let mut tar = tar::Builder::new(fs::File::create(root.join("shapes.tar")).unwrap());
    tar.append_dir_all(folder, root.join(folder)).unwrap();
    tar.finish().unwrap();
    for class in fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
        let within = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        zip.add_directory(within(&class), options).unwrap();
        for photo in fs::read_dir(&class).unwrap().map(|entry| entry.unwrap().path()) {
            zip.start_file(within(&photo), options).unwrap();
            zip.write_all(&fs::read(photo).unwrap()).unwrap();
        }
    }
    zip.finish().unwrap();
    ["shapes.zip".into(), "shapes.tar".into()]
}

#[test]
fn an_empty_folder_of_a_class_is_told_of_folders_and_archives() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path(), &["Rot", "sky blue"]);
    fs::create_dir(folder.path().join("shapes/green")).unwrap();
    let [zip, tar] = archives(folder.path(), "shapes");
    for data in ["shapes", &zip, &tar] {
        let output = run(folder.path(), &["data", "check", data]);
        let said = stderr(&output);
        let warned =
            said.lines().filter(|line| line.contains("the folder of a class holds no photo")).count();
        assert!(warned == 1 && said.contains("green: the folder of a class"), "{data}: {said}");
    }
}

#[test]
fn an_adapter_that_is_not_there_is_told_before_photos_are_read() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path(), &["Rot", "sky blue"]);
    let output = run(folder.path(), &["train", "--data", "shapes", "--adapter", "no such card"]);
    let said = stderr(&output);
    assert!(code(&output) == 3 && said.contains("no such card") && !said.contains("to train on"), "{said}");
}

/// A table that says what the names of the drawn faces say, with each photo under another name.
fn under_plain_names(root: &Path) {
    faces(root);
    let mut names: Vec<String> = fs::read_dir(root.join("faces"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    fs::create_dir(root.join("plain")).unwrap();
    let mut table = "sex\tphoto\tage\n".to_string();
    for (number, name) in names.iter().enumerate() {
        let plain = format!("{number:03}.jpg");
        fs::copy(root.join("faces").join(name), root.join("plain").join(&plain)).unwrap();
        let fields: Vec<&str> = name.split('_').collect();
        let gender = ["male", "female"][fields[1].parse::<usize>().unwrap()];
        table += &format!("{gender}\t{plain}\t{}\n", fields[0]);
    }
    fs::write(root.join("labels.tsv"), table.replacen("sex", "gender", 1)).unwrap();
}

#[test]
fn a_table_of_labels_gives_the_weights_that_names_give() {
    let folder = tempfile::tempdir().unwrap();
    under_plain_names(folder.path());
    let model = tiny().display().to_string();
    let train = ["train", "--model", &model, "--adapter", "cpu", "--epochs", "2", "--no-verify"];
    succeed(folder.path(), &[&train[..], &["--data", "faces", "--out", "named"]].concat());
    let plain = ["--data", "plain", "--labels", "labels.tsv", "--out", "plain-run"];
    succeed(folder.path(), &[&train[..], &plain].concat());
    let weights = |run: &str| fs::read(folder.path().join(run).join("weights/last.safetensors")).unwrap();
    let tensors = |bytes: Vec<u8>| {
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    };
    assert!(tensors(weights("named")) == tensors(weights("plain-run")));
    let text = succeed(folder.path(), &["data", "check", "plain", "--labels", "labels.tsv"]);
    assert!(text.contains("column   gender: a target of kind binary"), "{text}");
    assert!(text.contains("column   age: a target of kind number"), "{text}");
    // Whom does it serve worse?
    let by = ["eval", "plain-run", "--by", "gender", "--adapter", "cpu", "--no-verify", "--json"];
    let told: serde_json::Value = serde_json::from_str(&succeed(folder.path(), &by)).unwrap();
    assert_eq!(told["groups"]["by"], "gender");
    let groups = told["groups"]["age"]["groups"].as_array().unwrap();
    let samples: u64 = groups.iter().map(|group| group["samples"].as_u64().unwrap()).sum();
    assert_eq!(Some(samples), told["figures"]["age"]["samples"].as_u64());
    assert!(folder.path().join("plain-run/plots/age-by-gender.png").is_file());
    let by = ["eval", "plain-run", "--by", "gendr", "--adapter", "cpu", "--no-verify"];
    fail(folder.path(), &by, 1, &["--by gendr", "did you mean gender?"]);
}

#[test]
fn mistakes_in_a_table_of_labels_are_told_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    under_plain_names(folder.path());
    let path = folder.path().join("labels.tsv");
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let model = tiny().display().to_string();
    let data = ["train", "--model", &model, "--data", "plain", "--labels", "labels.tsv"];
    let train = [&data[..], &QUICK].concat();
    fs::write(&path, format!("{good}male\t003.jpg\t4\n")).unwrap();
    fail(folder.path(), &train, 1, &["labels.tsv line 32: `003.jpg` has a row already, in line 5"]);
    fs::write(&path, good.replace("age", "agee")).unwrap();
    fail(folder.path(), &train, 1, &["tiny.toml:", "no column `age`", "did you mean `agee`?"]);
    // The rest of the work goes on.
    let odd =
        good.replacen(lines[3], "male\t002.jpg\tabout forty", 1).replacen(lines[5], "male\tgone.jpg\t9", 1);
    fs::write(&path, odd).unwrap();
    let output = run(folder.path(), &train);
    let said = stderr(&output);
    assert_eq!(code(&output), 0, "{said}");
    for part in [
        "skipped 1: `about forty` is no number, in the column `age`",
        "labels.tsv:4)",
        "1 rows name photos that are not there: no photo is called `gone.jpg` (line 6)",
        "labels.tsv has no row for it (004.jpg)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn stars_and_prices_train_without_a_model_file() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["awful", "poor", "plain", "good", "superb"];
    let text = |word: &str| ('a'..='t').map(|c| format!("{word}{c}{c} ")).collect::<String>();
    // No two alike, since copies are kept on one side.
    let row = |n: usize| {
        let filler = String::from(char::from(b'a' + (n / 5) as u8)).repeat(4);
        format!("{} {filler},{},{}.5\n", text(words[n % 5]), n % 5 + 1, 10 * (n % 5))
    };
    let rows: String = (0..100).map(row).collect();
    fs::write(folder.path().join("stars.csv"), format!("text,stars,price\n{rows}")).unwrap();
    let train =
        ["train", "--data", "stars.csv", "--epochs", "60", "--adapter", "cpu", "--no-verify", "--out"];
    succeed(folder.path(), &[&train[..], &["stars"]].concat());
    let ask =
        |run: &str| succeed(folder.path(), &["predict", run, &text("superb"), "--adapter", "cpu", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&ask("stars")).unwrap();
    assert_eq!(told["label"], "5", "{told}");
    succeed(folder.path(), &[&train[..], &["prices", "--label-column", "price"]].concat());
    let told: serde_json::Value = serde_json::from_str(&ask("prices")).unwrap();
    assert!(told["class"].as_f64().is_some_and(|price| (30.0..60.0).contains(&price)), "{told}");
    succeed(folder.path(), &["train", "--resume", "prices", "--epochs", "61", "--adapter", "cpu"]);
    // One flag cannot name the columns of two targets.
    let model = succeed(folder.path(), &["models", "show", "review-plus"]);
    let target = "[[target]]\nname = \"price\"\n\n[[target]]";
    let branch = "[[branch]]\nname = \"cost\"\ntarget = \"price\"\n\n[[branch.layer]]\nname = \"much\"\nop = \
                  \"dense\"\nout_features = \"target\"\n";
    let two = format!("{}\n{branch}", model.replacen("[[target]]", target, 1));
    fs::write(folder.path().join("two.toml"), two).unwrap();
    let train = ["train", "--data", "stars.csv", "--model", "two.toml", "--label-column", "stars"];
    fail(folder.path(), &train, 2, &["--label-column names the column of a model's only target"]);
}

#[test]
fn missing_labels_count_for_nothing_and_classes_may_be_balanced() {
    let folder = tempfile::tempdir().unwrap();
    under_plain_names(folder.path());
    let path = folder.path().join("labels.tsv");
    let thinned: String = (fs::read_to_string(&path).unwrap().lines().enumerate())
        .map(|(number, line)| match (number % 3, line.rsplit_once('\t')) {
            (1, Some((others, _))) => format!("{others}\t\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&path, thinned).unwrap();
    let model = fs::read_to_string(tiny()).unwrap();
    let targets = "[[target]]\nname = \"age\"\nkind = \"number\"\nstandardize = true\n\n[[target]]\nname = \"gender\"\n\
                   balance = true\n\n[[layer]]";
    fs::write(folder.path().join("mine.toml"), model.replacen("[[layer]]", targets, 1)).unwrap();
    let data = ["train", "--model", "mine.toml", "--data", "plain", "--labels", "labels.tsv"];
    let output = run(folder.path(), &[&data[..], &QUICK].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("gender: classes are balanced; a label weighs: female"),
        "{}",
        stderr(&output)
    );
    let config = fs::read_to_string(folder.path().join("run/config.toml")).unwrap();
    assert!(config.contains("mean_and_deviation = ["), "{config}");
    let told = succeed(folder.path(), &["eval", "run", "--adapter", "cpu", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let samples = |target: &str| told["figures"][target]["samples"].as_u64().unwrap();
    assert!(samples("age") < samples("gender"), "{told}");
    // What the kernels count is what the figures count.
    let [kernels, figures] =
        [&told["age_mae"], &told["figures"]["age"]["mae"]["value"]].map(|v| v.as_f64().unwrap());
    assert!((kernels / figures - 1.0).abs() < 1e-5, "{kernels} {figures}");
    assert_eq!(told["photos"].as_u64(), Some(samples("gender")));
}

#[test]
fn built_in_models_are_listed_and_printed() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(folder.path(), &["models"]);
    for name in ["face ", "face-plus", "photo", "review ", "review-plus"] {
        assert!(text.contains(name), "{text}");
    }
    let photo = succeed(folder.path(), &["models", "show", "photo"]);
    fs::write(folder.path().join("mine.toml"), photo).unwrap();
    succeed(folder.path(), &["summary", "mine.toml"]);
    fail(folder.path(), &["models", "show", "phto"], 2, &["phto", "face-plus"]);
}

#[test]
fn a_mistake_in_a_target_is_refused_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let model = fs::read_to_string(tiny()).unwrap();
    for (target, words) in [
        ("name = \"age\"\nkind = \"nmber\"", "there is no kind \"nmber\"; there are binary, number, classes"),
        ("name = \"age\"\nkin = \"number\"", "unknown field `kin`"),
        ("name = \"age\"\nkind = \"number\"\nclasses = [\"a\", \"b\"]", "classes is for classes"),
        ("name = \"age\"\nkind = \"number\"\nrange = [9, 1]", "must run from a lower to a higher number"),
        ("name = \"agee\"\nkind = \"number\"", "learns \"age\", which is no [[target]]"),
    ] {
        let targets = format!("[[target]]\n{target}\n\n[[target]]\nname = \"gender\"\n\n[[layer]]");
        fs::write(folder.path().join("mine.toml"), model.replacen("[[layer]]", &targets, 1)).unwrap();
        fail(folder.path(), &["summary", "mine.toml"], 1, &["mine.toml:", words]);
    }
    // Of a new training only: an old run may have such a target.
    let model = model.replace("\"age\"", "\"error\"");
    let targets =
        "[[target]]\nname = \"error\"\nkind = \"number\"\n\n[[target]]\nname = \"gender\"\n\n[[layer]]";
    fs::write(folder.path().join("mine.toml"), model.replacen("[[layer]]", targets, 1)).unwrap();
    let train = ["train", "--model", "mine.toml", "--adapter", "cpu"];
    fail(folder.path(), &train, 1, &["mine.toml:", "predictions have a column of that name; choose another"]);
}
