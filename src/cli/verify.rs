//! `faceshader verify`

use super::backend::AdapterArguments;
use super::set::Set;
use super::{Outcome, Usage, at_least_one, model, print};
use crate::ops::Op;
use crate::plan::Backend;
use crate::train::Trainer;
use crate::verify::{CaseReport, KernelFailure, Numbers, Recorded, StepReport, verify_case, verify_recorded};
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
    /// One line of JSON a kernel, case or step
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
        return verify_model(backend, model, &arguments);
    }
    let mut totals: BTreeMap<String, Total> = BTreeMap::new();
    let mut failures = Vec::new();
    for (seed, case) in (0..).zip(Op::all_cases()) {
        if arguments.op.as_ref().is_some_and(|op| op != case.op.name()) {
            continue;
        }
        for numbers in [Numbers::Real, Numbers::Integer] {
            match verify_case(&mut *backend, &case, numbers, seed) {
                Ok(reports) => {
                    let exactly = numbers == Numbers::Integer && case.op.is_exact_on_integers();
                    reports.into_iter().for_each(|report| add(&mut totals, report, exactly));
                }
                Err(KernelFailure::Backend(error)) => return Err(error.into()),
                Err(failure) => failures.push(failure),
            }
        }
    }
    if !arguments.json {
        print(format_args!(
            "{:<32} {:>6} {:>6} {:>10} {:>20}",
            "kernel", "cases", "exact", "elements", "worst error"
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
            }))?;
        } else {
            print(format_args!(
                "{kernel:<32} {:>6} {:>6} {:>10} {}",
                total.cases,
                total.exact_cases,
                total.elements,
                of_bound(total.worst_fraction)
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
    let mut show = |report: &StepReport| {
        steps += 1;
        let line = if json {
            serde_json::json!({
                "layer": report.layer,
                "kernel": report.kernel,
                "elements": report.elements,
                "worst_fraction_of_bound": report.worst_fraction,
            })
            .to_string()
        } else {
            let StepReport { layer, kernel, elements, worst_fraction } = report;
            format!("{layer:<24} {kernel:<32} {elements:>10} {}", of_bound(*worst_fraction))
        };
        if printed.is_ok() {
            printed = print(line);
        }
    };
    trainer.verify_step(&batch, &mut show)?;
    printed?;
    if !json {
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

/// The largest error for people: up to 100 % of what rounding may do, it is right.
fn of_bound(worst_fraction: f64) -> String {
    format!("{:>6.1} % of its bound", 100.0 * worst_fraction)
}

fn add(totals: &mut BTreeMap<String, Total>, report: CaseReport, exactly: bool) {
    let total = totals.entry(report.kernel).or_default();
    total.cases += 1;
    total.exact_cases += usize::from(exactly);
    total.elements += report.elements;
    total.worst_fraction = total.worst_fraction.max(report.worst_fraction);
}
