//! A CSV or TSV of labels: a column of file names, and others.

use std::collections::HashMap;
use std::path::Path;

use super::{Labelled, base_name};
use crate::data::DataError;
use crate::data::csv::{Sheet, read, short};
use crate::data::error::shown_path;
use crate::data::names::Names;
use crate::data::skipped::{Skipped, SkippedRows};
use crate::data::table::{Column, Table, plain};

/// What the column of names is called, the likeliest first; see [`plain`].
const FILE: [&str; 12] = [
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "image_id",
    "photo",
    "path",
    "file_path",
    "img",
    "name",
    "id",
];

/// Finds photos by what a row calls them.
struct Finder<'a> {
    all: &'a [String],
    names: Names<'a>,
    /// By their names without extension; `None` where several have it.
    by_stem: HashMap<&'a str, Option<usize>>,
}

impl<'a> Finder<'a> {
    fn of(names: &'a [String]) -> Finder<'a> {
        let mut by_stem = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            by_stem.entry(stem(name)).and_modify(|found| *found = None).or_insert(Some(index));
        }
        Finder { all: names, names: Names::of(names), by_stem }
    }

    fn find(&self, name: &str) -> Result<Option<usize>, String> {
        let found = self.names.find(name)?.filter(|&index| self.is_within(name, index));
        Ok(found.or_else(|| self.by_stem.get(name).copied().flatten()))
    }

    /// Whether a row that names folders means a photo of its name: the one path ends in the other.
    fn is_within(&self, name: &str, index: usize) -> bool {
        let parts = |path: &str| -> Vec<String> {
            let parts = path.trim().split(['/', '\\']).filter(|part| !matches!(*part, "" | "."));
            parts.map(str::to_owned).collect()
        };
        let (row, photo) = (parts(name), parts(&self.all[index]));
        row.ends_with(&photo) || photo.ends_with(&row)
    }
}

/// A name without folders and extension.
fn stem(name: &str) -> &str {
    let base = base_name(name);
    base.rsplit_once('.').map_or(base, |(stem, _)| stem)
}

/// The labels of the photos of these names, sorted, by the file at `path`.
///
/// # Errors
/// When the file cannot be read, no column names the photos, or two rows name one photo: names the line.
pub fn label(path: &Path, names: &[String]) -> Result<Labelled, DataError> {
    let bytes = read(path)?;
    let sheet = Sheet::of(path, &bytes)?;
    let (headers, header_line) = (sheet.headers.clone(), sheet.line);
    let header_error = |reason| DataError::Header { path: path.to_owned(), line: header_line, reason };
    let finder = Finder::of(names);
    let key = key_column(path, &bytes, &finder).map_err(header_error)?;
    if headers[key].contains('.') && matches!(finder.find(&headers[key]), Ok(Some(_))) {
        let reason = format!(
            "it names a photo, `{}`, where the columns' names should be; put a line such as file,label above it",
            short(&headers[key])
        );
        return Err(header_error(reason));
    }
    let others: Vec<usize> = (0..headers.len()).filter(|&column| column != key).collect();
    if let Some(twice) = others.iter().find(|&&column| {
        others.iter().any(|&other| other < column && plain(&headers[other]) == plain(&headers[column]))
    }) {
        return Err(header_error(format!(
            "the column `{}` is there twice; rename one",
            short(&headers[*twice])
        )));
    }
    let mut rows: Vec<Option<(u64, Vec<String>)>> = vec![None; names.len()];
    let mut twice = None;
    let mut missing = SkippedRows::default();
    let skipped_rows = sheet.for_each(|_, line, fields| {
        let name = &fields[key];
        match finder.find(name)? {
            None => missing.push(line, format!("no photo is called `{}`", short(name))),
            Some(index) => match &rows[index] {
                Some((before, _)) => {
                    twice.get_or_insert((line, *before, short(name)));
                }
                None => {
                    let cells = others.iter().map(|&column| fields[column].to_owned()).collect();
                    rows[index] = Some((line, cells));
                }
            },
        }
        Ok(())
    });
    if let Some((line, before, name)) = twice {
        let reason = format!("`{name}` has a row already, in line {before}; delete one of the two");
        return Err(DataError::Line { path: path.to_owned(), line, reason });
    }
    let mut labelled = Labelled::default();
    let mut columns: Vec<Column> = others.iter().map(|&column| Column::new(&headers[column])).collect();
    let mut lines = Vec::new();
    for (index, row) in rows.into_iter().enumerate() {
        let Some((line, cells)) = row else {
            let reason = format!("{} has no row for it", shown_path(path));
            labelled.skipped.push(Skipped { file: names[index].clone(), reason });
            continue;
        };
        labelled.kept.push(index);
        lines.push(line);
        columns.iter_mut().zip(&cells).for_each(|(column, cell)| column.push(Some(cell)));
    }
    let file = shown_path(path);
    if !skipped_rows.is_empty() {
        labelled.warnings.push(format!("{file}: {skipped_rows}"));
    }
    if !missing.is_empty() {
        let rows = missing.by_reason();
        let named: Vec<String> =
            rows.iter().take(3).map(|row| format!("{} ({})", row.reason, row.named(1))).collect();
        labelled.warnings.push(format!(
            "{file}: {} rows name photos that are not there: {}",
            missing.len(),
            named.join(", ")
        ));
    }
    if labelled.kept.is_empty() {
        let more = if skipped_rows.is_empty() { String::new() } else { format!("; {skipped_rows}") };
        let reason = format!(
            "no row names a photo of the data{more}; is `{}` the column of file names?",
            headers[key].trim()
        );
        return Err(header_error(reason));
    }
    labelled.table = Table { columns, label: None, file: Some(path.to_owned()), lines };
    Ok(labelled)
}

