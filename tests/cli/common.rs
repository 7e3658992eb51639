//! Runs the program in a folder of its own.

use faceshader::train::checkpoint::{load, save};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The small model of the tests.
pub fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets/tiny.toml")
}

/// The program, with `folder` as its working directory and nothing on stdin.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faceshader"));
    command.current_dir(folder).stdin(Stdio::null()).env("XDG_CACHE_HOME", folder.join(".cache"));
    command
}

/// Runs the program to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().unwrap()
}

/// Exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the program and expects it to succeed; returns stdout.
pub fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(code(&output), 0, "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// Runs the program and expects it to fail with `exit`, saying all of `words` on stderr.
pub fn fail(folder: &Path, arguments: &[&str], exit: i32, words: &[&str]) {
    let output = run(folder, arguments);
    let said = stderr(&output);
    assert_eq!(code(&output), exit, "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?} does not say {word:?}: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// Writes 30 drawn faces into `folder/faces`.
pub fn faces(folder: &Path) -> String {
    succeed(folder, &["data", "synth", "faces", "--count", "30", "--size", "24"]);
    "faces".into()
}

/// Makes a run one of an older version, whose files knew nothing of each other.
pub fn without_checksums(run: &Path) {
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    let lines = config.lines().filter(|line| !line.starts_with('#'));
    std::fs::write(run.join("config.toml"), lines.map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    for file in ["checkpoint", "weights/best", "weights/last"] {
        let file = run.join(format!("{file}.safetensors"));
        let (tensors, mut notes) = load(&file).unwrap();
        notes.retain(|name, _| name == "epoch" || name == "step");
        save(&file, &tensors, &notes).unwrap();
    }
}
