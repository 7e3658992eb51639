//! Photos in a tar archive, compressed by gzip or not, in the archive's order.
//!
//! The headers are walked here block by block (POSIX 1003.1, pax interchange format): a name of any
//! length would be read into memory by the tar crate's own iterator, and what follows the last file,
//! which holds the checksum of a `.tar.gz`, would never be read.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header, PaxExtensions};

use super::gzip::Members;
use super::{Ask, CUT, Found, LINK, Remains, TWICE, Visit, entry_name, is_hidden, read_entry};
use crate::data::error::{DataError, shown, shown_path};

/// A tar archive at its start.
pub struct Archive {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    compressed: bool,
}

const BLOCK_BYTES: usize = 512;
/// Longer names are not believed.
const MAX_NAME_BYTES: u64 = 64 << 10;
/// Neither is a longer list of an entry's properties.
const MAX_PAX_BYTES: u64 = 1 << 20;
/// Nobody fills up an archive with more behind its end mark.
const MAX_END_BYTES: u64 = 1 << 30;

/// Opens the archive and looks whether it is compressed.
pub fn open(path: &Path) -> Result<Archive, DataError> {
    let read_error = |source| DataError::Read { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(read_error)?);
    let compressed = file.fill_buf().map_err(read_error)?.starts_with(b"\x1F\x8B");
    let reader: Box<dyn Read + Send> =
        if compressed { Box::new(BufReader::new(Members::new(file))) } else { Box::new(file) };
    Ok(Archive { path: path.to_owned(), reader, compressed })
}

/// One file of the archive; its data come next.
struct TarEntry {
    /// `None` of a name that is too long.
    name: Option<String>,
    kind: EntryType,
    size: u64,
}

impl Archive {
    /// Visits every photo up to the first damage, which is reported and ends the archive.
    pub fn for_each(mut self, ask: Ask, visit: Visit) -> Result<Remains, DataError> {
        let mut remains = Remains::default();
        let mut names = HashSet::new();
        let mut read = 0;
        loop {
            let entry = match next_entry(&mut self.reader) {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    remains.warning = end_fault(&mut self.reader).map(|fault| self.warning(&fault, ""));
                    break;
                }
                Err(error) if read == 0 && self.compressed && error.kind() == ErrorKind::InvalidData => {
                    let what = "compressed by gzip, but it does not begin like a tar archive; unpack it";
                    return Err(DataError::NotPhotos { path: self.path, what: what.to_owned() });
                }
                Err(error) if read == 0 => {
                    return Err(DataError::BrokenArchive { path: self.path, reason: error.to_string() });
                }
                Err(error) => {
                    remains.warning = Some(self.warning(&error.to_string(), LOST));
                    break;
                }
            };
            let is_folder = entry.kind.is_dir();
            read += usize::from(!is_folder);
            let mut data = self.reader.by_ref().take(entry.size);
            let name = entry.name.clone().unwrap_or_else(|| format!("file {read} of the archive"));
            let mut found = None;
            if is_folder && !is_hidden(&name) {
                remains.folders.extend(entry.name);
            } else if !is_hidden(&name) && ask.wants(&name) {
                let is_file = entry.kind.is_file() || entry.kind.is_contiguous();
                found = Some(if entry.name.is_none() {
                    Found::Skip(format!("its name is longer than {} KiB", MAX_NAME_BYTES >> 10))
                } else if entry.kind.is_gnu_sparse() {
                    Found::unreadable(&name, "a sparse file in the archive; unpack it first")
                } else if !is_file {
                    Found::unreadable(&name, LINK)
                } else if !names.insert(name.clone()) {
                    Found::unreadable(&name, TWICE)
                } else {
                    read_entry(&name, &mut data, entry.size, ask)
                });
            }
            let is_cut = io::copy(&mut data, &mut io::sink()).is_err() || data.limit() > 0;
            if is_cut {
                let fault = format!("it ends in the middle of {}", shown(&name));
                remains.warning = Some(self.warning(&fault, LOST));
                found = found.map(|_| Found::Skip(CUT.to_owned()));
            }
            if let Some(found) = found
                && let ControlFlow::Break(()) = found.hand_on(name, &mut remains, visit)
            {
                break;
            }
            if is_cut {
                break;
            }
            // An archive that ends in what fills up the block ends before its end mark as well.
            let _ = skip(&mut self.reader, padding(entry.size));
        }
        Ok(remains)
    }

    fn warning(&self, fault: &str, lost: &str) -> String {
        let path = shown_path(&self.path);
        format!("{path}: the archive is damaged ({fault}){lost}; download or copy it again")
    }
}

