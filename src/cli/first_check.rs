//! Before an adapter's first training: a short proof that its driver computes what it should.
//!
//! The verdict is kept in the user's cache folder, by adapter, driver, kind of kernels, program
//! version and shaders, so that it takes its second or two only once.

use crate::file::write_whole;
use crate::ops::Op;
use crate::plan::{Backend, BackendInfo};
use crate::shaders::SHADERS;
use crate::verify::{Numbers, verify_case};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// Cases of an operator that are run.
const CASES: usize = 2;
/// Cases with larger inputs are left to `faceshader verify`.
const MAX_INPUT: usize = 2_000;

/// Proves the kernels on a few cases, unless this adapter has passed before. `kernels` says which they are.
pub fn run(backend: &mut dyn Backend, kernels: &str) -> Result<()> {
    let (key, file) = (key(&backend.info(), kernels), file());
    if file.as_ref().is_some_and(|file| passed(file).contains(&key)) {
        return Ok(());
    }
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for (seed, case) in (0..).zip(Op::all_cases()) {
        let count = taken.entry(case.op.name()).or_insert(0);
        if *count < CASES && case.inputs.iter().all(|input| input.len() <= MAX_INPUT) {
            *count += 1;
            verify_case(backend, &case, Numbers::Real, seed).context(
                "this adapter computes wrong results, so that nothing was trained; update its driver or choose \
                 another --adapter (--no-verify trains all the same)",
            )?;
        }
    }
    log::info!("first use of this adapter: {} operators checked against their twins", taken.len());
    if let Some(file) = file {
        let mut lines = passed(&file);
        lines.push(key);
        // Without a cache the next training checks once more; that is all.
        let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = folder.map(|()| write_whole(&file, (lines.join("\n") + "\n").as_bytes())) {
            log::debug!("the verdict is not kept: {error}");
        }
    }
    Ok(())
}

/// What the verdict depends on.
fn key(info: &BackendInfo, kernels: &str) -> String {
    let mut hasher = DefaultHasher::new();
    SHADERS.iter().for_each(|shader| shader.source.hash(&mut hasher));
    let BackendInfo { backend, adapter, driver } = info;
    let version = env!("CARGO_PKG_VERSION");
    format!("{backend}; {adapter}; {driver}; {kernels}; {version} {:016x}", hasher.finish())
}

/// Where verdicts are kept; `None` if the user has no cache folder.
fn file() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("LOCALAPPDATA"))
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("faceshader/verified.txt"))
}

/// The keys of those that passed.
fn passed(file: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(String::from).collect()
}
