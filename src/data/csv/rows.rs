//! Rows of CSV with their lines, bad ones too.

use std::cell::Cell;
use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder, StringRecord};

/// A row of a file: its fields, or why they cannot be told.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// From 1: where the row begins, or the quote that is at fault.
    pub line: u64,
    /// The fields, or what is wrong with them and what to do.
    pub fields: Result<StringRecord, String>,
}

/// Reads CSV: commas or another delimiter, double quotes, doubled quotes within, and line ends of any kind. Blank lines are
/// no rows.
///
/// A quote that does not close, or not at the end of its field, costs the line in which it opens. The
/// file is read on behind that line, since the next quote, far below, may belong to another row.
pub struct Rows<'a> {
    bytes: &'a [u8],
    /// Where the reader began.
    start: usize,
    delimiter: u8,
    reader: csv::Reader<Bounded<'a>>,
    /// The line that is at this offset.
    line: (u64, usize),
    /// Bytes that were read in vain.
    wasted: usize,
}

/// A file of quotes that do not close is given up when it has been read about this often.
const PATIENCE: usize = 16;

/// A longer row, in bytes, is skipped.
const MAX_ROW_BYTES: usize = 16 << 20;

/// What is wrong with a quote, and where in the row it opens.
#[derive(Debug, PartialEq, Eq)]
enum BadQuote {
    /// Behind the closing one, the field goes on.
    GoesOn(usize),
    /// The file ends first.
    Unclosed(usize),
}

impl<'a> Rows<'a> {
    /// The rows of a file. A byte-order mark must be gone.
    pub fn of(bytes: &'a [u8], delimiter: u8) -> Rows<'a> {
        Rows { bytes, start: 0, delimiter, reader: reader(bytes, delimiter), line: (1, 0), wasted: 0 }
    }

    fn offset(&self) -> usize {
        self.start + self.reader.position().byte() as usize
    }

    fn line_at(&mut self, offset: usize) -> u64 {
        let (line, from) = self.line;
        self.line = (line + line_ends(&self.bytes[from..offset]), offset);
        self.line.0
    }

    /// A row of tabs in which quotes mean nothing but themselves, and end with its line: most programs
    /// write them so. A quote at both ends of a field is taken off nevertheless.
    fn unquoted_line(&mut self, begin: usize) -> Row {
        let line = self.line_at(begin);
        let row = &self.bytes[begin..];
        let end = row.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(row.len());
        let unquoted = |field: &'_ [u8]| -> Vec<u8> {
            field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field).to_vec()
        };
        let record: ByteRecord = row[..end].split(|&byte| byte == self.delimiter).map(unquoted).collect();
        match self.resume_behind(begin) {
            true => Row { line, fields: text(record) },
            false => Row { line, fields: Err(format!("too many quotes are never closed{GIVEN_UP}")) },
        }
    }

    /// Skips the line in which a row begins that is too long, or never ends.
    fn skip_long(&mut self, before: usize) -> Row {
        let ends = self.bytes[before..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let line = self.line_at(before + ends);
        let mut reason =
            format!("the row is longer than {} MiB, or a quote in it is not closed", MAX_ROW_BYTES >> 20);
        if !self.resume_behind(before + ends) {
            reason.push_str(GIVEN_UP);
        }
        Row { line, fields: Err(reason) }
    }

    /// Reads on behind the line of a bad quote, unless that was tried too often.
    fn resume_behind(&mut self, quote: usize) -> bool {
        let rest = &self.bytes[quote..];
        let line = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let start = quote + line;
        self.wasted += self.offset().saturating_sub(start);
        let resumes = self.wasted <= PATIENCE * self.bytes.len();
        self.start = if resumes { start } else { self.bytes.len() };
        self.reader = reader(&self.bytes[self.start..], self.delimiter);
        resumes
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            let mut record = ByteRecord::new();
            let before = self.offset();
            self.reader.get_ref().left.set(MAX_ROW_BYTES);
            match self.reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return None,
                // Bytes in memory are read without fail but for this.
                Err(_) => return Some(self.skip_long(before)),
            }
            let after = self.offset();
            // The line end of the row before, and blank lines, are still in front.
            let row = &self.bytes[before..after];
            let begin = before + row.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let raw = &self.bytes[begin..after];
            let bad = bad_quote(raw, self.delimiter);
            if bad.is_some() && self.delimiter == b'\t' {
                return Some(self.unquoted_line(begin));
            }
            if let Some(bad) = bad {
                let (BadQuote::GoesOn(within) | BadQuote::Unclosed(within)) = bad;
                let line = self.line_at(begin + within);
                let mut reason = match bad {
                    BadQuote::GoesOn(_) => {
                        "a field goes on behind its closing quote; double the quotes within it"
                    }
                    BadQuote::Unclosed(_) => "a quote opens and is never closed; close it or delete it",
                }
                .to_owned();
                if !self.resume_behind(begin + within) {
                    reason.push_str(GIVEN_UP);
                }
                return Some(Row { line, fields: Err(reason) });
            }
            if raw.trim_ascii().is_empty() {
                continue;
            }
            let line = self.line_at(begin);
            return Some(Row { line, fields: text(record) });
        }
    }
}

