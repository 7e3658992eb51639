//! Whole trainings against PyTorch: they see wiring mistakes, which the check of each step cannot.

use crate::common::backends;
use faceshader::cpu::CpuBackend;
use faceshader::data::batches::batch;
use faceshader::graph::Graph;
use faceshader::plan::{Kind, Plan, Purpose, Slot, lower};
use faceshader::spec::Spec;
use faceshader::train::Trainer;
use faceshader::train::trajectory::Trajectory;
use std::path::Path;

/// The case that `benches/peers/trajectories.py` made of a small model with random photos.
fn case() -> Trajectory {
    Trajectory::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets/trajectory")).unwrap()
}

fn spec_of(case: &Trajectory, fuse: bool) -> Spec {
    let mut spec = case.spec().clone();
    spec.training.fuse = fuse;
    spec
}

#[test]
fn a_training_ends_where_pytorch_ends_on_every_backend() {
    let case = case();
    assert_eq!(case.steps(), 6);
    for fuse in [true, false] {
        let spec = spec_of(&case, fuse);
        for (name, backend) in backends() {
            let replay = case.replay(&mut Trainer::new(backend, &spec).unwrap()).unwrap();
            assert!(replay.agrees(), "{name}, fused: {fuse}: {replay:?}");
        }
    }
}

/// A training step without fusions, with memory of its own for all that does not outlive it: a step that reads
/// another buffer than it should finds there what was written.
fn plan(spec: &Spec) -> Plan {
    let mut plan = lower(&Graph::new(spec, spec.training.batch).unwrap(), &spec.name, Purpose::Training);
    for buffer in
        plan.buffers.iter_mut().filter(|buffer| buffer.kind == Kind::Transient && buffer.part_of.is_none())
    {
        (buffer.slot, buffer.offset_bytes) = (plan.slots.len(), 0);
        plan.slots.push(Slot { dtype: buffer.dtype, bytes: buffer.bytes(), shared_as: None });
    }
    plan
}

/// The place of the step of this layer and kernel.
fn place(plan: &Plan, layer: &str, kernel: &str) -> usize {
    plan.steps.iter().position(|step| step.layer == layer && step.label() == kernel).unwrap()
}

/// Lets a step read or write another buffer.
fn rewire(plan: &mut Plan, step: usize, argument: &str, buffer: &str) {
    let buffer = plan.buffer(buffer).unwrap();
    let argument = plan.steps[step].arguments.iter_mut().find(|other| other.name == argument).unwrap();
    assert_ne!(argument.buffer, buffer);
    argument.buffer = buffer;
}

/// A mistake in the wiring: what it is, and how it is made.
type Mistake = (&'static str, fn(&mut Plan));

fn mistakes() -> Vec<Mistake> {
    vec![
        ("two weights of equal shape swapped in a gradient", |plan| {
            let step = place(plan, "age.dense1", "dense.backward_input");
            rewire(plan, step, "weight", "gender.dense1.weight");
        }),
        ("two results of equal shape swapped", |plan| {
            let step = place(plan, "gender.dense1", "dense.forward");
            rewire(plan, step, "input", "age.relu3.output");
        }),
        ("a gradient that is lost from the sum over two branches", |plan| {
            let step = place(plan, "pool.d_output1", "add.forward");
            let [sum, first] = ["output", "input"]
                .map(|name| plan.steps[step].arguments.iter().find(|a| a.name == name).unwrap().buffer);
            plan.steps.remove(step);
            let arguments = plan.steps.iter_mut().flat_map(|step| &mut step.arguments);
            arguments.filter(|argument| argument.buffer == sum).for_each(|argument| argument.buffer = first);
        }),
        ("a weight that is never updated", |plan| {
            let step = place(plan, "conv2.bias", "adam.update");
            plan.steps.remove(step);
        }),
        ("a weight that is updated before its layer's gradient reads it", |plan| {
            let update = place(plan, "age.dense2.weight", "adam.update");
            let step = plan.steps.remove(update);
            let gradient = place(plan, "age.dense2", "dense.backward_input");
            let ready = place(plan, "age.dense2", "dense.backward_weight");
            // Both gradients are there; the one for the input still needs the weight.
            let moved = plan.steps.remove(gradient);
            let ready = if gradient < ready { ready - 1 } else { ready };
            plan.steps.insert(ready + 1, step);
            plan.steps.insert(ready + 2, moved);
        }),
        ("a moment that two weights share", |plan| {
            let step = place(plan, "gender.dense2.weight", "adam.update");
            rewire(plan, step, "v", "age.dense2.weight.v");
        }),
    ]
}

#[test]
fn mistakes_in_the_wiring_are_seen_by_whole_trainings_and_by_no_check_of_single_steps() {
    let case = case();
    let spec = spec_of(&case, false);
    let trainer = |plan| Trainer::with_plan(Box::new(CpuBackend::new()), &spec, plan).unwrap();
    let right = case.replay(&mut trainer(plan(&spec))).unwrap();
    assert!(right.agrees(), "{right:?}");
    for (mistake, make) in mistakes() {
        let mut wrong = plan(&spec);
        make(&mut wrong);
        let mut trainer = trainer(wrong);
        let replay = case.replay(&mut trainer).unwrap();
        let off = replay.decided().value;
        assert!(!replay.agrees() && off > 1e-3, "{mistake}: {replay:?}");
        // The state is that of the middle of a training.
        let again = batch(case.samples(), &[0, 1, 2, 3], 4, None).unwrap();
        trainer.verify_step(&again, &mut |_| {}).unwrap_or_else(|failure| panic!("{mistake}: {failure}"));
    }
}

#[test]
fn an_evaluation_and_a_prediction_are_verified_step_by_step_on_every_backend() {
    let case = case();
    for (name, backend) in backends() {
        let mut trainer = Trainer::new(backend, case.spec()).unwrap();
        case.replay(&mut trainer).unwrap();
        let size = trainer.evaluation_batch();
        let [mut evaluated, mut predicted] = [0, 0];
        let chosen: Vec<usize> = (0..24).collect();
        let all = batch(case.samples(), &chosen, size, None).unwrap();
        trainer.verify_evaluation(&all, &mut |_| evaluated += 1).unwrap_or_else(|e| panic!("{name}: {e}"));
        let four = batch(case.samples(), &chosen[..4], 4, None).unwrap();
        trainer.verify_prediction(&four, &mut |_| predicted += 1).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(evaluated > predicted && predicted >= 10, "{name}: {evaluated}, {predicted}");
    }
}
