//! Decoded photos in a file, for sets that do not fit into memory.
//!
//! All integers are little-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 16 | [`MAGIC`] |
//! | 32 | the key: what the photos are, and how they are decoded |
//! | 8 | their number |
//! | 8 | bytes of one |
//! | 8 | 1 if all that was written is synced, 0 while a process writes |
//! | 32 a photo | BLAKE3 hash of its pixels; zeros as long as it is not there |
//! | height x width x 3 a photo | pixels, RGB interleaved |
//!
//! A photo's hash is written after its pixels, so that an interrupted process leaves a file that the next one can fill
//! up. One process writes at a time, and holds the file's lock meanwhile; others wait for it.
//!
//! The file is read by position, not mapped. A mapped file that is cut short, or whose disk fails, ends the process by
//! a signal, where reading returns an error; and the pages of a mapping count as resident memory of the process, whose
//! limit is the reason for the file. Either way the system keeps in its page cache what fits.

use super::error::{DataError, shown_path};
use super::split::Content;
use rayon::prelude::*;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Version 1.
const MAGIC: [u8; 16] = *b"faceshader px 1\n";
const HEADER_BYTES: u64 = 72;
/// Where the header says whether all is synced.
const SYNCED_AT: u64 = 64;
const HASH_BYTES: u64 = 32;
/// The hash of a photo that is not there.
pub const ABSENT: Content = [0; 32];

/// A file of decoded photos.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    file: File,
    photo_bytes: usize,
    hashes: Vec<Content>,
    is_synced: bool,
}

impl Cache {
    /// Opens the file of this key in a folder, or makes it and the folder, for `count` photos of `photo_bytes` bytes
    /// each, of which `wanted` will be read. It is held until [`finish`](Self::finish). Where a process was interrupted
    /// that wrote it, each photo that it says to have is checked.
    ///
    /// # Errors
    /// When it cannot be made or read, or the disk has too little space for those that are wanted.
    pub fn open(
        folder: &Path,
        key: Content,
        count: usize,
        photo_bytes: usize,
        wanted: usize,
    ) -> Result<Cache, DataError> {
        let hex: String = key[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("photos-{hex}.cache"));
        let error = |source| DataError::Cache { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(error)?;
        if !path.exists() {
            require_space(folder, wanted as u64 * photo_bytes as u64 + count as u64 * HASH_BYTES)?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(error)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                log::info!("waiting for another process, which writes {}", shown_path(&path));
                file.lock().map_err(error)?;
            }
            // Not every file system can lock.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let header = header(key, count, photo_bytes);
        let bytes = HEADER_BYTES + count as u64 * (HASH_BYTES + photo_bytes as u64);
        let mut found = [0; HEADER_BYTES as usize];
        let is_ours = file.metadata().map_err(error)?.len() == bytes
            && read_at(&file, &mut found, 0).is_ok()
            && found[..SYNCED_AT as usize] == header;
        let mut hashes = vec![ABSENT; count];
        if !is_ours {
            file.set_len(0).and_then(|()| file.set_len(bytes)).map_err(error)?;
            write_at(&file, &header, 0).map_err(error)?;
            return Ok(Cache { path, file, photo_bytes, hashes, is_synced: false });
        }
        read_at(&file, hashes.as_flattened_mut(), HEADER_BYTES).map_err(error)?;
        let is_synced = found[SYNCED_AT as usize..] == 1u64.to_le_bytes();
        let mut cache = Cache { path, file, photo_bytes, hashes, is_synced };
        if !is_synced {
            cache.forget_damaged();
        }
        Ok(cache)
    }

    /// Takes photos that are not what their hashes say for absent.
    fn forget_damaged(&mut self) {
        let places: Vec<usize> = (0..self.hashes.len()).collect();
        let is_damaged = |place: &usize| {
            self.is_there(*place) && self.read(*place, &mut vec![0; self.photo_bytes]).is_err()
        };
        let damaged: Vec<usize> = places.into_par_iter().filter(is_damaged).collect();
        damaged.into_iter().for_each(|place| self.hashes[place] = ABSENT);
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a photo was written before.
    pub fn is_there(&self, place: usize) -> bool {
        self.hashes[place] != ABSENT
    }

    /// The hash of a photo that is there.
    pub fn content(&self, place: usize) -> Content {
        self.hashes[place]
    }

    /// Writes a photo with its hash.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, place: usize, rgb: &[u8], hash: Content) -> Result<(), DataError> {
        let hash_at = HEADER_BYTES + place as u64 * HASH_BYTES;
        self.set_synced(false)
            .and_then(|()| write_at(&self.file, rgb, self.pixels_at(place)))
            .and_then(|()| write_at(&self.file, &hash, hash_at))
            .map_err(|source| DataError::Cache { path: self.path.clone(), source })?;
        self.hashes[place] = hash;
        Ok(())
    }

    /// Syncs what was written, and leaves the file to other processes.
    ///
    /// # Errors
    /// When it cannot be synced.
    pub fn finish(&mut self) -> Result<(), DataError> {
        self.set_synced(true).map_err(|source| DataError::Cache { path: self.path.clone(), source })?;
        // Where it could not be locked, there is nothing to unlock.
        let _ = self.file.unlock();
        Ok(())
    }

    /// The mark is on the disk before the first photo is, and again after the last.
    fn set_synced(&mut self, is_synced: bool) -> io::Result<()> {
        if self.is_synced != is_synced {
            self.file.sync_all()?;
            write_at(&self.file, &u64::from(is_synced).to_le_bytes(), SYNCED_AT)?;
            self.file.sync_all()?;
            self.is_synced = is_synced;
        }
        Ok(())
    }

    /// Reads a photo that is there, and checks it.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn read(&self, place: usize, rgb: &mut [u8]) -> Result<(), DataError> {
        read_at(&self.file, rgb, self.pixels_at(place))
            .map_err(|source| DataError::Cache { path: self.path.clone(), source })?;
        match blake3::hash(rgb) == self.hashes[place] {
            true => Ok(()),
            false => Err(DataError::CacheDamaged { path: self.path.clone() }),
        }
    }

