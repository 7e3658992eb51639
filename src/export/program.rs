//! Programs as JSON, for whoever replays them: a page in a browser, or any other program with WebGPU.

use crate::ops::{BATCH_MEANINGS, BATCH_WORDS};
use crate::plan::{Buffer, Invocation, Pipeline, Plan, Program, Slot};
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of the format, for whoever reads it: it grows when the meaning of a field changes.
const FORMAT: u32 = 3;

/// One plan, as it is written. Slots begin as zeros; those that say `shared_as` are one and the same in all programs of
/// a model.
#[derive(Serialize)]
pub struct ExportedProgram<'a> {
    format: u32,
    name: &'a str,
    batch: usize,
    /// What the host writes into the buffer `batch` before every step, a word each.
    batch_words: [&'a str; BATCH_WORDS],
    /// What lies in the slots, for the host: where inputs go and results are found.
    buffers: Vec<ExportedBuffer<'a>>,
    slots: &'a [Slot],
    pipelines: Vec<ExportedPipeline<'a>>,
    dispatches: &'a [Invocation],
}

#[derive(Serialize)]
struct ExportedBuffer<'a> {
    #[serde(flatten)]
    buffer: &'a Buffer,
    bytes: usize,
}

#[derive(Serialize)]
struct ExportedPipeline<'a> {
    /// The path of its WGSL.
    wgsl: String,
    entry_point: &'a str,
    /// The values of the `override` constants of the WGSL.
    constants: BTreeMap<&'a str, f64>,
    /// The path of its SPIR-V, with the constants filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    spirv: Option<String>,
}

impl<'a> ExportedProgram<'a> {
    /// A plan and the program that it was lowered to. `spirv` gives the path of a pipeline's SPIR-V, if there is any.
    pub fn new(plan: &'a Plan, program: &'a Program, spirv: &dyn Fn(&Pipeline) -> Option<String>) -> Self {
        let pipeline = |pipeline: &'a Pipeline| ExportedPipeline {
            wgsl: wgsl_path(pipeline),
            entry_point: &pipeline.entry_point,
            constants: pipeline.constants.iter().map(|(name, value)| (name.as_str(), *value)).collect(),
            spirv: spirv(pipeline),
        };
        Self {
            format: FORMAT,
            name: &program.name,
            batch: plan.batch,
            batch_words: BATCH_MEANINGS,
            buffers: plan
                .buffers
                .iter()
                .map(|buffer| ExportedBuffer { buffer, bytes: buffer.bytes() })
                .collect(),
            slots: &program.slots,
            pipelines: program.pipelines.iter().map(pipeline).collect(),
            dispatches: &program.dispatches,
        }
    }
}

/// The path of a pipeline's WGSL, in a folder or among a page's shaders.
pub fn wgsl_path(pipeline: &Pipeline) -> String {
    format!("shaders/{}.wgsl", pipeline.shader)
}
