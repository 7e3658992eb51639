//! Commas, tabs or semicolons.

use std::ffi::OsStr;
use std::path::Path;

/// What parts the columns of a table: a tab in a file that is called `.tsv` or `.tab`, or else the first
/// of tab, comma and semicolon that is in its first line.
pub fn delimiter(path: &Path, bytes: &[u8]) -> u8 {
    let is_tsv = |extension: &OsStr| ["tsv", "tab"].iter().any(|tsv| extension.eq_ignore_ascii_case(tsv));
    let mut lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
    let first = lines.find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    match path.extension() {
        Some(extension) if is_tsv(extension) => b'\t',
        _ => *b"\t,;".iter().find(|delimiter| first.contains(delimiter)).unwrap_or(&b','),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells_what_parts_the_columns() {
        for (name, text, expected) in [
            ("a.tsv", "one;two,three\n", b'\t'),
            ("a.TAB", "", b'\t'),
            ("a.csv", "\n\none\ttwo,three\n", b'\t'),
            ("a.csv", "one;two,three\n", b','),
            ("a.txt", "one;two\nthree,four\n", b';'),
            ("a", "one\n", b','),
        ] {
            assert_eq!(delimiter(Path::new(name), text.as_bytes()), expected, "{name} {text:?}");
        }
    }
}
