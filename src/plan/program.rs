//! A plan lowered to dispatches: pipelines, bindings and workgroup counts.
//!
//! Whatever has WebGPU can replay a program; it is plain data and knows nothing of devices.

use super::limits::{Limits, TooLarge};
use super::{Kind, Plan, Slot, Step};
use crate::ops::{Dispatch, VIEW_SUFFIXES, Variant, WINDOW_BYTES};
use crate::shaders::{Access, Binding, EntryPoint, Shader, shader};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

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

/// Why a plan does not become a program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProgramError {
    /// An operator and its shader do not fit together: a mistake in this program.
    #[error("shaders/{shader}.wgsl, {entry_point}: {reason}")]
    Mismatch {
        /// The shader's name.
        shader: String,
        /// The entry point's name.
        entry_point: String,
        /// What does not fit.
        reason: String,
    },
    /// A step needs more than devices offer.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

impl Program {
    /// Lowers a plan for adapters of one kind, within WebGPU's default limits.
    pub fn new(plan: &Plan, variant: Variant) -> Result<Program, ProgramError> {
        Self::mixed(plan, &|_| variant, &Limits::WEBGPU)
    }

    /// Lowers a plan, with a variant for each kernel by its full name, such as `conv2d.forward`.
    pub fn mixed(
        plan: &Plan,
        variant: &dyn Fn(&str) -> Variant,
        limits: &Limits,
    ) -> Result<Program, ProgramError> {
        let mut pipelines = Pipelines::default();
        let mut dispatches = Vec::new();
        for (index, step) in plan.steps.iter().enumerate() {
            let made = step.op.dispatches(&step.kernel, variant(&step.label()), &|name| step.shape(name));
            for dispatch in made {
                let Found { shader, entry_point } = Found::of(step, &dispatch)?;
                let bindings: Vec<Bound> = (entry_point.bindings.iter())
                    .map(|binding| bound(plan, step, &dispatch, binding))
                    .collect::<Result<_, _>>()
                    .map_err(|reason| mismatch(step, &dispatch, reason))?;
                limits.check(step, entry_point, &bindings, dispatch.workgroups)?;
                let pipeline = pipelines.of(shader, step, &dispatch)?;
                dispatches.push(Invocation {
                    step: index,
                    pipeline,
                    bindings,
                    workgroups: dispatch.workgroups,
                });
            }
        }
        let slots = slots(plan, &dispatches, limits)?;
        Ok(Program { name: plan.name.clone(), slots, pipelines: pipelines.list, dispatches })
    }

    /// The memory that all buffers take together.
    pub fn memory_bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.bytes).sum()
    }
}

fn mismatch(step: &Step, dispatch: &Dispatch, reason: impl Into<String>) -> ProgramError {
    ProgramError::Mismatch {
        shader: step.op.shader().into(),
        entry_point: dispatch.entry_point.clone(),
        reason: reason.into(),
    }
}

/// The shader of a dispatch.
struct Found {
    shader: &'static Shader,
    entry_point: &'static EntryPoint,
}

impl Found {
    fn of(step: &Step, dispatch: &Dispatch) -> Result<Self, ProgramError> {
        let shader =
            shader(step.op.shader()).ok_or_else(|| mismatch(step, dispatch, "there is no such shader"))?;
        let entry_point = shader
            .entry_point(&dispatch.entry_point)
            .ok_or_else(|| mismatch(step, dispatch, "there is no such entry point"))?;
        Ok(Self { shader, entry_point })
    }
}

/// The buffer behind a binding, or what is wrong with it.
fn bound(plan: &Plan, step: &Step, dispatch: &Dispatch, binding: &Binding) -> Result<Bound, String> {
    let view = VIEW_SUFFIXES.iter().find_map(|suffix| binding.name.strip_suffix(suffix));
    let name = view.unwrap_or(binding.name);
    let argument = step.arguments.iter().find(|argument| argument.name == name);
    let argument = argument.ok_or_else(|| format!("kernel {} has no argument {name:?}", step.label()))?;
    let buffer = &plan.buffers[argument.buffer];
    let (offset_bytes, bytes) = match binding.access {
        Access::Uniform => {
            let offset = dispatch.offsets.iter().find(|(other, _)| other == name);
            (offset.map_or(0, |&(_, bytes)| bytes), WINDOW_BYTES)
        }
        Access::Read | Access::ReadWrite => {
            // What the argument has beyond the kernel's room is for other variants and kernels.
            let elements = argument.shape.len();
            let room =
                dispatch.rooms.iter().find(|(other, _)| other == name).map_or(elements, |&(_, room)| room);
            let unseen = elements.checked_sub(room).ok_or_else(|| format!("{name:?} has no such room"))?;
            (0, buffer.bytes() - unseen * buffer.dtype.bytes())
        }
    };
    if offset_bytes + bytes > buffer.bytes() || argument.shape.len() > buffer.shape.len() {
        return Err(format!("{name:?} is seen beyond its end"));
    }
    let offset_bytes = buffer.offset_bytes + offset_bytes;
    Ok(Bound { binding: binding.index, slot: buffer.slot, offset_bytes, bytes, access: binding.access })
}

/// The pipelines so far, each once.
#[derive(Default)]
struct Pipelines {
    list: Vec<Pipeline>,
    /// By shader, entry point and the bits of the constants.
    known: HashMap<(&'static str, String, Vec<u64>), usize>,
}

impl Pipelines {
    /// The pipeline of a dispatch: an index into the list.
    fn of(
        &mut self,
        shader: &'static Shader,
        step: &Step,
        dispatch: &Dispatch,
    ) -> Result<usize, ProgramError> {
        let mut constants = Vec::new();
        for &name in shader.constants {
            let value = dispatch.constants.iter().find(|(other, _)| other == name);
            let (_, value) =
                value.ok_or_else(|| mismatch(step, dispatch, format!("nobody sets the constant {name}")))?;
            constants.push((name.to_string(), *value));
        }
        let bits = constants.iter().map(|(_, value)| value.to_bits()).collect();
        let key = (shader.name, dispatch.entry_point.clone(), bits);
        Ok(*self.known.entry(key).or_insert_with(|| {
            let entry_point = dispatch.entry_point.clone();
            self.list.push(Pipeline { shader: shader.name.into(), entry_point, constants });
            self.list.len() - 1
        }))
    }
}

/// Room for what the dispatches see, and for what the host writes or reads: scratch of kernels for another kind
/// of adapter takes none. What other plans share stays as large as they need it.
fn slots(plan: &Plan, dispatches: &[Invocation], limits: &Limits) -> Result<Vec<Slot>, ProgramError> {
    let mut rooms = vec![4; plan.slots.len()];
    for buffer in plan.buffers.iter().filter(|buffer| buffer.kind != Kind::Transient) {
        rooms[buffer.slot] = buffer.bytes().max(rooms[buffer.slot]);
    }
    for bound in dispatches.iter().flat_map(|dispatch| &dispatch.bindings) {
        rooms[bound.slot] = rooms[bound.slot].max(bound.offset_bytes + bound.bytes);
    }
    let mut slots = plan.slots.clone();
    for (slot, room) in slots.iter_mut().zip(rooms).filter(|(slot, _)| slot.shared_as.is_none()) {
        slot.bytes = room;
    }
    for dispatch in dispatches {
        for bound in &dispatch.bindings {
            limits.check_buffer(&plan.steps[dispatch.step], slots[bound.slot].bytes)?;
        }
    }
    Ok(slots)
}
