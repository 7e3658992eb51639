//! What is remembered of adapters: whether their kernels were proven, and which are fastest.
//!
//! It lies in the user's cache folder. Where there is none, nothing is remembered.

use crate::plan::BackendInfo;
use crate::shaders::SHADERS;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// What anything remembered of an adapter depends on: adapter, driver, `what`, program version and shaders.
pub fn key(info: &BackendInfo, what: &str) -> String {
    let mut hasher = DefaultHasher::new();
    SHADERS.iter().for_each(|shader| shader.source.hash(&mut hasher));
    let BackendInfo { backend, adapter, driver } = info;
    let version = env!("CARGO_PKG_VERSION");
    format!("{backend}; {adapter}; {driver}; {what}; {version} {:016x}", hasher.finish())
}

/// A file in the user's cache folder.
pub fn file(name: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("LOCALAPPDATA"))
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("faceshader").join(name))
}

/// Writes such a file. That it cannot be kept is no reason to stop: the work is done once more next time.
pub fn write(file: &std::path::Path, text: &str) {
    let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    if let Err(error) = folder.map(|()| crate::file::write_whole(file, text.as_bytes())) {
        log::debug!("{} is not kept: {error}", file.display());
    }
}
