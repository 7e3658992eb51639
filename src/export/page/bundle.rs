//! The modules of `web/` and the data of a model, as text within HTML.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::Write;

// Every module that a page may import, as (path in `web/`, text).
include!(concat!(env!("OUT_DIR"), "/web_modules.rs"));

/// An import map for a page that begins with the module `main`: of every module that it needs the whole text, as a `data:` URL
/// under the name `faceshader/PATH`.
pub(super) fn import_map(main: &str) -> String {
    let mut needed: BTreeMap<String, String> = BTreeMap::new();
    let mut open = vec![main.to_owned()];
    while let Some(path) = open.pop() {
        if needed.contains_key(&path) {
            continue;
        }
        let source = source(&path);
        let (text, imported) = with_names(&path, source);
        open.extend(imported);
        needed.insert(path, format!("data:text/javascript;base64,{}", BASE64_STANDARD.encode(text)));
    }
    let imports: serde_json::Map<String, serde_json::Value> =
        needed.into_iter().map(|(path, url)| (format!("faceshader/{path}"), url.into())).collect();
    serde_json::json!({ "imports": imports }).to_string()
}

fn source(path: &str) -> &'static str {
    match MODULES.iter().find(|(known, _)| *known == path) {
        Some((_, source)) => source,
        None => unreachable!("web/{path} is imported and not there"),
    }
}

/// The module with the relative paths of its imports as names of the import map, which modules in `data:` URLs can import,
/// and these paths.
fn with_names(path: &str, source: &str) -> (String, Vec<String>) {
    const IMPORTS: [&str; 2] = ["from \"", "import \""];
    let (mut text, mut imported) = (String::with_capacity(source.len()), Vec::new());
    for line in source.split_inclusive('\n') {
        let specifier = IMPORTS.iter().find_map(|before| {
            let (head, rest) = line.split_once(before)?;
            let (specifier, tail) = rest.split_once('"')?;
            let is_import =
                line.starts_with("import ") || line.starts_with("export ") || line.starts_with('}');
            (is_import && specifier.starts_with('.')).then_some((head, *before, specifier, tail))
        });
        match specifier {
            Some((head, before, specifier, tail)) => {
                let target = resolved(path, specifier);
                text.push_str(&format!("{head}{before}faceshader/{target}\"{tail}"));
                imported.push(target);
            }
            None => text.push_str(line),
        }
    }
    (text, imported)
}

/// The path in `web/` of a relative path in the module at `path`.
fn resolved(path: &str, specifier: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in specifier.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Bytes as text: gzip, then base64.
pub(super) fn encoded(bytes: &[u8]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    match packed {
        Ok(packed) => BASE64_STANDARD.encode(packed),
        Err(error) => unreachable!("writing to memory cannot fail: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_finds_its_imports() {
        assert!(MODULES.len() > 10);
        for (path, source) in MODULES {
            let (text, imported) = with_names(path, source);
            for imported in imported {
                assert!(MODULES.iter().any(|(known, _)| *known == imported), "{path} imports {imported}");
            }
            assert!(!text.contains("from \"."), "{path} has an import that is not the first of its line");
        }
    }

    #[test]
    fn relative_imports_become_names() {
        let (text, imported) =
            with_names("pages/a.js", "import { x } from \"../faces/b.js\";\nconst y = \"from \";\n");
        assert_eq!(text, "import { x } from \"faceshader/faces/b.js\";\nconst y = \"from \";\n");
        assert_eq!(imported, ["faces/b.js"]);
    }
}
