//! Where photos come from: a folder, an archive or a single file, read one entry at a time.
//!
//! An archive is never unpacked to disk, and no more than one entry of it is in memory here.
mod folder;
mod tarball;
mod zipped;
mod zipped_cut;

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::error::DataError;

/// The size, uncompressed, above which a file is taken for a decompression bomb and skipped.
pub const MAX_ENTRY_BYTES: u64 = 64 << 20;

/// A place that holds photos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder with everything below it.
    Folder(PathBuf),
    /// A `.zip` archive.
    Zip(PathBuf),
    /// A `.tar.gz` archive, or a plain `.tar`.
    TarGz(PathBuf),
    /// A single JPEG or PNG file.
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
    /// Files that are not photos. Hidden files and `__MACOSX` do not count.
    pub ignored_files: usize,
    /// What the user should know of a damaged archive.
    pub warning: Option<String>,
}

/// Takes entries as they come, and may stop them.
type Visit<'a> = &'a mut dyn FnMut(Entry) -> ControlFlow<()>;

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
        File::open(path).map_err(read_error)?.take(512).read_to_end(&mut start).map_err(read_error)?;
        let name = path.to_string_lossy().to_ascii_lowercase();
        Ok(if start.starts_with(b"\xFF\xD8\xFF") || start.starts_with(b"\x89PNG") || is_photo(&name) {
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
            return Err(not_photos("not a kind of file that holds photos"));
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
}

impl Listed {
    /// How many entries [`for_each`](Self::for_each) will visit, where that is known beforehand.
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

    /// Reads one photo file after the other until `visit` breaks.
    ///
    /// # Errors
    /// When not one entry of an archive can be read. A single bad entry is visited with its reason.
    pub fn for_each(self, visit: Visit) -> Result<Remains, DataError> {
        match self {
            Listed::Folder(files) => Ok(files.for_each(visit)),
            Listed::Zip(archive) => Ok(archive.for_each(visit)),
            Listed::CutZip(archive) => archive.for_each(visit),
            Listed::Tar(archive) => archive.for_each(visit),
        }
    }
}

/// What to do with a file, going by its path within the source.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Photo,
    Other,
    Hidden,
}

impl Kind {
    fn of(name: &str) -> Kind {
        if name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX") {
            Kind::Hidden
        } else if is_photo(name) {
            Kind::Photo
        } else {
            Kind::Other
        }
    }
}

fn is_photo(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// An archive's path with `/` between folders, and without `./` in front.
fn entry_name(path: &str) -> String {
    let path = path.replace('\\', "/");
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

/// Reads a whole entry, unless it is too big to be a photo.
fn read_entry(reader: impl Read, expected_bytes: u64) -> Result<Vec<u8>, String> {
    // The expected size may be a lie: it must not make us allocate.
    let mut bytes = Vec::with_capacity(expected_bytes.min(1 << 20) as usize);
    reader.take(MAX_ENTRY_BYTES + 1).read_to_end(&mut bytes).map_err(|error| io_reason(&error))?;
    if bytes.len() as u64 > MAX_ENTRY_BYTES {
        return Err(format!("larger than {} MiB", MAX_ENTRY_BYTES >> 20));
    }
    Ok(bytes)
}

/// The reason for entries that a cut archive ends in.
const CUT: &str = "the archive ends in the middle of this file; it is damaged";

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
    fn photos_are_told_by_extension_and_hidden_files_by_name() {
        assert_eq!(Kind::of("a/b.JPG"), Kind::Photo);
        assert_eq!(Kind::of("a/b.jpg.chip.jpeg"), Kind::Photo);
        assert_eq!(Kind::of("a.b/png"), Kind::Other);
        assert_eq!(Kind::of("readme.txt"), Kind::Other);
        assert_eq!(Kind::of("a/._b.jpg"), Kind::Hidden);
        assert_eq!(Kind::of("__MACOSX/a/b.jpg"), Kind::Hidden);
        assert_eq!(Kind::of(".cache/b.jpg"), Kind::Hidden);
    }

    #[test]
    fn names_use_slashes_and_begin_without_a_dot() {
        assert_eq!(entry_name("./a\\b//c.jpg"), "a/b/c.jpg");
    }
}
