//! From a table, CSV or TSV, to reviews.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use super::Reviews;
use super::columns::{Columns, short};
use super::delimiter::delimiter;
use super::rows::{Row, Rows};
use super::skipped::SkippedRows;
use crate::data::DataError;
use crate::data::faces::Labels;
use crate::file::read_plain;

/// What to read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The header of the column with the texts; found by its usual names if not given.
    pub text_column: Option<String>,
    /// The header of the column with the labels; found by its usual names if not given.
    pub label_column: Option<String>,
    /// Whether a missing label is a reason to skip.
    pub labels: Labels,
    /// The classes of a trained model: other labels are none. `None` takes those that are there.
    pub classes: Option<Vec<String>>,
}

/// What a file held.
#[derive(Debug)]
pub struct Loaded {
    /// The usable reviews, in the file's order.
    pub reviews: Reviews,
    /// The other rows.
    pub skipped: SkippedRows,
    /// The header of the column with the texts.
    pub text_column: String,
    /// The header of the column with the labels.
    pub label_column: Option<String>,
}

/// A larger file, in bytes, is refused: it is read whole.
const MAX_BYTES: u64 = 4 << 30;
/// More different labels are no classes, but names or texts.
const MAX_CLASSES: usize = 100;

/// Reads the reviews of a CSV file in UTF-8, with or without a byte-order mark; tabs or semicolons may part
/// its columns as well as commas.
///
/// Classes are the labels in the order of the alphabet, or by value if all are numbers: of `Neg` and
/// `Pos`, of `0` and `1`, the positive one is class 1.
///
/// # Errors
/// When the file cannot be read, is no CSV, lacks a column, holds not one usable review, or fewer than
/// two classes or more than 100: names the file and what to do. A row that cannot be used is no error:
/// it is among the [`skipped`](Loaded::skipped), with its line.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Loaded, DataError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DataError::Missing { path: path.to_owned() },
        _ => DataError::Read { path: path.to_owned(), source },
    };
    if std::fs::metadata(path).map_err(error)?.len() > MAX_BYTES {
        let reason = format!("it is larger than {} GiB; give a part of it", MAX_BYTES >> 30);
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    let bytes = read_plain(path).map_err(error)?;
    parse(path, &bytes, options)
}

/// The same with the file's contents at hand.
///
/// # Errors
/// Those of [`read`], with `path` as the file's name.
pub fn parse(path: &Path, bytes: &[u8], options: &ReadOptions) -> Result<Loaded, DataError> {
    let bytes = plain_text(bytes).map_err(|what| not_csv(path, what))?;
    let delimiter = delimiter(path, bytes);
    let delimiters = match delimiter {
        b'\t' => "tabs",
        b';' => "semicolons",
        _ => "commas",
    };
    let mut rows = Rows::of(bytes, delimiter);
    let Some(Row { line, fields: headers }) = rows.next() else {
        return Err(not_csv(path, "the file is empty"));
    };
    let header_error = |reason| DataError::Header { path: path.to_owned(), line, reason };
    let headers = headers.map_err(header_error)?;
    let columns = Columns::find(
        &headers,
        options.text_column.as_deref(),
        options.label_column.as_deref(),
        options.labels == Labels::Required,
    )
    .map_err(header_error)?;
    let header = |column: usize| headers[column].trim().to_owned();
    let mut reviews = Reviews::default();
    let mut labels = Vec::new();
    let mut skipped = SkippedRows::default();
    for (number, Row { line, fields }) in rows.enumerate() {
        let usable = fields.and_then(|fields| {
            if fields.len() != headers.len() {
                let quotes = format!("; a text with {delimiters} needs double quotes around it");
                let hint = if fields.len() > headers.len() { quotes.as_str() } else { "" };
                return Err(format!(
                    "fields: {}, but {} in the first line{hint}",
                    fields.len(),
                    headers.len()
                ));
            }
            let text = &fields[columns.text];
            if text.trim().is_empty() {
                return Err("the review is empty".into());
            }
            Ok((text.to_owned(), label(columns.label.map(|column| &fields[column]), options)?))
        });
        match usable {
            Ok((text, label)) => {
                reviews.names.push(number.to_string());
                reviews.texts.push(text);
                labels.push(label);
            }
            Err(reason) => skipped.push(line, reason),
        }
    }
    if reviews.is_empty() {
        return Err(DataError::NoReviews { path: path.to_owned(), skipped });
    }
    reviews.classes = match &options.classes {
        Some(classes) => classes.clone(),
        None => sorted(labels.iter().flatten()),
    };
    if let (None, Labels::Required, Some(column)) = (&options.classes, options.labels, columns.label) {
        let reason = classes_fault(&reviews.classes, &header(column));
        if let Some(mut reason) = reason {
            if !skipped.is_empty() {
                reason += &format!("; {skipped}");
            }
            return Err(DataError::Classes { path: path.to_owned(), reason });
        }
    }
    let places: HashMap<&str, usize> =
        reviews.classes.iter().enumerate().map(|(place, class)| (class.as_str(), place)).collect();
    reviews.labels = labels.iter().map(|label| places.get(label.as_deref()?).copied()).collect();
    Ok(Loaded {
        reviews,
        skipped,
        text_column: header(columns.text),
        label_column: columns.label.map(header),
    })
}

/// The text without its byte-order mark, or what the file is instead.
fn plain_text(bytes: &[u8]) -> Result<&[u8], &'static str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("the file is in UTF-16; save it as UTF-8");
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err("the file is an Excel workbook or another zip; export the table as CSV");
    }
    Ok(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

fn not_csv(path: &Path, what: &str) -> DataError {
    DataError::NotCsv { path: path.to_owned(), what: what.to_owned() }
}

/// The label of a row, `None` where there is none, or why the row is skipped.
fn label(field: Option<&str>, options: &ReadOptions) -> Result<Option<String>, String> {
    let label = field.map(str::trim).filter(|label| !label.is_empty());
    let known =
        |label: &&str| options.classes.as_ref().is_none_or(|classes| classes.iter().any(|c| c == label));
    match (label, options.labels) {
        (None, Labels::Required) => Err("the label is empty".into()),
        (Some(other), Labels::Required) if !known(&other) => {
            let classes = options.classes.as_deref().unwrap_or_default().join(", ");
            Err(format!("the label `{}` is none of the model's: {}", short(other), classes))
        }
        (label, _) => Ok(label.filter(known).map(str::to_owned)),
    }
}

/// Every label once: by value if all are numbers, or else by the alphabet.
fn sorted<'a>(labels: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut classes: Vec<String> = labels.collect::<HashSet<_>>().into_iter().cloned().collect();
    let value = |label: &String| label.parse::<f64>().ok().filter(|value| value.is_finite());
    if classes.iter().all(|label| value(label).is_some()) {
        classes.sort_by(|a, b| {
            value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal).then_with(|| a.cmp(b))
        });
    } else {
        classes.sort_by_cached_key(|label| (label.to_lowercase(), label.clone()));
    }
    classes
}

/// Why these classes cannot be learnt.
fn classes_fault(classes: &[String], column: &str) -> Option<String> {
    let column = short(column);
    match classes {
        [_, _, ..] if classes.len() <= MAX_CLASSES => None,
        [_, _, ..] => Some(format!(
            "the column `{column}` has {} different labels, more than {MAX_CLASSES}; \
             name the column with the classes by --label-column",
            classes.len()
        )),
        _ => Some(format!(
            "every label in the column `{column}` is `{}`; there must be two classes to tell apart",
            classes.first().map_or_else(String::new, |class| short(class))
        )),
    }
}
