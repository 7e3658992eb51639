//! Tables as files: CSV and TSV, with the line of every row.

mod delimiter;
mod rows;

pub use delimiter::delimiter;
pub use rows::{Row, Rows, line_ends};

use super::DataError;
use super::error::shown;
use super::skipped::SkippedRows;
use crate::file::read_plain;
use csv::StringRecord;
use std::io;
use std::path::Path;

/// A larger file, in bytes, is refused: it is read whole.
const MAX_BYTES: u64 = 4 << 30;
/// Letters of a name that a message quotes.
const QUOTED: usize = 40;

/// Reads a file that holds a table.
///
/// # Errors
/// When it cannot be read, or is too large.
pub fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DataError::Missing { path: path.to_owned() },
        _ => DataError::Read { path: path.to_owned(), source },
    };
    if std::fs::metadata(path).map_err(error)?.len() > MAX_BYTES {
        let reason = format!("it is larger than {} GiB; give a part of it", MAX_BYTES >> 30);
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    read_plain(path).map_err(error)
}

/// A file's rows behind its header.
pub struct Sheet<'a> {
    /// The header, without white space around names.
    pub headers: StringRecord,
    /// The header's line.
    pub line: u64,
    delimiter: u8,
    rows: Rows<'a>,
}

impl<'a> Sheet<'a> {
    /// Begins to read a file's contents. `path` is its name, for messages.
    ///
    /// # Errors
    /// When it is empty, no table, or its header cannot be read.
    pub fn of(path: &Path, bytes: &'a [u8]) -> Result<Sheet<'a>, DataError> {
        let not_csv = |what: &str| DataError::NotCsv { path: path.to_owned(), what: what.to_owned() };
        let bytes = plain_text(bytes).map_err(not_csv)?;
        let delimiter = delimiter(path, bytes);
        let mut rows = Rows::of(bytes, delimiter);
        let Some(Row { line, fields: headers }) = rows.next() else {
            return Err(not_csv("the file is empty"));
        };
        let headers = headers.map_err(|reason| DataError::Header { path: path.to_owned(), line, reason })?;
        let headers = headers.iter().map(str::trim).collect();
        Ok(Sheet { headers, line, delimiter, rows })
    }

    /// Calls `visit` with the number of every row, from 0, its line, and its fields, as many as in the header.
    /// What it refuses, and rows that cannot be read, are returned by reason.
    pub fn for_each(
        self,
        mut visit: impl FnMut(usize, u64, &StringRecord) -> Result<(), String>,
    ) -> SkippedRows {
        let mut skipped = SkippedRows::default();
        let delimiters = match self.delimiter {
            b'\t' => "tabs",
            b';' => "semicolons",
            _ => "commas",
        };
        let columns = self.headers.len();
        for (number, Row { line, fields }) in self.rows.enumerate() {
            let visited = fields.and_then(|fields| {
                if fields.len() != columns {
                    let quotes = format!("; a text with {delimiters} needs double quotes around it");
                    let hint = if fields.len() > columns { quotes.as_str() } else { "" };
                    return Err(format!("fields: {}, but {columns} in the first line{hint}", fields.len()));
                }
                visit(number, line, &fields)
            });
            if let Err(reason) = visited {
                skipped.push(line, reason);
            }
        }
        skipped
    }
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

/// A name as a message may quote it.
pub fn short(name: &str) -> String {
    let name = shown(name.trim());
    match name.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}
