//! One whole training step, proven step by step on every backend.

use crate::common::{TINY, alike, backends_as, faces, separable, tiny};
use faceshader::data::batches::{Variation, batch};
use faceshader::graph::Graph;
use faceshader::ops::Variant;
use faceshader::plan::{Plan, Program, Purpose, lower};
use faceshader::spec::Spec;
use faceshader::train::Trainer;
use std::collections::BTreeSet;

#[test]
fn every_step_of_a_training_step_computes_what_its_twin_says() {
    prove_every_step(tiny(), 19);
}

#[test]
fn every_step_of_branches_that_begin_alike_computes_what_its_twin_says() {
    prove_every_step(alike(), 20);
}

#[test]
fn every_step_of_a_plan_without_fusions_computes_what_its_twin_says() {
    let mut spec = tiny();
    spec.training.fuse = false;
    prove_every_step(spec, 25);
}

#[test]
fn every_step_of_a_training_with_all_that_a_recipe_can_say_computes_what_its_twin_says() {
    let text = TINY
        .replace("[training]", "[training]\nema = 0.9\nclip_norm = 2.0")
        .replace("weight = 500.0", "weight = 500.0, label_smoothing = 0.1")
        .replace("learning_rate = 0.003", "learning_rate = 0.003\nweight_decay = 0.05");
    let groups = "[[group]]\nlayers = [\"norm*\", \"*.bias\"]\nweight_decay = 0.0\n\
                  [[freeze]]\nlayers = [\"conv1\"]";
    prove_every_step(Spec::parse(&format!("{text}\n{groups}"), "tiny.toml").unwrap(), 22);
}

#[test]
fn every_step_of_depthwise_convolutions_and_upsampling_computes_what_its_twin_says() {
    let spec = separable();
    let plan = lower(&Graph::new(&spec, 6).unwrap(), "separable", Purpose::Training);
    for kernel in ["forward", "backward_input"] {
        for op in ["depthwise_conv2d", "upsample2d"] {
            let label = format!("{op}.{kernel}");
            assert!(plan.steps.iter().any(|step| step.label() == label), "no {label}");
        }
    }
    prove_every_step(spec, 24);
}

/// As for either kind of adapter.
fn prove_every_step(spec: Spec, kernels: usize) {
    let (photos, split) = faces(12);
    for (name, backend) in Variant::ALL.into_iter().flat_map(|variant| backends_as(Some(variant))) {
        let mut trainer = Trainer::new(backend, &spec).unwrap();
        // A few steps first, so that Adam's means are not zero; then a short batch.
        let variation = Some(Variation { augment: &spec.augment, seed: 1, epoch: 0 });
        for chosen in split.train.chunks(6) {
            trainer.train_step(&batch(&photos, chosen, 6, variation).unwrap()).unwrap();
        }
        let mut proven = BTreeSet::new();
        let last = batch(&photos, &split.train[..4], 6, variation).unwrap();
        let result = trainer.verify_step(&last, &mut |report| {
            assert!(report.tensors.iter().all(|tensor| tensor.elements > 0), "{}", report.kernel);
            proven.insert(report.kernel.clone());
        });
        result.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(proven.len() >= kernels, "{name}: only {proven:?}");
    }
}

#[test]
fn a_plan_and_its_program_are_plain_data() {
    let graph = Graph::new(&tiny(), 6).unwrap();
    let plan = lower(&graph, "tiny", Purpose::Training);
    let text = serde_json::to_string(&plan).unwrap();
    assert!(serde_json::from_str::<Plan>(&text).unwrap() == plan);
    let program = Program::new(&plan, Variant::Gpu).unwrap();
    let text = serde_json::to_string(&program).unwrap();
    assert!(serde_json::from_str::<Program>(&text).unwrap() == program);
}

#[test]
fn a_prediction_leaves_out_dropout_losses_and_gradients() {
    let graph = Graph { fuse: false, ..Graph::new(&tiny(), 6).unwrap() };
    let plan = lower(&graph, "tiny", Purpose::Prediction);
    let kernels: BTreeSet<String> = plan.steps.iter().map(|step| step.label()).collect();
    let mut expected: BTreeSet<String> =
        ["add", "augment", "batch_norm2d", "conv2d", "dense", "max_pool2d", "relu"]
            .map(|op| format!("{op}.forward"))
            .into();
    expected.insert("batch_norm2d.recall".into());
    assert_eq!(kernels, expected);
}

#[test]
fn the_photos_get_no_gradient() {
    let graph = Graph::new(&tiny(), 6).unwrap();
    let plan = lower(&graph, "tiny", Purpose::Training);
    let wasted = plan.steps.iter().any(|step| step.layer == "conv1" && step.kernel == "backward_input");
    assert!(!wasted, "nobody reads the gradient of the photos");
}
