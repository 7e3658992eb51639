//! What a plan has to compute and to move at the least, and what its dispatches move.

use faceshader::plan::{Bound, Invocation, Plan, Program, Step};
use faceshader::shaders::Access;
use faceshader::shape::Shape;

/// Floating-point operations of a step: those of the layer where a kernel works on its inputs, and
/// otherwise one for every element that it writes.
pub fn flops(step: &Step) -> f64 {
    let shape = |name: &str| {
        let found = step.arguments.iter().find(|argument| argument.name == name);
        found.map(|argument| argument.shape.clone())
    };
    let inputs: Option<Vec<Shape>> =
        step.op.inputs().iter().map(|name| shape(name).or_else(|| shape(&format!("d_{name}")))).collect();
    let of_layer = inputs.map_or(0, |inputs| step.op.kernel_flops(&step.kernel, &inputs));
    let writes = step.signature().writes;
    let written = step.arguments.iter().filter(|argument| writes.contains(&argument.name.as_str()));
    let elements: usize = written.map(|argument| argument.shape.len()).max().unwrap_or(0);
    of_layer.max(elements as u64) as f64
}

/// Bytes that a step has to read and to write, each buffer once, scratch not counted.
pub fn step_bytes(plan: &Plan, step: &Step) -> f64 {
    let kernel = step.signature();
    let sizes = step.twin_arguments().map(|argument| {
        let name = argument.name.as_str();
        let times = usize::from(kernel.reads.contains(&name)) + usize::from(kernel.writes.contains(&name));
        times * plan.buffers[argument.buffer].bytes()
    });
    sizes.sum::<usize>() as f64
}

/// Bytes that a dispatch reads and writes if its caches hold whatever it sees twice: every buffer once.
/// Where several dispatches of a step write a buffer, each writes its share.
pub fn dispatch_bytes(plan: &Plan, program: &Program, dispatch: &Invocation) -> f64 {
    let step = &plan.steps[dispatch.step];
    let mut seen = Vec::new();
    let mut bytes = 0.0;
    for bound in &dispatch.bindings {
        if seen.contains(&bound.slot) {
            continue;
        }
        seen.push(bound.slot);
        bytes += bound.bytes as f64
            * match bound.access {
                Access::Read | Access::Uniform => 1.0,
                Access::ReadWrite => {
                    let reads = step.reads().any(|buffer| plan.buffers[buffer].slot == bound.slot);
                    let writes = |other: &Bound| other.slot == bound.slot && other.access == bound.access;
                    let writers = program.dispatches.iter().filter(|other| other.step == dispatch.step);
                    let writers = writers.filter(|other| other.bindings.iter().any(writes)).count();
                    f64::from(1 + u8::from(reads)) / writers as f64
                }
            };
    }
    bytes
}