    fn pixels_at(&self, place: usize) -> u64 {
        HEADER_BYTES + self.hashes.len() as u64 * HASH_BYTES + place as u64 * self.photo_bytes as u64
    }
}

/// Fails where a file of so many bytes would not fit.
fn require_space(folder: &Path, bytes: u64) -> Result<(), DataError> {
    match fs4::available_space(folder) {
        Ok(free_bytes) if free_bytes < bytes => {
            Err(DataError::NoSpace { folder: folder.to_owned(), bytes, free_bytes })
        }
        // Where nobody can tell, writing will.
        _ => Ok(()),
    }
}

/// Of the header what never changes.
fn header(key: Content, count: usize, photo_bytes: usize) -> Vec<u8> {
    let numbers = [count, photo_bytes].map(|number| (number as u64).to_le_bytes());
    [&MAGIC[..], &key, numbers.as_flattened()].concat()
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => (bytes, offset) = (&mut bytes[read..], offset + read as u64),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => (bytes, offset) = (&bytes[written..], offset + written as u64),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Content = [7; 32];

    fn open(folder: &Path) -> Cache {
        Cache::open(folder, KEY, 3, 4, 3).unwrap()
    }

    fn write(cache: &mut Cache, place: usize, rgb: &[u8; 4]) {
        cache.write(place, rgb, blake3::hash(rgb).into()).unwrap();
    }

    fn read(cache: &Cache, place: usize) -> Result<[u8; 4], DataError> {
        let mut rgb = [0; 4];
        cache.read(place, &mut rgb).map(|()| rgb)
    }

    fn there(cache: &Cache) -> Vec<bool> {
        (0..3).map(|place| cache.is_there(place)).collect()
    }

    #[test]
    fn a_file_that_was_not_finished_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = open(folder.path());
        assert_eq!(there(&cache), [false; 3]);
        write(&mut cache, 2, b"last");
        write(&mut cache, 0, b"once");
        drop(cache);
        let mut cache = open(folder.path());
        assert_eq!(there(&cache), [true, false, true]);
        assert_eq!((read(&cache, 0).unwrap(), read(&cache, 2).unwrap()), (*b"once", *b"last"));
        assert_eq!(cache.content(2), *blake3::hash(b"last").as_bytes());
        cache.finish().unwrap();
        // What is written to it later is not synced before it is finished again.
        let mut cache = open(folder.path());
        assert!(cache.is_synced);
        write(&mut cache, 1, b"late");
        drop(cache);
        assert!(!open(folder.path()).is_synced);
    }

    #[test]
    fn damage_is_decoded_anew_in_an_unfinished_file_and_told_of_a_finished_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = open(folder.path());
        (0..3).for_each(|place| write(&mut cache, place, b"abcd"));
        write_at(&cache.file, b"x", cache.pixels_at(1) + 3).unwrap();
        drop(cache);
        let mut cache = open(folder.path());
        assert_eq!(there(&cache), [true, false, true]);
        write(&mut cache, 1, b"abcd");
        cache.finish().unwrap();
        write_at(&cache.file, b"x", cache.pixels_at(1) + 3).unwrap();
        let mut cache = open(folder.path());
        assert_eq!(there(&cache), [true; 3]);
        assert!(matches!(read(&cache, 1), Err(DataError::CacheDamaged { .. })));
        assert!(read(&cache, 2).is_ok());
        cache.finish().unwrap();
        // A file cut short is begun anew; one that is cut while it is in use is an error and no signal.
        cache.file.set_len(cache.pixels_at(2)).unwrap();
        assert!(matches!(read(&cache, 2), Err(DataError::Cache { .. })));
        assert_eq!(there(&open(folder.path())), [false; 3]);
    }

    #[test]
    fn other_photos_have_another_file() {
        let folder = tempfile::tempdir().unwrap();
        write(&mut open(folder.path()), 0, b"abcd");
        let other = Cache::open(folder.path(), [8; 32], 3, 4, 3).unwrap();
        assert_eq!(there(&other), [false; 3]);
        assert!(open(folder.path()).is_there(0));
    }

    #[test]
    fn a_second_process_waits_until_the_first_has_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = open(folder.path());
        std::thread::scope(|scope| {
            let second = scope.spawn(|| there(&open(folder.path())));
            std::thread::sleep(std::time::Duration::from_millis(50));
            (0..3).for_each(|place| write(&mut first, place, b"abcd"));
            first.finish().unwrap();
            assert_eq!(second.join().unwrap(), [true; 3]);
        });
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_before_anything_is_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let error = Cache::open(folder.path(), KEY, 1 << 20, 1 << 30, 1 << 20).unwrap_err();
        assert!(matches!(error, DataError::NoSpace { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
