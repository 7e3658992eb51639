//! What no step by step proof can see: steps that are wired wrongly, or memory that one buffer takes
//! from another too early.

use crate::common::{TINY, alike, backends, faces, tiny};
use faceshader::data::batches::{Variation, batch};
use faceshader::graph::Graph;
use faceshader::number::{Bounded, Number};
use faceshader::ops::{CaseData, Op, Rates};
use faceshader::plan::{Backend, Plan, Purpose, Slot, lower};
use faceshader::shape::DType;
use faceshader::spec::Spec;
use faceshader::verify::{Values, twin};
use std::collections::{BTreeSet, HashMap};

/// The small model with branches that begin alike. What they have of the second layer can lie side by side; the
/// first one has the same input for both.
fn alike_dense() -> Spec {
    let (trunk, _) = TINY.split_once("[[branch]]").unwrap();
    let layer = |kind: &str, name: &str, op: &str| format!("[[{kind}]]\nname = {name:?}\nop = {op:?}\n");
    let dense = |kind: &str, name: &str, out_features: usize| {
        format!("{}out_features = {out_features}\n", layer(kind, name, "dense"))
    };
    let trunk = format!("{trunk}{}{}", layer("layer", "flatten", "flatten"), dense("layer", "dense", 32));
    let layers = [
        dense("branch.layer", "dense0", 64),
        layer("branch.layer", "relu0", "relu"),
        dense("branch.layer", "dense1", 64),
        layer("branch.layer", "relu1", "relu"),
        dense("branch.layer", "dense2", 1),
    ];
    let layers = layers.concat();
    let branches = [("age", "mse", 1.0), ("gender", "bce_with_logits", 500.0)].map(|(name, loss, weight)| {
        let loss = format!("{{ op = {loss:?}, weight = {weight:?} }}");
        format!("[[branch]]\nname = {name:?}\ntarget = {name:?}\nloss = {loss}\n{layers}")
    });
    Spec::parse(&format!("{trunk}{}", branches.concat()), "alike.toml").unwrap()
}

/// What each sample of [`step`] counts. The last one is not real.
const WEIGHTS: [f32; 6] = [1.0, 0.5, 0.0, 2.25, 1.0, 1.0];

/// A training step of a small model with all of its inputs, by name. Parameters are far enough from
/// zero for every branch to matter.
fn step(spec: &Spec, fuse: bool) -> (Plan, HashMap<String, CaseData>) {
    let graph = Graph { fuse, ..Graph::new(spec, 6).unwrap() };
    let plan = lower(&graph, "tiny", Purpose::Training);
    let (photos, split) = faces(12);
    let variation = Some(Variation { augment: &spec.augment, seed: 1, epoch: 0 });
    // A short batch: five samples of six.
    let batch = batch(&photos, &split.train[..5], 6, variation).unwrap();
    let mut values = HashMap::new();
    for (name, bytes) in &batch.inputs {
        let data = match *name {
            "photos" => CaseData::Bytes(bytes.clone()),
            _ => CaseData::Words(bytemuck::pod_collect_to_vec(bytes)),
        };
        values.insert(name.to_string(), data);
    }
    values.insert("sample".into(), CaseData::Words(batch.sample.clone()));
    values.insert(
        "batch".into(),
        CaseData::Words(
            batch.words(Rates { corrections: spec.optimizer.corrections(1), ..Rates::STILL }).to_vec(),
        ),
    );
    for branch in &spec.branches {
        values.insert(
            format!("{}.targets", branch.name),
            CaseData::Real(batch.answers[spec.target_place(branch)].clone()),
        );
        values.insert(format!("{}.sample_weight", branch.name), CaseData::Real(WEIGHTS.to_vec()));
    }
    assert!(batch.answers[0][0] > 0.0);
    for (_, buffer) in plan.lasting() {
        let is_parameter = buffer.name.ends_with(".weight") || buffer.name.ends_with(".bias");
        let wave =
            |index: usize| if is_parameter { ((index * 37 + 11) % 101) as f32 / 101.0 - 0.45 } else { 0.0 };
        let data = match buffer.dtype {
            DType::F32 => CaseData::Real((0..buffer.shape.len()).map(wave).collect()),
            _ => CaseData::Words(vec![0; buffer.shape.len()]),
        };
        values.insert(buffer.name.clone(), data);
    }
    (plan, values)
}

