//! Files that are written whole or not at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Writing failed; the file that was there is unharmed.
    #[error("{path} was not written: {source}; what was there before is unharmed")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading failed.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The contents are not what they should be.
    #[error("{path} is damaged or not of this kind: {reason}")]
    Contents {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Opens a plain file, or what a link to one leads to, for reading.
///
/// A named pipe would have the reader wait for a writer, and a device could be read for ever.
///
/// # Errors
/// Those of the system, and one that says what the file is instead: a folder, a named pipe, a device.
pub fn open_plain(path: &Path) -> io::Result<File> {
    // Asked before it is opened: to open a pipe is to wait already.
    match kind_beside_plain(std::fs::metadata(path)?.file_type()) {
        None => File::open(path),
        Some(kind) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("it is {kind} and not a plain file; copy the contents into a file and give that"),
        )),
    }
}

/// Reads a plain file whole.
///
/// # Errors
/// Those of [`open_plain`] and of reading.
pub fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_plain(path)?;
    let mut bytes = Vec::new();
    // The system's answer to too large a size is an error; that of `Vec` would be the end.
    bytes.try_reserve_exact(usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a plain file of text in UTF-8.
///
/// # Errors
/// Those of [`read_plain`], and when it is not UTF-8.
pub fn read_plain_text(path: &Path) -> io::Result<String> {
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8");
    String::from_utf8(read_plain(path)?).map_err(not_text)
}

/// What a file is that is not a plain one.
#[cfg(unix)]
fn kind_beside_plain(kind: std::fs::FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a folder"),
        _ if kind.is_fifo() => Some("a named pipe"),
        _ if kind.is_char_device() || kind.is_block_device() => Some("a device"),
        _ if kind.is_socket() => Some("a socket"),
        _ => Some("something else"),
    }
}

#[cfg(not(unix))]
fn kind_beside_plain(kind: std::fs::FileType) -> Option<&'static str> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a folder"),
        _ => Some("something else"),
    }
}

/// Writes a file whole: temporary name, sync, rename, sync the folder.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let error = |source: io::Error| FileError::Write { path: path.into(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder).map_err(error)?;
    file.write_all(bytes).map_err(error)?;
    file.as_file().sync_all().map_err(error)?;
    let file = file.persist(path).map_err(|failed| error(failed.error))?;
    make_readable(&file).map_err(error)?;
    sync_folder(folder).map_err(error)
}

/// Temporary files are private to their owner; results are as readable as any new file.
#[cfg(unix)]
fn make_readable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &std::fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_refused_at_once_and_links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        for (file, kind) in [
            (path("pipe"), "a named pipe"),
            (folder.path().into(), "a folder"),
            ("/dev/zero".into(), "a device"),
        ] {
            let error = read_plain(&file).unwrap_err().to_string();
            assert!(error.contains(kind), "{error}");
        }
        std::fs::write(path("plain"), "text").unwrap();
        std::os::unix::fs::symlink(path("plain"), path("link")).unwrap();
        assert_eq!(read_plain_text(&path("link")).unwrap(), "text");
        assert_eq!(read_plain(&path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("inside"), "old").unwrap();
        // A folder of that name cannot be replaced by a file.
        assert!(matches!(write_whole(&path, b"new"), Err(FileError::Write { .. })));
        assert_eq!(std::fs::read_to_string(path.join("inside")).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
    }
}
