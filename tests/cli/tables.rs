//! What the program prints of models, data and adapters.

use crate::common::{faces, succeed, tiny};

#[test]
fn summary_prints_the_published_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(folder.path(), &["summary", "face"]);
    for part in
        ["12,894,242", "179.5 MFLOP a sample", "32 x 126 x 126", "64 x 14 x 14", "6,423,040", "batch of 20"]
    {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&succeed(folder.path(), &["summary", "face", "--json"])).unwrap();
    assert_eq!(json["parameters"], 12_894_242);
    assert_eq!(json["layers"][1]["parameters"], 896);
}

#[test]
fn adapters_lists_the_cpu_and_a_vulkan_driver() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(folder.path(), &["adapters"]);
    assert!(text.contains("cpu:"), "{text}");
    assert!(text.contains("can train"), "{text}");
    for line in succeed(folder.path(), &["adapters", "--json"]).lines() {
        let adapter: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(adapter["name"].is_string() && adapter["driver"].is_string(), "{line}");
    }
}

#[test]
fn data_check_prints_totals_and_by_a_flag_a_row_a_photo() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    std::fs::write(folder.path().join("faces/39_1_2017.jpg"), "broken name").unwrap();
    let rows = |text: &str| text.lines().filter(|line| line.contains(".jpg.chip.jpg")).count();
    let text = succeed(folder.path(), &["data", "check", &faces]);
    assert_eq!(rows(&text), 0, "{text}");
    assert!(text.contains("photos       30"), "{text}");
    let listed = succeed(folder.path(), &["data", "check", &faces, "--list"]);
    assert_eq!(rows(&listed), 30, "{listed}");
    assert!(listed.ends_with(&text), "{listed}");
    let json = succeed(folder.path(), &["data", "check", &faces, "--json"]);
    assert_eq!(json.lines().count(), 1, "{json}");
    assert_eq!(succeed(folder.path(), &["data", "check", &faces, "--json", "--list"]).lines().count(), 31);
}

#[test]
fn data_show_draws_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let faces = faces(folder.path());
    succeed(folder.path(), &["data", "show", &faces, "--out", "grid.png"]);
    let picture = image::open(folder.path().join("grid.png")).unwrap();
    assert!(picture.width() > 400 && picture.height() > 400);
}

#[test]
fn verify_proves_an_operator_and_names_unknown_ones() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(folder.path(), &["verify", "--adapter", "cpu", "--op", "dense"]);
    assert!(text.contains("dense.backward_weight") && !text.contains("conv2d"), "{text}");
    // A bare percentage of error reads as failure.
    assert!(text.contains("worst error") && text.contains("% of its bound"), "{text}");
    // How strong the check was.
    assert!(text.contains("notices") && text.contains("% RMS"), "{text}");
    let json = succeed(folder.path(), &["verify", "--adapter", "cpu", "--op", "dense", "--json"]);
    for line in json.lines() {
        let kernel: serde_json::Value = serde_json::from_str(line).unwrap();
        let bound = kernel["bound_of_rms"].as_f64().unwrap();
        assert!(
            bound > 0.0 && bound <= 0.01 && kernel["notices_of_rms"].as_f64().unwrap() >= bound,
            "{line}"
        );
    }
    crate::common::fail(
        folder.path(),
        &["verify", "--adapter", "cpu", "--op", "convolve"],
        2,
        &["convolve", "conv2d"],
    );
}

#[test]
fn planted_faults_are_noticed_in_every_reduction_of_a_small_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny().display().to_string();
    for (adapter, fusion) in [("cpu", &[][..]), ("cpu", &["--no-fuse"]), ("vulkan", &[])] {
        let asked = ["verify", "--model", &model, "--planted", "--adapter", adapter];
        let text = succeed(folder.path(), &[&asked, fusion].concat());
        let kinds = [
            "all zero",
            "sign flipped",
            "a stale copy",
            "neighbours swapped",
            "a workgroup's results",
            "one sample",
            "one channel",
            "one tap",
            "one partial sum",
            "a workgroup's share",
        ];
        for kind in kinds {
            assert!(text.contains(kind), "{adapter}: {kind} is missing:\n{text}");
        }
        assert!(text.contains("planted faults are noticed") && !text.contains("NOT NOTICED"), "{text}");
        let json = succeed(folder.path(), &[&asked, fusion, &["--json"]].concat());
        let faults: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert!(faults.len() > 80, "only {} faults", faults.len());
        for fault in &faults {
            assert!(fault["noticed"] == true || fault["exception"].is_string(), "{fault}");
            assert_eq!(fault["noticed"], fault["error_over_bound"].as_f64().unwrap() > 1.0, "{fault}");
        }
    }
    crate::common::fail(folder.path(), &["verify", "--planted"], 2, &["--model"]);
}

