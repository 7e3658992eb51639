//! Where photos come from: a folder, an archive or a single file, read one entry at a time.
//!
//! An archive is never unpacked to disk, and no more than one entry of it is in memory here.
mod folder;
mod gzip;
mod kind;
mod tarball;
mod zipped;
mod zipped_cut;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::content::{Content, HEAD_BYTES, Other};
use super::error::DataError;
use super::skipped::Ignored;
use kind::{Kind, is_hidden, named_like_a_photo};

/// The size, uncompressed, above which a file is taken for a decompression bomb and skipped.
pub const MAX_ENTRY_BYTES: u64 = 128 << 20;

/// A place that holds photos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder with everything below it.
    Folder(PathBuf),
    /// A `.zip` archive.
    Zip(PathBuf),
    /// A `.tar.gz` archive, or a plain `.tar`.
    TarGz(PathBuf),
    /// A single photo.
    Photo(PathBuf),
}

/// One file out of a source.
#[derive(Debug)]
pub struct Entry {
    /// The path within the source, with `/` between folders.
    pub name: String,
    /// The content, or the reason why it cannot be had.
    pub bytes: Result<Vec<u8>, String>,
}

/// What is known of a source besides its photos, once all of it was read.
#[derive(Debug, Default)]
pub struct Remains {
    /// Files that are no photos.
    pub ignored: Ignored,
    /// Folders within it, as far as it names them, also those without files.
    pub folders: Vec<String>,
    /// What the user should know of a damaged archive.
    pub warning: Option<String>,
}

/// Takes entries as they come, and may stop them.
type Visit<'a> = &'a mut dyn FnMut(Entry) -> ControlFlow<()>;

/// What of a source is read.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// Every photo.
    All,
    /// The photos of these names. Nothing else counts, neither as skipped nor as ignored.
    Only(&'a HashSet<String>),
    /// Of every photo, its first bytes: which names there are.
    Heads,
}

impl Ask<'_> {
    fn wants(self, name: &str) -> bool {
        match self {
            Ask::Only(names) => names.contains(name),
            Ask::All | Ask::Heads => true,
        }
    }
}

/// What became of one file.
enum Found {
    Photo(Vec<u8>),
    /// It should be a photo, and cannot be used for this reason.
    Skip(String),
    /// It is no photo, but of this kind.
    Ignore(&'static str),
}

impl Found {
    /// A file that cannot be read: only its name tells whether a photo is missed.
    fn unreadable(name: &str, reason: impl Into<String>) -> Found {
        if named_like_a_photo(name) { Found::Skip(reason.into()) } else { Found::Ignore("unreadable") }
    }

    /// Counts the file, or hands it on.
    fn hand_on(self, name: String, remains: &mut Remains, visit: Visit) -> ControlFlow<()> {
        match self {
            Found::Photo(bytes) => visit(Entry { name, bytes: Ok(bytes) }),
            Found::Skip(reason) => visit(Entry { name, bytes: Err(reason) }),
            Found::Ignore(kind) => {
                remains.ignored.add(kind);
                ControlFlow::Continue(())
            }
        }
    }
}

/// A source whose table of contents, if it has one, was read.
pub enum Listed {
    #[doc(hidden)]
    Folder(folder::Files),
    #[doc(hidden)]
    Zip(zipped::Archive),
    #[doc(hidden)]
    CutZip(zipped_cut::Archive),
    #[doc(hidden)]
    Tar(tarball::Archive),
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Its size.
    pub bytes: u64,
    /// When its contents were changed, in nanoseconds since 1970, as far as whoever made it says.
    pub changed: u128,
    /// When the file was changed in any way, in seconds since 1970, as far as the system says.
    pub of_any_kind: i64,
}

impl Source {
    /// Tells by content, else by extension, what kind of source a path is.
    ///
    /// # Errors
    /// When there is nothing at `path`, it cannot be read, or it is no kind that holds photos.
    pub fn open(path: &Path) -> Result<Source, DataError> {
        let read_error = |source| DataError::Read { path: path.to_owned(), source };
        let metadata = match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataError::Missing { path: path.to_owned() });
            }
            metadata => metadata.map_err(read_error)?,
        };
        if metadata.is_dir() {
            return Ok(Source::Folder(path.to_owned()));
        }
        let not_photos = |what: &str| DataError::NotPhotos { path: path.to_owned(), what: what.to_owned() };
        if !metadata.is_file() {
            return Err(not_photos("neither a file nor a folder"));
        }
        let mut start = Vec::new();
        File::open(path)
            .map_err(read_error)?
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(read_error)?;
        let name = path.to_string_lossy().to_ascii_lowercase();
        let is_image = !matches!(Content::of(&start), Content::Other(_));
        Ok(if is_image || named_like_a_photo(&name) {
            Source::Photo(path.to_owned())
        } else if start.is_empty() {
            return Err(not_photos("empty file"));
        } else if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            Source::Zip(path.to_owned())
        } else if start.starts_with(b"\x1F\x8B") || start.get(257..262) == Some(b"ustar") {
            Source::TarGz(path.to_owned())
        } else if name.ends_with(".zip") {
            return Err(not_photos("named .zip, but not a zip archive"));
        } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            return Err(not_photos("named like a .tar.gz, but not compressed by gzip"));
        } else if name.ends_with(".tar") {
            Source::TarGz(path.to_owned())
        } else {
            return Err(not_photos(match Content::of(&start) {
                Content::Other(Other::Text) => {
                    "a text file, which holds no photos; if it is a table of reviews, name it .csv"
                }
                _ => "not a kind of file that holds photos",
            }));
        })
    }

    /// The path as the user gave it.
    pub fn path(&self) -> &Path {
        let (Source::Folder(path) | Source::Zip(path) | Source::TarGz(path) | Source::Photo(path)) = self;
        path
    }

    /// Walks the folder, or reads the archive's table of contents.
    ///
    /// # Errors
    /// When the folder or archive cannot be opened at all.
    pub fn list(&self) -> Result<Listed, DataError> {
        Ok(match self {
            Source::Folder(path) => Listed::Folder(folder::walk(path)?),
            Source::Photo(path) => Listed::Folder(folder::single(path)),
            Source::Zip(path) => match zipped::open(path)? {
                Some(archive) => Listed::Zip(archive),
                None => Listed::CutZip(zipped_cut::open(path)?),
            },
            Source::TarGz(path) => Listed::Tar(tarball::open(path)?),
        })
    }

    /// Hands on the state of each file that photos of these names lie in: another than before tells that the photos may
    /// be others.
    pub fn state(&self, names: &[String], visit: &mut dyn FnMut(io::Result<State>)) {
        let state = |path: &Path| {
            let of = path.metadata()?;
            let changed = of.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            #[cfg(unix)]
            let of_any_kind = std::os::unix::fs::MetadataExt::ctime(&of);
            // The system does not tell.
            #[cfg(not(unix))]
            let of_any_kind = 0;
            Ok(State { bytes: of.len(), changed: changed.as_nanos(), of_any_kind })
        };
        match self {
            Source::Folder(path) => names.iter().for_each(|name| visit(state(&path.join(name)))),
            Source::Zip(path) | Source::TarGz(path) | Source::Photo(path) => visit(state(path)),
        }
    }
}

