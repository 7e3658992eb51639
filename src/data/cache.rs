//! Decoded photos in a file, for sets that do not fit into memory.
//!
//! All integers are little-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 16 | [`MAGIC`] |
//! | 32 | the key: what the photos are, and how they were decoded |
//! | 8 | their number |
//! | 8 | bytes of one |
//! | 8 | 1 once all that can be decoded are there and synced, 0 before |
//! | 32 a photo | BLAKE3 hash of its pixels; zeros as long as it is not there |
//! | height x width x 3 a photo | pixels, RGB interleaved |
//!
//! A photo's hash is written after its pixels, so that an interrupted process leaves a file that another one can fill
//! up. Two processes may fill it at once: they write the same bytes to the same places.
//!
//! The file is read by position, not mapped. A mapped file that is cut short, or whose disk fails, ends the process by
//! a signal, where reading returns an error; and the pages of a mapping count as resident memory of the process, whose
//! limit is the reason for the file. Either way the system keeps in its page cache what fits.

use super::error::DataError;
use super::split::Content;
use rayon::prelude::*;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Version 1.
const MAGIC: [u8; 16] = *b"faceshader px 1\n";
const HEADER_BYTES: u64 = 72;
/// Where the header says whether the file is complete.
const COMPLETE_AT: u64 = 64;
const HASH_BYTES: u64 = 32;
/// The hash of a photo that is not there.
const ABSENT: Content = [0; 32];

/// A file of decoded photos.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    file: File,
    photo_bytes: usize,
    hashes: Vec<Content>,
    is_complete: bool,
}

impl Cache {
    /// Opens the file of this key in a folder, or makes it and the folder. `count` photos of `photo_bytes` bytes each.
    /// Of a file that was not completed, each photo that it says to have is checked.
    ///
    /// # Errors
    /// When it cannot be made or read, or the disk has too little space for it.
    pub fn open(folder: &Path, key: Content, count: usize, photo_bytes: usize) -> Result<Cache, DataError> {
        let hex: String = key[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("photos-{hex}.cache"));
        let error = |source| DataError::Cache { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(error)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(error)?;
        let header = header(key, count, photo_bytes);
        let bytes = HEADER_BYTES + count as u64 * (HASH_BYTES + photo_bytes as u64);
        let mut found = [0; HEADER_BYTES as usize];
        let is_ours = file.metadata().map_err(error)?.len() == bytes
            && read_at(&file, &mut found, 0).is_ok()
            && found[..COMPLETE_AT as usize] == header;
        let mut cache = Cache { path, file, photo_bytes, hashes: vec![ABSENT; count], is_complete: false };
        if !is_ours {
            cache.begin(folder, &header, bytes)?;
            return Ok(cache);
        }
        cache.is_complete = found[COMPLETE_AT as usize..] == 1u64.to_le_bytes();
        let error = |source| DataError::Cache { path: cache.path.clone(), source };
        read_at(&cache.file, cache.hashes.as_flattened_mut(), HEADER_BYTES).map_err(error)?;
        if !cache.is_complete {
            cache.forget_damaged();
        }
        Ok(cache)
    }

    /// Makes an empty file.
    fn begin(&self, folder: &Path, header: &[u8], bytes: u64) -> Result<(), DataError> {
        let error = |source| DataError::Cache { path: self.path.clone(), source };
        self.file.set_len(0).map_err(error)?;
        // Where nobody can tell, writing will.
        if let Ok(free_bytes) = fs4::available_space(folder)
            && free_bytes < bytes
        {
            let _ = std::fs::remove_file(&self.path);
            return Err(DataError::NoSpace { folder: folder.to_owned(), bytes, free_bytes });
        }
        self.file.set_len(bytes).and_then(|()| write_at(&self.file, header, 0)).map_err(error)
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

    /// Writes a photo.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, place: usize, rgb: &[u8]) -> Result<(), DataError> {
        let hash: Content = blake3::hash(rgb).into();
        let hash_at = HEADER_BYTES + place as u64 * HASH_BYTES;
        write_at(&self.file, rgb, self.pixels_at(place))
            .and_then(|()| write_at(&self.file, &hash, hash_at))
            .map_err(|source| DataError::Cache { path: self.path.clone(), source })?;
        self.hashes[place] = hash;
        Ok(())
    }

    /// Says that all photos are there that can be.
    ///
    /// # Errors
    /// When the file cannot be synced.
    pub fn complete(&mut self) -> Result<(), DataError> {
        if !self.is_complete {
            self.file
                .sync_all()
                .and_then(|()| write_at(&self.file, &1u64.to_le_bytes(), COMPLETE_AT))
                .and_then(|()| self.file.sync_all())
                .map_err(|source| DataError::Cache { path: self.path.clone(), source })?;
            self.is_complete = true;
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
        Cache::open(folder, KEY, 3, 4).unwrap()
    }

    fn read(cache: &Cache, place: usize) -> Result<[u8; 4], DataError> {
        let mut rgb = [0; 4];
        cache.read(place, &mut rgb).map(|()| rgb)
    }

    fn there(cache: &Cache) -> Vec<bool> {
        (0..3).map(|place| cache.is_there(place)).collect()
    }

    #[test]
    fn a_file_that_was_not_completed_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = open(folder.path());
        assert_eq!(there(&cache), [false; 3]);
        cache.write(2, b"last").unwrap();
        cache.write(0, b"once").unwrap();
        drop(cache);
        let mut cache = open(folder.path());
        assert_eq!(there(&cache), [true, false, true]);
        assert_eq!((read(&cache, 0).unwrap(), read(&cache, 2).unwrap()), (*b"once", *b"last"));
        assert_eq!(cache.content(2), *blake3::hash(b"last").as_bytes());
        cache.complete().unwrap();
        assert!(open(folder.path()).is_complete);
    }

    #[test]
    fn damage_is_decoded_anew_before_the_file_is_complete_and_told_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = open(folder.path());
        (0..3).for_each(|place| cache.write(place, b"abcd").unwrap());
        write_at(&cache.file, b"x", cache.pixels_at(1) + 3).unwrap();
        assert_eq!(there(&open(folder.path())), [true, false, true]);
        cache.complete().unwrap();
        let cache = open(folder.path());
        assert_eq!(there(&cache), [true; 3]);
        assert!(matches!(read(&cache, 1), Err(DataError::CacheDamaged { .. })));
        assert!(read(&cache, 2).is_ok());
        // A file cut short is begun anew; one that is cut while it is in use is an error and no signal.
        cache.file.set_len(cache.pixels_at(2)).unwrap();
        assert!(matches!(read(&cache, 2), Err(DataError::Cache { .. })));
        assert_eq!(there(&open(folder.path())), [false; 3]);
    }

    #[test]
    fn other_photos_have_another_file() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).write(0, b"abcd").unwrap();
        let other = Cache::open(folder.path(), [8; 32], 3, 4).unwrap();
        assert_eq!(there(&other), [false; 3]);
        assert!(open(folder.path()).is_there(0));
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_before_anything_is_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let error = Cache::open(folder.path(), KEY, 1 << 20, 1 << 30).unwrap_err();
        assert!(matches!(error, DataError::NoSpace { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
