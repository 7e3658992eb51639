//! `faceshader verify --planted`

use super::super::progress::Bars;
use super::super::{Outcome, model, print};
use crate::data::samples::Samples;
use crate::plan::Backend;
use crate::train::Trainer;
use crate::verify::Planted;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// Plants faults in a training step of a model, at its own batch, on samples of the built-in set.
pub fn run(backend: Box<dyn Backend>, model: &str, no_fuse: bool, json: bool) -> Result<Outcome> {
    let mut spec = model::settled(model)?;
    spec.training.fuse &= !no_fuse;
    let samples = spec.training.batch;
    let batch = Samples::built_in(&mut spec, samples, &Bars::default())?.first_batch(&spec)?;
    let mut trainer = Trainer::new(backend, &spec)?;
    let mut table = Table::default();
    let mut printed = Ok(());
    if !json {
        print("by how many times its bound each fault is off; from 1 on it is noticed")?;
        print(format_args!(
            "{:<26} {:<40} {:<10} {:<22} {:>14}",
            "layer", "kernel", "tensor", "fault", "off by"
        ))?;
    }
    trainer.plant_faults(&batch, &mut |planted| {
        let line = if json { as_json(planted) } else { as_row(planted) };
        if printed.is_ok() {
            printed = print(line);
        }
        table.add(planted);
    })?;
    printed?;
    table.finish(json)
}

fn as_row(planted: &Planted) -> String {
    let Planted { layer, kernel, argument, fault, error_over_bound, exception } = planted;
    let verdict = match (planted.is_noticed(), exception) {
        (true, _) => String::new(),
        (false, Some(_)) => "  not noticed, see below".into(),
        (false, None) => "  NOT NOTICED".into(),
    };
    format!("{layer:<26} {kernel:<40} {argument:<10} {fault:<22} {}{verdict}", off_by(*error_over_bound))
}

/// How many times its bound an error is, aligned to the right.
fn off_by(error_over_bound: f64) -> String {
    match error_over_bound {
        0.0..1e9 => format!("{error_over_bound:>14.1}"),
        _ => format!("{error_over_bound:>14.0e}"),
    }
}

fn as_json(planted: &Planted) -> String {
    serde_json::json!({
        "layer": planted.layer,
        "kernel": planted.kernel,
        "tensor": planted.argument,
        "fault": planted.fault,
        "error_over_bound": planted.error_over_bound,
        "noticed": planted.is_noticed(),
        "exception": planted.exception,
    })
    .to_string()
}

/// What all faults came to.
#[derive(Default)]
struct Table {
    planted: usize,
    /// How many are missed for each known reason.
    excepted: BTreeMap<&'static str, usize>,
    /// The faults that are missed for no known reason.
    missed: Vec<String>,
    /// By how much the fault is noticed that is noticed least, of each kind.
    least: BTreeMap<&'static str, f64>,
}

impl Table {
    fn add(&mut self, planted: &Planted) {
        self.planted += 1;
        if planted.is_noticed() {
            let least = self.least.entry(planted.fault).or_insert(f64::INFINITY);
            *least = least.min(planted.error_over_bound);
        } else if let Some(reason) = planted.exception {
            *self.excepted.entry(reason).or_default() += 1;
        } else {
            let Planted { layer, kernel, argument, fault, .. } = planted;
            self.missed.push(format!("{layer}, {kernel}, {argument}: {fault}"));
        }
    }

    fn finish(self, json: bool) -> Result<Outcome> {
        let Self { planted, excepted, missed, least } = self;
        if !json {
            for (fault, least) in least {
                print(format_args!("{fault:<22} at least {} times its bound where noticed", off_by(least)))?;
            }
            for (reason, faults) in &excepted {
                print(format_args!("{faults} faults are not noticed: {reason}"))?;
            }
        }
        let [first, ..] = missed.as_slice() else {
            if planted == 0 {
                bail!("the model has nothing that adds up terms");
            }
            if !json {
                let noticed = planted - excepted.values().sum::<usize>();
                print(format_args!("{noticed} of {planted} planted faults are noticed"))?;
            }
            return Ok(Outcome::Done);
        };
        Err(Missed(format!("{} of {planted} planted faults are not noticed, such as {first}", missed.len()))
            .into())
    }
}

/// Faults that the bounds do not notice.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missed(String);
