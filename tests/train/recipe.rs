//! What a model file can say of the way it is trained: averages of the weights, clipped gradients, layers that are
//! frozen or have an optimiser of their own, on every backend.

use crate::common::{TINY, backends, faces, train};
use faceshader::cpu::CpuBackend;
use faceshader::data::batches::{Batch, Variation, batch};
use faceshader::graph::Graph;
use faceshader::plan::{Purpose, average_name, lower};
use faceshader::spec::Spec;
use faceshader::train::checkpoint::{Notes, Tensor, load};
use faceshader::train::history::total_loss;
use faceshader::train::{Stopped, Trainer};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

/// The tiny model with more to say in `[training]`, and tables after it.
fn spec(training: &str, tables: &str) -> Spec {
    let text = TINY.replace("[training]\n", &format!("[training]\n{training}\n"));
    Spec::parse(&format!("{text}\n{tables}"), "tiny.toml").unwrap()
}

/// The batches of the first epoch.
fn batches() -> Vec<Batch> {
    let (photos, split) = faces(12);
    let spec = spec("", "");
    let variation = Some(Variation { augment: &spec.augment, seed: 1, epoch: 0 });
    split.train.chunks(6).map(|chosen| batch(&photos, chosen, 6, variation).unwrap()).collect()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&tensor.bytes)
}

fn weights(trainer: &mut Trainer) -> HashMap<String, Vec<f32>> {
    trainer.weights().unwrap().iter().map(|tensor| (tensor.name.clone(), floats(tensor))).collect()
}

/// The length of all changes of parameters that the optimiser changes.
fn distance(before: &HashMap<String, Vec<f32>>, after: &HashMap<String, Vec<f32>>) -> f64 {
    let trained = before.iter().filter(|(name, _)| !name.contains("running"));
    let squares = trained.flat_map(|(name, before)| before.iter().zip(&after[name]));
    squares.map(|(&before, &after)| f64::from(after - before).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn the_average_is_what_the_formula_says_and_is_what_is_validated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("average.safetensors");
    let (photos, split) = faces(12);
    for (name, backend) in backends() {
        let spec = spec("ema = 0.75", "");
        let mut trainer = Trainer::new(backend, &spec).unwrap();
        let mut want: HashMap<String, Vec<f64>> = HashMap::new();
        for (step, batch) in batches().iter().cycle().take(10).enumerate() {
            trainer.train_step(batch).unwrap();
            let share = (9.0 / (step as f64 + 9.0)).max(0.25);
            for (name, now) in weights(&mut trainer) {
                let average = want.entry(name).or_insert_with(|| vec![0.0; now.len()]);
                average.iter_mut().zip(now).for_each(|(a, now)| *a += (f64::from(now) - *a) * share);
            }
        }
        let state = trainer.state(0).unwrap();
        assert!(state.has_averages());
        state.save_validated(&path, 1, &Notes::new()).unwrap();
        let (saved, _) = load(&path).unwrap();
        assert_eq!(saved.len(), want.len(), "{name}");
        let mut moved = 0.0;
        for tensor in &saved {
            for (got, want) in floats(tensor).into_iter().zip(&want[&tensor.name]) {
                assert!((f64::from(got) - want).abs() < 1e-6 * (1.0 + want.abs()), "{name} {}", tensor.name);
            }
            let now = weights(&mut trainer);
            moved += floats(tensor).iter().zip(&now[&tensor.name]).map(|(a, b)| (a - b).abs()).sum::<f32>();
        }
        assert!(moved > 0.01, "{name}: the average lags behind the weights");

        // A plain model with the average's weights says the same of the validation samples.
        let evaluate = |trainer: &mut Trainer| {
            total_loss(&trainer.evaluate(&photos, &split.validation, &mut |_, _| {}).unwrap())
        };
        let averaged = evaluate(&mut trainer);
        let mut plain = Trainer::new(Box::new(CpuBackend::new()), &crate::common::tiny()).unwrap();
        plain.load_weights(&path).unwrap();
        let want = evaluate(&mut plain);
        assert!((averaged - want).abs() < 1e-4 * want, "{name}: {averaged}, not {want}");
        // Loaded weights are evaluated as they are.
        trainer.load_weights(&path).unwrap();
        let again = evaluate(&mut trainer);
        assert!((again - want).abs() < 1e-4 * want, "{name}: {again}, not {want}");
        let current: Vec<Tensor> = trainer.weights().unwrap();
        assert!(current.iter().all(|tensor| saved.iter().any(|other| other == tensor)), "{name}");
    }
}

#[test]
fn a_training_with_averages_goes_on_as_if_nothing_had_been() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let (photos, split) = faces(12);
    let spec = spec("ema = 0.9\nclip_norm = 3.0\nwarmup_epochs = 0.5", "");
    let new = || Trainer::new(Box::new(CpuBackend::new()), &spec).unwrap();
    let mut trainer = new();
    let want_epochs = train(&mut trainer, 0, 2);
    let mut trainer = new();
    train(&mut trainer, 0, 1);
    let stopped = trainer.epoch(1, &photos, &split, &AtomicBool::new(true), &mut |_| {}).unwrap();
    assert_eq!(stopped, Stopped::Interrupted(1));
    trainer.state(1).unwrap().save(&path, 1, 1, &Notes::new()).unwrap();
    let mut trainer = new();
    trainer.load_state(&path).unwrap();
    let got_epochs = train(&mut trainer, 1, 2);
    assert_eq!(got_epochs[0].validation, want_epochs[1].validation);
    let (tensors, _) = load(&path).unwrap();
    assert!(tensors.iter().any(|tensor| tensor.name == average_name("conv1.weight")));
}

