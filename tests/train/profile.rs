//! Kernels whose time is taken.

use crate::common::{backends, faces, tiny};
use faceshader::data::batches::batch;
use faceshader::train::Trainer;

#[test]
fn timed_runs_do_every_step_in_order_and_the_same_as_others() {
    let (photos, split) = faces(12);
    let spec = tiny();
    let batch = batch(&photos, &split.train[..6], 6, None).unwrap();
    for ((name, timed), (_, plain)) in backends().into_iter().zip(backends()) {
        let mut timed = Trainer::new(timed, &spec).unwrap();
        timed.train_step(&batch).unwrap();
        let profile = timed.profile(2).unwrap();
        // Two without measuring, three rows of one, and two step by step.
        let mut plain = Trainer::new(plain, &spec).unwrap();
        plain.train_step(&batch).unwrap();
        for _ in 0..7 {
            plain.train_again().unwrap();
        }
        assert!(timed.weights().unwrap() == plain.weights().unwrap(), "{name}: the weights differ");

        let labels = |step: &faceshader::plan::Step| (step.layer.clone(), step.label());
        let planned: Vec<_> = plain.plan().steps.iter().map(labels).collect();
        let done: Vec<_> = profile.steps.iter().map(|s| (s.layer.clone(), s.kernel.clone())).collect();
        assert_eq!(done, planned, "{name}");
        let spans: Vec<_> = profile.steps.iter().map(|step| step.span).collect();
        assert!(spans.iter().all(|span| span.seconds >= 0.0), "{name}: {spans:?}");
        assert!(spans.is_sorted_by(|a, b| a.start + a.seconds <= b.start + 1e-12), "{name}: {spans:?}");
        assert!(profile.seconds() > 0.0 && profile.run_seconds > 0.0, "{name}: {profile:?}");
        assert!(profile.rates.flops_per_s > 0.0 && profile.rates.bytes_per_s > 0.0, "{name}: {profile:?}");
    }
}
