//! The same training gives the same bits, and nearly the same numbers on every backend.

use crate::common::{TINY, backends, faces, separable, tiny, train};
use faceshader::cpu::CpuBackend;
use faceshader::data::batches::batch;
use faceshader::data::split::Split;
use faceshader::gpu::{GpuBackend, Options, adapter};
use faceshader::ops::Op;
use faceshader::spec::{Schedule, Spec};
use faceshader::train::checkpoint::{Notes, load, save};
use faceshader::train::history::total_loss;
use faceshader::train::{Stopped, TrainError, Trainer};
use std::sync::atomic::AtomicBool;

#[test]
fn the_same_training_twice_gives_identical_weights() {
    for ((name, first), (_, second)) in backends().into_iter().zip(backends()) {
        let weights = [first, second].map(|backend| {
            let mut trainer = Trainer::new(backend, &tiny()).unwrap();
            train(&mut trainer, 0, 2);
            trainer.weights().unwrap()
        });
        assert!(weights[0] == weights[1], "{name}: the weights differ");
        assert!(weights[0].iter().any(|tensor| tensor.bytes.iter().any(|&byte| byte != 0)));
    }
}

#[test]
fn another_seed_gives_other_weights() {
    let weights = [11, 12].map(|seed| {
        let mut spec = tiny();
        spec.training.seed = seed;
        let mut trainer = Trainer::new(Box::new(CpuBackend::new()), &spec).unwrap();
        train(&mut trainer, 0, 1);
        trainer.weights().unwrap()
    });
    assert!(weights[0] != weights[1]);
}

#[test]
fn losses_agree_on_all_backends() {
    let mut losses = Vec::new();
    for (name, backend) in backends() {
        let mut trainer = Trainer::new(backend, &tiny()).unwrap();
        let epochs = train(&mut trainer, 0, 2);
        losses.push((name, epochs.iter().map(|epoch| total_loss(&epoch.train)).collect::<Vec<f64>>()));
    }
    for (name, other) in &losses[1..] {
        for (want, got) in losses[0].1.iter().zip(other) {
            assert!((got - want).abs() <= 1e-3 * want, "{name}: {got} instead of {want}");
        }
    }
}

#[test]
fn training_lowers_the_loss() {
    for spec in [tiny(), separable()] {
        for (name, backend) in backends() {
            let mut trainer = Trainer::new(backend, &spec).unwrap();
            let epochs = train(&mut trainer, 0, 12);
            let (first, last) = (total_loss(&epochs[0].train), total_loss(&epochs[11].train));
            assert!(last < 0.8 * first, "{name}: {first} became {last}");
        }
    }
}

#[test]
fn a_resumed_training_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let (photos, split) = faces(12);
    for ((name, whole), ((_, before), (_, after))) in
        backends().into_iter().zip(backends().into_iter().zip(backends()))
    {
        let mut trainer = Trainer::new(whole, &tiny()).unwrap();
        let want_epochs = train(&mut trainer, 0, 2);
        let want = trainer.weights().unwrap();

        // Stopped after one step of the second epoch.
        let mut trainer = Trainer::new(before, &tiny()).unwrap();
        train(&mut trainer, 0, 1);
        let stopped = trainer.epoch(1, &photos, &split, &AtomicBool::new(true), &mut |_| {}).unwrap();
        assert_eq!(stopped, Stopped::Interrupted(1));
        trainer.state(1).unwrap().save(&path, 1, 1, &Notes::new()).unwrap();

        let mut trainer = Trainer::new(after, &tiny()).unwrap();
        let place = trainer.load_state(&path).unwrap();
        assert_eq!((place.epoch, place.step), (1, 1));
        let got_epochs = train(&mut trainer, place.epoch, 2);
        assert!(trainer.weights().unwrap() == want, "{name}: the weights differ");
        assert_eq!(got_epochs[0].train, want_epochs[1].train, "{name}");
    }
}

#[test]
fn only_an_optimiser_whose_steps_differ_asks_a_checkpoint_for_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    for (optimizer, is_needed) in [("adam", true), ("sgd", false)] {
        let text = TINY.replace("op = \"adam\"", &format!("op = {optimizer:?}"));
        let spec = Spec::parse(&text, "tiny.toml").unwrap();
        let new = || Trainer::new(Box::new(CpuBackend::new()), &spec).unwrap();
        let mut trainer = new();
        train(&mut trainer, 0, 1);
        trainer.state(1).unwrap().save(&path, 1, 0, &Notes::new()).unwrap();
        // Earlier versions wrote none for SGD.
        let (mut tensors, _) = load(&path).unwrap();
        tensors.retain(|tensor| tensor.name != "optimizer.step");
        save(
            &path,
            &tensors,
            &Notes::from([("epoch", "1"), ("step", "0")].map(|(name, note)| (name.into(), note.into()))),
        )
        .unwrap();
        let result = new().load_state(&path);
        assert_eq!(result.is_err(), is_needed, "{optimizer}: {result:?}");
    }
}

