//! `faceshader verify`

mod planted;
pub use planted::Missed;

use super::backend::{AdapterArguments, kernels_name};
use super::progress::Bars;
use super::{Outcome, Usage, at_least_one, model, print, trajectory};
use crate::data::samples::Samples;
use crate::ops::Op;
use crate::plan::{Backend, Step};
use crate::spec::Spec;
use crate::train::Trainer;
use crate::verify::{
    CaseReport, KernelFailure, Numbers, Recorded, StepReport, Strength, TensorReport, verify_case,
    verify_recorded, weakest, worst_fraction,
};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run every layer's kernels on their own
    #[arg(long)]
    no_fuse: bool,
    #[command(flatten)]
    adapter: AdapterArguments,
    /// This operator only
    #[arg(long)]
    op: Option<String>,
    /// Instead of drawn numbers, cases with recorded results in this folder of .safetensors files
    #[arg(long, value_name = "DIR")]
    vectors: Option<PathBuf>,
    /// Instead of single kernels, every step of a model's training, evaluation and prediction, with all kernels that
    /// the adapter may run: face, face-plus, photo, review, review-plus, or a TOML file
    #[arg(long, conflicts_with_all = ["op", "vectors"])]
    model: Option<String>,
    /// Samples of a training step; the model's own batch by default
    #[arg(long, value_parser = at_least_one, conflicts_with_all = ["op", "vectors", "trajectory"])]
    batch: Option<usize>,
    /// Instead of single steps, whole trainings that another program recorded, with and without fusion: a folder of
    /// model.toml and trajectory.safetensors, or a folder of such folders
    #[arg(long, value_name = "DIR", conflicts_with_all = ["op", "vectors", "model"])]
    trajectory: Option<PathBuf>,
    /// Instead of verifying what a model runs, leave faults in the results of its training step on purpose, at the
    /// model's own batch, and tell by how much the bounds notice them; fails if one is not noticed for no known reason
    #[arg(long, requires = "model", conflicts_with = "batch")]
    planted: bool,
    /// One line of JSON a kernel, case, step, training or planted fault
    #[arg(long)]
    json: bool,
}

/// What all cases of a kernel came to.
#[derive(Debug, Default)]
struct Total {
    cases: usize,
    exact_cases: usize,
    elements: usize,
    worst_fraction: f64,
    strength: Option<Strength>,
}

pub fn run(arguments: Arguments) -> Result<Outcome> {
    if let Some(op) = &arguments.op
        && Op::role(op).is_none()
    {
        let known: Vec<&str> = Op::TABLE.iter().map(|&(name, _)| name).collect();
        return Err(Usage(format!("there is no operator {op:?}; there are {}", known.join(", "))).into());
    }
    if let Some(folder) = &arguments.trajectory {
        return trajectory::run(&arguments.adapter, folder, arguments.no_fuse, arguments.json);
    }
    if let Some(model) = &arguments.model {
        return match arguments.planted {
            true => planted::run(arguments.adapter.open()?, model, arguments.no_fuse, arguments.json),
            false => verify_model(model, &arguments),
        };
    }
    let mut backend = arguments.adapter.open()?;
    if let Some(folder) = &arguments.vectors {
        return verify_vectors(&mut *backend, folder, &arguments);
    }
    let mut totals: BTreeMap<String, Total> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut exceptions = Exceptions::new();
    for (seed, case) in (0..).zip(Op::all_cases()) {
        if arguments.op.as_ref().is_some_and(|op| op != case.op.name()) {
            continue;
        }
        for numbers in [Numbers::Real, Numbers::Integer] {
            match verify_case(&mut *backend, &case, numbers, seed) {
                Ok(reports) => {
                    let exactly = numbers == Numbers::Integer && case.op.is_exact_on_integers();
                    for report in reports {
                        note_exceptions(&mut exceptions, &report.kernel, &report.tensors);
                        add(&mut totals, report, exactly);
                    }
                }
                Err(KernelFailure::Backend(error)) => return Err(error.into()),
                Err(failure) => failures.push(failure),
            }
        }
    }
    if !arguments.json {
        print(format_args!(
            "{:<40} {:>6} {:>6} {:>10} {}",
            "kernel",
            "cases",
            "exact",
            "elements",
            strength_heading()
        ))?;
    }
    for (kernel, total) in &totals {
        if arguments.json {
            print(serde_json::json!({
                "kernel": kernel,
                "cases": total.cases,
                "exact_cases": total.exact_cases,
                "elements": total.elements,
                "worst_fraction_of_bound": total.worst_fraction,
                "bound_of_rms": total.strength.map(|strength| strength.bound),
                "notices_of_rms": total.strength.map(|strength| strength.notices),
                "share_by_chance": total.strength.map(|strength| strength.by_chance),
            }))?;
        } else {
            print(format_args!(
                "{kernel:<40} {:>6} {:>6} {:>10} {}",
                total.cases,
                total.exact_cases,
                total.elements,
                strength_columns(total.worst_fraction, total.strength)
            ))?;
        }
    }
    for failure in &failures {
        log::error!("{failure}");
    }
    match failures.into_iter().next() {
        Some(failure) => Err(failure.into()),
        None => {
            if !arguments.json {
                print_exceptions(&exceptions)?;
                print("every kernel agrees with its twin on these samples, within computed bounds")?;
            }
            Ok(Outcome::Done)
        }
    }
}

