//! What reaches the terminal, and what happens where stdout, stderr or the disk take no more.

use crate::common::{code, faces, fail, program, run, stderr, stdout, succeed, tiny};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A name that would turn a terminal red and give it another title.
const EVIL: &str = "a\u{1b}[31m\u{1b}]0;owned\u{7}.jpg";

fn full() -> Stdio {
    fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A training of two short epochs into the folder `run`.
fn training(folder: &Path) -> Command {
    let mut command = program(folder);
    let model = tiny();
    command.arg("train").arg("--model").arg(model).args(["--data", "faces", "--adapter", "cpu"]);
    command.args(["--out", "run"]);
    command
}

fn assert_no_escapes(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{text:?}");
}

#[test]
fn messages_spell_out_the_control_characters_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let faces = folder.path().join(faces(folder.path()));
    fs::write(faces.join(EVIL), "no photo").unwrap();
    // Reading skips the file, and says so; a table is for people.
    for arguments in [["data", "check", "faces"].as_slice(), &["eval", EVIL], &["data", "check", EVIL]] {
        let output = run(folder.path(), arguments);
        assert_no_escapes(&output.stderr);
        assert_no_escapes(&output.stdout);
    }
    fail(folder.path(), &["eval", EVIL], 1, &["a\\u{1b}[31m\\u{1b}]0;owned\\u{7}.jpg"]);
    // clap repeats what it cannot use.
    let output = run(folder.path(), &["train", "--lr", EVIL]);
    assert_eq!(code(&output), 2);
    assert_no_escapes(&output.stderr);
}

#[test]
fn lines_for_programs_keep_names_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let faces = folder.path().join(faces(folder.path()));
    let mut photos: Vec<_> = fs::read_dir(&faces).unwrap().map(|entry| entry.unwrap().path()).collect();
    photos.sort();
    fs::copy(&photos[0], folder.path().join(EVIL)).unwrap();
    succeed(
        folder.path(),
        &[
            "train",
            "--model",
            tiny().to_str().unwrap(),
            "--data",
            "faces",
            "--adapter",
            "cpu",
            "--out",
            "run",
            "--epochs",
            "1",
        ],
    );
    let csv = succeed(folder.path(), &["predict", "run", EVIL, "--adapter", "cpu"]);
    assert!(csv.contains(EVIL), "{csv:?}");
    let json = succeed(folder.path(), &["predict", "run", EVIL, "--adapter", "cpu", "--json"]);
    let row: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert!(row["file"].as_str().unwrap().ends_with(EVIL), "{row}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_stdout_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["summary", "face"].as_slice(), &["--help"], &["train", "--help"], &["--version"]] {
        let output = program(folder.path()).args(arguments).stdout(full()).output().unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}");
        let said = stderr(&output);
        assert!(said.contains("error: standard output: No space left on device"), "{arguments:?}: {said}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_stdout_does_not_stop_a_training() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    for more in [["--epochs", "2"].as_slice(), &["--epochs", "2", "--json"]] {
        let output = training(folder.path()).args(more).stdout(full()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(code(&output), 1, "{said}");
        assert!(said.contains("error: standard output: No space left on device"), "{said}");
        assert!(said.contains("report: run/report.html"), "{said}");
        let results = fs::read_to_string(folder.path().join("run/results.csv")).unwrap();
        assert_eq!(results.lines().count(), 3, "{results}");
        assert!(folder.path().join("run/plots/predictions.png").exists());
        fs::remove_dir_all(folder.path().join("run")).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_stdout_does_not_keep_a_confusion_matrix_from_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..40).map(|n| if n % 2 == 0 { "lovely car,5\n" } else { "awful car,1\n" }).collect();
    fs::write(folder.path().join("reviews.csv"), format!("review,rating\n{rows}")).unwrap();
    let mut command = program(folder.path());
    command.args([
        "train",
        "--model",
        "review",
        "--data",
        "reviews.csv",
        "--adapter",
        "cpu",
        "--epochs",
        "1",
    ]);
    let output = command.args(["--out", "run"]).stdout(full()).output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("error: standard output: No space left"), "{}", stderr(&output));
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains("plots/confusion.png") && report.contains("best epoch"), "{report}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_stderr_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, exit) in [
        (["eval", "nosuch"].as_slice(), 1),
        (&["train", "--lr", "x"], 2),
        (&["train", "--adapter", "voodoo"], 3),
        (&["summary", "face"], 0),
    ] {
        let output = program(folder.path()).args(arguments).stderr(full()).output().unwrap();
        assert_eq!(code(&output), exit, "{arguments:?}");
    }
}

/// Runs in a shell whose processes may write files of `blocks` blocks of 512 bytes.
#[cfg(target_os = "linux")]
fn limited(blocks: usize, command: &Command) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).output().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn the_limit_on_the_size_of_files_is_a_plain_error() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    let output = limited(8, &training(folder.path()));
    let said = stderr(&output);
    assert_eq!(code(&output), 1, "{:?}: {said}", output.status);
    assert!(said.contains("error: run/") && said.contains("File too large"), "{said}");
    let output = limited(2, program(folder.path()).args(["data", "show", "--out", "grid.png"]));
    assert_eq!(code(&output), 1, "{:?}", output.status);
    assert!(stderr(&output).contains("grid.png") && !folder.path().join("grid.png").exists());
}

