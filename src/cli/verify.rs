//! `faceshader verify`

mod planted;
pub use planted::Missed;

use super::backend::AdapterArguments;
use super::set::Set;
use super::{Outcome, Usage, at_least_one, model, print};
use crate::ops::Op;
use crate::plan::Backend;
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
    /// Instead of the built-in cases, those with recorded answers in this folder of .safetensors files
    #[arg(long, value_name = "DIR")]
    vectors: Option<PathBuf>,
    /// Instead of single kernels, every step of one training step of this model: face,
    /// face-plus, review, review-plus, or a TOML file
    #[arg(long, conflicts_with_all = ["op", "vectors"])]
    model: Option<String>,
    /// Samples of that step; a large batch may run other kernels, and takes its twins longer
    #[arg(long, default_value_t = 2, value_parser = at_least_one, conflicts_with_all = ["op", "vectors"])]
    batch: usize,
    /// Instead of verifying a model's training step, leave faults in its results on purpose, at the model's own batch,
    /// and tell by how much the bounds notice them; fails if one is not noticed for no known reason
    #[arg(long, requires = "model", conflicts_with = "batch")]
    planted: bool,
    /// One line of JSON a kernel, case, step or planted fault
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
    let mut backend = arguments.adapter.open()?;
    if let Some(folder) = &arguments.vectors {
        return verify_vectors(&mut *backend, folder, &arguments);
    }
    if let Some(model) = &arguments.model {
        if arguments.planted {
            return planted::run(backend, model, arguments.no_fuse, arguments.json);
        }
        return verify_model(backend, model, &arguments);
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
                print("every kernel computes what its twin says, within computed bounds")?;
            }
            Ok(Outcome::Done)
        }
    }
}

/// Proves one whole training step of a model, on a few samples of the built-in set.
fn verify_model(backend: Box<dyn Backend>, model: &str, arguments: &Arguments) -> Result<Outcome> {
    let json = arguments.json;
    let mut spec = model::load(model)?;
    spec.training.fuse &= !arguments.no_fuse;
    spec.training.batch = arguments.batch;
    let batch = Set::built_in(&mut spec, arguments.batch)?.first_batch(&spec);
    let mut trainer = Trainer::new(backend, &spec)?;
    let mut printed = Ok(());
    let mut steps = 0;
    let mut exceptions = BTreeMap::new();
    if !json {
        print(format_args!("{:<26} {:<40} {:>10} {}", "layer", "kernel", "elements", strength_heading()))?;
    }
    let mut show = |report: &StepReport| {
        steps += 1;
        let StepReport { layer, kernel, tensors } = report;
        let (worst, strength) = (worst_fraction(tensors), weakest(tensors));
        let elements: usize = tensors.iter().map(|tensor| tensor.elements).sum();
        note_exceptions(&mut exceptions, &format!("{layer}, {kernel}"), tensors);
        let line = if json {
            let tensors: Vec<_> = tensors.iter().map(tensor_json).collect();
            serde_json::json!({
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
    trainer.verify_step(&batch, &mut show)?;
    printed?;
    if !json {
        print_exceptions(&exceptions)?;
        print(format_args!("all {steps} steps compute what their twins say, within computed bounds"))?;
    }
    Ok(Outcome::Done)
}

/// Proves the cases of a folder. One that fails does not stop the others.
fn verify_vectors(backend: &mut dyn Backend, folder: &Path, arguments: &Arguments) -> Result<Outcome> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    let (mut passed, mut failure) = (0, None);
    for path in &paths {
        let file = path.file_name().map_or(String::new(), |name| name.to_string_lossy().into());
        let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
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