/// Steps of training before those that are verified, so that moments and running statistics are not zero.
const WARM_UP: usize = 3;

/// Verifies what a model runs, step by step on samples of the built-in set: a training step after a few others, one of
/// a batch that is not full, an evaluation, and a prediction; all but the evaluation with all kernels that the adapter
/// may run.
fn verify_model(model: &str, arguments: &Arguments) -> Result<Outcome> {
    let json = arguments.json;
    let mut spec = model::settled(model)?;
    spec.training.fuse &= !arguments.no_fuse;
    let size = arguments.batch.unwrap_or(spec.training.batch);
    spec.training.batch = size;
    let set = Samples::built_in(&mut spec, (WARM_UP + 1) * size, &Bars::default())?;
    let kernels = arguments.adapter.all_kernels()?;
    let (mut steps, mut sections) = (0, 0);
    let mut exceptions = Exceptions::new();
    for (nth, variant) in kernels.variants().into_iter().enumerate() {
        let mut trainer = Trainer::new(kernels.open(variant)?, &spec)?;
        for step in 0..WARM_UP {
            trainer.train_step(&set.samples_from(&spec, step * size, size)?)?;
        }
        for section in Section::ALL.into_iter().filter(|section| section.is_of(size, nth == 0)) {
            let name = section.name(size, &trainer);
            let kernels = kernels_name(variant);
            if !json {
                print(format_args!("{name}, {kernels} kernels"))?;
                print(format_args!(
                    "{:<26} {:<40} {:>10} {}",
                    "layer",
                    "kernel",
                    "elements",
                    strength_heading()
                ))?;
            }
            let mut printed = Ok(());
            let mut show = |report: &StepReport| {
                steps += 1;
                let StepReport { layer, kernel, tensors } = report;
                let (worst, strength) = (worst_fraction(tensors), weakest(tensors));
                let elements: usize = tensors.iter().map(|tensor| tensor.elements).sum();
                note_exceptions(&mut exceptions, &format!("{layer}, {kernel}"), tensors);
                let line = if json {
                    let tensors: Vec<_> = tensors.iter().map(tensor_json).collect();
                    serde_json::json!({
                        "section": name,
                        "kernels": kernels,
                        "layer": layer,
                        "kernel": kernel,
                        "elements": elements,
                        "worst_fraction_of_bound": worst,
                        "tensors": tensors,
                    })
                    .to_string()
                } else {
                    format!("{layer:<26} {kernel:<40} {elements:>10} {}", strength_columns(worst, strength))
                };
                if printed.is_ok() {
                    printed = print(line);
                }
            };
            let outcome = section.verify(&mut trainer, &set, &spec, &mut show);
            outcome.with_context(|| format!("{name}, {kernels} kernels"))?;
            printed?;
            sections += 1;
        }
    }
    if !json {
        print_exceptions(&exceptions)?;
        print(format_args!(
            "all {steps} steps of {sections} runs agree with their twins on these samples, within computed bounds"
        ))?;
    }
    Ok(Outcome::Done)
}