impl Listed {
    /// How many files there are, photos or not, where that is known beforehand.
    pub fn total(&self) -> Option<usize> {
        match self {
            Listed::Folder(files) => Some(files.len()),
            Listed::Zip(archive) => Some(archive.len()),
            Listed::CutZip(_) | Listed::Tar(_) => None,
        }
    }

    /// Whether entries come sorted by name; else they come in the archive's order.
    pub fn is_sorted(&self) -> bool {
        self.total().is_some()
    }

    /// Reads one photo after the other until `visit` breaks. Content decides what a photo is; of other
    /// files, those that are named like photos are visited with the reason why they are none.
    ///
    /// # Errors
    /// When not one entry of an archive can be read. A single bad entry is visited with its reason.
    pub fn for_each(self, ask: Ask, visit: Visit) -> Result<Remains, DataError> {
        match self {
            Listed::Folder(files) => Ok(files.for_each(ask, visit)),
            Listed::Zip(archive) => Ok(archive.for_each(ask, visit)),
            Listed::CutZip(archive) => archive.for_each(ask, visit),
            Listed::Tar(archive) => archive.for_each(ask, visit),
        }
    }
}

/// An archive's path with `/` between folders, and without what leads out of it.
fn entry_name(path: &str) -> String {
    let path = path.replace('\\', "/");
    path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect::<Vec<_>>().join("/")
}

/// Reads an entry as far as it is asked for: whole if it is a photo and not too big to be one.
fn read_entry(name: &str, mut reader: impl Read, expected_bytes: u64, ask: Ask) -> Found {
    // The expected size may be a lie: it must not make us allocate.
    let mut bytes = Vec::with_capacity(expected_bytes.min(1 << 20) as usize);
    if let Err(error) = reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut bytes) {
        return Found::unreadable(name, io_reason(&error));
    }
    match Kind::of(name, &bytes) {
        Kind::Photo => {}
        Kind::Unusable(reason) => return Found::Skip(reason),
        Kind::Other(kind) => return Found::Ignore(kind),
    }
    if matches!(ask, Ask::Heads) {
        return Found::Photo(bytes);
    }
    let rest = MAX_ENTRY_BYTES + 1 - bytes.len() as u64;
    match reader.take(rest).read_to_end(&mut bytes) {
        Err(error) => Found::Skip(io_reason(&error)),
        Ok(_) if bytes.len() as u64 > MAX_ENTRY_BYTES => {
            Found::Skip(format!("larger than {} MiB", MAX_ENTRY_BYTES >> 20))
        }
        Ok(_) => Found::Photo(bytes),
    }
}

/// The reason for entries that a cut archive ends in.
const CUT: &str = "the archive ends in the middle of this file; it is damaged";

/// The reason for the second of two entries of one name.
const TWICE: &str = "the archive holds this name twice; the first is used";

/// The reason for entries that are no files of their own.
const LINK: &str = "a link within the archive";

fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CUT.to_owned(),
        io::ErrorKind::NotFound => "cannot be read: it is gone, or a link to nothing".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_use_slashes_and_begin_without_a_dot() {
        assert_eq!(entry_name("./a\\b//c.jpg"), "a/b/c.jpg");
        assert_eq!(entry_name("../few/a.jpg"), "few/a.jpg");
    }
}
