//! Photos in a tar archive, compressed by gzip or not, in the archive's order.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::{CUT, Entry, Kind, Remains, Visit, entry_name, read_entry};
use crate::data::error::DataError;

/// A tar archive at its start.
pub struct Archive {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
}

/// Opens the archive and looks whether it is compressed.
pub fn open(path: &Path) -> Result<Archive, DataError> {
    let read_error = |source| DataError::Read { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(read_error)?);
    let compressed = file.fill_buf().map_err(read_error)?.starts_with(b"\x1F\x8B");
    let reader: Box<dyn Read + Send> =
        if compressed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
    Ok(Archive { path: path.to_owned(), reader })
}

impl Archive {
    /// Visits every photo file up to the first damage, which is reported and ends the archive.
    pub fn for_each(self, visit: Visit) -> Result<Remains, DataError> {
        let broken = |reason: String| DataError::BrokenArchive { path: self.path.clone(), reason };
        let mut archive = tar::Archive::new(self.reader);
        let mut remains = Remains::default();
        let mut names = HashSet::new();
        let mut read = 0;
        let damage = |reason: &str| {
            Some(format!(
                "{}: the archive is damaged ({reason}); the files up to there were read, any others are \
                 lost; download or copy it again",
                self.path.display()
            ))
        };
        for entry in archive.entries().map_err(|error| broken(error.to_string()))? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if read == 0 => return Err(broken(error.to_string())),
                Err(error) => {
                    remains.warning = damage(&error.to_string());
                    break;
                }
            };
            let name = entry_name(&String::from_utf8_lossy(&entry.path_bytes()));
            let kind = entry.header().entry_type();
            if kind.is_dir() || kind.is_pax_global_extensions() {
                continue;
            }
            read += 1;
            match Kind::of(&name) {
                Kind::Hidden => continue,
                Kind::Other => {
                    remains.ignored_files += 1;
                    continue;
                }
                Kind::Photo => {}
            }
            let size = entry.size();
            let mut bytes = if !(kind.is_file() || kind.is_contiguous()) {
                Err("a link within the archive".to_owned())
            } else if !names.insert(name.clone()) {
                Err("the archive holds this name twice; the first is used".to_owned())
            } else {
                read_entry(entry, size)
            };
            if bytes.as_ref().is_ok_and(|bytes| (bytes.len() as u64) < size) {
                bytes = Err(CUT.to_owned());
            }
            if bytes.as_ref().is_err_and(|reason| reason == CUT) {
                remains.warning = damage(&format!("it ends in the middle of {name}"));
            }
            if let ControlFlow::Break(()) = visit(Entry { name, bytes }) {
                break;
            }
            if remains.warning.is_some() {
                break;
            }
        }
        Ok(remains)
    }
}