/// Runs the twins of the plan's steps, every buffer on its own.
fn run<N: Number>(plan: &Plan, inputs: &HashMap<String, Values<N>>) -> HashMap<String, Values<N>> {
    let mut known = inputs.clone();
    for step in &plan.steps {
        let kernel = step.signature();
        let argument = |name: &str| step.arguments.iter().find(|a| a.name == name).unwrap();
        let spec_of = |name: &str| faceshader::ops::ArgumentSpec {
            shape: argument(name).shape.clone(),
            dtype: plan.buffers[argument(name).buffer].dtype,
            batched: plan.buffers[argument(name).buffer].batched,
        };
        let written = twin(&step.op, kernel, &spec_of, &|name| value(plan, argument(name).buffer, &known));
        for (name, values) in written {
            store(plan, argument(name).buffer, values, &mut known);
        }
    }
    known
}

/// The parts of a buffer that holds others, each with the element at which it begins.
fn parts(plan: &Plan, whole: usize) -> Vec<(usize, usize)> {
    let place = |buffer: usize| plan.buffers[buffer].part_of.filter(|part| part.whole == whole);
    (0..plan.buffers.len()).filter_map(|buffer| Some((buffer, place(buffer)?.offset_bytes / 4))).collect()
}

/// What a buffer holds, or all of its parts, with zeros between them.
fn value<N: Number>(plan: &Plan, buffer: usize, known: &HashMap<String, Values<N>>) -> Values<N> {
    let parts = parts(plan, buffer);
    if parts.is_empty() {
        return known[&plan.buffers[buffer].name].clone();
    }
    let elements = plan.buffers[buffer].shape.len();
    let (mut reals, mut words) = (vec![N::zero(); elements], vec![0; elements]);
    for (part, first) in parts {
        match value(plan, part, known) {
            Values::Real(values) => reals[first..][..values.len()].clone_from_slice(&values),
            Values::Words(values) => words[first..][..values.len()].clone_from_slice(&values),
            Values::Bytes(_) => panic!("nothing writes bytes"),
        }
    }
    match plan.buffers[buffer].dtype {
        DType::F32 => Values::Real(reals),
        _ => Values::Words(words),
    }
}

/// Takes over what a buffer holds now, or each of its parts.
fn store<N: Number>(plan: &Plan, buffer: usize, values: Values<N>, known: &mut HashMap<String, Values<N>>) {
    let parts = parts(plan, buffer);
    if parts.is_empty() {
        known.insert(plan.buffers[buffer].name.clone(), values);
        return;
    }
    for (part, first) in parts {
        let elements = plan.buffers[part].shape.len();
        let values = match &values {
            Values::Real(values) => Values::Real(values[first..][..elements].to_vec()),
            Values::Words(values) => Values::Words(values[first..][..elements].to_vec()),
            Values::Bytes(_) => panic!("nothing writes bytes"),
        };
        store(plan, part, values, known);
    }
}

fn exact<N: Number>(inputs: &HashMap<String, CaseData>) -> HashMap<String, Values<N>> {
    inputs.iter().map(|(name, data)| (name.clone(), Values::exact(data))).collect()
}

fn real<'a, N>(values: &'a HashMap<String, Values<N>>, name: &str) -> &'a [N] {
    match &values[name] {
        Values::Real(values) => values,
        _ => panic!("{name} holds no floats"),
    }
}

#[test]
fn the_plans_gradients_are_the_derivatives_of_its_losses() {
    derive(&tiny(), true);
    derive(&tiny(), false);
    derive(&alike(), true);
    derive(&alike_dense(), true);
    // Both first layers on their own, the second ones at once.
    let (plan, _) = step(&alike_dense(), true);
    let forward = plan.steps.iter().filter(|step| step.label() == "dense_relu.forward");
    let outputs = forward.map(|step| step.shape("output").batch()).collect::<Vec<_>>();
    assert_eq!(outputs, [6, 6, 12]);
}

