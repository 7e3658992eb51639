//! `faceshader verify`

use super::backend::AdapterArguments;
use super::{Outcome, Usage, print};
use crate::ops::Op;
use crate::verify::{CaseReport, KernelFailure, Numbers, verify_case};
use anyhow::Result;
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    adapter: AdapterArguments,
    /// This operator only
    #[arg(long)]
    op: Option<String>,
    /// One line of JSON a kernel
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
            "{:<32} {:>6} {:>6} {:>10} {:>9}",
            "kernel", "cases", "exact", "elements", "error"
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
                "{kernel:<32} {:>6} {:>6} {:>10} {:>7.1} %",
                total.cases,
                total.exact_cases,
                total.elements,
                100.0 * total.worst_fraction
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

fn add(totals: &mut BTreeMap<String, Total>, report: CaseReport, exactly: bool) {
    let total = totals.entry(report.kernel).or_default();
    total.cases += 1;
    total.exact_cases += usize::from(exactly);
    total.elements += report.elements;
    total.worst_fraction = total.worst_fraction.max(report.worst_fraction);
}
