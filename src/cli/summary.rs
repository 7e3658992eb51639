//! `faceshader summary`

use super::{Outcome, at_least_one, model, print};
use crate::graph::Graph;
use crate::ops::dense_adam::DenseAdam;
use crate::ops::{Op, Variant};
use crate::plan::{Program, Purpose, lower};
use crate::shape::Shape;
use anyhow::Result;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, face-plus, photo, review, review-plus, or a TOML file
    #[arg(default_value = "face")]
    model: String,
    /// Samples a step, for the memory
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// Run every layer's kernels on their own
    #[arg(long)]
    no_fuse: bool,
    /// One object of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let mut spec = model::settled(&arguments.model)?;
    spec.training.fuse &= !arguments.no_fuse;
    let batch = arguments.batch.unwrap_or(spec.training.batch);
    let graph = Graph::new(&spec, 1)?;
    let training = lower(&Graph::new(&spec, batch)?, &spec.name, Purpose::Training);
    // The CPU backend and software adapters take other scratch.
    let (memory, refusal) = match Program::new(&training, Variant::Gpu) {
        Ok(program) => (program.memory_bytes(), None),
        Err(error) => (training.memory_bytes(), Some(error.to_string())),
    };
    if arguments.json {
        let layers: Vec<serde_json::Value> = graph
            .nodes
            .iter()
            .map(|node| {
                serde_json::json!({
                    "name": node.name,
                    "op": node.op.name(),
                    "output_shape": node.shape.0[1..],
                    "parameters": node.parameter_count(),
                    "flops": node.flops(),
                })
            })
            .collect();
        print(serde_json::json!({
            "name": spec.name,
            "layers": layers,
            "parameters": graph.parameter_count(),
            "frozen_parameters": graph.frozen_count(),
            "parameter_bytes": 4 * graph.parameter_count(),
            "flops_per_photo": graph.flops(),
            "batch": batch,
            "training_memory_bytes": memory,
            "beyond_webgpu_limits": refusal,
        }))?;
        return Ok(Outcome::Done);
    }
    let sample = |shape: &Shape| Shape(shape.0[1..].to_vec()).to_string();
    print(format_args!(
        "{:<18} {:<12} {:>16} {:>12} {:>11}",
        "layer", "op", "output", "parameters", "MFLOP"
    ))?;
    for node in &graph.nodes {
        let megaflops = match node.flops() {
            0 => String::new(),
            flops => format!("{:.3}", flops as f64 / 1e6),
        };
        let parameters = match node.parameter_count() {
            0 => String::new(),
            count => grouped(count),
        };
        let output = sample(&node.shape);
        print(format_args!(
            "{:<18} {:<12} {output:>16} {parameters:>12} {megaflops:>11}",
            node.name,
            node.op.name()
        ))?;
    }
    for branch in &graph.branches {
        let (loss, weight) = (branch.loss.name(), branch.loss.loss_weight());
        print(format_args!("{:<18} {loss}, weight {weight}", format!("{}: loss", branch.name)))?;
    }
    let parameters = graph.parameter_count();
    print("")?;
    print(format_args!("parameters       {} ({:.1} MB)", grouped(parameters), 4e-6 * parameters as f64))?;
    if graph.frozen_count() > 0 {
        print(format_args!("frozen           {}", grouped(graph.frozen_count())))?;
    }
    print(format_args!("forward          {:.1} MFLOP a sample", graph.flops() as f64 / 1e6))?;
    print(format_args!("training memory  {:.1} MB for a batch of {batch}", memory as f64 / 1e6))?;
    print(format_args!("training step    {} kernels", training.steps.len()))?;
    let has_dense = graph.nodes.iter().any(|node| matches!(node.op, Op::Dense(_)));
    if has_dense && spec.training.fuse && matches!(spec.optimizer, Op::Adam(_)) {
        print(format_args!("dense with adam  {}", DenseAdam::rule(batch)))?;
    }
    if let Some(refusal) = refusal {
        print(format_args!("beyond WebGPU    {refusal}"))?;
    }
    Ok(Outcome::Done)
}

/// 12,894,242
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
