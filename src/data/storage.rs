//! Where decoded photos go: into memory, or into a file where they are too many.

use super::cache::Cache;
use super::error::{DataError, shown_path};
use super::photos::{Photos, bytes_of};
use super::source::Source;
use super::split::Content;
use crate::machine::free_bytes;
use crate::spec::{CropSpec, Faces, PhotoSpec};
use bytesize::ByteSize;
use std::collections::HashMap;
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

    /// Room for the photos of these names, some of `all` in the source: in memory, or in a file, where they may be
    /// already.
    pub(super) fn room(
        &self,
        source: &Source,
        input: &PhotoSpec,
        names: &[String],
        all: &[String],
    ) -> Result<Photos, DataError> {
        let size = [input.width as u32, input.height as u32];
        let folder = match &self.cache {
            Some(folder) if bytes_of(size, names.len()) > self.memory_bytes.into() => folder,
            _ => return Photos::in_memory(size, names.len(), self.memory_bytes),
        };
        let photo_bytes = Photos::new(size[0], size[1]).photo_bytes();
        let cache = Cache::open(folder, key(source, input, all), all.len(), photo_bytes, names.len())?;
        let path = cache.path().to_owned();
        let place_of: HashMap<&String, usize> = all.iter().zip(0..).collect();
        let places = names.iter().filter_map(|name| place_of.get(name).copied()).collect();
        let photos = Photos::in_file(size, cache, places);
        let there = (0..photos.len()).filter(|&index| photos.is_there(index)).count();
        log::info!(
            "decoded photos: {} in {}, as memory may hold {} of them; {}",
            ByteSize(bytes_of(size, names.len()) as u64),
            shown_path(&path),
            ByteSize(self.memory_bytes),
            match there {
                0 => "none is there yet".into(),
                there => format!("{there} of {} are there already", names.len()),
            }
        );
        Ok(photos)
    }
}

/// What tells decoded photos from others: where they come from, when their files were changed, their size, and what
/// decodes them.
fn key(source: &Source, input: &PhotoSpec, all: &[String]) -> Content {
    let (width, height) = (input.width, input.height);
    let mut hasher = blake3::Hasher::new();
    let path = source.path().canonicalize().unwrap_or(source.path().to_owned());
    hasher.update(path.as_os_str().as_encoded_bytes());
    hasher.update(format!("\n{} {width} {height} {}\n", env!("CARGO_PKG_VERSION"), all.len()).as_bytes());
    // Photos that are taken whole have no mark, as before there was anything else.
    if input.faces == Some(Faces::Detect) {
        let CropSpec { side, right, down } = input.crop;
        hasher.update(format!("faces {side:?} {right:?} {down:?}\n").as_bytes());
    }
    for name in all {
        hasher.update(format!("{} {name}\n", name.len()).as_bytes());
    }
    source.state(all, &mut |state| {
        // What cannot be asked is told when it is read.
        hasher.update(format!("{:?}\n", state.ok()).as_bytes());
    });
    hasher.finalize().into()
}
