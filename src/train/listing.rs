//! What the user may have meant by a folder that is no run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Runs that a message names.
const NAMED: usize = 5;

/// Why a folder is no run, with the runs that are near it.
pub fn reason(path: &Path, error: &io::Error) -> String {
    let inside = runs_in(path);
    if let Some(newest) = inside.first() {
        let others: Vec<String> =
            inside.iter().skip(1).take(NAMED - 1).map(|path| path.display().to_string()).collect();
        let others = if others.is_empty() { String::new() } else { format!(", {}", others.join(", ")) };
        let more = if inside.len() > NAMED { ", …" } else { "" };
        return format!("it holds runs; name one of them: {} (the newest){others}{more}", newest.display());
    }
    let usual = Path::new("runs").join(path);
    if is_run(&usual) {
        return format!("there is {}; name that", usual.display());
    }
    if let Some(run) = path.ancestors().skip(1).find(|folder| is_run(folder)) {
        return format!("it lies in the run {}; name that", run.display());
    }
    format!("config.toml: {error}")
}

fn is_run(folder: &Path) -> bool {
    folder.file_name().is_some() && folder.join("config.toml").is_file()
}

/// The runs in a folder, the newest first.
fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let made = |run: &Path| fs::metadata(run.join("config.toml")).and_then(|file| file.modified());
    let mut runs: Vec<(SystemTime, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| is_run(path))
        .map(|path| (made(&path).unwrap_or(SystemTime::UNIX_EPOCH), path))
        .collect();
    runs.sort_by(|a, b| b.cmp(a));
    runs.into_iter().map(|(_, path)| path).collect()
}
