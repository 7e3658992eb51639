//! A plan lowered to dispatches: pipelines, bindings and workgroup counts.
//!
//! Whatever has WebGPU can replay a program; it is plain data and knows nothing of devices.

use super::{Buffer, Kind, Plan, Slot};
use crate::ops::{VIEW_SUFFIXES, Variant, WINDOW_BYTES};
use crate::shaders::{Access, shader};
use serde::{Deserialize, Serialize};

/// A shader with its constants: what a device compiles once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// The shader's name: `shaders/NAME.wgsl`.
    pub shader: String,
    /// The entry point.
    pub entry_point: String,
    /// Values of the `override` constants that the shader declares.
    pub constants: Vec<(String, f64)>,
}

/// A buffer bound to a shader's variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The number of the binding, in group 0.
    pub binding: u32,
    /// The memory: an index into [`Program::slots`].
    pub slot: usize,
    /// Where the shader begins to see it.
    pub offset_bytes: usize,
    /// How much of it the shader sees.
    pub bytes: usize,
    /// How the shader sees it.
    pub access: Access,
}

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    /// The step of the plan that it belongs to.
    pub step: usize,
    /// An index into [`Program::pipelines`].
    pub pipeline: usize,
    /// The buffers.
    pub bindings: Vec<Bound>,
    /// Workgroups along x, y and z.
    pub workgroups: [u32; 3],
}

/// Everything that a device has to do, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The plan's name.
    pub name: String,
    /// The memory.
    pub slots: Vec<Slot>,
    /// What the device compiles.
    pub pipelines: Vec<Pipeline>,
    /// What it runs.
    pub dispatches: Vec<Invocation>,
}

/// An operator and its shader do not fit together: a mistake in this program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("shaders/{shader}.wgsl, {entry_point}: {reason}")]
pub struct ProgramError {
    /// The shader's name.
    pub shader: String,
    /// The entry point's name.
    pub entry_point: String,
    /// What does not fit.
    pub reason: String,
}

impl Program {
    /// Lowers a plan for adapters of one kind.
    pub fn new(plan: &Plan, variant: Variant) -> Result<Program, ProgramError> {
        Self::mixed(plan, &|_| variant)
    }

    /// Lowers a plan, with a variant for each kernel by its full name, such as `conv2d.forward`.
    pub fn mixed(plan: &Plan, variant: &dyn Fn(&str) -> Variant) -> Result<Program, ProgramError> {
        let mut pipelines: Vec<Pipeline> = Vec::new();
        let mut dispatches = Vec::new();
        for (index, step) in plan.steps.iter().enumerate() {
            for dispatch in step.op.dispatches(&step.kernel, variant(&step.label()), &|name| step.shape(name))
            {
                let error = |reason: String| ProgramError {
                    shader: step.op.shader().into(),
                    entry_point: dispatch.entry_point.clone(),
                    reason,
                };
                let shader =
                    shader(step.op.shader()).ok_or_else(|| error("there is no such shader".into()))?;
                let entry_point = shader
                    .entry_point(&dispatch.entry_point)
                    .ok_or_else(|| error("there is no such entry point".into()))?;
                let mut bindings = Vec::new();
                for binding in entry_point.bindings {
                    let view = VIEW_SUFFIXES.iter().find_map(|suffix| binding.name.strip_suffix(suffix));
                    let name = view.unwrap_or(binding.name);
                    let argument = step.arguments.iter().find(|argument| argument.name == name);
                    let argument = argument
                        .ok_or_else(|| error(format!("kernel {} has no argument {name:?}", step.label())))?;
                    let buffer = &plan.buffers[argument.buffer];
                    let offset = dispatch.offsets.iter().find(|(other, _)| other == name);
                    let (offset_bytes, bytes) = match binding.access {
                        Access::Uniform => (offset.map_or(0, |&(_, bytes)| bytes), WINDOW_BYTES),
                        Access::Read | Access::ReadWrite => (0, buffer.bytes()),
                    };
                    if offset_bytes + bytes > buffer.bytes() || argument.shape.len() > buffer.shape.len() {
                        return Err(error(format!("{name:?} is seen beyond its end")));
                    }
                    let (binding, slot, access) = (binding.index, buffer.slot, binding.access);
                    let offset_bytes = buffer.offset_bytes + offset_bytes;
                    bindings.push(Bound { binding, slot, offset_bytes, bytes, access });
                }
                let mut constants = Vec::new();
                for name in shader.constants {
                    let value = dispatch.constants.iter().find(|(other, _)| other == name);
                    let (_, value) =
                        value.ok_or_else(|| error(format!("nobody sets the constant {name}")))?;
                    constants.push((name.to_string(), *value));
                }
                let pipeline = Pipeline {
                    shader: shader.name.into(),
                    entry_point: dispatch.entry_point.clone(),
                    constants,
                };
                let known = pipelines.iter().position(|other| *other == pipeline);
                let pipeline = known.unwrap_or_else(|| {
                    pipelines.push(pipeline);
                    pipelines.len() - 1
                });
                dispatches.push(Invocation {
                    step: index,
                    pipeline,
                    bindings,
                    workgroups: dispatch.workgroups,
                });
            }
        }
        // Room for what the dispatches see, and for what the host writes or reads: scratch of kernels for
        // another kind of adapter takes none. What other plans share stays as large as they need it.
        let mut slots = plan.slots.clone();
        for (index, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| slot.shared_as.is_none()) {
            let seen = dispatches.iter().flat_map(|dispatch| &dispatch.bindings);
            let seen = seen.filter(|bound| bound.slot == index).map(|bound| bound.offset_bytes + bound.bytes);
            let host = plan.buffers.iter().filter(|buffer| buffer.slot == index);
            let host = host.filter(|buffer| buffer.kind != Kind::Transient).map(Buffer::bytes);
            slot.bytes = seen.chain(host).max().unwrap_or(0).max(4);
        }
        Ok(Program { name: plan.name.clone(), slots, pipelines, dispatches })
    }
}
