//! What is left of a zip archive that lost its end, and with it the table of contents.
//!
//! Each file in a zip begins with a header of its own (APPNOTE.TXT, section 4.3.7). The sizes in it
//! may be missing when the archive was written as a stream, as macOS does; deflated data then tell
//! themselves where they end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::{Ask, CUT, Found, Remains, Visit, entry_name, is_hidden, read_entry};
use crate::data::error::{DataError, shown_path};

/// A zip archive to be read from its start, in its own order.
pub struct Archive {
    path: PathBuf,
    reader: BufReader<File>,
}

/// The fields of a local file header that matter here.
struct Header {
    name: String,
    encrypted: bool,
    method: u16,
    /// `None` if the header leaves them to a data descriptor behind the data.
    known: Option<Known>,
}

struct Known {
    crc32: u32,
    compressed_bytes: u64,
}

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Opens the archive at its start.
pub fn open(path: &Path) -> Result<Archive, DataError> {
    let file = File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    Ok(Archive { path: path.to_owned(), reader: BufReader::new(file) })
}

impl Archive {
    /// Visits every file whose header is whole; what lies between them is passed over.
    pub fn for_each(mut self, ask: Ask, visit: Visit) -> Result<Remains, DataError> {
        let mut remains = Remains::default();
        let mut recovered = 0;
        loop {
            let header = match next_header(&mut self.reader) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(source) => return Err(DataError::Read { path: self.path, source }),
            };
            let is_folder = header.name.ends_with(['/', '\\']);
            let name = entry_name(&header.name);
            // A folder's data, if any, are passed over in search of the next header.
            if is_folder || is_hidden(&name) || !ask.wants(&name) {
                pass_over(&mut self.reader, &header);
                remains.folders.extend((is_folder && !is_hidden(&name)).then_some(name));
                continue;
            }
            let found = read_data(&name, &mut self.reader, &header, ask);
            recovered += usize::from(matches!(found, Found::Photo(_)));
            if let ControlFlow::Break(()) = found.hand_on(name, &mut remains, visit) {
                break;
            }
        }
        if recovered == 0 && !matches!(ask, Ask::Only(_)) {
            let reason = "its table of contents is missing, and no photo in it is whole".to_owned();
            return Err(DataError::BrokenArchive { path: self.path, reason });
        }
        remains.warning = Some(format!(
            "{}: the archive is damaged, its table of contents is missing; {recovered} photo files were \
             recovered, any others are lost; download or copy it again",
            shown_path(&self.path)
        ));
        Ok(remains)
    }
}

/// Skips to the next local file header and reads it. `None` at the table of contents.
fn next_header(reader: &mut impl BufRead) -> io::Result<Option<Header>> {
    let mut window = [0; 4];
    reader.read_exact(&mut window)?;
    loop {
        match &window {
            b"PK\x03\x04" => break,
            b"PK\x01\x02" | b"PK\x05\x06" => return Ok(None),
            _ => {
                let mut next = [0];
                reader.read_exact(&mut next)?;
                window = [window[1], window[2], window[3], next[0]];
            }
        }
    }
    let mut fields = [0; 26];
    reader.read_exact(&mut fields)?;
    let u16_at = |at: usize| u16::from_le_bytes([fields[at], fields[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    let (flags, method, compressed_bytes) = (u16_at(2), u16_at(4), u32_at(14));
    let mut name = vec![0; usize::from(u16_at(22))];
    reader.read_exact(&mut name)?;
    let mut extra = vec![0; usize::from(u16_at(24))];
    reader.read_exact(&mut extra)?;
    // All ones stand for a 64-bit size in the extra fields; no photo is that large.
    let known = (flags & 8 == 0 && compressed_bytes != u32::MAX)
        .then(|| Known { crc32: u32_at(10), compressed_bytes: compressed_bytes.into() });
    let name = String::from_utf8_lossy(&name).into_owned();
    Ok(Some(Header { name, encrypted: flags & 1 != 0, method, known }))
}

/// Reads an entry's data, or its head, and leaves the reader behind what was read.
fn read_data(name: &str, reader: &mut impl BufRead, header: &Header, ask: Ask) -> Found {
    let refused = |reason: &str| Found::unreadable(name, reason);
    if header.encrypted {
        pass_over(reader, header);
        return refused("encrypted in the archive; unpack it with its password first");
    }
    let found = match (header.method, &header.known) {
        (STORED, Some(known)) => {
            let mut data = reader.take(known.compressed_bytes);
            let found = read_entry(name, &mut data, known.compressed_bytes, ask);
            let rest = io::copy(&mut data, &mut io::sink());
            // What is left of the limit is what the archive lacks.
            if rest.is_err() || data.limit() > 0 { refused(CUT) } else { found }
        }
        (DEFLATED, _) => {
            let mut data = DeflateDecoder::new(&mut *reader);
            let found = read_entry(name, &mut data, 0, ask);
            match io::copy(&mut data, &mut io::sink()) {
                Err(error) => refused(&super::io_reason(&error)),
                Ok(_) => found,
            }
        }
        _ => {
            pass_over(reader, header);
            return refused("cannot be recovered from a damaged archive");
        }
    };
    let Found::Photo(bytes) = &found else { return found };
    // A head has no checksum of its own.
    let expected = match &header.known {
        _ if matches!(ask, Ask::Heads) => None,
        Some(known) => Some(known.crc32),
        None => descriptor(reader),
    };
    let mut crc = Crc::new();
    crc.update(bytes);
    match expected {
        Some(expected) if expected != crc.sum() => refused("damaged in the archive: the checksum differs"),
        _ => found,
    }
}

/// The checksum in the data descriptor behind streamed data, if it has its signature.
fn descriptor(reader: &mut impl BufRead) -> Option<u32> {
    let start: [u8; 8] = *reader.fill_buf().ok()?.first_chunk()?;
    let checksum = start.strip_prefix(b"PK\x07\x08")?;
    Some(u32::from_le_bytes(*checksum.first_chunk()?))
}

/// Skips an entry's data as far as its size is known; the search for the next header does the rest.
fn pass_over(reader: &mut impl BufRead, header: &Header) {
    if let Some(known) = &header.known {
        // An error shows again at the next header.
        let _ = io::copy(&mut reader.take(known.compressed_bytes), &mut io::sink());
    }
}
