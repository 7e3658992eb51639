//! Photos in a whole zip archive, by its table of contents.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::ops::ControlFlow;
use std::path::Path;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::{Ask, Found, LINK, Remains, TWICE, Visit, entry_name, is_hidden, read_entry};
use crate::data::error::DataError;

/// A zip archive and the files in it, sorted by name.
pub struct Archive {
    archive: ZipArchive<BufReader<File>>,
    /// Names and places; no place for the second file of a name.
    files: Vec<(String, Option<usize>)>,
    folders: Vec<String>,
}

/// Reads the table of contents. `None` if the archive has none, as when its end was cut off.
pub fn open(path: &Path) -> Result<Option<Archive>, DataError> {
    let read_error = |source| DataError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    let archive = match ZipArchive::new(BufReader::new(file)) {
        Ok(archive) => archive,
        Err(ZipError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(read_error(error));
        }
        Err(_) => return Ok(None),
    };
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    let mut names = HashSet::new();
    for index in 0..archive.len() {
        let name = match archive.name_for_index(index) {
            Some(Ok(name)) => name.into_owned(),
            _ => format!("file {index} of the archive, its name unreadable.jpg"),
        };
        let is_folder = name.ends_with(['/', '\\']);
        let name = entry_name(&name);
        if is_hidden(&name) {
            continue;
        }
        if is_folder {
            folders.push(name);
        } else {
            // Two entries may differ in their slashes only.
            let is_first = names.insert(name.clone());
            files.push((name, is_first.then_some(index)));
        }
    }
    // The first of a name comes first.
    files.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.is_some().cmp(&a.1.is_some())));
    Ok(Some(Archive { archive, files, folders }))
}

impl Archive {
    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Reads and inflates one entry after the other.
    pub fn for_each(mut self, ask: Ask, visit: Visit) -> Remains {
        let mut remains = Remains { folders: self.folders, ..Remains::default() };
        for (name, index) in self.files {
            if !ask.wants(&name) {
                continue;
            }
            let found = match index {
                None => Found::unreadable(&name, TWICE),
                Some(index) => read(&mut self.archive, index, &name, ask),
            };
            if let ControlFlow::Break(()) = found.hand_on(name, &mut remains, visit) {
                break;
            }
        }
        remains
    }
}

fn read(archive: &mut ZipArchive<BufReader<File>>, index: usize, name: &str, ask: Ask) -> Found {
    if let Some(reason) = archive.by_index_raw(index).ok().and_then(|file| {
        if file.encrypted() {
            Some("encrypted in the archive; unpack it with its password first".to_owned())
        } else {
            unread_method(file.compression())
        }
    }) {
        return Found::unreadable(name, reason);
    }
    match archive.by_index(index) {
        Ok(file) if !file.is_file() => Found::unreadable(name, LINK),
        Ok(file) => {
            let size = file.size();
            match read_entry(name, file, size, ask) {
                Found::Skip(reason) if reason.starts_with("cannot be read") => {
                    Found::Skip(format!("damaged in the archive: {reason}"))
                }
                found => found,
            }
        }
        Err(error) => Found::unreadable(name, format!("damaged in the archive: {error}")),
    }
}

/// Why a method of compression is not read, if it is not.
fn unread_method(method: CompressionMethod) -> Option<String> {
    let known = match method {
        CompressionMethod::Stored | CompressionMethod::Deflated | CompressionMethod::Deflate64 => {
            return None;
        }
        CompressionMethod::BZIP2 => "bzip2",
        CompressionMethod::LZMA => "LZMA",
        CompressionMethod::XZ => "xz",
        CompressionMethod::ZSTD | CompressionMethod::ZSTD_DEPRECATED => "zstd",
        CompressionMethod::PPMD => "PPMd",
        CompressionMethod::SHRINK => "shrink",
        CompressionMethod::IMPLODE => "implode",
        other => return Some(format!("packed by {other:?}, which is not read; unpack it and pack it anew")),
    };
    Some(format!("packed by {known}, which is not read; unpack it and pack it anew"))
}
