//! Faces in ordinary photos: found, asked about, drawn, cut out, trained on.

use crate::common::{code, faces, fail, program, run, stderr, succeed, tiny};
use image::imageops::{FilterType, replace, resize};
use image::{Rgb, RgbImage};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Eileen Collins, 320 x 320 pixels; a photo of NASA, in the public domain.
const ASTRONAUT: &[u8] = include_bytes!("../assets/astronaut.jpg");

fn astronaut() -> RgbImage {
    image::load_from_memory(ASTRONAUT).unwrap().into_rgb8()
}

/// A run whose model was trained on faces, or so it is told: those of the built-in set are drawn.
fn trained(folder: &Path) {
    faces(folder);
    let tiny = tiny();
    let train = ["train", "--model", tiny.to_str().unwrap(), "--data", "faces", "--faces", "cropped"];
    let how = ["--adapter", "cpu", "--no-verify", "--epochs", "1", "--out", "run"];
    succeed(folder, &[&train[..], &how].concat());
}

/// A folder with a photo of one face, one of two, one of none, and a file that is broken.
fn photos(folder: &Path) {
    fs::create_dir_all(folder.join("holiday/sub")).unwrap();
    fs::write(folder.join("holiday/one.jpg"), ASTRONAUT).unwrap();
    let mut two = RgbImage::from_pixel(900, 400, Rgb([90, 120, 90]));
    replace(&mut two, &astronaut(), 20, 40);
    replace(&mut two, &resize(&astronaut(), 400, 400, FilterType::Triangle), 480, 0);
    two.save(folder.join("holiday/sub/two.png")).unwrap();
    RgbImage::from_fn(400, 300, |x, y| Rgb([(x / 2) as u8, (y / 2) as u8, 80]))
        .save(folder.join("holiday/none.jpg"))
        .unwrap();
    fs::write(folder.join("holiday/broken.jpg"), &ASTRONAUT[..999]).unwrap();
}

const PREDICT: [&str; 4] = ["predict", "run", "--adapter", "cpu"];

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn predict_has_a_row_a_face_and_says_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    photos(folder.path());
    let output = run(folder.path(), &[&PREDICT[..], &["holiday", "--draw", "drawn"]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0].join(","), "file,face,x,y,width,height,age,gender,probability,error");
    let told: Vec<[&str; 3]> = rows[1..].iter().map(|row| [row[0], row[1], row[9]]).collect();
    assert_eq!(
        told,
        [
            ["holiday/one.jpg", "1", ""],
            ["holiday/sub/two.png", "1", ""],
            ["holiday/sub/two.png", "2", ""],
            ["holiday/broken.jpg", "", "the JPEG is cut short"],
            ["holiday/none.jpg", "", "no face was found"],
        ]
    );
    assert!(rows[4][2..9].iter().all(|field| field.is_empty()), "{:?}", rows[4]);
    // Each photo that can be read is drawn, in the folders that it lies in.
    for (file, [width, height]) in
        [("one.jpg", [320, 320]), ("sub/two.jpg", [900, 400]), ("none.jpg", [400, 300])]
    {
        let drawn = image::open(folder.path().join("drawn/holiday").join(file)).unwrap();
        assert_eq!([drawn.width(), drawn.height()], [width, height], "{file}");
    }
    assert!(!folder.path().join("drawn/holiday/broken.jpg").exists());
    assert!(folder.path().join("run/plots/predict.png").is_file());
    // Not over what is there.
    succeed(folder.path(), &[&PREDICT[..], &["holiday/one.jpg", "--draw", "drawn/holiday"]].concat());
    assert!(folder.path().join("drawn/holiday/one-2.jpg").is_file());

    let rows = json(&succeed(folder.path(), &[&PREDICT[..], &["holiday", "--json"]].concat()));
    assert_eq!(rows[0]["face"], 1);
    let near = |key: &str, value: f64| (rows[0]["box"][key].as_f64().unwrap() - value).abs() < 6.0;
    assert!(
        near("x", 112.7) && near("y", 39.6) && near("width", 55.6) && near("height", 69.1),
        "{}",
        rows[0]
    );
    assert!(rows[0]["age"].is_number() && rows[0].get("error").is_none(), "{}", rows[0]);
    assert_eq!((&rows[4]["error"], rows[4].get("age")), (&"no face was found".into(), Some(&Value::Null)));
    assert_eq!((rows[4].get("box"), rows[0]["score"].as_f64() > Some(0.9)), (Some(&Value::Null), true));
}

