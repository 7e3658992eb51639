//! `faceshader export program`, and the other forms of `export`
//!
//! `program` writes `training.json`, `evaluation.json` and `prediction.json`, the shaders as WGSL, and every
//! specialised pipeline as SPIR-V. Whatever has WebGPU can replay them; no line of this program is
//! needed for that.

mod onnx;
mod page;

use super::backend::Kernels;
use super::recording::record;
use super::{Outcome, Usage, at_least_one, model, print};
use crate::export::program::{ExportedProgram, wgsl_path};
use crate::file::write_whole;
use crate::graph::Graph;
use crate::plan::{Pipeline, Program, Purpose, lower};
use crate::shaders::shader;
use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Every dispatch of a model as JSON, with its WGSL and SPIR-V
    Program(ProgramArguments),
    /// A trained model as an ONNX file
    Onnx(onnx::Arguments),
    /// A page for a browser, in one HTML file, that predicts by a trained model or trains one
    Page(page::Arguments),
}

#[derive(Debug, clap::Args)]
pub struct ProgramArguments {
    /// face, face-plus, photo, review, review-plus, or a TOML file
    #[arg(long, default_value = "face")]
    model: String,
    /// A new or empty folder
    #[arg(long)]
    out: PathBuf,
    /// Samples a run
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// Use the kernels made for GPUs or for software adapters
    #[arg(long, default_value = "gpu")]
    kernels: Kernels,
    /// Record so many training steps in DIR/recording, for a replayer to check itself: initial values, the inputs
    /// of each step, and results
    #[arg(long, value_name = "N", value_parser = at_least_one, requires = "adapter")]
    steps: Option<usize>,
    /// The adapter that computes the recorded steps: vulkan, metal, dx12, gl, or a part of an adapter's name
    #[arg(long, requires = "steps")]
    adapter: Option<String>,
}

pub fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::Program(arguments) => program(&arguments),
        Command::Onnx(arguments) => onnx::run(&arguments),
        Command::Page(arguments) => page::run(&arguments),
    }
}

fn program(arguments: &ProgramArguments) -> Result<Outcome> {
    let mut spec = model::settled(&arguments.model)?;
    spec.training.batch = arguments.batch.unwrap_or(spec.training.batch);
    let graph = Graph::new(&spec, spec.training.batch)?;
    // A model that is refused leaves no folder behind.
    let mut programs = Vec::new();
    for purpose in [Purpose::Training, Purpose::Evaluation, Purpose::Prediction] {
        let plan = lower(&graph, &spec.name, purpose);
        let program = Program::new(&plan, arguments.kernels.variant())?;
        programs.push((purpose, plan, program));
    }
    let folder = &arguments.out;
    empty_folder(folder)?;
    for inside in ["shaders", "spirv"] {
        let inside = folder.join(inside);
        std::fs::create_dir(&inside).with_context(|| format!("{} cannot be made", inside.display()))?;
    }
    let mut known: Vec<Pipeline> = Vec::new();
    for (purpose, plan, program) in &programs {
        for pipeline in &program.pipelines {
            if !known.contains(pipeline) {
                write_pipeline(folder, pipeline, known.len())?;
                known.push(pipeline.clone());
            }
        }
        let name = format!("{purpose:?}.json").to_lowercase();
        let spirv = |pipeline: &Pipeline| {
            let number = known.iter().position(|other| other == pipeline)?;
            Some(spirv_path(pipeline, number))
        };
        let text = serde_json::to_string_pretty(&ExportedProgram::new(plan, program, &spirv))?;
        write_whole(&folder.join(name), text.as_bytes())?;
        let (dispatches, pipelines) = (program.dispatches.len(), program.pipelines.len());
        print(format_args!("{}: {dispatches} dispatches, {pipelines} pipelines", program.name))?;
    }
    if let (Some(steps), Some(adapter)) = (arguments.steps, &arguments.adapter) {
        record(&folder.join("recording"), &spec, steps, adapter, arguments.kernels)?;
        print(format_args!("recording: {steps} training steps"))?;
    }
    print(folder.display())?;
    Ok(Outcome::Done)
}

/// Makes the folder; one that holds anything is refused.
fn empty_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut entries =
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    match entries.next() {
        Some(_) => Err(Usage(format!("{} is not empty; choose another --out", folder.display())).into()),
        None => Ok(()),
    }
}

fn spirv_path(pipeline: &Pipeline, number: usize) -> String {
    format!("spirv/{number:03}.{}.spv", pipeline.label())
}

fn write_pipeline(folder: &Path, pipeline: &Pipeline, number: usize) -> Result<()> {
    let wgsl = folder.join(wgsl_path(pipeline));
    if !wgsl.exists() {
        let shader = shader(&pipeline.shader).ok_or_else(|| anyhow!("no shader {:?}", pipeline.shader))?;
        write_whole(&wgsl, shader.source.as_bytes())?;
    }
    let bytes: Vec<u8> = pipeline.spirv()?.into_iter().flat_map(u32::to_le_bytes).collect();
    write_whole(&folder.join(spirv_path(pipeline, number)), &bytes)?;
    Ok(())
}