#[test]
fn clipped_gradients_are_no_longer_than_the_norm_and_short_ones_stay_as_they_are() {
    let sgd = |norm: &str| {
        let text = TINY.replace("op = \"adam\"\nlearning_rate = 0.003", "op = \"sgd\"\nlearning_rate = 0.01");
        let text = text.replace("[training]\n", &format!("[training]\n{norm}\n"));
        Spec::parse(&text, "tiny.toml").unwrap()
    };
    for (name, backend) in backends() {
        let step = |spec: &Spec, backend| {
            let mut trainer = Trainer::new(backend, spec).unwrap();
            let before = weights(&mut trainer);
            trainer.train_step(&batches()[0]).unwrap();
            distance(&before, &weights(&mut trainer))
        };
        let on_cpu = |spec: &Spec| step(spec, Box::new(CpuBackend::new()));
        let free = on_cpu(&sgd(""));
        assert!(free > 0.1, "the gradient is long: {free}");
        let clipped = step(&sgd("clip_norm = 2.5"), backend);
        assert!((clipped - 0.025).abs() < 1e-5, "{name}: {clipped}, not the learning rate times the norm");
        let wide = on_cpu(&sgd("clip_norm = 1e9"));
        assert!((wide - free).abs() < 1e-9 * free, "nothing is clipped: {wide}, not {free}");
    }
}

#[test]
fn frozen_layers_keep_their_weights_and_statistics_and_cost_no_gradients() {
    let freeze = "[[freeze]]\nlayers = [\"conv*\", \"norm\"]";
    for (name, backend) in backends() {
        let spec = spec("", freeze);
        let mut trainer = Trainer::new(backend, &spec).unwrap();
        let before = weights(&mut trainer);
        batches().iter().for_each(|batch| trainer.train_step(batch).unwrap());
        for (parameter, after) in weights(&mut trainer) {
            let is_frozen = ["conv1", "conv2", "norm"].iter().any(|layer| parameter.starts_with(layer));
            assert_eq!(before[&parameter] == after, is_frozen, "{name}: {parameter}");
        }
        let plan = lower(&Graph::new(&spec, 6).unwrap(), "tiny", Purpose::Training);
        let backward: Vec<String> = (plan.steps.iter())
            .filter(|step| step.kernel.contains("backward") && !step.layer.contains('.'))
            .map(|step| format!("{} {}", step.layer, step.label()))
            .collect();
        assert!(backward.iter().all(|step| step.contains("measured_loss")), "{backward:?}");
    }
}

