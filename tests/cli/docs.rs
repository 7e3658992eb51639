//! Commands that README and docs print are commands of this program.

use crate::common::{code, run, stderr};
use std::fs;
use std::path::{Path, PathBuf};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    assert!(pages.len() > 5);
    [vec![root.join("README.md")], pages].concat()
}

/// The lines of a page's blocks of code.
fn code_lines(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    blocks.flat_map(|block| block.lines().skip(1).map(str::to_owned)).collect()
}

#[test]
fn every_command_in_readme_and_docs_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for page in pages() {
        for line in code_lines(&page) {
            let line = line.strip_prefix("$ ").unwrap_or(&line);
            let words = shlex::split(line).unwrap_or_default();
            let arguments = match &words[..] {
                [program, rest @ ..] if program.ends_with("faceshader") => rest,
                [bash, script, ..] if bash == "bash" => {
                    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
                    assert!(script.is_file(), "{}: {line}", page.display());
                    continue;
                }
                _ => continue,
            };
            let until = arguments.iter().position(|word| [">", "|"].contains(&word.as_str()));
            let arguments: Vec<&str> =
                arguments[..until.unwrap_or(arguments.len())].iter().map(String::as_str).collect();
            // In an empty folder: there are no data and no run, which ends with 1, but 2 is a command that is none.
            let output = run(folder.path(), &arguments);
            assert!([0, 1].contains(&code(&output)), "{}: {line}\n{}", page.display(), stderr(&output));
            tried += 1;
        }
    }
    assert!(tried >= 12, "{tried} commands");
}

#[test]
fn every_link_within_the_pages_leads_to_a_file() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or("");
            if file.is_empty() || file.starts_with("http") {
                continue;
            }
            assert!(page.parent().unwrap().join(file).exists(), "{}: {link}", page.display());
        }
    }
}
