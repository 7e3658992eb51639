//! Photos in a folder and everything below it, or a single one.

use std::collections::HashSet;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Entry, Kind, Remains, Visit, io_reason, read_entry};
use crate::data::error::DataError;

/// The photo files of a folder, sorted by name.
pub struct Files {
    photos: Vec<(String, Result<PathBuf, String>)>,
    ignored_files: usize,
}

/// Finds every file below `root`, through links too. A folder is entered once, so that a link to
/// one of its own parents does no harm.
pub fn walk(root: &Path) -> Result<Files, DataError> {
    let root_error = |source| DataError::Read { path: root.to_owned(), source };
    let mut files = Files { photos: Vec::new(), ignored_files: 0 };
    let mut entered = HashSet::from([root.canonicalize().map_err(root_error)?]);
    std::fs::read_dir(root).map_err(root_error)?;
    let mut folders = vec![(String::new(), root.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        match sorted(&folder) {
            Err(reason) => files.photos.push((prefix, Err(reason))),
            Ok(children) => {
                for (base, path) in children {
                    let name = if prefix.is_empty() { base } else { format!("{prefix}/{base}") };
                    if let Some(below) = files.add(name, path, &mut entered) {
                        folders.push(below);
                    }
                }
            }
        }
    }
    files.photos.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

/// A folder's entries by name: the order of the walk decides which of two links is followed.
fn sorted(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let mut children = std::fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path())))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(|error| io_reason(&error))?;
    children.sort();
    Ok(children)
}

/// One file, whatever it is called.
pub fn single(path: &Path) -> Files {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Files { photos: vec![(name, Ok(path.to_owned()))], ignored_files: 0 }
}

impl Files {
    /// How many photo files there are.
    pub fn len(&self) -> usize {
        self.photos.len()
    }

    /// Files one directory entry, and gives it back if it is a folder to enter.
    fn add(
        &mut self,
        name: String,
        path: PathBuf,
        entered: &mut HashSet<PathBuf>,
    ) -> Option<(String, PathBuf)> {
        let kind = Kind::of(&name);
        if kind == Kind::Hidden {
            return None;
        }
        let found = match path.metadata() {
            Err(error) => Err(io_reason(&error)),
            Ok(metadata) if metadata.is_dir() => {
                return match path.canonicalize() {
                    Ok(real) => entered.insert(real).then_some((name, path)),
                    Err(error) => {
                        self.photos.push((name, Err(io_reason(&error))));
                        None
                    }
                };
            }
            // A pipe would be waited for.
            Ok(metadata) if !metadata.is_file() => Err("not a regular file".to_owned()),
            Ok(_) => Ok(path),
        };
        match kind {
            Kind::Photo => self.photos.push((name, found)),
            _ => self.ignored_files += 1,
        }
        None
    }

    /// Reads one file after the other.
    pub fn for_each(self, visit: Visit) -> Remains {
        for (name, path) in self.photos {
            let bytes = path.and_then(|path| {
                let file = File::open(path).map_err(|error| io_reason(&error))?;
                let size = file.metadata().map_or(0, |metadata| metadata.len());
                read_entry(file, size)
            });
            if let ControlFlow::Break(()) = visit(Entry { name, bytes }) {
                break;
            }
        }
        Remains { ignored_files: self.ignored_files, warning: None }
    }
}