#[test]
fn a_group_learns_at_its_own_rate_and_layers_of_other_groups_as_before() {
    let sgd = TINY.replace("op = \"adam\"\nlearning_rate = 0.003", "op = \"sgd\"\nlearning_rate = 0.0001");
    let group = "[[group]]\nlayers = [\"age.*\", \"*.bias\"]\nlearning_rate = 0.0003";
    for fuse in [true, false] {
        for (name, backend) in backends() {
            let step = |text: &str, backend| {
                let mut spec = Spec::parse(text, "tiny.toml").unwrap();
                spec.training.fuse = fuse;
                let mut trainer = Trainer::new(backend, &spec).unwrap();
                let before = weights(&mut trainer);
                trainer.train_step(&batches()[0]).unwrap();
                (before, weights(&mut trainer))
            };
            let (before, alike) = step(&sgd, Box::new(CpuBackend::new()));
            let (_, grouped) = step(&format!("{sgd}\n{group}"), backend);
            for (parameter, before) in before.iter().filter(|(parameter, _)| !parameter.contains("running")) {
                let length = |after: &Vec<f32>| {
                    let squares = before.iter().zip(after).map(|(a, b)| f64::from(b - a).powi(2));
                    squares.sum::<f64>().sqrt()
                };
                let (own, usual) = (length(&grouped[parameter]), length(&alike[parameter]));
                let is_in = parameter.starts_with("age.") || parameter.ends_with(".bias");
                let want = if is_in { 3.0 } else { 1.0 };
                // A bias before a normalisation has no gradient but for rounding.
                if usual > 1e-5 {
                    assert!((own / usual - want).abs() < 0.02, "{name}: {parameter} {own} {usual}");
                }
            }
        }
    }
}

#[test]
fn what_names_no_layer_and_what_cannot_be_frozen_is_refused_with_its_line() {
    let refused = |tables: &str| {
        let text = format!("{TINY}\n{tables}");
        let line = text.lines().count() - tables.lines().count() + 1;
        let spec = Spec::parse(&text, "tiny.toml").unwrap();
        let error = Graph::new(&spec, 6).unwrap_err();
        assert!((line..=line + 1).contains(&error.line), "{error}: not line {line}");
        error.message
    };
    let with = |table: &str, layers: &str| {
        refused(&format!("[[{table}]]\nlayers = [{layers}]\nlearning_rate = 0.1"))
    };
    let freeze = |layers: &str| refused(&format!("[[freeze]]\nlayers = [{layers}]"));
    assert!(with("group", "\"conv9\"").contains("\"conv9\""));
    assert!(with("group", "").contains("empty"));
    assert!(freeze("\"conv1\", \"conf2\"").contains("\"conf2\""));
    assert!(freeze("\"norm\"").contains("while a layer before it learns"));
    assert!(freeze("\"*\"").contains("no layer is left"));
    let text = TINY.replace("op = \"adam\"", "op = \"sgd\"")
        + "\n[[group]]\nlayers = [\"conv1\"]\nweight_decay = 0.1";
    let error = Graph::new(&Spec::parse(&text, "tiny.toml").unwrap(), 6).unwrap_err();
    assert!(error.message.contains("\"sgd\" has no weight_decay"), "{error}");
    let error = Spec::parse(&format!("{TINY}\n[[freeze]]\nlayer = [\"conv1\"]"), "tiny.toml").unwrap_err();
    assert!(error.message.contains("layer"), "{error}");
}

#[test]
fn a_reduced_rate_and_a_warm_up_shorten_the_steps() {
    let (photos, split) = faces(12);
    let first_step = |training: &str, reduced: f64| {
        let text =
            TINY.replace("op = \"adam\"\nlearning_rate = 0.003", "op = \"sgd\"\nlearning_rate = 0.0001");
        let text = text.replace("[training]\n", &format!("[training]\n{training}\n"));
        let spec = Spec::parse(&text, "tiny.toml").unwrap();
        let mut trainer = Trainer::new(Box::new(CpuBackend::new()), &spec).unwrap();
        let before = weights(&mut trainer);
        trainer.reduce_rate(reduced);
        // Asked to stop, an epoch ends after its first step.
        trainer.epoch(0, &photos, &split, &AtomicBool::new(true), &mut |_| {}).unwrap();
        distance(&before, &weights(&mut trainer))
    };
    let whole = first_step("", 1.0);
    for (training, reduced, want) in
        [("", 0.25, 0.25), ("warmup_epochs = 1.0", 1.0, 0.01), ("schedule = \"one_cycle\"", 0.5, 0.02)]
    {
        let share = first_step(training, reduced) / whole;
        // What is left of the change in float32 of weights near one is not exact.
        assert!((share / want - 1.0).abs() < 0.05, "{training} {reduced}: {share}, not {want}");
    }
}
