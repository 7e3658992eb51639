//! `faceshader verify --trajectory`: whole trainings against another program.

use super::backend::{AdapterArguments, AllKernels, kernels_name};
use super::{Outcome, print};
use crate::ops::Variant;
use crate::train::Trainer;
use crate::train::trajectory::{LIMIT, Replay, Trajectory, TrajectoryError};
use anyhow::{Context, Error, Result, bail};
use std::path::{Path, PathBuf};

/// A training that ended elsewhere than the recorded one.
#[derive(Debug, thiserror::Error)]
#[error(
    "{case}, {how}: {} is off by {:.1e}, of at most {LIMIT:.0e}",
    .replay.decided().of, .replay.decided().value
)]
pub struct EndsElsewhere {
    case: String,
    how: String,
    replay: Replay,
}

/// Replays the cases of a folder, with and without fusion, with all kernels of the adapter. One that fails does not
/// stop the others.
pub fn run(adapter: &AdapterArguments, folder: &Path, no_fuse: bool, json: bool) -> Result<Outcome> {
    let cases = cases(folder)?;
    let kernels = adapter.all_kernels()?;
    let fusions: &[bool] = if no_fuse { &[false] } else { &[true, false] };
    let (mut replays, mut passed, mut malformed, mut elsewhere) = (0, 0, None, None);
    for folder in &cases {
        let name =
            folder.file_name().map_or(folder.display().to_string(), |name| name.to_string_lossy().into());
        let case = match Trajectory::read(folder) {
            Ok(case) => case,
            Err(error) => {
                log::error!("{error}");
                malformed.get_or_insert(error);
                continue;
            }
        };
        for (&fuse, variant) in
            fusions.iter().flat_map(|fuse| kernels.variants().into_iter().map(move |v| (fuse, v)))
        {
            let replay = replay(&case, &kernels, variant, fuse).with_context(|| name.clone())?;
            let how =
                format!("{}, {} kernels", if fuse { "fused" } else { "not fused" }, kernels_name(variant));
            replays += 1;
            print(if json { as_json(&name, fuse, variant, &replay) } else { as_line(&name, &how, &replay) })?;
            if replay.agrees() {
                passed += 1;
            } else {
                let failure = EndsElsewhere { case: name.clone(), how, replay };
                log::error!("{failure}");
                elsewhere.get_or_insert(failure);
            }
        }
    }
    let failure = elsewhere.map(Error::from).or(malformed.map(|error: TrajectoryError| error.into()));
    match failure {
        Some(failure) => {
            let cases = cases.len();
            Err(failure
                .context(format!("{passed} of {replays} trainings of {cases} cases end where they should")))
        }
        None => {
            if !json {
                print(format_args!(
                    "all {replays} trainings of {} cases end where the recorded ones do, within {LIMIT:.0e}",
                    cases.len()
                ))?;
            }
            Ok(Outcome::Done)
        }
    }
}

fn replay(case: &Trajectory, kernels: &AllKernels, variant: Option<Variant>, fuse: bool) -> Result<Replay> {
    let mut spec = case.spec().clone();
    spec.training.fuse = fuse;
    Ok(case.replay(&mut Trainer::new(kernels.open(variant)?, &spec)?)?)
}

/// The folder, if it is a case; else the cases in it, by name.
fn cases(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_case = |folder: &Path| {
        ["model.toml", "trajectory.safetensors"].iter().any(|file| folder.join(file).is_file())
    };
    if is_case(folder) {
        return Ok(vec![folder.into()]);
    }
    let unreadable = || format!("{} cannot be read", folder.display());
    let entries = std::fs::read_dir(folder).with_context(unreadable)?;
    let mut cases = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()
        .with_context(unreadable)?;
    cases.retain(|case| is_case(case));
    cases.sort();
    if cases.is_empty() {
        bail!(
            "{} holds no case: neither model.toml with trajectory.safetensors, nor folders with both",
            folder.display()
        );
    }
    Ok(cases)
}

fn as_line(case: &str, how: &str, replay: &Replay) -> String {
    let Replay { loss, weights } = replay;
    let verdict = if replay.agrees() { "" } else { "  FAILED" };
    format!(
        "{case:<20} {how:<28} losses off {:.1e}, weights {:.1e}; decided by {}{verdict}",
        loss.value,
        weights.value,
        replay.decided().of
    )
}

fn as_json(case: &str, fuse: bool, variant: Option<Variant>, replay: &Replay) -> String {
    serde_json::json!({
        "case": case,
        "fused": fuse,
        "kernels": kernels_name(variant),
        "loss_error": replay.loss.value,
        "weights_error": replay.weights.value,
        "limit": LIMIT,
        "decided_by": replay.decided().of,
        "passed": replay.agrees(),
    })
    .to_string()
}
