//! How photos get in: what is read, what is named, and what is said of the rest.

use crate::common::{code, faces, fail, run, stderr, stdout, succeed, tiny};
use faceshader::data::records::{Key, Records};
use faceshader::data::split::Split;
use faceshader::data::synthetic::draw;
use std::fs;
use std::path::Path;

fn train(folder: &Path, more: &[&str]) -> String {
    let model = tiny().display().to_string();
    let arguments =
        ["train", "--model", &model, "--adapter", "cpu", "--out", "run", "--epochs", "1", "--no-verify"];
    let output = run(folder, &[&arguments[..], more].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stderr(&output)
}

/// The drawn faces' files, sorted by name.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let faces = folder.join(faces(folder));
    let mut files: Vec<_> = fs::read_dir(faces).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_command_names_what_it_ignores_by_reason() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    fs::rename(&files[0], folder.path().join("faces/20_0_0_1.jfif")).unwrap();
    image::open(&files[1]).unwrap().save(folder.path().join("faces/21_0_0_1.webp")).unwrap();
    fs::write(folder.path().join("faces/a.heic"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    (0..40).for_each(|n| fs::write(folder.path().join(format!("faces/{n}.txt")), "notes").unwrap());
    let words = ["ignored 40 files that are no photos: 40 text", "HEIC images are not read", "a.heic"];
    let said = train(folder.path(), &["--data", "faces"]);
    for command in [
        &["eval", "run", "--data", "faces", "--adapter", "cpu"][..],
        &["predict", "run", "faces", "--adapter", "cpu"],
        &["data", "check", "faces"],
    ] {
        let output = run(folder.path(), command);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        for word in words {
            assert!(stderr(&output).contains(word) && said.contains(word), "{command:?} {word:?}");
            // A line says how photos have their labels; none is of a single file that is ignored.
            assert!(stderr(&output).lines().count() < 9, "{}", stderr(&output));
        }
    }
    let text = succeed(folder.path(), &["data", "check", "faces"]);
    assert!(text.contains("photos       31") && text.contains("no photos: 40 text"), "{text}");
}

#[test]
fn predict_names_photos_as_they_were_given_and_has_a_row_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    train(folder.path(), &["--data", "faces"]);
    for place in ["a", "b"] {
        fs::create_dir(folder.path().join(place)).unwrap();
        fs::copy(&files[0], folder.path().join(place).join("x.jpg")).unwrap();
    }
    fs::create_dir(folder.path().join("c")).unwrap();
    fs::copy(&files[1], folder.path().join("c/y, \"z\".jpg")).unwrap();
    let jpeg = fs::read(&files[0]).unwrap();
    fs::write(folder.path().join("b/half.jpg"), [&jpeg[..jpeg.len() * 9 / 10], b"\xFF\xD9"].concat())
        .unwrap();
    fs::write(folder.path().join("b/\u{1b}[31m.jpg"), "text").unwrap();
    let predict =
        |paths: &[&str]| run(folder.path(), &[&["predict", "run", "--adapter", "cpu"][..], paths].concat());
    let names = |output: &std::process::Output| -> Vec<(String, bool)> {
        let text = stdout(output);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows = reader.records().map(Result::unwrap);
        rows.map(|row| (row[0].to_string(), row[1].is_empty() && !row[4].is_empty())).collect()
    };
    let row = |name: &str, failed| (name.to_string(), failed);
    let output = predict(&["a/x.jpg", "b/x.jpg", "c", "nowhere.jpg"]);
    assert_eq!(
        names(&output),
        [
            row("a/x.jpg", false),
            row("b/x.jpg", false),
            row("c/y, \"z\".jpg", false),
            row("nowhere.jpg", true)
        ]
    );
    assert_eq!(code(&output), 1, "one path failed");
    let output = predict(&["b"]);
    assert_eq!(
        names(&output),
        [row("b/x.jpg", false), row("b/\u{1b}[31m.jpg", true), row("b/half.jpg", true)]
    );
    assert_eq!(code(&output), 0);
    assert!(!stderr(&output).contains('\u{1b}'), "{:?}", stderr(&output));
    let output = predict(&["b/half.jpg", "b/\u{1b}[31m.jpg"]);
    assert_eq!(names(&output), [row("b/half.jpg", true), row("b/\u{1b}[31m.jpg", true)]);
    assert!(stdout(&output).contains("a damaged JPEG"), "{}", stdout(&output));
    assert_eq!(code(&output), 1, "none could be read");
    assert!(!stderr(&output).contains('\u{1b}'), "{:?}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.csv")).status().unwrap();
    assert!(made.success());
    fail(folder.path(), &["data", "check", "pipe.csv"], 1, &["pipe.csv", "not a plain file"]);
    fs::rename(folder.path().join("pipe.csv"), folder.path().join("pipe")).unwrap();
    fail(folder.path(), &["data", "check", "pipe"], 1, &["pipe", "neither a file nor a folder"]);
    fail(folder.path(), &["data", "check", "/dev/zero"], 1, &["/dev/zero", "neither a file nor a folder"]);
    let split = ["train", "--adapter", "cpu", "--no-verify", "--data", "faces", "--split", "pipe"];
    fail(folder.path(), &split, 1, &["pipe", "not a plain file"]);
    train(folder.path(), &["--data", "faces"]);
    fail(folder.path(), &["predict", "run", "pipe", "--adapter", "cpu"], 1, &["pipe", "no photo to predict"]);
}

