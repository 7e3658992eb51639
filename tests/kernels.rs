//! Every kernel against its twin, on every adapter at hand.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use faceshader::cpu::CpuBackend;
use faceshader::faces::{Detector, Face};
use faceshader::gpu::adapter::{self, Adapter};
use faceshader::gpu::{GpuBackend, Options};
use faceshader::ops::{Case, Op, Variant};
use faceshader::plan::{Backend, BackendInfo};
use faceshader::shaders::shader;
use faceshader::verify::{KernelFailure, Numbers, Recorded, check_gradients, verify_case, verify_recorded};
use safetensors::{Dtype, tensor::TensorView};
use std::collections::{BTreeMap, HashMap};
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

/// Every adapter that can train.
fn usable() -> Vec<Adapter> {
    let adapters = adapter::list().into_iter();
    adapters.filter(|adapter| adapter.report.cannot_train.is_none()).collect()
}

/// Proves kernels of one kind, with or without run-time checks, on the adapters whose API `is_wanted`.
fn prove_on(is_wanted: impl Fn(&str) -> bool, variant: Variant, checked: bool) {
    for adapter in usable().iter().filter(|adapter| is_wanted(&adapter.report.backend)) {
        // Written past the test harness, which would swallow it: a log has to say what was tested.
        let line = adapter.report.line();
        let mut log = std::io::stderr();
        writeln!(log, "kernels on {line} as for {variant:?}, run-time checks: {checked}").unwrap();
        let options = Options { checked, variant: Some(variant), ..Options::default() };
        let mut backend = GpuBackend::open(adapter, options).unwrap();
        assert_eq!(backend.info(), adapter.report.info(), "another adapter was opened");
        assert_all_kernels(&prove_all(&mut backend));
    }
}

/// A module of tests for each kind of API. Compiling pipelines takes most of their time, on one core each.
macro_rules! gpu_kernels_equal_their_twins {
    ($($api:ident: $is_wanted:expr;)+) => { $(
        mod $api {
            use super::*;

            #[test]
            fn gpu_kernels_equal_their_twins() {
                prove_on($is_wanted, Variant::Gpu, false);
            }

            #[test]
            fn gpu_kernels_with_run_time_checks_equal_their_twins() {
                prove_on($is_wanted, Variant::Gpu, true);
            }

            #[test]
            fn gpu_kernels_for_software_equal_their_twins() {
                prove_on($is_wanted, Variant::Software, false);
            }

            #[test]
            fn gpu_kernels_for_software_with_run_time_checks_equal_their_twins() {
                prove_on($is_wanted, Variant::Software, true);
            }
        }
    )+ };
}
gpu_kernels_equal_their_twins! {
    vulkan: |api| api == "vulkan";
    gl: |api| api == "gl";
    others: |api| !["vulkan", "gl"].contains(&api);
}

#[test]
fn variants_are_those_that_are_tested() {
    assert_eq!(Variant::ALL, [Variant::Gpu, Variant::Software]);
}

