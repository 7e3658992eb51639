//! Files that are written whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// What bears the name is no plain file, and is left alone.
    #[error("{path} is {kind}, not a plain file; nothing was written, choose another name")]
    NotPlain {
        /// The file.
        path: PathBuf,
        /// What it is, such as `a folder`.
        kind: &'static str,
    },
    /// The file is there, but the disk may not know of it yet.
    #[error(
        "{path} was written, but a power failure could still undo it: syncing its folder failed: {source}"
    )]
    NotSynced {
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

/// The names of files that are being written begin with this.
const TEMPORARY: &str = ".writing-";
/// Symbolic links that are followed one after the other, as many as Linux does.
const MAX_LINKS: usize = 40;

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

/// Writes a file whole: temporary name, sync, rename, sync the folder. A symbolic link stays one, and the file
/// that it names is written. A new file has the permissions of any new file, a replaced one those that it had.
///
/// # Errors
/// Where something else than a plain file has that name, such as a folder or a device; where anything fails
/// before the rename, which leaves the old file as it was; where the folder cannot be synced after it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_whole_parts(path, &[bytes])
}

/// The same for contents that lie in several places, without putting them together first.
pub fn write_whole_parts(path: &Path, parts: &[&[u8]]) -> Result<(), FileError> {
    let error = |source: io::Error| FileError::Write { path: path.into(), source };
    let target = followed(path).map_err(error)?;
    let permissions = match fs::metadata(&target) {
        Ok(found) => match kind_beside_plain(found.file_type()) {
            None => Some(found.permissions()),
            Some(kind) => return Err(FileError::NotPlain { path: path.into(), kind }),
        },
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(error(source)),
    };
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = attempt(|| temporary(folder)).map_err(error)?;
    // `sweep` leaves alone what its writer still holds. Not every file system can lock.
    let _ = file.as_file().try_lock();
    attempt(|| parts.iter().try_for_each(|part| file.write_all(part))).map_err(error)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions).map_err(error)?;
    }
    attempt(|| file.as_file().sync_all()).map_err(error)?;
    // The lock goes with the file, and ends with this function.
    let _written = attempt(|| file.persist(&target).map_err(|failed| failed.error)).map_err(error)?;
    attempt(|| sync_folder(folder)).map_err(|source| FileError::NotSynced { path: path.into(), source })
}

/// Removes what writers that were killed have left in a folder. That something cannot be removed is no reason to
/// stop.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let left = entries.flatten().filter(|entry| is_temporary(&entry.file_name().to_string_lossy()));
    for path in left.map(|entry| entry.path()) {
        let is_dead = open_plain(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_dead && let Err(error) = fs::remove_file(&path) {
            log::debug!("{} is left: {error}", path.display());
        }
    }
}

/// Whether a file of this name is one that is being written, or was when its writer was killed.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY)
}

/// What tells contents apart: the first 32 hexadecimal digits of their BLAKE3.
pub fn checksum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_string()
}

/// Lets the `number`th operation of [`write_whole`] from now on fail as on a full disk: making the temporary file,
/// writing, syncing, renaming, syncing the folder. Tests ask what a training does then.
pub fn fail_operation(number: usize) {
    OPERATIONS_TO_FAULT.store(number, Ordering::SeqCst);
}

/// 0: no fault is asked for, or it has happened.
static OPERATIONS_TO_FAULT: AtomicUsize = AtomicUsize::new(0);

fn attempt<T>(operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let counted =
        OPERATIONS_TO_FAULT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    match counted {
        Ok(1) => Err(io::ErrorKind::StorageFull.into()),
        _ => operation(),
    }
}

/// The file that a path means when symbolic links are followed, whether it is there or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                let link = fs::read_link(&path)?;
                path = path.parent().map_or(link.clone(), |folder| folder.join(&link));
            }
            _ => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// A new file whose permissions are those of any new file of this process.
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    if let Some(permissions) = usual_permissions() {
        builder.permissions(permissions);
    }
    builder.tempfile_in(folder)
}

/// The system takes the process's umask away from these.
#[cfg(unix)]
fn usual_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn usual_permissions() -> Option<Permissions> {
    None
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// The fault is one of the process: tests that write take turns.
    static TURN: Mutex<()> = Mutex::new(());

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
        let _turn = TURN.lock();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "old").unwrap();
        // A folder of that name cannot be replaced by a file.
        let error = write_whole(&path, b"new").unwrap_err();
        assert!(matches!(error, FileError::NotPlain { kind: "a folder", .. }));
        assert_eq!(fs::read_to_string(path.join("inside")).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
    }

    #[test]
    fn an_error_says_whether_the_old_file_is_still_there() {
        let _turn = TURN.lock();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for operation in 1..=5 {
            fs::write(&path, "old").unwrap();
            fail_operation(operation);
            let error = write_whole(&path, b"new").unwrap_err();
            let is_unharmed = error.to_string().contains("unharmed");
            let found = fs::read_to_string(&path).unwrap();
            assert_eq!(found, if is_unharmed { "old" } else { "new" }, "{operation}: {error}");
            assert_eq!(is_unharmed, operation < 5, "{error}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
        }
        write_whole(&path, b"new").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_the_file_that_they_name_is_written() {
        use std::os::unix::fs::symlink;
        let _turn = TURN.lock();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("inner")).unwrap();
        symlink("inner/file", path("first")).unwrap();
        symlink("first", path("second")).unwrap();
        for text in ["new", "newer"] {
            write_whole(&path("second"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(path("inner/file")).unwrap(), text);
        }
        assert!(path("second").is_symlink() && path("first").is_symlink());
        symlink("loop", path("loop")).unwrap();
        assert!(write_whole(&path("loop"), b"new").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_refused() {
        let _turn = TURN.lock();
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [Path::new("/dev/null"), &pipe] {
            assert!(matches!(write_whole(path, b"new"), Err(FileError::NotPlain { .. })), "{path:?}");
        }
        assert!(fs::metadata("/dev/null").unwrap().file_type() != fs::metadata(file!()).unwrap().file_type());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_usual_permissions_or_keeps_its_own() {
        use std::os::unix::fs::PermissionsExt;
        let _turn = TURN.lock();
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        fs::write(folder.path().join("usual"), "").unwrap();
        write_whole(&folder.path().join("new"), b"new").unwrap();
        assert_eq!(mode("new"), mode("usual"));
        let private = folder.path().join("private");
        fs::write(&private, "old").unwrap();
        fs::set_permissions(&private, Permissions::from_mode(0o600)).unwrap();
        write_whole(&private, b"new").unwrap();
        assert_eq!(mode("private"), 0o600);
    }

    #[test]
    fn leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not() {
        let _turn = TURN.lock();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [".writing-dead", ".writing-alive", "mine"] {
            fs::write(path(name), "half").unwrap();
        }
        let alive = File::open(path(".writing-alive")).unwrap();
        alive.try_lock().unwrap();
        sweep(folder.path());
        assert!(!path(".writing-dead").exists() && path(".writing-alive").exists() && path("mine").exists());
        drop(alive);
        sweep(folder.path());
        assert!(!path(".writing-alive").exists());
    }
}