/// Whether a step does something else for a batch that is not full: losses and batch normalisations. What dropout and
/// optimisers read of `batch` is the seed and the rates; the others compute the same of every row.
fn counts_samples(step: &Step) -> bool {
    let reads = step.signature().reads;
    reads.contains(&"batch") && !reads.contains(&"sample") && !reads.contains(&"m")
}

/// What a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Training,
    /// The last batch of an epoch, which is filled up: the steps that do something else for it.
    ShortBatch,
    Evaluation,
    Prediction,
}

impl Section {
    const ALL: [Section; 4] =
        [Section::Training, Section::ShortBatch, Section::Evaluation, Section::Prediction];

    /// Whether it is verified, with the kernels that are `usual` on the adapter or with others. These do in a
    /// prediction what they do in an evaluation, whose large batch takes its twins longest.
    fn is_of(self, size: usize, usual: bool) -> bool {
        match self {
            Section::ShortBatch => size > 1,
            Section::Evaluation => usual,
            Section::Training | Section::Prediction => true,
        }
    }

    /// Real samples of a batch that is not full.
    fn short(size: usize) -> usize {
        (size / 3).max(1)
    }

    fn name(self, size: usize, trainer: &Trainer) -> String {
        match self {
            Section::Training => format!("training, batch {size}, after {WARM_UP} steps"),
            Section::ShortBatch => {
                format!("training, {} of {size} samples, what depends on their number", Section::short(size))
            }
            Section::Evaluation => format!("evaluation, batch {}", trainer.evaluation_batch()),
            Section::Prediction => format!("prediction, batch {size}"),
        }
    }

    fn verify(
        self,
        trainer: &mut Trainer,
        set: &Samples,
        spec: &Spec,
        show: &mut dyn FnMut(&StepReport),
    ) -> Result<()> {
        let size = spec.training.batch;
        let next = WARM_UP * size;
        match self {
            Section::Training => trainer.verify_step(&set.samples_from(spec, next, size)?, show)?,
            Section::ShortBatch => {
                let batch = set.samples_from(spec, next, Section::short(size))?;
                trainer.verify_some(&batch, &counts_samples, show)?
            }
            Section::Evaluation => {
                let batch = set.plain_batch((WARM_UP + 1) * size, trainer.evaluation_batch())?;
                trainer.verify_evaluation(&batch, show)?
            }
            Section::Prediction => trainer.verify_prediction(&set.plain_batch(size, size)?, show)?,
        }
        Ok(())
    }
}

/// Verifies the cases of a folder. One that fails does not stop the others.
fn verify_vectors(backend: &mut dyn Backend, folder: &Path, arguments: &Arguments) -> Result<Outcome> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    let (mut passed, mut failure) = (0, None);
    for path in &paths {
        let file = path.file_name().map_or(String::new(), |name| name.to_string_lossy().into());
        let bytes =
            crate::file::read_plain(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let recorded = match Recorded::parse(&bytes) {
            Ok(recorded) => recorded,
            Err(error) => {
                log::error!("{file}: {error}");
                failure.get_or_insert(anyhow!("{file}: {error}"));
                continue;
            }
        };
        if arguments.op.as_ref().is_some_and(|op| *op != recorded.name) {
            continue;
        }
        match verify_recorded(backend, &recorded) {
            Ok((answers, worst)) => {
                passed += 1;
                print(if arguments.json {
                    serde_json::json!({ "case": file, "answers": answers, "worst_fraction_of_bound": worst })
                        .to_string()
                } else {
                    format!("{file:<40} {answers:>2} answers {}", of_bound(worst))
                })?;
            }
            Err(error) => {
                log::error!("{file}: {error}");
                failure.get_or_insert(error.into());
            }
        }
    }
    match failure {
        Some(failure) => Err(failure.context(format!("{passed} of {} cases pass", paths.len()))),
        None if passed == 0 => bail!("{} holds no case", folder.display()),
        None => {
            if !arguments.json {
                print(format_args!("all {passed} cases lie within their computed bounds"))?;
            }
            Ok(Outcome::Done)
        }
    }
}

