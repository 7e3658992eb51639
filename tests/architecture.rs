//! Who may import whom. The design is a means: this keeps its arrows pointing one way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the crate, and the modules that it may import.
const ALLOWED: &[(&str, &[&str])] = &[
    ("rng", &[]),
    ("shape", &[]),
    ("number", &[]),
    ("file", &[]),
    ("html", &[]),
    ("machine", &[]),
    ("measure", &[]),
    ("shaders", &["ops"]),
    ("ops", &["number", "rng", "shape"]),
    ("tasks", &["measure", "ops"]),
    ("spec", &["ops", "tasks"]),
    ("graph", &["ops", "shape", "spec", "tasks"]),
    ("plan", &["graph", "ops", "shaders", "shape"]),
    ("cpu", &["machine", "ops", "plan", "shape"]),
    ("gpu", &["machine", "ops", "plan", "shaders"]),
    ("verify", &["number", "ops", "plan", "rng", "shape"]),
    ("faces", &["cpu", "graph", "ops", "plan", "shape", "spec"]),
    ("data", &["faces", "file", "machine", "ops", "rng", "spec", "tasks"]),
    ("profile", &["ops", "plan", "shape"]),
    ("report", &["file", "html"]),
    (
        "export",
        &[
            "data", "faces", "file", "graph", "html", "ops", "plan", "shaders", "shape", "spec", "tasks",
            "train",
        ],
    ),
    (
        "train",
        &["data", "file", "graph", "ops", "plan", "profile", "rng", "shape", "spec", "tasks", "verify"],
    ),
    (
        "cli",
        &[
            "cpu", "data", "export", "faces", "file", "gpu", "graph", "machine", "measure", "ops", "plan",
            "profile", "report", "rng", "shaders", "shape", "spec", "tasks", "train", "verify",
        ],
    ),
];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The names behind each `prefix` in a file, outside of tests and comments.
fn names_behind(prefix: &str, file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).expect("a source");
    let code = text.split("#[cfg(test)]").next().unwrap_or("");
    let mut names = BTreeSet::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for part in line.split(prefix).skip(1) {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
            names.insert(part[..end].to_string());
        }
    }
    names
}

/// The modules that the sources import, by module: every `crate::NAME` outside of tests and comments.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(&root).expect("a file below src");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let module = first.trim_end_matches(".rs").to_string();
        if module == "lib" || module == "main" || inside.ends_with("tests.rs") {
            continue;
        }
        imports.entry(module).or_default().extend(names_behind("crate::", &file));
    }
    imports
}

/// The modules of `data` that each of them imports.
fn data_imports() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs") && **file != root.join("mod.rs")) {
        let inside = file.strip_prefix(&root).expect("a file below data");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let module = first.trim_end_matches(".rs").to_string();
        let mut names = names_behind("crate::data::", file);
        // One level below, `super` is the module itself.
        if inside.iter().count() == 1 || file.ends_with("mod.rs") {
            names.extend(names_behind("super::", file));
        }
        assert!(
            !names.contains(""),
            "{}: a `use` of several modules hides them from this test",
            file.display()
        );
        // Exported by `data` under its own name.
        if names.remove("DataError") {
            names.insert("error".into());
        }
        names.remove(&module);
        imports.entry(module).or_default().extend(names);
    }
    imports
}

#[test]
fn what_all_of_data_rests_on_imports_nothing_that_imports_it() {
    let imports = data_imports();
    for module in ["content", "error", "skipped", "source", "photos", "load", "table"] {
        let mut reached = BTreeSet::new();
        let mut next = vec![module.to_string()];
        while let Some(from) = next.pop() {
            let known = imports.get(&from);
            let known =
                known.unwrap_or_else(|| panic!("{module} leads to {from}, which is no module of data"));
            assert!(!known.contains(module), "{from} imports {module}, which leads back to {from}");
            next.extend(known.iter().filter(|name| reached.insert((*name).clone())).cloned());
        }
    }
    assert!(imports["source"].contains("error") && imports["error"].contains("skipped"));
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let imports = imports();
    assert_eq!(imports.len(), ALLOWED.len(), "a module is missing in the table, or one too many");
    for (module, allowed) in ALLOWED {
        for import in &imports[*module] {
            let known = import == module || allowed.contains(&import.as_str());
            assert!(known, "{module} imports {import}; it may import {allowed:?}");
        }
    }
}

#[test]
fn only_gpu_names_wgpu_and_only_cli_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut mentions = 0;
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let inside = |folder: &str| file.starts_with(root.join(folder));
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let place = format!("{}:{}", file.display(), number + 1);
            if line.contains("wgpu::") {
                mentions += 1;
                assert!(inside("gpu"), "{place} names wgpu");
            }
            let prints = ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("];
            assert!(inside("cli") || !prints.iter().any(|print| line.contains(print)), "{place} prints");
        }
    }
    assert!(mentions > 10, "the search finds nothing any more");
}
