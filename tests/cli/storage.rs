//! Photos that are more than memory may hold lie in a file.

use crate::common::{code, faces, fail, run, stderr, succeed, tiny};
use std::fs;
use std::path::{Path, PathBuf};

/// Trains the small model for `epochs` on the faces of a folder.
fn train(folder: &Path, out: &str, more: &[&str]) -> String {
    let model = tiny().display().to_string();
    let train =
        ["train", "--model", &model, "--data", "faces", "--adapter", "cpu", "--no-verify", "--out", out];
    let output = run(folder, &[&train[..], more].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stderr(&output)
}

fn weights(folder: &Path, run: &str) -> Vec<u8> {
    fs::read(folder.join(run).join("weights/last.safetensors")).unwrap()
}

/// The only file of a folder.
fn only_file(folder: &Path) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn photos_in_a_file_train_as_those_in_memory_do_and_are_decoded_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    // One is cut short: what can be decoded, and what was chosen, makes no other file.
    let photo = fs::read_dir(folder.join("faces")).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let bytes = fs::read(&photo).unwrap();
    fs::write(&photo, &bytes[..bytes.len() / 2]).unwrap();
    train(folder, "in-memory", &[]);
    assert!(!folder.join("cache").exists());
    let said = train(folder, "one", &["--memory", "12kB", "--epochs", "1"]);
    // The pixels of 30 photos of 12x12.
    assert!(said.contains("12.7 KiB in") && said.contains("as memory may hold 11.7 KiB"), "{said}");
    assert!(said.contains("none is there yet") && said.contains("the JPEG is cut short"), "{said}");
    let file = only_file(&folder.join("cache"));
    let resume = ["train", "--resume", "one", "--adapter", "cpu", "--no-verify", "--epochs", "2"];
    let output = run(folder, &[&resume[..], &["--memory", "12kB"]].concat());
    assert!(stderr(&output).contains("29 of 29 are there already"), "{}", stderr(&output));
    assert_eq!(weights(folder, "one"), weights(folder, "in-memory"));
    // A process that was killed leaves a file without its mark, and photos that were not written.
    let mut bytes = fs::read(&file).unwrap();
    bytes[64] = 0;
    // The hash of the first is zeros already.
    bytes[72..72 + 6 * 32].fill(0);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let said = train(folder, "two", &["--memory", "12kB", "--cache", "cache"]);
    assert!(said.contains("23 of 30 are there already"), "{said}");
    assert_eq!(weights(folder, "two"), weights(folder, "in-memory"));
    assert_eq!(only_file(&folder.join("cache")), file);
    // Measuring and predicting may take no more.
    for command in [&["eval", "one"][..], &["predict", "one", "faces"]] {
        let adapter = ["--adapter", "cpu", "--no-verify"];
        let plain = succeed(folder, &[command, &adapter].concat());
        assert_eq!(
            succeed(folder, &[command, &adapter, &["--memory", "2kB"]].concat()),
            plain,
            "{command:?}"
        );
    }
    assert_eq!(only_file(&folder.join("cache")), file);
}

#[test]
fn a_damaged_file_of_photos_is_named_and_the_run_goes_on_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    train(folder, "whole", &["--epochs", "2"]);
    train(folder, "run", &["--memory", "1kB", "--epochs", "1"]);
    let file = only_file(&folder.join("cache"));
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let resume =
        ["train", "--resume", "run", "--adapter", "cpu", "--no-verify", "--memory", "1kB", "--epochs", "2"];
    let name = file.file_name().unwrap().to_str().unwrap();
    fail(folder, &resume, 1, &[name, "is damaged; delete it"]);
    fs::remove_file(&file).unwrap();
    succeed(folder, &resume);
    assert_eq!(weights(folder, "run"), weights(folder, "whole"));
}

#[test]
fn what_memory_may_be_taken_is_a_size_and_the_cache_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    faces(folder);
    let model = tiny().display().to_string();
    let train = ["train", "--model", &model, "--data", "faces", "--adapter", "cpu", "--no-verify"];
    fail(folder, &[&train[..], &["--memory", "much"]].concat(), 2, &["512MB or 4GiB"]);
    fs::write(folder.join("file"), "").unwrap();
    let to_file = [&train[..], &["--memory", "1kB", "--cache", "file"]].concat();
    fail(
        folder,
        &to_file,
        1,
        &["the file of decoded photos file/photos-", "choose another folder by --cache"],
    );
}