/// The headings of [`strength_columns`].
fn strength_heading() -> String {
    format!("{:>20} {:>16} {:>18} {:>12}", "worst error", "bound", "notices", "by chance")
}

/// The worst error, and how strong the check was that allowed it: the bound and the smallest error that it would notice
/// in any element, of the tensor's root mean square, and how many elements' bounds hold but with high probability.
fn strength_columns(worst_fraction: f64, strength: Option<Strength>) -> String {
    let worst = of_bound(worst_fraction);
    match strength {
        Some(Strength { bound, notices, by_chance }) => {
            let [bound, notices, by_chance] = [bound, notices, by_chance].map(|share| 100.0 * share);
            format!("{worst} {} % RMS {} % RMS {by_chance:>10.1} %", percent(bound, 9), percent(notices, 11))
        }
        None => format!("{worst} {:>16} {:>18}", "exact", "any"),
    }
}

/// A percentage in so many columns.
fn percent(share: f64, width: usize) -> String {
    match share {
        0.0..1e3 => format!("{share:>width$.5}"),
        _ => format!("{share:>width$.1e}"),
    }
}

fn tensor_json(tensor: &TensorReport) -> serde_json::Value {
    serde_json::json!({
        "argument": tensor.argument,
        "elements": tensor.elements,
        "worst_fraction_of_bound": tensor.worst_fraction,
        "bound_of_rms": tensor.strength.map(|strength| strength.bound),
        "notices_of_rms": tensor.strength.map(|strength| strength.notices),
        "share_by_chance": tensor.strength.map(|strength| strength.by_chance),
        "exception": tensor.exception,
    })
}

/// Checks that are too weak and may be: the weakest by what is checked, and why.
type Exceptions = BTreeMap<String, (f64, &'static str)>;

fn note_exceptions(exceptions: &mut Exceptions, of: &str, tensors: &[TensorReport]) {
    for tensor in tensors {
        let (Some(strength), Some(reason)) = (tensor.strength, tensor.exception) else { continue };
        let noted = exceptions.entry(format!("{of}, {}", tensor.argument)).or_insert((0.0, reason));
        noted.0 = noted.0.max(strength.bound);
    }
}

fn print_exceptions(exceptions: &Exceptions) -> Result<()> {
    for (of, (bound, reason)) in exceptions {
        print(format_args!("wide: {of}: the bound is {} % of RMS: {reason}", percent(100.0 * bound, 0)))?;
    }
    Ok(())
}

/// The largest error for people: up to 100 % of what rounding may do, it is right.
fn of_bound(worst_fraction: f64) -> String {
    format!("{:>6.1} % of its bound", 100.0 * worst_fraction)
}

fn add(totals: &mut BTreeMap<String, Total>, report: CaseReport, exactly: bool) {
    let total = totals.entry(report.kernel).or_default();
    total.cases += 1;
    total.exact_cases += usize::from(exactly);
    total.elements += report.tensors.iter().map(|tensor| tensor.elements).sum::<usize>();
    total.worst_fraction = total.worst_fraction.max(worst_fraction(&report.tensors));
    let weakest = weakest(&report.tensors);
    total.strength = total.strength.into_iter().chain(weakest).reduce(Strength::weaker);
}