#[test]
fn a_models_own_toml_is_summarised() {
    let folder = tempfile::tempdir().unwrap();
    let text = succeed(folder.path(), &["summary", &tiny().display().to_string()]);
    assert!(text.contains("residual") && text.contains("gender.conv3"), "{text}");
}

/// A recorded case of the mean squared error over two samples, with this loss as its answer.
fn recorded(folder: &std::path::Path, loss: f32) {
    use safetensors::tensor::{Dtype, TensorView};
    let floats = |values: &[f32]| bytemuck::cast_slice::<f32, u8>(values).to_vec();
    let tensors = [
        ("input", floats(&[1.0, 3.0])),
        ("target", floats(&[0.0, 1.0])),
        ("d_input", floats(&[1.0, 2.0])),
        ("loss", floats(&[loss])),
    ];
    let view = |name: &str, bytes| {
        let shape = if name == "loss" { vec![1] } else { vec![2, 1] };
        TensorView::new(Dtype::F32, shape, bytes).unwrap()
    };
    let views = tensors.iter().map(|(name, bytes)| (*name, view(name, bytes)));
    let case = r#"{"op": "mse", "attrs": {}, "source": "by hand"}"#;
    let notes = [("case".to_string(), case.to_string())].into();
    std::fs::write(folder.join("mse.safetensors"), safetensors::serialize(views, Some(notes)).unwrap())
        .unwrap();
}

#[test]
fn recorded_answers_are_held_against_the_device() {
    let folder = tempfile::tempdir().unwrap();
    for adapter in ["cpu", "vulkan"] {
        let arguments = ["verify", "--adapter", adapter, "--vectors", "."];
        recorded(folder.path(), 2.5);
        assert!(succeed(folder.path(), &arguments).contains("all 1 cases"), "{adapter}");
        recorded(folder.path(), 2.500_01);
        crate::common::fail(folder.path(), &arguments, 4, &["mse", "loss", "2.5"]);
    }
    std::fs::write(folder.path().join("mse.safetensors"), "no tensors").unwrap();
    crate::common::fail(
        folder.path(),
        &["verify", "--adapter", "cpu", "--vectors", "."],
        1,
        &["mse.safetensors"],
    );
}

#[test]
fn profile_tells_where_the_time_goes_as_table_json_trace_and_picture() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny();
    let asked = [
        "profile",
        "--model",
        model.to_str().unwrap(),
        "--adapter",
        "cpu",
        "--steps",
        "1",
        "--out",
        "profile",
    ];
    let text = succeed(folder.path(), &asked);
    for part in ["calls", "share", "GFLOP/s", "GB/s", "conv2d", "adam", "a step takes", "probes"] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    let read = |name: &str| std::fs::read(folder.path().join("profile").join(name)).unwrap();
    let profile: serde_json::Value = serde_json::from_slice(&read("profile.json")).unwrap();
    let sum = |list: &str, key: &str| -> f64 {
        profile[list].as_array().unwrap().iter().map(|entry| entry[key].as_f64().unwrap()).sum()
    };
    let all = profile["kernels_ms"].as_f64().unwrap();
    for list in ["kernels", "steps"] {
        assert!((sum(list, "ms") - all).abs() <= 1e-9 * all && (sum(list, "percent") - 100.0).abs() < 1e-9);
    }
    let trace: serde_json::Value = serde_json::from_slice(&read("trace.json")).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    assert_eq!(events.len(), 2 + profile["steps"].as_array().unwrap().len());
    assert!(image::load_from_memory(&read("profile.png")).unwrap().height() > 200);
}

#[test]
fn tune_measures_both_variants_of_every_kernel_and_remembers_the_faster() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny();
    let asked = ["tune", "--adapter", "vulkan", "--model", model.to_str().unwrap(), "--json"];
    let lines = succeed(folder.path(), &asked);
    let kernels: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Only kernels that are made in two ways are tried.
    assert!(lines.contains("conv_pool2d.forward") && !lines.contains("adam.update"), "{lines}");
    for kernel in &kernels {
        assert!(kernel["gpu_ms"].is_number() && kernel["software_ms"].is_number(), "{kernel}");
        assert!(kernel["used"] == "gpu" || kernel["used"] == "software", "{kernel}");
    }
    let kept = std::fs::read_to_string(folder.path().join(".cache/faceshader/tuned.json")).unwrap();
    assert!(kept.contains("vulkan; "), "{kept}");
    crate::common::fail(folder.path(), &["tune", "--adapter", "cpu"], 2, &["--adapter"]);
}
