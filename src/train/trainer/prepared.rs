//! The plans of a training, at batches that the backend has room for.

use super::TrainError;
use crate::graph::Graph;
use crate::plan::{Backend, BackendError, Plan, PlanId, Purpose, lower};
use crate::spec::Spec;

/// The largest buffer of an evaluation stays below this; WebGPU binds 128 MiB at once.
const EVALUATION_BUFFER_BYTES: usize = 64 << 20;
/// The largest batch of an evaluation.
const EVALUATION_BATCH: usize = 100;

/// A plan that the backend has prepared.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) id: PlanId,
}

impl Prepared {
    pub(super) fn new(
        backend: &mut dyn Backend,
        spec: &Spec,
        batch: usize,
        purpose: Purpose,
    ) -> Result<Self, TrainError> {
        let plan = plan_that_fits(backend, spec, batch, purpose)?;
        let id = backend.prepare(&plan)?;
        Ok(Self { plan, id })
    }

    /// For batches of one size and no other. One that does not fit is told how many samples would.
    pub(super) fn for_training(backend: &mut dyn Backend, spec: &Spec) -> Result<Self, TrainError> {
        let batch = spec.training.batch;
        let prepared = Self::new(backend, spec, batch, Purpose::Training);
        let reason = match prepared {
            Err(error) if is_of_size(&error) => error.to_string(),
            prepared => return prepared,
        };
        // A model that is wrong whatever the batch says so itself.
        Graph::new(spec, 1)?;
        let fits = |&batch: &usize| plan_that_fits(backend, spec, batch, Purpose::Training).is_ok();
        let [mut fitting, mut large] = [0, batch];
        while large - fitting > 1 {
            let middle = fitting + (large - fitting) / 2;
            *(if fits(&middle) { &mut fitting } else { &mut large }) = middle;
        }
        Err(TrainError::Batch { batch, reason, fits: (fitting > 0).then_some(fitting) })
    }

    /// For evaluations.
    pub(super) fn for_evaluation(backend: &mut dyn Backend, spec: &Spec) -> Result<Self, TrainError> {
        let plan = evaluation_plan(spec, &|plan| backend.check(plan))?;
        let id = backend.prepare(&plan)?;
        Ok(Self { plan, id })
    }
}

/// The plan of an evaluation, with a batch as large as `check` lets pass, 100 samples at most.
///
/// # Errors
/// When not even one sample fits.
pub fn evaluation_plan(
    spec: &Spec,
    check: &dyn Fn(&Plan) -> Result<(), BackendError>,
) -> Result<Plan, TrainError> {
    let mut size = EVALUATION_BATCH;
    loop {
        let plan = Graph::new(spec, size).map_err(TrainError::from).and_then(|graph| {
            let plan = lower(&graph, &spec.name, Purpose::Evaluation);
            check(&plan)?;
            let transient = plan.slots.iter().filter(|slot| slot.shared_as.is_none());
            let largest = transient.map(|slot| slot.bytes).max().unwrap_or(0);
            Ok((size == 1 || largest <= EVALUATION_BUFFER_BYTES).then_some(plan))
        });
        match plan {
            Ok(Some(plan)) => return Ok(plan),
            Err(error) if size == 1 || !is_of_size(&error) => return Err(error),
            _ => size /= 2,
        }
    }
}

/// The plan for a batch, if the backend has room for it.
fn plan_that_fits(
    backend: &dyn Backend,
    spec: &Spec,
    batch: usize,
    purpose: Purpose,
) -> Result<Plan, TrainError> {
    let plan = lower(&Graph::new(spec, batch)?, &spec.name, purpose);
    backend.check(&plan)?;
    Ok(plan)
}

/// Whether a smaller batch may do. The shapes of a graph tell no other error that depends on the batch.
fn is_of_size(error: &TrainError) -> bool {
    matches!(error, TrainError::Spec(_) | TrainError::Backend(BackendError::TooLarge(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuBackend;
    use crate::train::Trainer;

    /// Convolutions of 1024x1024 photos, one behind the other.
    fn large(layers: usize, batch: usize) -> Spec {
        let conv = |index| {
            format!("[[layer]]\nname = \"conv{index}\"\nop = \"conv2d\"\nout_channels = 24\nkernel = 1\n")
        };
        let text = format!(
            "name = \"large\"\n[input]\nwidth = 1024\nheight = 1024\n[optimizer]\nop = \"adam\"\nlearning_rate = 0.1\n\
             [training]\nbatch = {batch}\nepochs = 1\n{}[[layer]]\nname = \"pool\"\nop = \"global_avg_pool2d\"\n\
             [[layer]]\nname = \"flatten\"\nop = \"flatten\"\n[[branch]]\nname = \"age\"\ntarget = \"age\"\nloss = {{ op = \"mse\" }}\n[[branch.layer]]\n\
             name = \"dense\"\nop = \"dense\"\nout_features = 1\n",
            (0..layers).map(conv).collect::<String>()
        );
        Spec::parse(&text, "large.toml").unwrap()
    }

    #[test]
    fn an_evaluation_takes_a_batch_that_fits() {
        // A hundred photos would have more pixels than 32 bits can number.
        assert!(Graph::new(&large(1, 1), EVALUATION_BATCH).is_err());
        let trainer = Trainer::new(Box::new(CpuBackend::new()), &large(1, 1)).unwrap();
        assert_eq!(trainer.evaluation_batch(), 1);
    }

    #[test]
    fn a_batch_that_does_not_fit_is_told_what_would() {
        // 600 layers that keep 8 GB each.
        let failed = Trainer::new(Box::new(CpuBackend::new()), &large(600, 80)).err().unwrap();
        let TrainError::Batch { batch: 80, reason, .. } = &failed else { panic!("{failed}") };
        assert!(reason.contains("GB of memory, but") && reason.contains("are free"), "{reason}");
        // More pixels than 32 bits can number; few enough fit.
        let failed = Trainer::new(Box::new(CpuBackend::new()), &large(1, 5_000)).err().unwrap();
        let TrainError::Batch { fits: Some(fits), reason, .. } = &failed else { panic!("{failed}") };
        assert!((1..=85).contains(fits) && reason.contains("2^31"), "{failed}");
        assert!(failed.to_string().ends_with(&format!("{fits} fit, with --batch {fits}")), "{failed}");
    }
}
