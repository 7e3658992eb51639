//! Before an adapter's first training: a short proof that its driver computes what it should.
//!
//! The verdict is remembered, so that it takes its second or two only once.

use super::cache;
use crate::gpu::Chosen;
use crate::ops::{Op, Variant};
use crate::plan::Backend;
use crate::verify::{Numbers, verify_case};
use anyhow::{Context, Result};
use std::collections::HashMap;

/// Cases of an operator that are run.
const CASES: usize = 2;
/// Cases with larger inputs are left to `faceshader verify`.
const MAX_INPUT: usize = 2_000;

/// How kernels are called: those of a variant, or an adapter's own with some `chosen` for it.
pub fn kernels(variant: Option<Variant>, checked: bool, chosen: &Chosen) -> String {
    let names = chosen.iter().map(|(kernel, variant)| format!(" {kernel}={}", variant.name()));
    format!(
        "{}{} kernels, checked: {checked}",
        variant.map_or("its own", Variant::name),
        names.collect::<String>()
    )
}

/// Proves the kernels on a few cases, unless this adapter has passed before. `kernels` says which they are.
pub fn run(backend: &mut dyn Backend, kernels: &str) -> Result<()> {
    let (key, file) = (cache::key(&backend.info(), kernels), cache::file("verified.txt"));
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
        cache::write(&file, &(lines.join("\n") + "\n"));
    }
    Ok(())
}

/// The keys of those that passed.
fn passed(file: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(String::from).collect()
}