const GIVEN_UP: &str = "; nothing below it was read";

/// Bytes in memory, of which so many are given and then an error.
struct Bounded<'a> {
    bytes: &'a [u8],
    left: Cell<usize>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 && !self.bytes.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = buffer.len().min(left);
        let read = self.bytes.read(&mut buffer[..count])?;
        self.left.set(left - read);
        Ok(read)
    }
}

fn reader(bytes: &[u8], delimiter: u8) -> csv::Reader<Bounded<'_>> {
    let bytes = Bounded { bytes, left: Cell::new(MAX_ROW_BYTES) };
    ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes)
}

fn text(record: ByteRecord) -> Result<StringRecord, String> {
    if record.iter().any(|field| field.contains(&0)) {
        return Err("there is a NUL byte in it; delete it, or save the file as UTF-8 if it is UTF-16".into());
    }
    StringRecord::from_byte_record(record).map_err(|error| {
        format!("field {} is not UTF-8; save the file as UTF-8", error.utf8_error().field() + 1)
    })
}

/// How many lines end in here: in LF, in CR and LF, or in CR.
pub fn line_ends(bytes: &[u8]) -> u64 {
    let ends = |(index, byte): (usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    bytes.iter().enumerate().filter(|&end| ends(end)).count() as u64
}

/// The first quote of a row that opens a field and does not close at its end.
fn bad_quote(row: &[u8], delimiter: u8) -> Option<BadQuote> {
    let find = |byte: u8, from: usize| row[from..].iter().position(|&b| b == byte).map(|n| from + n);
    let mut field = 0;
    loop {
        if row.get(field) == Some(&b'"') {
            let open = field;
            field += 1;
            loop {
                let Some(quote) = find(b'"', field) else { return Some(BadQuote::Unclosed(open)) };
                field = quote + 1;
                match row.get(field) {
                    Some(b'"') => field += 1,
                    None | Some(b'\r' | b'\n') => break,
                    Some(&byte) if byte == delimiter => break,
                    Some(_) => return Some(BadQuote::GoesOn(open)),
                }
            }
        }
        field = find(delimiter, field)? + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and fields, or line and the reason's beginning.
    fn rows(text: &str) -> Vec<(u64, String)> {
        let row = |Row { line, fields }| match fields {
            Ok(fields) => (line, fields.iter().collect::<Vec<_>>().join("|")),
            Err(reason) => (line, format!("! {reason}")),
        };
        Rows::of(text.as_bytes(), b',').map(row).collect()
    }

    fn lines(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn lines_are_counted_at_line_ends_of_every_kind() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "", "\"c", "d\",e", " ", "f,g"].join(end);
            let quoted = format!("c{end}d|e");
            assert_eq!(rows(&text), lines(&[(1, "a|b"), (3, &quoted), (6, "f|g")]), "{end:?}");
        }
    }

    #[test]
    fn doubled_and_inner_quotes_are_no_fault() {
        assert_eq!(
            rows("\"a \"\"b\"\"\",\"\"\n5\" wide,\"\"\"\"\n"),
            lines(&[(1, "a \"b\"|"), (2, "5\" wide|\"")])
        );
    }

    #[test]
    fn a_bad_quote_costs_the_line_in_which_it_opens() {
        const GOES_ON: &str = "! a field goes on behind its closing quote; double the quotes within it";
        const UNCLOSED: &str = "! a quote opens and is never closed; close it or delete it";
        assert_eq!(rows("a,\"b\nc,d\ne,f"), lines(&[(1, UNCLOSED), (2, "c|d"), (3, "e|f")]));
        assert_eq!(rows("a,\"b\r\nc,\"d\"\r\ne,f"), lines(&[(1, GOES_ON), (2, "c|d"), (3, "e|f")]));
        assert_eq!(rows("a,\"b \"c\" d\"\ne,f"), lines(&[(1, GOES_ON), (2, "e|f")]));
        let text = "\"a\nb\",\"c\nd,e\n";
        assert_eq!(rows(text), lines(&[(2, UNCLOSED), (3, "d|e")]));
        assert_eq!(rows("a,b\nc,\""), lines(&[(1, "a|b"), (2, UNCLOSED)]));
    }

    #[test]
    fn a_file_of_open_quotes_is_given_up_and_says_so() {
        let text = "\"a\"b,\"c\n".repeat(20_000);
        let start = std::time::Instant::now();
        let rows = rows(&text);
        assert!(start.elapsed().as_secs() < 5);
        assert!(rows.len() < 100, "{}", rows.len());
        assert!(rows.last().unwrap().1.ends_with("nothing below it was read"), "{rows:?}");
    }

    #[test]
    fn quotes_mean_nothing_in_a_line_of_tabs_that_cannot_be_read_with_them() {
        let text = "a\t\"b \\\"c\\\" d\"\ne\t\"f\ng\t\"h\ti\"\nj\tk \"l\"\n\"m\nn\"\to\n";
        let rows = Rows::of(text.as_bytes(), b'\t');
        let rows: Vec<(u64, String)> =
            rows.map(|row| (row.line, row.fields.unwrap().iter().collect::<Vec<_>>().join("|"))).collect();
        let expected = [(1, "a|b \\\"c\\\" d"), (2, "e|\"f"), (3, "g|h\ti"), (4, "j|k \"l\""), (5, "m\nn|o")];
        assert_eq!(rows, lines(&expected));
    }

    #[test]
    fn a_row_that_is_too_long_costs_its_line() {
        let long = MAX_ROW_BYTES + 20_000;
        for text in ["y".repeat(long), ",".repeat(long), format!("\"{}", "y".repeat(long))] {
            let rows = rows(&format!("a,b\n\n{text}\nc,d\n"));
            assert_eq!(rows.len(), 3);
            assert_eq!((&rows[0], &rows[2]), (&(1, "a|b".to_owned()), &(4, "c|d".to_owned())));
            assert!(
                rows[1].0 == 3 && rows[1].1.starts_with("! the row is longer than 16 MiB"),
                "{}",
                rows[1].0
            );
        }
        let fits = format!("a,b\nc,{}\n", "y".repeat(MAX_ROW_BYTES - 20_000));
        assert!(rows(&fits)[1].1.len() > MAX_ROW_BYTES / 2);
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let bytes = b"a,b\nc,\x93d\x94\n\0,e\nf,g";
        let rows: Vec<Row> = Rows::of(bytes, b',').collect();
        let reason = |row: &Row| row.fields.clone().unwrap_err();
        assert!(reason(&rows[1]).starts_with("field 2 is not UTF-8"), "{:?}", rows[1]);
        assert!(reason(&rows[2]).starts_with("there is a NUL byte"), "{:?}", rows[2]);
        assert_eq!((rows.len(), rows[3].line, rows[3].fields.is_ok()), (4, 4, true));
    }
}
