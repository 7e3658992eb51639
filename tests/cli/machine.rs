//! What the machine lacks is a plain error.

use crate::common::{code, program, run, stderr, stdout, succeed, tiny};

#[test]
fn without_threads_the_program_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // Stacks so large that no thread can have one.
    let mut command = program(folder.path());
    let output =
        command.args(["verify", "--adapter", "cpu", "--op", "add"]).env("RUST_MIN_STACK", "4000000000000000");
    let output = output.output().unwrap();
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: no threads could be started"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn a_machine_without_a_desktop_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["adapters"][..], &["verify", "--adapter", "auto", "--op", "add"]] {
        let output = program(folder.path()).args(arguments).env_remove("XDG_RUNTIME_DIR").output().unwrap();
        assert_eq!(code(&output), 0);
        assert!(!stderr(&output).contains("XDG_RUNTIME_DIR"), "{}", stderr(&output));
    }
}

#[test]
fn evaluations_and_predictions_prove_their_adapter_once() {
    let folder = tempfile::tempdir().unwrap();
    let faces = crate::common::faces(folder.path());
    let model = tiny().display().to_string();
    succeed(
        folder.path(),
        &[
            "train",
            "--model",
            &model,
            "--data",
            &faces,
            "--epochs",
            "1",
            "--out",
            "run",
            "--adapter",
            "cpu",
            "--no-verify",
        ],
    );
    let says = |arguments: &[&str]| {
        let output = run(folder.path(), arguments);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stderr(&output).contains("first use of this adapter")
    };
    let eval = ["eval", "run", "--adapter", "cpu"];
    assert!(!says(&[&eval[..], &["--no-verify"]].concat()));
    assert!(says(&["predict", "run", &faces, "--adapter", "cpu"]));
    assert!(!says(&eval));
}

#[test]
fn a_summary_says_what_the_batch_makes_of_dense_layers_and_what_is_beyond_webgpu() {
    let folder = tempfile::tempdir().unwrap();
    for (batch, words) in [("20", "one pass"), ("64", "from 33 to 512"), ("600", "above 512")] {
        let text = stdout(&run(folder.path(), &["summary", "face", "--batch", batch]));
        assert!(text.contains(words), "{batch}: {text}");
    }
    let text = succeed(folder.path(), &["summary", "face", "--batch", "600"]);
    assert!(text.contains("beyond WebGPU    layer \""), "{text}");
    let words = ["layer \"", "a shader sees at most 128 MiB", "smaller batch"];
    crate::common::fail(
        folder.path(),
        &["export", "program", "--batch", "600", "--out", "exported"],
        1,
        &words,
    );
    assert!(!folder.path().join("exported").exists());
}

#[test]
fn deep_models_are_summed_up_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let layers = |count: usize, attributes: &str| -> String {
        (0..count).map(|index| format!("[[layer]]\nname = \"l{index}\"\n{attributes}\n")).collect()
    };
    for (name, layers) in [
        ("convolutions", layers(5_000, "op = \"conv2d\"\nout_channels = 4\nkernel = 3\npadding = \"same\"")),
        ("activations", layers(50_000, "op = \"relu\"")),
    ] {
        let text = format!(
            "name = \"deep\"\n[input]\nwidth = 8\nheight = 8\n[optimizer]\nop = \"adam\"\nlearning_rate = 0.001\n\
             [training]\nbatch = 4\nepochs = 1\n{layers}[[layer]]\nname = \"flatten\"\nop = \"flatten\"\n[[branch]]\n\
             name = \"age\"\ntarget = \"age\"\nloss = {{ op = \"mse\" }}\n[[branch.layer]]\nname = \"dense\"\n\
             op = \"dense\"\nout_features = 1\n"
        );
        let file = format!("{name}.toml");
        std::fs::write(folder.path().join(&file), text).unwrap();
        let start = std::time::Instant::now();
        succeed(folder.path(), &["summary", &file]);
        // About 1 s each; 30 s and more where something looks through all layers for each layer.
        assert!(start.elapsed().as_secs() < 10, "{name}: {:?}", start.elapsed());
    }
}
