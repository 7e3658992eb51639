//! Plans whose kernels do at once what several layers do.

use crate::common::{backends, tiny, train};
use faceshader::graph::Graph;
use faceshader::plan::{Purpose, lower};
use faceshader::spec::Spec;
use faceshader::train::Trainer;
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
        // What comes after this one is no layer that could do its work.
        assert!(fused.contains("age.relu relu.forward"), "{fused:?}");
    }
    let memory = |spec: &Spec| lower(&Graph::new(spec, 6).unwrap(), "tiny", Purpose::Training).memory_bytes();
    assert!(memory(&tiny()) < memory(&unfused()));
}

#[test]
fn fused_and_plain_plans_train_to_the_same_weights() {
    for ((name, fused), (_, plain)) in backends().into_iter().zip(backends()) {
        let mut trainers = [Trainer::new(fused, &tiny()).unwrap(), Trainer::new(plain, &unfused()).unwrap()];
        let [fused, plain] = trainers.each_mut().map(|trainer| {
            train(trainer, 0, 2);
            trainer.weights().unwrap()
        });
        for (fused, plain) in fused.iter().zip(&plain) {
            assert!(fused.bytes == plain.bytes, "{name}: {} differs", fused.name);
        }
    }
}

#[test]
fn a_relu_that_somebody_else_reads_stays() {
    // Let the pooling keep the size, so that the sum can read the ReLU as well.
    let text = include_str!("../assets/tiny.toml")
        .replacen("kernel = 2\n", "kernel = 1\n", 1)
        .replace("\"pool1\"]", "\"relu1\"]");
    let spec = Spec::parse(&text, "tiny.toml").unwrap();
    for purpose in [Purpose::Training, Purpose::Evaluation] {
        let fused = kernels(&spec, purpose);
        assert!(fused.contains("relu1 relu.forward"), "{fused:?}");
    }
}
