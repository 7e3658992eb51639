//! What AMD chips would run, on a machine that has none.
//!
//! Mesa's RADV compiles for any chip that `RADV_FORCE_FAMILY` names, with or without hardware, and tells
//! registers, spills, occupancy and its own estimate of cycles of the machine code. This asks it for
//! every pipeline of a model and adds up the time of a step:
//!
//! ```text
//! cargo run --release --example amd -- [MODEL.toml…] [--chip navi21]… [--batch N] [--strict]
//! ```
//!
//! The time of a dispatch is the longest of four: the driver's inverse throughput on all SIMD units, the
//! driver's latency of one wave (a small dispatch cannot be shorter), its bytes at the memory's
//! bandwidth, and its floating-point operations at the peak. The driver's cycles are corrected for the
//! true trip counts of loops (see `loops.rs`). Caches, launches and the waits between dispatches are not
//! in it: real steps take longer. It ranks kernels and finds spills; it does not replace a measurement.

mod chips;
mod cost;
mod driver;
mod loops;
mod table;

use anyhow::{Context, Result, ensure};
use chips::{CHIPS, Chip};
use clap::Parser;
use driver::Driver;
use faceshader::data::samples::Samples;
use faceshader::graph::Graph;
use faceshader::plan::{Purpose, lower};
use faceshader::spec::Spec;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use table::{Known, Report};

/// What the columns mean.
const LEGEND: &str = "\
pipes   pipelines that look the same       runs   their dispatches in a step
wave    invocations in a subgroup          sub    subgroups that a SIMD unit holds at once
spills  registers kept in memory           LDS    workgroup memory in bytes
loops   correction of the driver's cycles for the true trip counts of loops
us      estimated time of all runs         share  of the plan's time
limit   what takes longest: issue (the driver's inverse throughput), latency (of one wave),
        memory (bytes at the bandwidth), peak (floating-point operations)";

/// Compiles every pipeline of a model for AMD chips that are not there, and estimates a step.
#[derive(Debug, Parser)]
#[command(after_help = LEGEND)]
struct Arguments {
    /// TOML files; without any, both models that come with the program
    models: Vec<PathBuf>,
    /// A chip, once or more often; without any, all four
    #[arg(long = "chip", value_parser = chip)]
    chips: Vec<&'static str>,
    /// Samples a step
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Fail if a pipeline spills, keeps arrays in memory, or leaves room for fewer than 4 subgroups a
    /// SIMD unit
    #[arg(long)]
    strict: bool,
    /// Set where this program runs itself for one chip
    #[arg(long, hide = true)]
    child: bool,
}

fn chip(name: &str) -> Result<&'static str, String> {
    let known = CHIPS.iter().map(|chip| chip.family);
    known.clone().find(|family| *family == name).ok_or_else(|| {
        format!("there is no chip {name:?} here; there are {}", known.collect::<Vec<_>>().join(", "))
    })
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.models.is_empty() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
        arguments.models = vec![models.join("face.toml"), models.join("review.toml")];
    }
    let passed = if arguments.child { report(&arguments) } else { children(&arguments) };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The driver's manifest.
fn manifest() -> Result<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut paths = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A 64-bit program loads no 32-bit driver.
        name.starts_with("radeon_icd") && name.ends_with(".json") && !name.contains("i686")
    });
    let missing = || format!("no radeon_icd*.json in {}; Debian: mesa-vulkan-drivers", folders.join(" or "));
    paths.next().with_context(missing)
}

/// Runs this program once for each chip: the driver reads its environment when it starts.
fn children(arguments: &Arguments) -> Result<bool> {
    let manifest = manifest()?;
    let mut passed = true;
    let chosen = |chip: &&Chip| arguments.chips.is_empty() || arguments.chips.contains(&chip.family);
    for chip in CHIPS.iter().filter(chosen) {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--child", "--chip", chip.family]).args(&arguments.models);
        if let Some(batch) = arguments.batch {
            command.arg("--batch").arg(batch.to_string());
        }
        if arguments.strict {
            command.arg("--strict");
        }
        // The loader has two names for one variable. Mesa's layer that picks a device has nothing to pick.
        command.env("VK_DRIVER_FILES", &manifest).env("VK_ICD_FILENAMES", &manifest);
        command.env("RADV_FORCE_FAMILY", chip.family).env("NODEVICE_SELECT", "1");
        let status = command.status()?;
        ensure!(matches!(status.code(), Some(0 | 1)), "{}: {status}", chip.family);
        passed &= status.success();
    }
    Ok(passed)
}

/// Prints the report on one chip, and says whether it passes.
fn report(arguments: &Arguments) -> Result<bool> {
    let chip = CHIPS.iter().find(|chip| arguments.chips.contains(&chip.family)).context("no chip")?;
    let driver = Driver::open(chip.family)?;
    println!("# {}: {}, as a {}", chip.family, driver.name, chip.product);
    let mut known = Known::new(&driver, chip);
    let mut plans = Vec::new();
    for path in &arguments.models {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("{file} cannot be read"))?;
        let mut spec = Spec::parse(&text, &file)?;
        Samples::settle_without_data(&mut spec)?;
        let graph = Graph::new(&spec, arguments.batch.map_or(spec.training.batch, |batch| batch as usize))?;
        for purpose in [Purpose::Training, Purpose::Evaluation, Purpose::Prediction] {
            let plan = lower(&graph, &spec.name, purpose);
            let report = Report::new(&mut known, &plan)?;
            print!("{report}");
            plans.push(report.summary());
        }
    }
    println!();
    let warnings = known.warnings();
    for warning in &warnings {
        println!("warning: {}: {warning}", chip.family);
    }
    for plan in &plans {
        println!("{}: {plan}", chip.family);
    }
    println!("{}: {} pipelines, {} warnings\n", chip.family, known.len(), warnings.len());
    Ok(!arguments.strict || warnings.is_empty())
}
