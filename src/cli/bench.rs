//! `faceshader bench`

use super::backend::AdapterArguments;
use super::progress::Bars;
use super::{Outcome, at_least_one, model, print};
use crate::data::samples::Samples;
use crate::plan::BackendInfo;
use crate::profile::median;
use crate::train::Trainer;
use anyhow::Result;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, face-plus, photo, review, review-plus, or a TOML file
    #[arg(long, default_value = "face")]
    model: String,
    /// Samples a step
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// Steps measured; the medians count
    #[arg(long, default_value_t = 5, value_parser = at_least_three)]
    steps: usize,
    /// Run every layer's kernels on their own
    #[arg(long)]
    no_fuse: bool,
    #[command(flatten)]
    adapter: AdapterArguments,
    /// One object of JSON
    #[arg(long)]
    json: bool,
}

/// Steps that are not measured.
const WARM_UP: usize = 3;

/// A median of fewer says little.
fn at_least_three(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if count >= 3 => Ok(count),
        _ => Err("it must be a whole number of at least 3".into()),
    }
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let mut spec = model::settled(&arguments.model)?;
    spec.training.fuse &= !arguments.no_fuse;
    spec.training.batch = arguments.batch.unwrap_or(spec.training.batch);
    let size = spec.training.batch;
    let mut trainer = Trainer::new(arguments.adapter.open()?, &spec)?;
    let asked = trainer.evaluation_batch();
    let samples = Samples::built_in(&mut spec, size.max(asked), &Bars::default())?;
    let batch = samples.first_batch(&spec)?;
    let chosen: Vec<usize> = (0..asked).collect();
    // Without measuring: first steps compile, page in, and show what one submit can hold.
    for _ in 0..WARM_UP {
        trainer.train_step(&batch)?;
    }
    trainer.predict(&samples, &chosen)?;
    let [mut step, mut upload, mut host, mut prediction] = [const { Vec::new() }; 4];
    for _ in 0..arguments.steps {
        let start = Instant::now();
        trainer.upload(&batch)?;
        let uploaded = start.elapsed().as_secs_f64();
        trainer.train_again()?;
        upload.push(uploaded);
        host.push(start.elapsed().as_secs_f64() - uploaded);
        trainer.wait()?;
        step.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        trainer.predict(&samples, &chosen)?;
        prediction.push(start.elapsed().as_secs_f64());
    }
    let [step, upload, host, prediction] = [step, upload, host, prediction].map(median);
    let BackendInfo { backend, adapter, driver } = trainer.info();
    let plan = trainer.plan();
    let (dispatches, submits) = (trainer.dispatches(), trainer.submits());
    let memory = peak_resident_bytes().unwrap_or(trainer.memory_bytes() as u64);
    if arguments.json {
        print(serde_json::json!({
            "backend": backend,
            "adapter": adapter,
            "driver": driver,
            "model": spec.name,
            "batch": size,
            "train_images_per_s": size as f64 / step,
            "train_ms_per_step": 1e3 * step,
            "predict_images_per_s": asked as f64 / prediction,
            "dispatches_per_step": dispatches,
            "submits_per_step": submits,
            "host_ms_per_step": 1e3 * host,
            "upload_ms_per_step": 1e3 * upload,
            "flops_per_step": plan.flops(),
            "bytes_per_step": plan.traffic_bytes(),
            "peak_memory_bytes": memory,
        }))?;
        return Ok(Outcome::Done);
    }
    print(format_args!("training      {:>9.1} samples a second, batch {size}", size as f64 / step))?;
    let [step_ms, upload_ms, host_ms] = [step, upload, host].map(|seconds| 1e3 * seconds);
    print(format_args!(
        "a step        {step_ms:>9.2} ms, of which the host takes {upload_ms:.2} to upload, {host_ms:.2} to submit"
    ))?;
    print(format_args!("prediction    {:>9.1} samples a second, batch {asked}", asked as f64 / prediction))?;
    print(format_args!("dispatches    {dispatches:>9} a step, in {submits} submits"))?;
    print(format_args!("arithmetic    {:>9.2} GFLOP a step", plan.flops() as f64 / 1e9))?;
    print(format_args!("memory moved  {:>9.1} MB a step", plan.traffic_bytes() as f64 / 1e6))?;
    print(format_args!("peak memory   {:>9.1} MB", memory as f64 / 1e6))?;
    Ok(Outcome::Done)
}

/// What the process has held at most, as Linux tells.
fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}
