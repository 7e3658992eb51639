//! Rows of CSV with their lines, bad ones too.

use csv::{ByteRecord, ReaderBuilder, StringRecord};

/// A row of a file: its fields, or why they cannot be told.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// From 1: where the row begins, or the quote that is at fault.
    pub line: u64,
    /// The fields, or what is wrong with them and what to do.
    pub fields: Result<StringRecord, String>,
}

/// Reads CSV: commas, double quotes, doubled quotes within, and line ends of any kind. Blank lines are
/// no rows.
///
/// A quote that does not close, or not at the end of its field, costs the line in which it opens. The
/// file is read on behind that line, since the next quote, far below, may belong to another row.
pub struct Rows<'a> {
    bytes: &'a [u8],
    /// Where the reader began.
    start: usize,
    reader: csv::Reader<&'a [u8]>,
    /// The line that is at this offset.
    line: (u64, usize),
    /// Bytes that were read in vain.
    wasted: usize,
}

/// A file of quotes that do not close is given up when it has been read about this often.
const PATIENCE: usize = 16;

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
    pub fn of(bytes: &'a [u8]) -> Rows<'a> {
        Rows { bytes, start: 0, reader: reader(bytes), line: (1, 0), wasted: 0 }
    }

    fn offset(&self) -> usize {
        self.start + self.reader.position().byte() as usize
    }

    fn line_at(&mut self, offset: usize) -> u64 {
        let (line, from) = self.line;
        self.line = (line + line_ends(&self.bytes[from..offset]), offset);
        self.line.0
    }

    /// Reads on behind the line of a bad quote, unless that was tried too often.
    fn resume_behind(&mut self, quote: usize) -> bool {
        let rest = &self.bytes[quote..];
        let line = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
        let start = quote + line;
        self.wasted += self.offset().saturating_sub(start);
        let resumes = self.wasted <= PATIENCE * self.bytes.len();
        self.start = if resumes { start } else { self.bytes.len() };
        self.reader = reader(&self.bytes[self.start..]);
        resumes
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            let mut record = ByteRecord::new();
            let before = self.offset();
            // Of bytes in memory, rows of any length are read without fail.
            if !self.reader.read_byte_record(&mut record).unwrap_or(false) {
                return None;
            }
            let after = self.offset();
            // The line end of the row before, and blank lines, are still in front.
            let row = &self.bytes[before..after];
            let begin = before + row.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let raw = &self.bytes[begin..after];
            if let Some(bad) = bad_quote(raw) {
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
                    reason.push_str("; nothing below it was read");
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

fn reader(bytes: &[u8]) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes)
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
fn line_ends(bytes: &[u8]) -> u64 {
    let ends = |(index, byte): (usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    bytes.iter().enumerate().filter(|&end| ends(end)).count() as u64
}

/// The first quote of a row that opens a field and does not close at its end.
fn bad_quote(row: &[u8]) -> Option<BadQuote> {
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
                    None | Some(b',' | b'\r' | b'\n') => break,
                    Some(_) => return Some(BadQuote::GoesOn(open)),
                }
            }
        }
        field = find(b',', field)? + 1;
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
        Rows::of(text.as_bytes()).map(row).collect()
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
    fn bytes_that_are_no_text_are_named() {
        let bytes = b"a,b\nc,\x93d\x94\n\0,e\nf,g";
        let rows: Vec<Row> = Rows::of(bytes).collect();
        let reason = |row: &Row| row.fields.clone().unwrap_err();
        assert!(reason(&rows[1]).starts_with("field 2 is not UTF-8"), "{:?}", rows[1]);
        assert!(reason(&rows[2]).starts_with("there is a NUL byte"), "{:?}", rows[2]);
        assert_eq!((rows.len(), rows[3].line, rows[3].fields.is_ok()), (4, 4, true));
    }
}
