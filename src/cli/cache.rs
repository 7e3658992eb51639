//! What is remembered of adapters: whether their kernels were proven, and which are fastest.
//!
//! It lies in the user's cache folder. Where there is none, nothing is remembered.

use crate::machine::cpu_features;
use crate::plan::BackendInfo;
use std::path::PathBuf;

/// What anything remembered of an adapter depends on: adapter, driver, `what`, the build of this program, and what the
/// CPU can do, for which software adapters compile.
pub fn key(info: &BackendInfo, what: &str) -> String {
    key_of(info, what, env!("FACESHADER_BUILD"), &cpu_features())
}

fn key_of(info: &BackendInfo, what: &str, build: &str, features: &str) -> String {
    let BackendInfo { backend, adapter, driver } = info;
    let version = env!("CARGO_PKG_VERSION");
    format!("{backend}; {adapter}; {driver}; {what}; {version} {build}; {features}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_of_one_build_on_one_kind_of_cpu() {
        let info =
            BackendInfo { backend: "vulkan".into(), adapter: "llvmpipe".into(), driver: "Mesa".into() };
        let known = key_of(&info, "its own kernels", "b1", "x86_64 avx2");
        for other in [
            key_of(&info, "its own kernels", "b2", "x86_64 avx2"),
            key_of(&info, "its own kernels", "b1", "x86_64"),
            key_of(&info, "gpu kernels", "b1", "x86_64 avx2"),
            key_of(
                &BackendInfo { driver: "Mesa 2".into(), ..info.clone() },
                "its own kernels",
                "b1",
                "x86_64 avx2",
            ),
        ] {
            assert_ne!(known, other);
        }
        let key = key(&info, "its own kernels");
        assert!(key.contains(env!("FACESHADER_BUILD")) && key.ends_with(&cpu_features()));
    }
}