/// Compares the gradients that Adam sees with central differences of the losses. Adam's mean begins at
/// zero, so that after the step it is the gradient's share.
fn derive(spec: &Spec, fuse: bool) {
    const SHARE: f64 = 1.0 - 0.9;
    let (plan, inputs) = step(spec, fuse);
    let inputs = exact::<f64>(&inputs);
    let loss = |inputs: &HashMap<String, Values<f64>>| {
        let known = run(&plan, inputs);
        // The sums begin at zero: the loss times the weights, the metric, the samples, and the weights.
        let loss = |branch: &str| match real(&known, &format!("{branch}.sums")) {
            &[loss, _, 4.0, weights] => loss / weights,
            other => panic!("sums {other:?}"),
        };
        loss("age") + 500.0 * loss("gender")
    };
    let known = run(&plan, &inputs);
    let (mut checked, mut kinks) = (0, 0);
    let parameters = Graph::new(spec, 6).unwrap().parameters();
    for (parameter, _) in parameters.into_iter().filter(|(_, parameter)| parameter.trained) {
        let mean = real(&known, &format!("{parameter}.m"));
        let gradient: Vec<f64> = mean.iter().map(|mean| mean / SHARE).collect();
        for index in (0..gradient.len()).step_by(gradient.len().div_ceil(5)) {
            const STEP: f64 = 1e-6;
            let at = |shift: f64| {
                let mut inputs = inputs.clone();
                if let Some(Values::Real(values)) = inputs.get_mut(&parameter) {
                    values[index] += shift;
                }
                loss(&inputs)
            };
            let (above, middle, below) = (at(STEP), at(0.0), at(-STEP));
            let slope = (above - below) / (2.0 * STEP);
            let scale = 1.0 + slope.abs();
            // A ReLU or a pooled maximum that changes within the step has no derivative.
            if ((above - middle) - (middle - below)).abs() > 1e-3 * STEP * scale {
                kinks += 1;
                continue;
            }
            let off = (slope - gradient[index]).abs();
            assert!(off <= 1e-4 * scale, "{parameter}[{index}]: {} instead of {slope}", gradient[index]);
            checked += 1;
        }
    }
    assert!(checked > 40 && kinks < checked / 4, "{checked} checked, {kinks} kinks");
}

/// Runs the step and returns everything that lives on.
fn after(
    backend: &mut dyn Backend,
    plan: &Plan,
    inputs: &HashMap<String, CaseData>,
) -> Vec<(String, Vec<u8>)> {
    let id = backend.prepare(plan).unwrap();
    for (buffer, description) in plan.buffers.iter().enumerate() {
        let bytes = match inputs.get(&description.name) {
            Some(CaseData::Real(values)) => bytemuck::cast_slice(values).to_vec(),
            Some(CaseData::Words(words)) => bytemuck::cast_slice(words).to_vec(),
            Some(CaseData::Bytes(bytes)) => bytes.clone(),
            None => continue,
        };
        backend.write(id, buffer, &bytes).unwrap();
    }
    backend.run(id).unwrap();
    plan.lasting().map(|(id_of, buffer)| (buffer.name.clone(), backend.read(id, id_of).unwrap())).collect()
}

#[test]
fn the_target_of_a_sample_without_a_label_changes_no_bit() {
    for (plan, inputs) in [true, false].map(|fuse| step(&tiny(), fuse)) {
        let unlabelled = WEIGHTS.iter().position(|&weight| weight == 0.0).unwrap();
        let mut spoilt = inputs.clone();
        for branch in ["age", "gender"] {
            let Some(CaseData::Real(targets)) = spoilt.get_mut(&format!("{branch}.targets")) else {
                panic!()
            };
            // Its square is infinite, and 0 times that is no number.
            targets[unlabelled] = f32::MAX;
        }
        for ((name, mut first), (_, mut second)) in backends().into_iter().zip(backends()) {
            let (plain, spoilt) = (after(&mut *first, &plan, &inputs), after(&mut *second, &plan, &spoilt));
            assert!(plain == spoilt, "{name}: {}", plan.steps.len());
        }
    }
}

#[test]
fn sharing_memory_changes_no_bit() {
    [tiny(), alike(), alike_dense()].iter().for_each(share);
}

