//! From a table, CSV or TSV, to texts and what is known of them.

use std::path::Path;

use super::columns::Columns;
use crate::data::DataError;
use crate::data::csv::{self, Sheet};
use crate::data::records::{Key, Records};
use crate::data::skipped::SkippedRows;
use crate::data::table::{Column, Table};

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The header of the column with the texts; found by its usual names if not given.
    pub text_column: Option<String>,
    /// The header of the column with the label; found by its usual names if not given.
    pub label_column: Option<String>,
}

/// What a file held.
#[derive(Debug)]
pub struct Loaded {
    /// The texts, as they were written, in the file's order.
    pub texts: Vec<String>,
    /// Their rows, and the other columns.
    pub records: Records,
    /// The other rows.
    pub skipped: SkippedRows,
    /// The header of the column with the texts.
    pub text_column: String,
}

/// Reads the texts of a CSV file in UTF-8, with or without a byte-order mark; tabs or semicolons may part
/// its columns as well as commas.
///
/// # Errors
/// When the file cannot be read, is no CSV, lacks a column of texts, or holds not one: names the file and what to
/// do. A row that cannot be used is no error: it is among the [`skipped`](Loaded::skipped), with its line.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Loaded, DataError> {
    parse(path, &csv::read(path)?, options)
}

/// The same with the file's contents at hand.
///
/// # Errors
/// Those of [`read`], with `path` as the file's name.
pub fn parse(path: &Path, bytes: &[u8], options: &ReadOptions) -> Result<Loaded, DataError> {
    let sheet = Sheet::of(path, bytes)?;
    let (headers, line) = (sheet.headers.clone(), sheet.line);
    let found = Columns::find(&headers, options.text_column.as_deref(), options.label_column.as_deref())
        .map_err(|reason| DataError::Header { path: path.to_owned(), line, reason })?;
    let others: Vec<usize> = (0..headers.len()).filter(|&column| column != found.text).collect();
    let mut columns: Vec<Column> = others.iter().map(|&column| Column::new(&headers[column])).collect();
    let (mut texts, mut names, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let skipped = sheet.for_each(|number, line, fields| {
        let text = &fields[found.text];
        if text.trim().is_empty() {
            return Err("the review is empty".into());
        }
        texts.push(text.to_owned());
        names.push(number.to_string());
        lines.push(line);
        columns.iter_mut().zip(&others).for_each(|(cells, &column)| cells.push(Some(&fields[column])));
        Ok(())
    });
    if texts.is_empty() {
        return Err(DataError::NoReviews { path: path.to_owned(), skipped });
    }
    let label = found.label.and_then(|label| others.iter().position(|&column| column == label));
    let table = Table { columns, label, file: Some(path.to_owned()), lines };
    let records = Records { table, ..Records::unlabelled(Key::Row, names) };
    Ok(Loaded { texts, records, skipped, text_column: headers[found.text].to_owned() })
}
