//! Photos in a folder and everything below it, or a single one.

use std::collections::HashSet;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Ask, Found, Ignored, Remains, Visit, io_reason, is_hidden, named_like_a_photo, read_entry};
use crate::data::error::DataError;

/// The files of a folder, sorted by name.
pub struct Files {
    folders: Vec<String>,
    files: Vec<(String, Result<PathBuf, String>)>,
    ignored: Ignored,
}

/// Finds every file below `root`, through links too. A folder is entered once, so that a link to
/// one of its own parents does no harm.
pub fn walk(root: &Path) -> Result<Files, DataError> {
    let root_error = |source| DataError::Read { path: root.to_owned(), source };
    let mut files = Files { folders: Vec::new(), files: Vec::new(), ignored: Ignored::default() };
    let mut entered = HashSet::from([root.canonicalize().map_err(root_error)?]);
    std::fs::read_dir(root).map_err(root_error)?;
    let mut folders = vec![(String::new(), root.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        match sorted(&folder) {
            Err(reason) => files.files.push((prefix, Err(reason))),
            Ok(children) => {
                for (base, path) in children {
                    if path.file_name().is_some_and(|name| name.to_str().is_none()) {
                        files.refuse_name(&prefix, &base, &path);
                        continue;
                    }
                    let name = if prefix.is_empty() { base } else { format!("{prefix}/{base}") };
                    if let Some(below) = files.add(name, path, &mut entered) {
                        files.folders.push(below.0.clone());
                        folders.push(below);
                    }
                }
            }
        }
    }
    files.files.sort_by(|a, b| a.0.cmp(&b.0));
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
    Files { folders: Vec::new(), files: vec![(name, Ok(path.to_owned()))], ignored: Ignored::default() }
}

impl Files {
    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Names that are not UTF-8 may look alike once they are made so: two photos would have one name.
    fn refuse_name(&mut self, prefix: &str, base: &str, path: &Path) {
        let name = if prefix.is_empty() { base.to_owned() } else { format!("{prefix}/{base}") };
        if is_hidden(&name) {
            return;
        }
        if path.is_dir() || named_like_a_photo(&name) {
            self.files.push((name, Err("its name is not UTF-8; rename it".to_owned())));
        } else {
            self.ignored.add("unreadable");
        }
    }

    /// Files one directory entry, and gives it back if it is a folder to enter.
    fn add(
        &mut self,
        name: String,
        path: PathBuf,
        entered: &mut HashSet<PathBuf>,
    ) -> Option<(String, PathBuf)> {
        if is_hidden(&name) {
            return None;
        }
        let found = match path.metadata() {
            Err(error) => Err(io_reason(&error)),
            Ok(metadata) if metadata.is_dir() => {
                return match path.canonicalize() {
                    Ok(real) => entered.insert(real).then_some((name, path)),
                    Err(error) => {
                        self.files.push((name, Err(io_reason(&error))));
                        None
                    }
                };
            }
            // A pipe would be waited for.
            Ok(metadata) if !metadata.is_file() => Err("not a regular file".to_owned()),
            Ok(_) => Ok(path),
        };
        match found {
            Err(_) if !named_like_a_photo(&name) => self.ignored.add("unreadable"),
            found => self.files.push((name, found)),
        }
        None
    }

    /// Reads one file after the other.
    pub fn for_each(self, ask: Ask, visit: Visit) -> Remains {
        let mut remains = Remains { ignored: self.ignored, folders: self.folders, warning: None };
        for (name, path) in self.files {
            if !ask.wants(&name) {
                continue;
            }
            let found = match path {
                Err(reason) => Found::Skip(reason),
                Ok(path) => match File::open(path) {
                    Err(error) => Found::unreadable(&name, io_reason(&error)),
                    Ok(file) => {
                        let size = file.metadata().map_or(0, |metadata| metadata.len());
                        read_entry(&name, file, size, ask)
                    }
                },
            };
            if let ControlFlow::Break(()) = found.hand_on(name, &mut remains, visit) {
                break;
            }
        }
        remains
    }
}