/// Compares a step with one whose buffers lie apart, on every backend.
fn share(spec: &Spec) {
    let (plan, inputs) = step(spec, true);
    let mut apart = plan.clone();
    apart.slots = apart
        .buffers
        .iter()
        .map(|buffer| Slot { dtype: buffer.dtype, bytes: buffer.bytes(), shared_as: None })
        .collect();
    for (slot, buffer) in apart.buffers.iter_mut().enumerate() {
        buffer.slot = plan.root(slot).0;
    }
    assert!(apart.slots.len() > plan.slots.len() + 10);
    for ((name, mut first), (_, mut second)) in backends().into_iter().zip(backends()) {
        let (shared, separate) = (after(&mut *first, &plan, &inputs), after(&mut *second, &apart, &inputs));
        for ((buffer, shared), (_, separate)) in shared.iter().zip(&separate) {
            assert!(shared == separate, "{name}: {buffer} differs");
        }
        let moved = shared.iter().any(|(name, bytes)| match &inputs[name] {
            CaseData::Real(before) => bytemuck::cast_slice::<f32, u8>(before) != bytes.as_slice(),
            _ => false,
        });
        assert!(moved, "{name}: nothing was trained");
    }
}

#[test]
fn a_fused_step_computes_what_an_unfused_one_does() {
    let (fused, plain) = compare_with_unfused(&tiny(), 64.0);
    // Forward and weight gradient; the three layers' gradients; forward, of which one is followed by ReLU; the
    // ends of both branches.
    let expected = [[2, 0], [3, 0], [1, 0], [2, 9], [0, 4], [2, 0], [0, 2]];
    assert_eq!(counts(&fused, &plain), expected);
}

#[test]
fn layers_side_by_side_compute_what_they_do_apart() {
    let (fused, _) = compare_with_unfused(&alike(), 65536.0);
    let both = fused.steps.iter().filter(|step| match &step.op {
        Op::ConvPool2d(op) => op.layers == 2,
        _ => false,
    });
    assert_eq!(both.count(), 2);
}

/// How many steps of some operators a fused and an unfused plan have.
fn counts(fused: &Plan, plain: &Plan) -> [[usize; 2]; 7] {
    let kernels = |plan: &Plan, name: &str| plan.steps.iter().filter(|s| s.op.name() == name).count();
    ["conv_pool2d", "dense_adam", "dense_relu", "dense", "relu", "measured_loss", "metrics"]
        .map(|name| [kernels(fused, name), kernels(plain, name)])
}

/// Checks that a step of a model changes what lasts as it does where every layer's kernels run on their own, and
/// returns both plans.
fn compare_with_unfused(spec: &Spec, least_v: f32) -> (Plan, Plan) {
    let (fused, mut inputs) = step(spec, true);
    let (plain, _) = step(spec, false);
    // Adam divides by the root of this: as in the middle of a training, and far enough from zero for what
    // float32 may make of a gradient.
    for (name, data) in &mut inputs {
        if let (true, CaseData::Real(values)) = (name.ends_with(".v"), data) {
            values.iter_mut().enumerate().for_each(|(i, v)| *v = least_v + (i % 7) as f32);
        }
    }
    // In float64 each strays from what it means by its bound for float32, but in float64's units.
    let scale = f64::EPSILON / f64::from(f32::EPSILON);
    let [fused_values, plain_values] = [&fused, &plain].map(|plan| run(plan, &exact::<f64>(&inputs)));
    let [fused_bounds, plain_bounds] = [&fused, &plain].map(|plan| run(plan, &exact::<Bounded>(&inputs)));
    let lasting =
        |plan: &Plan| -> BTreeSet<String> { plan.lasting().map(|(_, buffer)| buffer.name.clone()).collect() };
    assert_eq!(lasting(&fused), lasting(&plain));
    for name in lasting(&plain) {
        if !matches!(plain_values[&name], Values::Real(_)) {
            assert_eq!(fused_values[&name], plain_values[&name], "{name}");
            continue;
        }
        let values = real(&fused_values, &name).iter().zip(real(&plain_values, &name));
        let bounds = real(&fused_bounds, &name).iter().zip(real(&plain_bounds, &name));
        for (index, ((a, b), (a_bound, b_bound))) in values.zip(bounds).enumerate() {
            let room = scale * (a_bound.err + b_bound.err);
            assert!(room.is_finite() && (a - b).abs() <= room, "{name}[{index}]: {a} and {b}, room {room:e}");
        }
    }
    (fused, plain)
}
