//! Where decoded photos go: into memory, or into a file where they are too many.

use super::cache::Cache;
use super::error::{DataError, shown_path};
use super::photos::{Photos, bytes_of};
use super::source::Source;
use super::split::Content;
use crate::machine::free_bytes;
use bytesize::ByteSize;
use std::path::PathBuf;

/// Where decoded photos go.
#[derive(Debug, Clone)]
pub struct Storage {
    /// What photos in memory may take.
    pub memory_bytes: u64,
    /// The folder for photos that take more; without one, that is an error.
    pub cache: Option<PathBuf>,
}

impl Storage {
    /// Half of what is free, and no folder.
    pub fn memory() -> Storage {
        Storage { memory_bytes: free_bytes().map_or(u64::MAX, |bytes| bytes / 2), cache: None }
    }

    /// How many photos of this size fit into memory.
    pub fn photos(&self, [width, height]: [u32; 2]) -> usize {
        usize::try_from(u128::from(self.memory_bytes) / bytes_of([width, height], 1).max(1))
            .unwrap_or(usize::MAX)
    }

    /// Room for photos of these names: black ones in memory, or those of a file, which may be there already.
    pub(super) fn room(
        &self,
        source: &Source,
        size: [u32; 2],
        names: &[String],
    ) -> Result<Photos, DataError> {
        let [width, height] = size;
        let folder = match &self.cache {
            Some(folder) if bytes_of(size, names.len()) > self.memory_bytes.into() => folder,
            _ => return Photos::black(width, height, names.len(), self.memory_bytes),
        };
        let photo_bytes = Photos::new(width, height).photo_bytes();
        let cache = Cache::open(folder, key(source, size, names), names.len(), photo_bytes)?;
        let there = (0..names.len()).filter(|&place| cache.is_there(place)).count();
        log::info!(
            "decoded photos: {} in {}, as they are more than the {} of memory that they may take; {}",
            ByteSize(bytes_of(size, names.len()) as u64),
            shown_path(cache.path()),
            ByteSize(self.memory_bytes),
            match there {
                0 => "none is there yet".into(),
                there => format!("{there} of {} are there already", names.len()),
            }
        );
        Ok(Photos::cached(width, height, names.len(), cache))
    }
}

/// What tells decoded photos from others: their files, their size, and how they were decoded.
fn key(source: &Source, [width, height]: [u32; 2], names: &[String]) -> Content {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{} {width} {height} {}\n", env!("CARGO_PKG_VERSION"), names.len()).as_bytes());
    for name in names {
        hasher.update(format!("{} {name}\n", name.len()).as_bytes());
    }
    source.state(names, &mut |state| {
        // What cannot be asked is told when it is read.
        hasher.update(format!("{:?}\n", state.ok()).as_bytes());
    });
    hasher.finalize().into()
}