#[test]
fn adam_moves_by_the_learning_rate_as_long_as_the_gradient_stays() {
    let (photos, split) = faces(12);
    let batch = batch(&photos, &split.train[..4], 6, None).unwrap();
    let bias = |trainer: &mut Trainer| {
        let weights = trainer.weights().unwrap();
        let bias = weights.into_iter().find(|tensor| tensor.name == "age.dense2.bias").unwrap();
        f32::from_le_bytes(bias.bytes.try_into().unwrap())
    };
    for (name, backend) in backends() {
        let mut spec = tiny();
        let Op::Adam(adam) = &mut spec.optimizer else { panic!("{:?}", spec.optimizer) };
        adam.learning_rate = 1e-5;
        let mut trainer = Trainer::new(backend, &spec).unwrap();
        for step in 1..=6 {
            trainer.train_step(&batch).unwrap();
            // So it does only with the corrections of the right step: with those of the first one, the second
            // step is a third too long.
            let moved = f64::from(bias(&mut trainer)) / 1e-5;
            assert!((moved - f64::from(step)).abs() < 0.01, "{name}, step {step}: {moved}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let results = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(Box::new(CpuBackend::new()), &tiny()).unwrap();
            train(&mut trainer, 0, 2);
            trainer.weights().unwrap()
        })
    });
    assert!(results[0] == results[1]);
}

#[test]
fn a_cosine_schedule_slows_down_to_a_stop() {
    // What is learned: not the running statistics.
    let learned = |trainer: &mut Trainer| -> Vec<_> {
        let tensors = trainer.weights().unwrap().into_iter();
        tensors.filter(|tensor| !tensor.name.contains("running")).collect()
    };
    for (name, backend) in backends() {
        let mut spec = tiny();
        spec.training.epochs = 2;
        spec.training.schedule = Schedule::Cosine;
        let mut trainer = Trainer::new(backend, &spec).unwrap();
        let start = learned(&mut trainer);
        train(&mut trainer, 0, 2);
        let end = learned(&mut trainer);
        assert!(start != end, "{name}: nothing was learned");
        train(&mut trainer, 2, 3);
        assert!(end == learned(&mut trainer), "{name}: it goes on after its last epoch");
    }
}

#[test]
fn a_run_in_many_submits_gives_the_weights_of_one() {
    let adapters = adapter::list();
    for adapter in adapters.iter().filter(|adapter| adapter.report.cannot_train.is_none()) {
        let [whole, cut] = [f64::INFINITY, 0.0].map(|submit_seconds| {
            let options = Options { submit_seconds: Some(submit_seconds), ..Options::default() };
            let mut trainer =
                Trainer::new(Box::new(GpuBackend::open(adapter, options).unwrap()), &tiny()).unwrap();
            train(&mut trainer, 0, 1);
            (trainer.weights().unwrap(), trainer.submits(), trainer.dispatches())
        });
        assert_eq!((whole.1, cut.1), (1, cut.2));
        assert!(whole.0 == cut.0, "{}: the weights differ", adapter.report.line());
    }
}

#[test]
fn an_epoch_that_was_stopped_goes_on_where_it_stopped() {
    let (photos, split) = faces(12);
    let new = || Trainer::new(Box::new(CpuBackend::new()), &tiny()).unwrap();
    let mut whole = new();
    let want = train(&mut whole, 0, 1);
    let mut parted = new();
    let steps = parted.steps_per_epoch(split.train.len());
    for step in 1..=steps {
        let stopped = parted.epoch(0, &photos, &split, &AtomicBool::new(true), &mut |_| {}).unwrap();
        assert_eq!(stopped, Stopped::Interrupted(step));
    }
    let got = train(&mut parted, 0, 1);
    assert_eq!((&got[0].train, &got[0].validation), (&want[0].train, &want[0].validation));
    assert!(parted.weights().unwrap() == whole.weights().unwrap());
}

#[test]
fn an_epoch_without_a_label_for_a_branch_is_not_one_that_ran_away() {
    let (photos, split) = faces(12);
    let split = Split { validation: Vec::new(), ..split };
    let mut trainer = Trainer::new(Box::new(CpuBackend::new()), &tiny()).unwrap();
    let ended = trainer.epoch(0, &photos, &split, &AtomicBool::new(false), &mut |_| {});
    assert!(matches!(ended, Err(TrainError::Unlabelled { samples: "validation", .. })), "{ended:?}");
}

#[test]
fn a_training_that_runs_away_is_noticed_within_50_steps() {
    let (photos, split) = faces(12);
    let train: Vec<usize> = split.train.iter().copied().cycle().take(300).collect();
    let split = Split { train, ..split };
    let text =
        TINY.replace("learning_rate = 0.003", "learning_rate = 1e30").replace("batch = 6", "batch = 1");
    let spec = Spec::parse(&text, "tiny.toml").unwrap();
    let mut trainer = Trainer::new(Box::new(CpuBackend::new()), &spec).unwrap();
    let mut steps = 0;
    let ended = trainer.epoch(0, &photos, &split, &AtomicBool::new(false), &mut |_| steps += 1);
    assert!(matches!(ended, Err(TrainError::Diverged { epoch: 1 })), "{ended:?}");
    assert!(steps <= 50, "{steps} steps");
}
