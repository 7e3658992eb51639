//! `faceshader profile`

use super::backend::AdapterArguments;
use super::{Outcome, at_least_one, model, print};
use crate::graph::Graph;
use crate::ops::{BATCH_COUNT, BATCH_RATE_FACTOR, BATCH_WORDS};
use crate::plan::{Purpose, lower};
use anyhow::Result;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, review, or a TOML file
    #[arg(long, default_value = "face")]
    model: String,
    /// Samples a step
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// Steps measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    steps: usize,
    /// Run every layer's kernels on their own
    #[arg(long)]
    no_fuse: bool,
    #[command(flatten)]
    adapter: AdapterArguments,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let mut spec = model::load(&arguments.model)?;
    spec.training.fuse &= !arguments.no_fuse;
    let batch = arguments.batch.unwrap_or(spec.training.batch);
    let plan = lower(&Graph::new(&spec, batch)?, &spec.name, Purpose::Training);
    let mut backend = arguments.adapter.open()?;
    let id = backend.prepare(&plan)?;
    let mut words = [0_u32; BATCH_WORDS];
    words[BATCH_COUNT] = batch as u32;
    words[BATCH_RATE_FACTOR] = 1.0_f32.to_bits();
    if let Some(buffer) = plan.buffer("batch") {
        backend.write(id, buffer, bytemuck::cast_slice(&words))?;
    }
    backend.run(id)?;
    backend.wait()?;
    let mut times = vec![Vec::new(); plan.steps.len()];
    for _ in 0..arguments.steps {
        for (step, times) in times.iter_mut().enumerate() {
            let start = Instant::now();
            backend.run_step(id, step)?;
            backend.wait()?;
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let mut total = 0.0;
    print(format_args!("{:<24} {:<28} {:>10}", "layer", "kernel", "ms"))?;
    for (step, times) in plan.steps.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        total += median;
        print(format_args!("{:<24} {:<28} {:>10.3}", step.layer, step.label(), 1e3 * median))?;
    }
    print(format_args!("{:<24} {:<28} {:>10.3}", "all", "", 1e3 * total))?;
    Ok(Outcome::Done)
}
