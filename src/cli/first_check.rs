//! Before an adapter's first training, evaluation or prediction: a short check, on a few samples of each kernel, that
//! its driver computes what it should.
//!
//! The verdict is remembered, so that it takes its time only once: seconds, or most of a minute where the driver
//! compiles every kernel for the first time.

use super::cache;
use super::progress::bar;
use crate::gpu::Chosen;
use crate::ops::{Case, Op, Variant};
use crate::plan::Backend;
use crate::verify::{KernelFailure, Numbers, verify_case};
use anyhow::{Error, Result};
use std::collections::{BTreeSet, HashMap};

/// Cases of an operator that are run, and one of each other kind.
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

/// Verifies the kernels on a few cases, unless this adapter has passed before. `kernels` says which they are.
pub fn run(backend: &mut dyn Backend, kernels: &str) -> Result<()> {
    let (key, file) = (cache::key(&backend.info(), kernels), cache::file("verified.txt"));
    if file.as_ref().is_some_and(|file| passed(file).contains(&key)) {
        return Ok(());
    }
    let cases = cases();
    log::info!("first use of this adapter: its kernels are checked, which may take a minute");
    let progress = bar("checking the kernels, once for this adapter", Some(cases.len()));
    for (seed, case) in &cases {
        let outcome = verify_case(backend, case, Numbers::Real, *seed);
        outcome.inspect_err(|_| progress.finish_and_clear()).map_err(explained)?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    let operators: BTreeSet<&str> = cases.iter().map(|(_, case)| case.op.name()).collect();
    log::info!(
        "first use of this adapter: {} operators agree with their twins on {} samples",
        operators.len(),
        cases.len()
    );
    if let Some(file) = file {
        let mut lines = passed(&file);
        lines.push(key);
        cache::write(&file, &(lines.join("\n") + "\n"));
    }
    Ok(())
}

/// What a failure means. An adapter that fails for lack of memory, say, has computed nothing wrong.
fn explained(failure: KernelFailure) -> Error {
    let what = match failure {
        KernelFailure::Backend(_) => {
            "the check of the kernels before the first use of this adapter could not end"
        }
        _ => {
            "this adapter computes wrong results, so that it was not used; update its driver or choose another \
             --adapter (--no-verify uses it all the same)"
        }
    };
    Error::new(failure).context(what)
}

/// Some cases of each operator, each with its number.
fn cases() -> Vec<(u64, Case<Op>)> {
    let mut taken: HashMap<&str, BTreeSet<String>> = HashMap::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut cases: Vec<(u64, Case<Op>)> = (0..).zip(Op::all_cases()).collect();
    cases.retain(|(_, case)| {
        let is_small = case.inputs.iter().all(|input| input.len() <= MAX_INPUT);
        let count = counts.entry(case.op.name()).or_insert(0);
        let is_new = is_small && taken.entry(case.op.name()).or_default().insert(kind(&case.op));
        let is_taken = is_new || (is_small && *count < CASES);
        *count += usize::from(is_taken);
        is_taken
    });
    cases
}

/// What an operator is but for the numbers among its attributes: which loss, whether ReLU comes before it,
/// whether there is another layer beside it.
fn kind(op: &Op) -> String {
    let attributes = format!("{op:?}").replace("layers: 1", "one layer");
    attributes.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The keys of those that passed.
fn passed(file: &std::path::Path) -> Vec<String> {
    let text = crate::file::read_plain_text(file).unwrap_or_default();
    text.lines().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::BackendError;

    #[test]
    fn what_fails_for_lack_of_memory_is_not_called_wrong() {
        let memory = explained(BackendError::TooLarge("no memory left".into()).into());
        assert!(format!("{memory:#}").contains("could not end: no memory left"), "{memory:#}");
        let (kernel, case, argument) = ("add.forward".into(), "1".into(), "output".into());
        let wrong = explained(KernelFailure::OutOfBounds { kernel, case, argument, words: 1 });
        assert!(format!("{wrong:#}").starts_with("this adapter computes wrong results"), "{wrong:#}");
    }

    #[test]
    fn what_fused_kernels_do_is_checked_as_well() {
        let ops: Vec<Op> = cases().into_iter().map(|(_, case)| case.op).collect();
        let has = |what: &dyn Fn(&Op) -> bool| ops.iter().any(what);
        for loss in ["mse", "bce_with_logits", "softmax_cross_entropy"] {
            assert!(has(&|op| matches!(op, Op::MeasuredLoss(op) if op.loss.name() == loss)), "{loss}");
        }
        assert!(has(&|op| matches!(op, Op::DenseAdam(op) if op.relu)));
        assert!(has(&|op| matches!(op, Op::DenseAdam(op) if op.layers > 1)));
        assert!(has(&|op| matches!(op, Op::DenseRelu(op) if op.layers > 1)));
        assert!(has(&|op| matches!(op, Op::ConvPool2d(op) if op.layers > 1)));
        assert!(has(&|op| matches!(op, Op::ConvPool2d(op) if op.dropout.is_some())));
        // They compute nothing.
        let left_out = Op::TABLE.iter().map(|(name, _)| *name).filter(|name| !has(&|op| op.name() == *name));
        assert_eq!(left_out.collect::<Vec<_>>(), ["tokens", "flatten"]);
    }
}