/// The column that names photos: as it is called, or as it does.
fn key_column(path: &Path, bytes: &[u8], finder: &Finder) -> Result<usize, String> {
    let sheet = Sheet::of(path, bytes).map_err(|error| error.to_string())?;
    let headers = sheet.headers.clone();
    let named: Vec<usize> =
        FILE.iter().filter_map(|usual| headers.iter().position(|header| plain(header) == *usual)).collect();
    // Numbers are names without extension where photos are numbered: labels may be so by chance, so that these
    // count half, and only of a column that is called like one of names if there is such a column.
    let may_be_stems = |column: usize| named.is_empty() || named.contains(&column);
    let mut found = vec![0; headers.len()];
    sheet.for_each(|_, _, fields| {
        for (column, found) in found.iter_mut().enumerate() {
            *found += match finder.names.find(&fields[column]) {
                Ok(Some(_)) | Err(_) => 2,
                Ok(None) if may_be_stems(column) => {
                    usize::from(matches!(finder.find(&fields[column]), Ok(Some(_))))
                }
                Ok(None) => 0,
            };
        }
        Ok(())
    });
    let most = found.iter().copied().max().unwrap_or(0);
    let is_best = |column: &usize| found[*column] == most && most > 0;
    let column = named.iter().copied().find(is_best).or_else(|| (0..headers.len()).find(is_best));
    column.or(named.first().copied()).ok_or_else(|| {
        let headers: Vec<String> =
            headers.iter().take(20).map(|header| format!("`{}`", short(header))).collect();
        format!("no column names the photos; there is {}; call it `file`", headers.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(text: &str) -> Result<Labelled, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        let names = ["a/1.jpg", "a/2.jpg", "b/3.png"].map(str::to_owned);
        label(&path, &names)
    }

    #[test]
    fn rows_name_photos_by_path_file_or_stem_in_any_order() {
        let labels = labelled("age;photo;note\n3;b/3.png;x\n2;2.jpg;\n1;1;y\n").unwrap();
        assert_eq!(labels.kept, [0, 1, 2]);
        let [age, note] = &labels.table.columns[..] else { panic!() };
        assert_eq!([0, 1, 2].map(|index| age.cell(index)), [Some("1"), Some("2"), Some("3")]);
        assert_eq!((note.name.as_str(), note.cell(1), note.missing()), ("note", None, 1));
        assert!(labels.table.place(0).unwrap().to_string().ends_with("labels.csv:4"));
    }

    #[test]
    fn what_does_not_match_is_told() {
        let labels = labelled("file,age\n1.jpg,1\n9.jpg,9\n2.jpg\n3.png,3\n").unwrap();
        assert_eq!(labels.kept, [0, 2]);
        assert_eq!(labels.skipped[0].file, "a/2.jpg");
        assert!(labels.skipped[0].reason.ends_with("labels.csv has no row for it"));
        assert!(
            labels.warnings[0].contains("1 skipped: fields: 1, but 2 in the first line (line 4)"),
            "{labels:?}"
        );
        let missing = "1 rows name photos that are not there: no photo is called `9.jpg` (line 3)";
        assert!(labels.warnings[1].ends_with(missing), "{labels:?}");
    }

    #[test]
    fn labels_that_are_numbers_of_photos_are_not_taken_for_their_names() {
        // More ages than files are names of photos.
        let labels = labelled("age,file\n3,gone.jpg\n2,1.jpg\n1,3.png\n").unwrap();
        assert_eq!((labels.kept.as_slice(), labels.table.columns[0].name.as_str()), (&[0, 2][..], "age"));
        let labels = labelled("id,picture\n1,2.jpg\n2,1.jpg\n3,gone.jpg\n").unwrap();
        assert_eq!((labels.kept.as_slice(), labels.table.columns[0].name.as_str()), (&[0, 1][..], "id"));
        let labels = labelled("age,which\n30,1\n20,3\n").unwrap();
        assert_eq!((labels.kept.as_slice(), labels.table.columns[0].name.as_str()), (&[0, 2][..], "age"));
    }

    #[test]
    fn two_rows_for_one_photo_are_refused_with_both_lines() {
        let error = labelled("file,age\n1.jpg,1\na/1.jpg,2\n").unwrap_err().to_string();
        assert!(
            error.ends_with(
                "labels.csv line 3: `a/1.jpg` has a row already, in line 2; delete one of the two"
            )
        );
        let error = labelled("file,age\nx.jpg,1\n").unwrap_err().to_string();
        assert!(error.contains("line 1: no row names a photo of the data; is `file` the column"), "{error}");
        let error = labelled("x,y\n7,7\n").unwrap_err().to_string();
        assert!(error.contains("no column names the photos; there is `x`, `y`"), "{error}");
    }
}
