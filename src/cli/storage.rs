//! How much memory photos may take, and where they lie if they are more.

use crate::data::storage::Storage;
use bytesize::ByteSize;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, clap::Args)]
pub struct Memory {
    /// What decoded photos may take of the memory, such as 512MB or 4GiB; half of what is free if not given
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<ByteSize>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    memory: Memory,
    /// The folder for decoded photos that are more than --memory; `cache` beside the run folder if not given. The same
    /// photos are not decoded again
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl Memory {
    /// So much memory, and a folder for what is more.
    pub fn storage(&self, cache: Option<PathBuf>) -> Storage {
        let Storage { memory_bytes, .. } = Storage::memory();
        Storage { memory_bytes: self.memory.map_or(memory_bytes, |size| size.as_u64()), cache }
    }
}

impl Arguments {
    /// For the photos of this run folder, or of one that will be made below `runs`.
    pub fn storage(&self, run: Option<&Path>) -> Storage {
        let beside = |run: &Path| {
            let run = std::path::absolute(run).unwrap_or(run.into());
            run.parent().unwrap_or(&run).join("cache")
        };
        let cache = self.cache.clone().unwrap_or_else(|| run.map_or("runs/cache".into(), beside));
        self.memory.storage(Some(cache))
    }
}

/// A number of bytes above 0 with its unit.
fn size(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        _ if text.trim().ends_with(|c: char| c.is_ascii_digit()) => {
            Err("it must have a unit, such as 512MB or 4GiB".into())
        }
        Ok(ByteSize(0)) => Err("it must be above 0".into()),
        Ok(size) => Ok(size),
        Err(_) => Err("it must be a number of bytes with a unit, such as 512MB or 4GiB".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512MB").unwrap().as_u64(), 512_000_000);
        assert_eq!(size("1.5 GiB").unwrap().as_u64(), 3 << 29);
        for wrong in ["", "0", "0kB", "512", "-1GB", "4 gigs", "GB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_folder_of_decoded_photos_lies_beside_the_run() {
        let none = Arguments { memory: Memory { memory: None }, cache: None };
        assert_eq!(none.storage(None).cache.unwrap(), Path::new("runs/cache"));
        let here = std::env::current_dir().unwrap();
        for (run, cache) in [("a/run", here.join("a/cache")), ("run", here.join("cache"))] {
            assert_eq!(none.storage(Some(Path::new(run))).cache.unwrap(), cache);
        }
    }
}
