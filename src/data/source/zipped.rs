//! Photos in a whole zip archive, by its table of contents.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::ops::ControlFlow;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::{Entry, Kind, Remains, Visit, entry_name, read_entry};
use crate::data::error::DataError;

/// A zip archive and the photos in it, sorted by name.
pub struct Archive {
    archive: ZipArchive<BufReader<File>>,
    photos: Vec<(String, usize)>,
    ignored_files: usize,
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
    let mut photos = Vec::new();
    let mut names = HashSet::new();
    let mut ignored_files = 0;
    for index in 0..archive.len() {
        let name = match archive.name_for_index(index) {
            Some(Ok(name)) => name.into_owned(),
            _ => format!("file {index} of the archive, its name unreadable.jpg"),
        };
        let is_folder = name.ends_with(['/', '\\']);
        let name = entry_name(&name);
        match Kind::of(&name) {
            _ if is_folder => {}
            // Two entries may differ in their slashes only.
            Kind::Photo if names.insert(name.clone()) => photos.push((name, index)),
            Kind::Photo => ignored_files += 1,
            Kind::Other => ignored_files += 1,
            Kind::Hidden => {}
        }
    }
    photos.sort();
    Ok(Some(Archive { archive, photos, ignored_files }))
}

impl Archive {
    /// How many photo files there are.
    pub fn len(&self) -> usize {
        self.photos.len()
    }

    /// Reads and inflates one entry after the other.
    pub fn for_each(mut self, visit: Visit) -> Remains {
        for (name, index) in self.photos {
            let bytes = match self.archive.by_index(index) {
                Ok(file) if !file.is_file() => Err("a link within the archive".to_owned()),
                Ok(file) => {
                    let size = file.size();
                    read_entry(file, size).map_err(|reason| format!("damaged in the archive: {reason}"))
                }
                Err(error) => Err(format!("damaged in the archive: {error}")),
            };
            if let ControlFlow::Break(()) = visit(Entry { name, bytes }) {
                break;
            }
        }
        Remains { ignored_files: self.ignored_files, warning: None }
    }
}