#[test]
fn gpu_adapters_are_those_that_have_to_be_there() {
    let usable: Vec<BackendInfo> = usable().iter().map(|adapter| adapter.report.info()).collect();
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

/// Sums so long that their heights are far below their numbers of terms.
fn long_sums() -> Vec<Case<Op>> {
    let of = |name: &str, attributes: &str, input: &[usize]| {
        let op = Op::parse(name, &mut serde_json::Deserializer::from_str(attributes)).unwrap();
        Case::new(op, [faceshader::shape::Shape(input.to_vec())])
    };
    let conv = r#"{"out_channels": 2, "kernel": 3}"#;
    let fused = r#"{"conv": {"out_channels": 8, "kernel": 3}}"#;
    vec![
        of("conv2d", conv, &[8, 1, 98, 98]),
        of("conv2d", r#"{"out_channels": 2, "kernel": 3, "stride": 2}"#, &[4, 1, 99, 99]),
        of("depthwise_conv2d", r#"{"kernel": 3}"#, &[8, 2, 98, 98]),
        of("depthwise_conv2d", r#"{"kernel": 3, "stride": 2}"#, &[4, 2, 99, 99]),
        of("conv_pool2d", fused, &[12, 1, 98, 98]),
        of("dense", r#"{"out_features": 3}"#, &[2, 30_000]),
        of("batch_norm2d", "{}", &[4, 2, 100, 100]),
    ]
}

/// The largest error over its bound of each kernel that sums up what rounds up all the way.
fn upward(backend: &mut dyn Backend) -> BTreeMap<String, f64> {
    let mut worst = BTreeMap::new();
    for (seed, case) in (0..).zip(long_sums()) {
        let reports = verify_case(backend, &case, Numbers::Upward, seed).unwrap();
        for report in reports.iter().filter(|report| !report.kernel.starts_with("batch_norm2d.backward")) {
            let fraction = faceshader::verify::worst_fraction(&report.tensors);
            let worst = worst.entry(report.kernel.clone()).or_insert(0.0_f64);
            *worst = worst.max(fraction);
        }
    }
    worst
}

/// Bounds are no wider than they have to be either: such sums come near them.
#[test]
fn sums_that_round_up_all_the_way_stay_within_the_heights_of_their_trees() {
    let mut all = vec![("cpu".to_string(), upward(&mut CpuBackend::new()))];
    for adapter in &usable() {
        for variant in Variant::ALL {
            let options = Options { variant: Some(variant), ..Options::default() };
            let mut backend = GpuBackend::open(adapter, options).unwrap();
            all.push((format!("{} {variant:?}", adapter.report.line()), upward(&mut backend)));
        }
    }
    for kernel in [
        "conv2d.backward_weight",
        "depthwise_conv2d.backward_weight",
        "conv_pool2d.backward_weight",
        "dense.forward",
    ] {
        let worst = all.iter().map(|(_, worst)| worst[kernel]).fold(0.0, f64::max);
        assert!(worst > 0.02, "{kernel}: {all:?}");
    }
}

/// The mean of a million numbers of either sign is lost in what rounding may do to their sum.
#[test]
fn a_check_whose_bound_is_too_wide_fails_as_too_weak() {
    let op = Op::parse("global_avg_pool2d", &mut serde_json::Deserializer::from_str("{}")).unwrap();
    let case = Case::new(op, [faceshader::shape::Shape(vec![1, 1, 1000, 1000])]);
    let failure = verify_case(&mut CpuBackend::new(), &case, Numbers::Real, 1).unwrap_err();
    assert!(matches!(failure, KernelFailure::TooWeak { bound, .. } if bound > 0.01), "{failure}");
    assert!(failure.to_string().contains("too weak"), "{failure}");
}

/// A kernel that writes one element too many, and what it writes is what it reads behind the end.
#[test]
fn gpu_kernels_that_write_behind_the_end_are_noticed() {
    let source = shader("add").unwrap().source.replace("index >= ELEMENTS", "index > ELEMENTS");
    let cases: Vec<Case<Op>> = Op::all_cases().into_iter().filter(|case| case.op.name() == "add").collect();
    for adapter in &usable() {
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
            // A draw may have a gradient of nothing but zeros: of a single sample that is sure and right, or of samples
            // without a label.
            let mut seeds = (0..10).map(|draw| seed + 1000 * draw);
            assert!(seeds.any(|seed| check_gradients(&case, seed, true).is_err()), "{case:?}");
        }
    }
}

/// What Adam makes of parameters of zero in a step, in float64, as a case that says it was the step `said`.
fn recorded_adam(step: i32, said: i32) -> Vec<u8> {
    let [beta1, beta2, epsilon, rate] = [0.9, 0.999, 1e-8, 1e-3];
    let mut columns: [Vec<f32>; 7] = Default::default();
    for index in 0..64_i16 {
        let [grad, m] = [f32::from(index) * 0.01 - 0.3, f32::from(index % 7) * 0.02 - 0.06];
        let v = 1e-4 + f32::from(index % 5) * 0.003;
        let new_m = f64::from(m) * beta1 + f64::from(grad) * (1.0 - beta1);
        let new_v = f64::from(v) * beta2 + f64::from(grad).powi(2) * (1.0 - beta2);
        let root = (new_v / (1.0 - beta2.powi(step))).sqrt() + epsilon;
        let param = -rate * (new_m / (1.0 - beta1.powi(step))) / root;
        let row = [0.0, grad, m, v, param as f32, new_m as f32, new_v as f32];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let names = ["param", "grad", "m", "v", "new_param", "new_m", "new_v"];
    let views = names.iter().zip(&columns).map(|(name, column)| {
        (*name, TensorView::new(Dtype::F32, vec![64], bytemuck::cast_slice(column)).unwrap())
    });
    let attributes = serde_json::json!({
        "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "lr": rate, "weight_decay": 0.0, "step": said,
    });
    let case = serde_json::json!({ "op": "adamw", "attrs": attributes }).to_string();
    safetensors::serialize(views, Some(HashMap::from([("case".to_string(), case)]))).unwrap()
}

/// Its rates come as float32, which is all that parameters of zero are made of.
#[test]
fn recorded_steps_of_adam_agree_early_and_late() {
    let verify = |step: i32, said: i32| {
        let recorded = Recorded::parse(&recorded_adam(step, said)).unwrap();
        verify_recorded(&mut CpuBackend::new(), &recorded)
    };
    for step in [1, 2, 3, 10, 131, 1034, 20_000] {
        let result = verify(step, step);
        assert!(result.is_ok(), "step {step}: {}", result.unwrap_err());
    }
    assert!(verify(131, 132).is_err() && verify(1, 2).is_err());
}

#[test]
fn faces_found_on_a_gpu_are_those_of_the_cpu() {
    let photo = image::load_from_memory(include_bytes!("assets/astronaut.jpg")).unwrap().into_rgb8();
    let expected = Detector::on_cpu().detect(&photo).unwrap();
    assert_eq!(expected.len(), 1);
    for adapter in usable() {
        let backend = GpuBackend::open(&adapter, Options::default()).unwrap();
        let found = Detector::new(Box::new(backend)).detect(&photo).unwrap();
        let [found] = found[..] else { panic!("{}: {found:?}", adapter.report.line()) };
        let points = |face: &Face| [face.landmarks.as_flattened(), &[face.area.x, face.area.width]].concat();
        for (a, b) in points(&found).iter().zip(points(&expected[0])) {
            assert!((a - b).abs() < 0.01, "{}: {found:?}, not {:?}", adapter.report.line(), expected[0]);
        }
    }
}