#[test]
fn data_check_counts_copies() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    for copy in 0..3 {
        fs::copy(&files[0], folder.path().join(format!("faces/30_0_0_{copy}.jpg"))).unwrap();
    }
    let text = succeed(folder.path(), &["data", "check", "faces"]);
    assert!(text.contains("copies        3  photos with the same pixels as another"), "{text}");
    let json = succeed(folder.path(), &["data", "check", "faces", "--json"]);
    assert!(json.contains("\"copies\":3,"), "{json}");
}

#[test]
fn sets_that_cannot_be_drawn_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    fail(folder.path(), &["data", "synth", "d", "--size", "100000"], 2, &["--size", "at most 4096"]);
    fail(folder.path(), &["data", "synth", "d", "--count", "5000000000"], 2, &["--count", "at most 1000000"]);
    assert!(!folder.path().join("d").exists());
}

#[test]
fn a_limit_keeps_the_faces_that_it_kept_of_all() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &["--limit", "20", "--seed", "5"]);
    let names = (0..2_000).map(|index| draw(0, index, 1).label.file_name(index as usize)).collect();
    let all = Records::unlabelled(Key::File, names);
    let (all, _, split) = Split::by_names(&all.names, 5).limited(20, 5).compact(all);
    let kept = fs::read_to_string(folder.path().join("run/split.csv")).unwrap();
    assert_eq!(kept, split.to_csv(&all));
    // Going on needs the same faces, and no others.
    succeed(folder.path(), &["train", "--resume", "run", "--epochs", "2", "--adapter", "cpu"]);
}

#[test]
fn a_limit_decodes_only_what_it_chooses() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let csv = |name: &str, side: &str| format!("{name},{side}\n");
    let names: Vec<String> =
        files.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let mut split: String = names
        .iter()
        .zip(["train", "train", "test"].into_iter().cycle())
        .map(|(name, side)| csv(name, side))
        .collect();
    split.insert_str(0, "file,split\n");
    fs::write(folder.path().join("split.csv"), &split).unwrap();
    let limited = ["--data", "faces", "--split", "split.csv", "--limit", "6"];
    train(folder.path(), &limited);
    let kept = fs::read_to_string(folder.path().join("run/split.csv")).unwrap();
    assert_eq!(kept.lines().count(), 7, "{kept}");
    fs::rename(folder.path().join("run"), folder.path().join("first")).unwrap();
    // What is not chosen may be broken: nobody looks at it.
    for (path, name) in files.iter().zip(&names).filter(|(_, name)| !kept.contains(name.as_str())) {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let said = train(folder.path(), &limited);
    assert!(!said.contains("skipped"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("run/split.csv")).unwrap(), kept);
    let weights = |run: &str| fs::read(folder.path().join(run).join("weights/last.safetensors")).unwrap();
    assert!(weights("first") == weights("run"));
    succeed(folder.path(), &["train", "--resume", "run", "--epochs", "2", "--adapter", "cpu"]);
}

#[cfg(target_os = "linux")]
#[test]
fn photos_that_do_not_fit_into_memory_go_to_a_file_and_a_batch_that_does_not_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    let model = fs::read_to_string(tiny()).unwrap();
    // 4 photos of 48 MB each, and 1 GB of address space.
    let huge = model.replacen("width = 12", "width = 4000", 1).replacen("height = 12", "height = 4000", 1);
    assert_ne!(huge, model);
    fs::write(folder.path().join("huge.toml"), huge).unwrap();
    let shell = std::process::Command::new("sh")
        .current_dir(folder.path())
        .arg("-c")
        .arg(
            "ulimit -v 1000000; exec \"$0\" train --model huge.toml --data faces --adapter cpu --no-verify --limit 4 \
             --memory 100MB",
        )
        .arg(env!("CARGO_BIN_EXE_faceshader"))
        .output()
        .unwrap();
    assert_eq!(code(&shell), 1, "{}", stderr(&shell));
    for word in ["decoded photos: 183.1 MiB in", "not even one sample fits; use a smaller model"] {
        assert!(stderr(&shell).contains(word), "{}", stderr(&shell));
    }
}