#[test]
fn photos_are_taken_whole_where_the_user_or_the_model_says_so() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    photos(folder.path());
    let whole = succeed(folder.path(), &[&PREDICT[..], &["holiday/none.jpg", "--faces", "whole"]].concat());
    assert!(whole.starts_with("file,age,gender,probability,error\nholiday/none.jpg,"), "{whole}");
    // In photos of 12 x 12 pixels no face can be found.
    let train =
        ["train", "--adapter", "cpu", "--no-verify", "--epochs", "1", "--limit", "20", "--out", "drawings"];
    let tiny = tiny();
    succeed(folder.path(), &[&train[..], &["--model", tiny.to_str().unwrap()]].concat());
    let config = fs::read_to_string(folder.path().join("drawings/config.toml")).unwrap();
    assert!(config.contains("faces = \"whole\""), "{config}");
    let predict = ["predict", "drawings", "holiday/none.jpg", "--adapter", "cpu"];
    assert!(succeed(folder.path(), &predict).starts_with("file,age,"));
    assert!(
        succeed(folder.path(), &[&predict[..], &["--faces", "auto"]].concat()).contains("no face was found")
    );
}

#[test]
fn a_photo_comes_by_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let mut child = program(folder.path())
        .args(PREDICT)
        .args(["-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), ASTRONAUT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let rows = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((&rows[0]["file"], &rows[0]["face"]), (&"-".into(), &1.into()));
    // By the name that the user knows.
    let drawn = [&PREDICT[..], &["-", "--draw", "drawn"]].concat();
    let mut child =
        program(folder.path()).args(drawn).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), ASTRONAUT).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(folder.path().join("drawn/stdin.jpg").is_file());
    // Nothing at all.
    fail(folder.path(), &[&PREDICT[..], &["-"]].concat(), 1, &["-: empty file"]);
}

