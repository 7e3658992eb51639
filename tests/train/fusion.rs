//! Plans whose kernels do at once what several layers do.

use crate::common::tiny;
use faceshader::graph::Graph;
use faceshader::plan::{Purpose, lower};
use faceshader::spec::Spec;
use std::collections::BTreeSet;

fn unfused() -> Spec {
    let mut spec = tiny();
    spec.training.fuse = false;
    spec
}

fn kernels(spec: &Spec, purpose: Purpose) -> BTreeSet<String> {
    let plan = lower(&Graph::new(spec, 6).unwrap(), "tiny", purpose);
    plan.steps.iter().map(|step| format!("{} {}", step.layer, step.label())).collect()
}

#[test]
fn a_fused_plan_has_fewer_kernels_and_less_memory() {
    for purpose in [Purpose::Training, Purpose::Evaluation, Purpose::Prediction] {
        let (fused, plain) = (kernels(&tiny(), purpose), kernels(&unfused(), purpose));
        assert!(plain.contains("relu1 relu.forward") && !fused.contains("relu1 relu.forward"), "{fused:?}");
        // Dropout is for training only.
        let forward = match purpose {
            Purpose::Training => "conv1 conv_pool2d.forward_dropout",
            Purpose::Evaluation | Purpose::Prediction => "conv1 conv_pool2d.forward",
        };
        assert!(fused.contains(forward), "{fused:?}");
        assert!(!fused.iter().any(|kernel| kernel.starts_with("dropout1 ")), "{fused:?}");
        // No pooling comes after this one.
        assert!(fused.contains("age.relu relu.forward"), "{fused:?}");
    }
    let memory = |spec: &Spec| lower(&Graph::new(spec, 6).unwrap(), "tiny", Purpose::Training).memory_bytes();
    assert!(memory(&tiny()) < memory(&unfused()));
}

#[test]
fn a_relu_that_somebody_else_reads_stays() {
    // The sum reads the ReLU as well, by a pooling of its own.
    let half = "[[layer]]\nname = \"half\"\nop = \"avg_pool2d\"\nkernel = 2\n\n";
    let pool = "[[layer]]\nname = \"pool1\"\n";
    let text = include_str!("../assets/tiny.toml")
        .replace(pool, &format!("{half}{pool}input = \"relu1\"\n"))
        .replace("\"dropout1\"]", "\"half\"]");
    let spec = Spec::parse(&text, "tiny.toml").unwrap();
    for purpose in [Purpose::Training, Purpose::Evaluation] {
        let fused = kernels(&spec, purpose);
        assert!(fused.contains("relu1 relu.forward") && fused.contains("conv1 conv2d.forward"), "{fused:?}");
    }
}

#[test]
fn dropout_of_what_somebody_else_reads_stays() {
    // The sum reads the pooling as well.
    let text = include_str!("../assets/tiny.toml").replace("\"dropout1\"]", "\"pool1\"]");
    let fused = kernels(&Spec::parse(&text, "tiny.toml").unwrap(), Purpose::Training);
    let there = [
        "conv1 conv_pool2d.forward",
        "conv1 conv_pool2d.backward_weight",
        "dropout1 dropout.forward",
        "dropout1 dropout.backward_input",
    ];
    assert!(there.iter().all(|&kernel| fused.contains(kernel)), "{fused:?}");
}

#[test]
fn a_flattened_pooling_is_dropped_at_once() {
    let text = include_str!("../../assets/models/face.toml");
    let graph = Graph::new(&Spec::parse(text, "face.toml").unwrap(), 2).unwrap();
    let steps = lower(&graph, "face", Purpose::Training).steps;
    assert!(steps.iter().all(|step| step.op.name() != "dropout"));
    let forward = steps.iter().filter(|step| step.label() == "conv_pool2d.forward_dropout");
    assert_eq!(
        forward.map(|step| step.layer.as_str()).collect::<Vec<_>>(),
        ["conv2", "age.conv3", "gender.conv3"]
    );
}

#[test]
fn weights_are_updated_with_their_gradient_as_far_as_a_batch_lets_them() {
    let kernels = |batch: usize, optimizer: &str| {
        let text = include_str!("../assets/tiny.toml").replace("\"adam\"", optimizer);
        let graph = Graph::new(&Spec::parse(&text, "tiny.toml").unwrap(), batch).unwrap();
        let steps = lower(&graph, "tiny", Purpose::Training).steps;
        let of_layer = steps.iter().filter(|step| step.layer.starts_with("age.dense1"));
        of_layer.map(|step| step.label()).collect::<Vec<_>>()
    };
    assert_eq!(kernels(32, "\"adam\""), ["dense.forward", "dense_adam.backward", "adam.update"]);
    let apart = ["dense.forward", "dense.backward_input", "dense_adam.update", "adam.update"];
    assert_eq!(kernels(33, "\"adam\""), apart);
    assert_eq!(kernels(513, "\"adam\"")[1..3], ["dense.backward_weight", "dense.backward_input"]);
    assert_eq!(kernels(6, "\"sgd\"")[1..3], ["dense.backward_weight", "dense.backward_input"]);
}
