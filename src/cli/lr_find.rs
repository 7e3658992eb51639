//! `faceshader lr-find`

use super::backend::AdapterArguments;
use super::progress::{Bars, bar};
use super::setup::Setup;
use super::{Outcome, Usage, above_zero, interrupt, print, storage, tell};
use crate::data::samples::{Purpose, Samples};
use crate::file::write_whole;
use crate::report::curves::{Chart, Horizontal, Series, draw};
use crate::train::Trainer;
use crate::train::lr_find::{Point, Proposal, Range, find, propose};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    setup: Setup,
    /// The learning rate of the first step
    #[arg(long, default_value_t = 1e-5, value_parser = above_zero)]
    from: f64,
    /// The learning rate of the last step, if the loss does not run away before
    #[arg(long, default_value_t = 1.0, value_parser = above_zero)]
    to: f64,
    /// Steps
    #[arg(long, default_value_t = 300, value_parser = at_least_twenty)]
    steps: usize,
    /// The folder for lr-find.png, lr-find.svg and lr-find.csv, which is made; lr-find/NAME-001 and so on if not given
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArguments,
    #[command(flatten)]
    storage: storage::Arguments,
    /// Skip the short check of the kernels before an adapter's first use
    #[arg(long)]
    no_verify: bool,
    /// One object of JSON
    #[arg(long)]
    json: bool,
}

/// A curve of fewer steps says little.
fn at_least_twenty(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if (20..=1_000_000).contains(&count) => Ok(count),
        _ => Err("it must be a whole number from 20 to 1000000".into()),
    }
}

pub fn run(arguments: Arguments) -> Result<Outcome> {
    let Arguments { setup, from, to, steps, out, adapter, storage, no_verify, json } = arguments;
    if from >= to {
        return Err(Usage(format!("--from {from} must be below --to {to}")).into());
    }
    if let Some(out) = out.as_ref().filter(|out| out.join("lr-find.csv").exists()) {
        return Err(
            Usage(format!("{} has an lr-find.csv already; choose another --out", out.display())).into()
        );
    }
    let mut spec = setup.spec(None, None, None)?;
    adapter.require()?;
    let bars = Bars::default();
    let (samples, split) = Samples::load(&mut spec, Purpose::Training, None, &storage.storage(None), &bars)?;
    let (backend, _) = adapter.open_for_training(&spec, !no_verify, |_| None)?;
    let mut trainer = Trainer::new(backend, &spec)?;
    trainer.start_from_means(&samples, &split)?;
    if let Some(file) = &spec.training.init {
        super::init::take(&mut trainer, &spec, file, samples.vocabulary())?;
    }
    let stop = interrupt::watched()?;
    let bar = bar("learning rates", Some(steps));
    let range = Range { from, to, steps };
    let points =
        find(&mut trainer, &spec, &samples, &split, range, stop, &mut |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let points = points?;
    if stop.load(Ordering::Relaxed) && points.len() < 2 {
        return Ok(Outcome::Interrupted);
    }
    if points.len() < 2 {
        bail!("the loss is no number from the first step on; begin with a smaller --from than {from}");
    }
    let folder = numbered(out, &spec.name)?;
    let proposal = propose(&points);
    write_whole(&folder.join("lr-find.csv"), csv(&points).as_bytes())?;
    let png = folder.join("lr-find.png");
    draw(&[chart(&points, proposal)], &png, &folder.join("lr-find.svg"))?;
    log::info!("picture: {}", png.display());
    match proposal {
        _ if json => print(object(&points, proposal))?,
        Some(Proposal { rate, lowest, edge }) => {
            print(format_args!("proposed learning rate  {}", rounded(rate)))?;
            print(format_args!("lowest loss at          {}", rounded(lowest)))?;
            print(format_args!("half of it lost at      {}", rounded(edge)))?;
            tell(&format!("train with it: faceshader train --lr {} and the same flags", rounded(rate)));
        }
        None => tell(
            "the loss never fell, so that no learning rate is proposed; see the picture, or take more --steps",
        ),
    }
    Ok(if stop.load(Ordering::Relaxed) { Outcome::Interrupted } else { Outcome::Done })
}

/// Two digits are as many as such a test can tell.
fn rounded(rate: f64) -> f64 {
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

/// The folder that the user names, or the first one that is free.
fn numbered(out: Option<PathBuf>, name: &str) -> Result<PathBuf> {
    let is_free = |folder: &PathBuf| !folder.exists();
    let mut numbers = (1..).map(|number| PathBuf::from("lr-find").join(format!("{name}-{number:03}")));
    let folder = out.or_else(|| numbers.find(is_free)).unwrap_or_default();
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

fn csv(points: &[Point]) -> String {
    let row = |point: &Point| format!("{},{},{}\n", point.rate, point.loss, point.smoothed);
    "learning_rate,loss,smoothed_loss\n".to_string() + &points.iter().map(row).collect::<String>()
}

fn chart(points: &[Point], proposal: Option<Proposal>) -> Chart {
    let series = |name: &str, value: fn(&Point) -> f64| Series {
        name: name.into(),
        points: points.iter().map(|point| (point.rate, value(point))).collect(),
    };
    let title = match proposal {
        Some(Proposal { rate, .. }) => format!("proposed: {}", rounded(rate)),
        None => "the loss never fell".into(),
    };
    Chart {
        title,
        y_label: "total loss".into(),
        series: vec![series("smoothed", |point| point.smoothed), series("of each batch", |point| point.loss)],
        horizontal: Horizontal::Logarithmic("learning rate"),
    }
}

fn object(points: &[Point], proposal: Option<Proposal>) -> serde_json::Value {
    let of = |value: fn(Proposal) -> f64| proposal.map(value);
    serde_json::json!({
        "proposed": of(|proposal| rounded(proposal.rate)),
        "lowest": of(|proposal| rounded(proposal.lowest)),
        "edge": of(|proposal| rounded(proposal.edge)),
        "steps": points.len(),
    })
}