#[test]
fn a_negative_number_belongs_to_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, value) in [
        ("--lr", "-1"),
        ("--lr", "-0.5"),
        ("--lr", "-1e-3"),
        ("--lr", "-inf"),
        ("--epochs", "-1"),
        ("--batch", "-1"),
        ("--limit", "-1"),
        ("--seed", "-1"),
    ] {
        fail(folder.path(), &["train", flag, value], 2, &[value, flag, "it must be a"]);
    }
    for arguments in [
        ["data", "synth", "x", "--count", "-1"].as_slice(),
        &["data", "synth", "x", "--size", "-1"],
        &["data", "show", "--seed", "-1"],
        &["bench", "--batch", "-1"],
        &["summary", "face", "--batch", "-1"],
        &["profile", "--steps", "-1"],
        &["verify", "--batch", "-1"],
    ] {
        fail(folder.path(), arguments, 2, &["-1", "it must be a"]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was written");
}

#[test]
fn a_folder_of_runs_is_told_from_a_run() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    let model = tiny().display().to_string();
    for _ in 0..2 {
        succeed(
            folder.path(),
            &["train", "--model", &model, "--data", "faces", "--adapter", "cpu", "--epochs", "1"],
        );
    }
    for command in
        [["eval", "runs"].as_slice(), &["predict", "runs", "x.jpg"], &["train", "--resume", "runs"]]
    {
        let words = ["runs is not a run folder", "runs/tiny-002 (the newest), runs/tiny-001"];
        fail(folder.path(), command, 1, &words);
    }
    fail(folder.path(), &["eval", "tiny-001"], 1, &["there is runs/tiny-001; name that"]);
    fail(folder.path(), &["eval", "runs/tiny-001/weights"], 1, &["it lies in the run runs/tiny-001"]);
}

#[test]
fn the_table_of_epochs_fits_80_columns() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    let output = training(folder.path()).output().unwrap();
    let table = stdout(&output);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(
        lines[0].contains("loss") && lines[0].contains("age mae") && lines[0].contains("gender accuracy")
    );
    assert_eq!(lines[1].split_whitespace().filter(|word| *word == "val").count(), 3, "{table}");
    assert!(lines.iter().all(|line| line.len() <= 80), "{table}");
}

#[test]
#[cfg(unix)]
fn a_named_pipe_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe.toml")).status().unwrap().success());
    for command in [["train", "--model", "pipe.toml"].as_slice(), &["summary", "pipe.toml"]] {
        fail(folder.path(), command, 1, &["pipe.toml", "named pipe"]);
    }
}

/// What a terminal of 80 columns shows after all this: the characters, and the sequences that move and clear.
#[cfg(target_os = "linux")]
fn screen(written: &str) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![Vec::<char>::new()], 0_usize, 0_usize);
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' if rest.next_if_eq(&'[').is_some() => {
                let mut number = String::new();
                while let Some(digit) = rest.next_if(|c| !c.is_ascii_alphabetic()) {
                    number.push(digit);
                }
                let count = number.parse().unwrap_or(1);
                match rest.next().unwrap() {
                    'A' => row = row.saturating_sub(count),
                    'B' => row += count,
                    'K' => lines[row].clear(),
                    'm' | 'h' | 'l' => {}
                    other => panic!("ESC[{number}{other}"),
                }
            }
            _ => {
                if column == 80 {
                    (row, column) = (row + 1, 0);
                }
                lines.resize_with(lines.len().max(row + 1), Vec::new);
                let width = lines[row].len().max(column + 1);
                lines[row].resize(width, ' ');
                lines[row][column] = c;
                column += 1;
            }
        }
        lines.resize_with(lines.len().max(row + 1), Vec::new);
    }
    let text = |line: Vec<char>| line.into_iter().collect::<String>().trim_end().to_string();
    lines.into_iter().map(text).filter(|line| !line.is_empty()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_takes_the_bar_off_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    faces(folder.path());
    // util-linux's script lends the program a terminal, and types what it is given.
    let mut command = training(folder.path());
    command.args(["--epochs", "100000"]);
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let line = words.iter().map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols 80 rows 24; {line}"), "/dev/null"]).env("TERM", "xterm");
    script.current_dir(folder.path()).env("XDG_CACHE_HOME", folder.path().join(".cache"));
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut terminal) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let (mut written, mut buffer, mut is_asked) = (Vec::new(), [0; 4096], false);
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        written.extend_from_slice(&buffer[..count]);
        if !is_asked && String::from_utf8_lossy(&written).contains("1/4 ") {
            keys.write_all(&[3]).unwrap();
            is_asked = true;
        }
    }
    assert_eq!(script.wait().unwrap().code(), Some(130));
    let written = String::from_utf8_lossy(&written).into_owned();
    for part in ["epoch 1/100000", " samples/s, ", " left, ", " for all"] {
        assert!(written.contains(part), "{part:?} is missing: {written}");
    }
    assert!(!written.contains(" 0/0"), "{written}");
    let shown = screen(&written);
    assert!(shown.iter().all(|line| !line.contains("samples/s")), "{shown:#?}");
    assert!(shown.last().unwrap().contains("--resume"), "{shown:#?}");
}
