//! Every kernel against its twin, on every adapter at hand.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use faceshader::cpu::CpuBackend;
use faceshader::gpu::{GpuBackend, Options, adapter};
use faceshader::ops::{Case, Op, Variant};
use faceshader::plan::{Backend, BackendInfo};
use faceshader::shaders::shader;
use faceshader::verify::{KernelFailure, Numbers, check_gradients, verify_case};
use std::collections::BTreeMap;
use std::io::Write;

/// Proves all kernels, with real numbers and with integers, and returns how many cases each had.
fn prove_all(backend: &mut dyn Backend) -> BTreeMap<String, usize> {
    let mut proven = BTreeMap::new();
    let mut failures = Vec::new();
    for (seed, case) in (0..).zip(Op::all_cases()) {
        for numbers in [Numbers::Real, Numbers::Integer] {
            match verify_case(backend, &case, numbers, seed) {
                Ok(reports) => {
                    for report in reports {
                        *proven.entry(report.kernel).or_insert(0) += 1;
                    }
                }
                Err(failure) => failures.push(failure.to_string()),
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures, among them:\n{}",
        failures.len(),
        failures[..failures.len().min(8)].join("\n")
    );
    proven
}

/// Every kernel of every operator was proven, and more than once.
fn assert_all_kernels(proven: &BTreeMap<String, usize>) {
    for case in Op::all_cases() {
        for kernel in case.op.kernels() {
            let name = format!("{}.{}", case.op.name(), kernel.name);
            assert!(proven.get(&name).is_some_and(|&cases| cases >= 4), "{name}: {:?}", proven.get(&name));
        }
    }
}

#[test]
fn cpu_kernels_equal_their_twins() {
    assert_all_kernels(&prove_all(&mut CpuBackend::new()));
}

#[test]
fn gpu_kernels_equal_their_twins_on_every_adapter() {
    let adapters = adapter::list();
    let mut usable = Vec::new();
    for adapter in adapters.iter().filter(|adapter| adapter.report.cannot_train.is_none()) {
        for (checked, variant) in [false, true].into_iter().flat_map(|c| Variant::ALL.map(|v| (c, v))) {
            // Written past the test harness, which would swallow it: a log has to say what was tested.
            let line = adapter.report.line();
            writeln!(std::io::stderr(), "kernels on {line} as for {variant:?}, run-time checks: {checked}")
                .unwrap();
            let mut backend =
                GpuBackend::open(adapter, Options { checked, variant: Some(variant), ..Options::default() })
                    .unwrap();
            let info = backend.info();
            assert_eq!(info, adapter.report.info(), "another adapter was opened");
            assert_all_kernels(&prove_all(&mut backend));
        }
        usable.push(adapter.report.info());
    }
    assert!(
        !usable.is_empty(),
        "no adapter can train; install a Vulkan driver (Debian: mesa-vulkan-drivers)"
    );
    // tests/run.sh says which adapters it has made sure of, as in "vulkan:llvmpipe gl:llvmpipe".
    let expected = std::env::var("EXPECTED_ADAPTERS").unwrap_or_default();
    for (backend, name) in expected.split_whitespace().filter_map(|adapter| adapter.split_once(':')) {
        let is_meant = |info: &BackendInfo| info.backend == backend && info.adapter.contains(name);
        assert!(usable.iter().any(is_meant), "no {name} by {backend} among {usable:?}");
    }
}

/// A kernel that writes one element too many, and what it writes is what it reads behind the end.
#[test]
fn gpu_kernels_that_write_behind_the_end_are_noticed() {
    let source = shader("add").unwrap().source.replace("index >= ELEMENTS", "index > ELEMENTS");
    let cases: Vec<Case<Op>> = Op::all_cases().into_iter().filter(|case| case.op.name() == "add").collect();
    for adapter in adapter::list().iter().filter(|adapter| adapter.report.cannot_train.is_none()) {
        let mut backend =
            GpuBackend::open(adapter, Options { checked: true, variant: None, ..Options::default() })
                .unwrap();
        backend.replace_shader("add", &source).unwrap();
        let failure = verify_case(&mut backend, &cases[0], Numbers::Real, 0).unwrap_err();
        assert!(matches!(failure, KernelFailure::OutOfBounds { words: 1, .. }), "{failure}");
    }
}

#[test]
fn gradients_are_derivatives() {
    let mut checked = 0;
    for (seed, case) in (0..).zip(Op::all_cases()).filter(|(_, case)| !case.op.backward().is_empty()) {
        if case.inputs[0].len() < 5000 {
            checked += check_gradients(&case, seed, false).unwrap();
        }
    }
    assert!(checked > 500, "only {checked} elements were checked");
}

#[test]
fn gradients_of_the_wrong_sign_are_rejected() {
    for (seed, case) in (0..).zip(Op::all_cases()).filter(|(_, case)| !case.op.backward().is_empty()) {
        if (20..5000).contains(&case.inputs[0].len()) {
            // One draw may have a gradient of nothing but zeros: a single sample that is sure and right.
            let seeds = [seed, seed + 1000, seed + 2000];
            assert!(seeds.iter().any(|&seed| check_gradients(&case, seed, true).is_err()), "{case:?}");
        }
    }
}
