//! Splits as CSV.

use std::io::{self, Write};
use std::path::Path;

use super::{Side, Split, SplitNotes};
use crate::data::csv::{delimiter, line_ends};
use crate::data::error::DataError;
use crate::data::error::shown;
use crate::data::records::{Key, Records};
use crate::file::read_plain;

/// Larger files are no splits: this is enough for ten million photos.
const MAX_BYTES: u64 = 1 << 30;
/// Characters of a name in a message.
const SHOWN: usize = 200;

impl Split {
    /// Reads rows of `file,split` for photos, `row,split` for reviews, where split is a word of
    /// [`Side::named`]. Other columns are ignored.
    ///
    /// Without a row of `val`, the test samples are those for validation, as most data sets have no
    /// third side.
    ///
    /// A row names the photo with that path, or else the one whose file is called the same; or the
    /// review in that row of its file, from 0 below the header.
    ///
    /// # Errors
    /// Names the file, and the line where there is one: no such file, a missing column, another
    /// value, a name that fits several samples, a sample on two sides, a side without a sample.
    pub fn from_csv(path: &Path, samples: &Records) -> Result<(Split, SplitNotes), DataError> {
        let read = Read::of(path, samples)?;
        read.require(Side::Train)?;
        read.require(Side::Validation)?;
        Ok((read.split, read.notes))
    }

    /// The same for an evaluation, which needs [`measured`](Split::measured) samples only.
    pub fn measured_from_csv(path: &Path, samples: &Records) -> Result<(Split, SplitNotes), DataError> {
        let read = Read::of(path, samples)?;
        read.require(if read.rows[2] > 0 { Side::Test } else { Side::Validation })?;
        Ok((read.split, read.notes))
    }

    /// Rows of `file,split` or `row,split` in the samples' order, as [`from_csv`](Split::from_csv) reads
    /// them: with `train` and `test`, or where there are three sides, with `train`, `val` and `test`.
    pub fn to_csv(&self, samples: &Records) -> String {
        let validation = if self.test.is_empty() { "test" } else { "val" };
        let value = |side| match side {
            Side::Train => "train",
            Side::Validation => validation,
            Side::Test => "test",
        };
        let mut rows: Vec<(usize, &str)> = Vec::with_capacity(self.len());
        for (side, indices) in self.sides() {
            rows.extend(indices.iter().map(|&index| (index, value(side))));
        }
        rows.sort_unstable();
        let mut text = format!("{},split\n", samples.key.column());
        for (index, side) in rows {
            let name = &samples.names[index];
            if name.contains([',', '"', '\n', '\r']) || name.trim() != name {
                text.push_str(&format!("\"{}\",{side}\n", name.replace('"', "\"\"")));
            } else {
                text.push_str(&format!("{name},{side}\n"));
            }
        }
        text
    }

    /// Writes [`to_csv`](Self::to_csv).
    ///
    /// # Errors
    /// Those of `writer`.
    pub fn write_csv(&self, samples: &Records, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(self.to_csv(samples).as_bytes())
    }
}

/// What a file held.
struct Read<'a> {
    path: &'a Path,
    key: Key,
    split: Split,
    notes: SplitNotes,
    /// How many rows name each side, of samples that are not there as well.
    rows: [usize; 3],
}

impl<'a> Read<'a> {
    fn of(path: &'a Path, samples: &Records) -> Result<Self, DataError> {
        let line_error = |line, reason| DataError::Line { path: path.to_owned(), line, reason };
        let csv_error = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            line_error(line, format!("not a row of CSV: {error}"))
        };
        let bytes = contents(path)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::Headers)
            .delimiter(delimiter(path, bytes))
            .from_reader(bytes);
        let headers = reader.headers().map_err(csv_error)?.clone();
        let column = |column| {
            let found = headers.iter().position(|header| header.eq_ignore_ascii_case(column));
            found.ok_or(DataError::SplitColumn { path: path.to_owned(), column, key: samples.key.column() })
        };
        let (key_column, split_column) = (column(samples.key.column())?, column("split")?);
        let find = samples.finder();
        let count = samples.len();
        let mut sides: Vec<Option<Side>> = vec![None; count];
        let mut notes = SplitNotes::default();
        let mut rows = [0; 3];
        let mut record = csv::StringRecord::new();
        let mut lines = Lines { bytes, line: 1, counted: 0 };
        while reader.read_record(&mut record).map_err(csv_error)? {
            let line = lines.at(record.position().map_or(0, csv::Position::byte));
            let field = |column| record.get(column).unwrap_or_default();
            let (name, value) = (field(key_column), field(split_column));
            let side = side(value).map_err(|reason| line_error(line, reason))?;
            rows[side as usize] += 1;
            let Some(index) = find(name).map_err(|reason| line_error(line, reason))? else {
                notes.rows_without_sample += 1;
                continue;
            };
            if let Some(before) = sides[index].replace(side).filter(|&before| before != side) {
                let (name, mut both) = (short(name), [before, side]);
                both.sort_unstable();
                let [a, b] = both.map(Side::name);
                let reason = format!("`{name}` is in both {a} and {b}; delete one of its two rows");
                return Err(line_error(line, reason));
            }
        }
        let on = |side| (0..count).filter(|&index| sides[index] == Some(side)).collect::<Vec<_>>();
        let mut split =
            Split { train: on(Side::Train), validation: on(Side::Validation), test: on(Side::Test) };
        if rows[Side::Validation as usize] == 0 {
            split.validation = std::mem::take(&mut split.test);
            rows = [rows[0], rows[2], 0];
        }
        notes.samples_without_row = sides.iter().filter(|side| side.is_none()).count();
        Ok(Read { path, key: samples.key, split, notes, rows })
    }

    fn require(&self, side: Side) -> Result<(), DataError> {
        if !self.split.on(side).is_empty() {
            return Ok(());
        }
        let (path, rows) = (self.path.to_owned(), self.rows[side as usize]);
        Err(DataError::SplitSide { path, sample: self.key.noun(), side: side.name(), rows })
    }
}

/// Counts lines up to places that are asked for in ascending order.
///
/// The reader's own count is one too low behind a CR and LF.
struct Lines<'a> {
    bytes: &'a [u8],
    line: u64,
    counted: usize,
}

impl Lines<'_> {
    /// The line of the row that begins at this byte, or behind the line ends there.
    fn at(&mut self, start: u64) -> u64 {
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(self.bytes.len());
        let ends = self.bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let row = start + ends;
        self.line += line_ends(self.bytes.get(self.counted..row).unwrap_or_default());
        self.counted = row;
        self.line
    }
}

fn side(value: &str) -> Result<Side, String> {
    let value = value.trim();
    Side::named(value)
        .ok_or_else(|| format!("split `{}` is none of train, test, val and validation", short(value)))
}

/// The file, which is read whole.
fn contents(path: &Path) -> Result<Vec<u8>, DataError> {
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DataError::Missing { path: path.to_owned() },
        _ => DataError::Read { path: path.to_owned(), source },
    };
    let bytes = std::fs::metadata(path).map_err(error)?.len();
    if bytes > MAX_BYTES {
        let reason = format!("it has {bytes} bytes, more than any split needs; check that it is one");
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    read_plain(path).map_err(error)
}

/// A name or value as a message may quote it.
fn short(name: &str) -> String {
    let name = shown(name);
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}