#[test]
fn a_model_trained_on_faces_says_so_by_its_photos() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("people");
    // The same face, lighter and darker, as a photo that was cropped shows it.
    for (class, light) in [("dark", 60), ("light", 160)] {
        fs::create_dir_all(photos.join(class)).unwrap();
        for number in 0..10 {
            let face = image::imageops::crop_imm(&astronaut(), 92, 24, 100, 100).to_image();
            let mut face = resize(&face, 64, 64, FilterType::Triangle);
            let shade = |value: u8| (u16::from(value) * (light + number) / 160).min(255) as u8;
            face.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(shade));
            face.save(photos.join(class).join(format!("{number}.png"))).unwrap();
        }
    }
    let train =
        ["train", "--data", "people", "--adapter", "cpu", "--no-verify", "--epochs", "1", "--out", "run"];
    let output = run(folder.path(), &train);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("training photos show one, cropped alike"), "{}", stderr(&output));
    fs::write(folder.path().join("astronaut.jpg"), ASTRONAUT).unwrap();
    let text = succeed(folder.path(), &[&PREDICT[..], &["astronaut.jpg"]].concat());
    assert!(
        text.starts_with("file,face,x,y,width,height,class,probability,error\nastronaut.jpg,1,"),
        "{text}"
    );
    // Ordinary photos are measured by their faces if the user says so, and are not taken whole without a word.
    for class in ["dark", "light"] {
        fs::create_dir_all(folder.path().join("wide").join(class)).unwrap();
        fs::write(folder.path().join("wide").join(class).join("a.jpg"), ASTRONAUT).unwrap();
    }
    let eval = ["eval", "run", "--data", "wide", "--adapter", "cpu"];
    let warning = "--faces detect finds the faces";
    assert!(stderr(&run(folder.path(), &eval)).contains(warning));
    let output = run(folder.path(), &[&eval[..], &["--faces", "detect"]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(!stderr(&output).contains(warning), "{}", stderr(&output));
}

#[test]
fn faces_are_cut_out_with_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    photos(folder.path());
    let labels = "file,mood\none.jpg,calm\nsub/two.png,\"gay, wild\"\nnone.jpg,none\nbroken.jpg,none\n";
    fs::write(folder.path().join("moods.csv"), labels).unwrap();
    let crop = |out: &str, more: &[&str]| {
        succeed(
            folder.path(),
            &[&["data", "crop", "holiday", out, "--labels", "moods.csv"][..], more].concat(),
        )
    };
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(crop("all", &["--several", "all", "--size", "64"]).starts_with("3 faces in all; of 1 photos"));
    assert_eq!(
        read("all/labels.csv"),
        "file,mood\none.jpg,calm\nsub/two-face1.jpg,\"gay, wild\"\nsub/two-face2.jpg,\"gay, wild\"\n"
    );
    let face = image::open(folder.path().join("all/sub/two-face2.jpg")).unwrap();
    assert_eq!([face.width(), face.height()], [64, 64]);
    let report = read("all/crops.csv");
    assert!(
        report.starts_with(
            "file,faces,crop,x,y,width,height,reason\nbroken.jpg,0,,,,,,the JPEG is cut short\n"
        )
    );
    assert!(report.contains("\nsub/two.png,2,sub/two-face1.jpg,"), "{report}");
    crop("largest", &[]);
    assert_eq!(read("largest/labels.csv"), "file,mood\none.jpg,calm\nsub/two.jpg,\"gay, wild\"\n");
    assert!(crop("skip", &["--several", "skip"]).contains("1 photos with several are left out"));
    assert_eq!(read("skip/labels.csv"), "file,mood\none.jpg,calm\n");
    // Nothing is written over.
    fail(folder.path(), &["data", "crop", "holiday", "skip"], 1, &["skip is not empty; name another folder"]);
    fail(
        folder.path(),
        &["data", "crop", "holiday/none.jpg", "none"],
        1,
        &["no face was found in any photo"],
    );
}

#[test]
fn ordinary_photos_are_trained_on_and_measured_by_their_faces() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("people")).unwrap();
    for age in 20..32 {
        let shade = |value: u8| (u16::from(value) * (60 + age) / 92) as u8;
        let mut photo = astronaut();
        photo.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(shade));
        photo.save(folder.path().join(format!("people/{age}_1_0_2017.png"))).unwrap();
    }
    RgbImage::new(99, 99).save(folder.path().join("people/70_0_0_2017.png")).unwrap();
    let tiny = tiny();
    let train = ["train", "--model", tiny.to_str().unwrap(), "--data", "people", "--faces", "detect"];
    let how = ["--adapter", "cpu", "--no-verify", "--epochs", "1", "--out", "run"];
    let output = run(folder.path(), &[&train[..], &how].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("skipped 1: no face was found (70_0_0_2017.png)"),
        "{}",
        stderr(&output)
    );
    let told =
        json(&succeed(folder.path(), &["eval", "run", "--data", "people", "--adapter", "cpu", "--json"]));
    assert_eq!(told[0]["photos"], 12);
    // The same faces, whether a training, an evaluation or a prediction cuts them out.
    let rows = json(&succeed(folder.path(), &[&PREDICT[..], &["people", "--json"]].concat()));
    let errors = rows.iter().filter_map(|row| {
        let age: f64 = row["file"].as_str().unwrap()["people/".len()..][..2].parse().unwrap();
        Some((row["age"].as_f64()? - age).abs())
    });
    let errors: Vec<f64> = errors.collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!((mean - told[0]["age_mae"].as_f64().unwrap()).abs() < 1e-3, "{mean}, {}", told[0]);
    succeed(folder.path(), &["train", "--resume", "run", "--epochs", "2", "--adapter", "cpu", "--no-verify"]);
}