const LOST: &str = "; the files up to there were read, any others are lost";

/// The next file with what the headers before it say of it. `None` at the end mark.
fn next_entry(reader: &mut impl Read) -> io::Result<Option<TarEntry>> {
    let mut long_name: Option<Option<Vec<u8>>> = None;
    let mut pax_name = None;
    let mut pax_size = None;
    loop {
        let Some(block) = next_block(reader)? else {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "its end mark is missing"));
        };
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block);
        verify(header)?;
        let kind = header.entry_type();
        let mut size = header.entry_size()?;
        if kind.is_gnu_longname() {
            long_name = Some(bounded(reader, size, MAX_NAME_BYTES)?);
        } else if kind.is_pax_local_extensions() {
            let Some(bytes) = bounded(reader, size, MAX_PAX_BYTES)? else {
                long_name = Some(None);
                continue;
            };
            for property in PaxExtensions::new(&bytes).flatten() {
                match property.key_bytes() {
                    b"path" => pax_name = Some(property.value_bytes().to_vec()),
                    b"size" => pax_size = property.value().ok().and_then(|size| size.parse().ok()),
                    _ => {}
                }
            }
        } else if kind.is_gnu_longlink() || kind.is_pax_global_extensions() {
            skip(reader, size.saturating_add(padding(size)))?;
        } else {
            skip_sparse_maps(reader, header)?;
            size = pax_size.unwrap_or(size);
            let name = match (pax_name, long_name) {
                (_, Some(None)) => None,
                (Some(name), _) if name.len() as u64 > MAX_NAME_BYTES => None,
                (Some(name), _) | (None, Some(Some(name))) => Some(name),
                (None, None) => Some(header.path_bytes().into_owned()),
            };
            let text = |name: Vec<u8>| {
                let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
                entry_name(&String::from_utf8_lossy(&name[..end]))
            };
            return Ok(Some(TarEntry { name: name.map(text), kind, size }));
        }
    }
}

/// `None` at the end of the file.
fn next_block(reader: &mut impl Read) -> io::Result<Option<[u8; BLOCK_BYTES]>> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    reader.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
    match <[u8; BLOCK_BYTES]>::try_from(block) {
        Ok(block) => Ok(Some(block)),
        Err(block) if block.is_empty() => Ok(None),
        Err(_) => Err(io::Error::new(ErrorKind::InvalidData, "it ends in the middle of a header")),
    }
}

fn invalid(error: io::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// The checksum counts its own field as blanks.
fn verify(header: &Header) -> io::Result<()> {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let bytes = header.as_bytes();
    if sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]) == header.cksum().map_err(invalid)? {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidData, "a header's checksum differs"))
}

/// The data of a header, without what fills up the block; `None` of too many.
fn bounded(reader: &mut impl Read, size: u64, most: u64) -> io::Result<Option<Vec<u8>>> {
    if size > most {
        skip(reader, size.saturating_add(padding(size)))?;
        return Ok(None);
    }
    let mut bytes = Vec::new();
    reader.by_ref().take(size).read_to_end(&mut bytes)?;
    skip(reader, padding(size))?;
    Ok(Some(bytes))
}

/// Blocks that list where a sparse file has data.
fn skip_sparse_maps(reader: &mut impl Read, header: &Header) -> io::Result<()> {
    let mut more =
        header.entry_type().is_gnu_sparse() && header.as_gnu().is_some_and(|gnu| gnu.is_extended());
    while more {
        more = next_block(reader)?.is_some_and(|block| block[504] != 0);
    }
    Ok(())
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK_BYTES as u64
}

fn skip(reader: &mut impl Read, bytes: u64) -> io::Result<()> {
    match io::copy(&mut reader.by_ref().take(bytes), &mut io::sink())? {
        skipped if skipped < bytes => Err(io::Error::new(ErrorKind::UnexpectedEof, "it ends early")),
        _ => Ok(()),
    }
}

/// Reads to the end of the stream, where the checksum is, and says what is wrong there.
fn end_fault(reader: &mut impl Read) -> Option<String> {
    let mut rest = reader.take(MAX_END_BYTES);
    let mut buffer = [0; 8 * BLOCK_BYTES];
    let mut is_filling = true;
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => is_filling &= buffer[..count].iter().all(|&byte| byte == 0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::Unsupported => return Some(error.to_string()),
            Err(error) => {
                return Some(format!("its end cannot be read ({error}), so any of its files may be wrong"));
            }
        }
    }
    (!is_filling).then(|| "more data follow its end mark, and were not read".to_owned())
}
