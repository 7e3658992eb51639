//! A whole training step, or a prediction, as a straight list of steps over numbered buffers.
//!
//! Everything is decided here, before the first batch: shapes, buffers, the order of the steps and
//! who shares memory with whom. A backend replays the list. Plans are plain data.

mod average;
mod backend;
mod beside;
mod clip;
mod free;
mod fuse;
mod limits;
mod lower;
mod memory;
mod program;
mod spirv;
mod together;

pub use average::average_name;
pub use backend::{Backend, BackendError, BackendInfo, Clock, PlanId, Span, check_memory};
pub use limits::{Limits, TooLarge};
pub use lower::{Purpose, lower};
pub use program::{Bound, Invocation, Pipeline, Program, ProgramError};
pub use spirv::TranslationError;

use crate::ops::{ArgumentSpec, Kernel, Op};
use crate::shape::{DType, Shape};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The number of a buffer in its plan.
pub type BufferId = usize;

/// How long a buffer's contents matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The host writes it before every run.
    Input,
    /// It lives from run to run, and all plans of a backend share it by its name.
    Persistent,
    /// The host may read it after a run.
    Output,
    /// It holds something only between two steps, and shares memory with others.
    Transient,
}

/// A buffer of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Buffer {
    /// What it holds, such as `age.conv3.output` or `age.conv3.weight`.
    pub name: String,
    /// The extent of every axis.
    pub shape: Shape,
    /// What one element is.
    pub dtype: DType,
    /// Whether the first axis is the batch.
    pub batched: bool,
    /// How long its contents matter.
    pub kind: Kind,
    /// The memory that it lies in: an index into [`Plan::slots`].
    pub slot: usize,
    /// Where it begins there.
    pub offset_bytes: usize,
    /// The buffer that it is a part of, if it is one.
    pub part_of: Option<Part>,
}

/// Where a buffer lies in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The other one.
    pub whole: BufferId,
    /// Where it begins there.
    pub offset_bytes: usize,
}

impl Buffer {
    /// A buffer of its own, without memory yet.
    pub fn new(name: impl Into<String>, spec: ArgumentSpec, kind: Kind) -> Self {
        let ArgumentSpec { shape, dtype, batched } = spec;
        Self { name: name.into(), shape, dtype, batched, kind, slot: 0, offset_bytes: 0, part_of: None }
    }

    /// Its size in memory: whole words.
    pub fn bytes(&self) -> usize {
        (self.shape.len() * self.dtype.bytes()).next_multiple_of(4)
    }
}

/// A piece of memory, used by one buffer or by several whose lives do not overlap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// What one element is; buffers of other types never share it.
    pub dtype: DType,
    /// Room for the largest of its buffers.
    pub bytes: usize,
    /// The name under which all plans of a backend share it.
    pub shared_as: Option<String>,
}

/// An argument of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Argument {
    /// The name in the kernel's signature.
    pub name: String,
    /// The buffer.
    pub buffer: BufferId,
    /// The shape in which the kernel sees the buffer.
    pub shape: Shape,
}

/// One kernel with its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The layer, branch or parameter that it works for.
    pub layer: String,
    /// The operator with its attributes.
    pub op: Op,
    /// The kernel's name.
    pub kernel: String,
    /// The twin's arguments in the kernel's order, then scratch.
    pub arguments: Vec<Argument>,
}

impl Step {
    /// The kernel's full name, such as `conv2d.forward`.
    pub fn label(&self) -> String {
        format!("{}.{}", self.op.name(), self.kernel)
    }

    /// The kernel's signature.
    pub fn signature(&self) -> &'static Kernel {
        match self.op.kernel(&self.kernel) {
            Some(kernel) => kernel,
            None => unreachable!("{} has no kernel {:?}", self.op.name(), self.kernel),
        }
    }

    /// The buffers that the kernel reads.
    pub fn reads(&self) -> impl Iterator<Item = BufferId> {
        let kernel = self.signature();
        self.arguments.iter().filter(|a| kernel.reads.contains(&a.name.as_str())).map(|a| a.buffer)
    }

    /// The buffers that the kernel writes, scratch included.
    pub fn writes(&self) -> impl Iterator<Item = BufferId> {
        let kernel = self.signature();
        let written = |a: &&Argument| {
            kernel.writes.contains(&a.name.as_str()) || kernel.scratch.contains(&a.name.as_str())
        };
        self.arguments.iter().filter(written).map(|a| a.buffer)
    }

    /// The arguments that the twin gets: all but scratch.
    pub fn twin_arguments(&self) -> impl Iterator<Item = &Argument> {
        let kernel = self.signature();
        self.arguments.iter().filter(|a| !kernel.scratch.contains(&a.name.as_str()))
    }

    /// Floating-point operations; of a gradient, as many as of the forward pass.
    pub fn flops(&self) -> u64 {
        let shape_of = |name: &str| self.arguments.iter().find(|argument| argument.name == name);
        let input = shape_of("input").or_else(|| shape_of("d_input"));
        input.map_or(0, |input| self.op.kernel_flops(&self.kernel, std::slice::from_ref(&input.shape)))
    }

    /// The shape of the argument `name`.
    pub fn shape(&self, name: &str) -> Shape {
        match self.arguments.iter().find(|argument| argument.name == name) {
            Some(argument) => argument.shape.clone(),
            None => unreachable!("{} has no argument {name:?}", self.label()),
        }
    }
}

/// A list of steps over numbered buffers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What it is for, such as `face.training`.
    pub name: String,
    /// Samples a run.
    pub batch: usize,
    /// The buffers.
    pub buffers: Vec<Buffer>,
    /// The memory that they lie in.
    pub slots: Vec<Slot>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The buffer of this name.
    pub fn buffer(&self, name: &str) -> Option<BufferId> {
        self.buffers.iter().position(|buffer| buffer.name == name)
    }

    /// The buffer that another one lies in without being a part of any, and where it begins there.
    pub fn root(&self, buffer: BufferId) -> (BufferId, usize) {
        let (mut root, mut first) = (buffer, 0);
        while let Some(part) = self.buffers[root].part_of {
            (root, first) = (part.whole, first + part.offset_bytes);
        }
        (root, first)
    }

    /// The buffers that live from run to run: what is to be saved. Those that only hold others are not among
    /// them.
    pub fn lasting(&self) -> impl Iterator<Item = (BufferId, &Buffer)> {
        let parts = self.buffers.iter().filter_map(|buffer| buffer.part_of);
        let wholes: HashSet<BufferId> = parts.map(|part| part.whole).collect();
        let buffers = self.buffers.iter().enumerate();
        buffers.filter(move |(id, buffer)| buffer.kind == Kind::Persistent && !wholes.contains(id))
    }

    /// Floating-point operations of a run. A gradient costs what its forward pass does.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(Step::flops).sum()
    }

    /// Bytes that all steps read and write, if each reads and writes every argument once.
    pub fn traffic_bytes(&self) -> usize {
        self.steps.iter().map(|step| self.step_bytes(step)).sum()
    }

    /// Bytes that one step reads and writes.
    pub fn step_bytes(&self, step: &Step) -> usize {
        let kernel = step.signature();
        let times = |argument: &Argument| {
            let name = &argument.name.as_str();
            usize::from(kernel.reads.contains(name)) + usize::from(kernel.writes.contains(name))
        };
        step.arguments.iter().map(|argument| times(argument) * self.buffers[argument.buffer].bytes()).sum()
    }

    /// The memory that all buffers take together.
    pub fn memory_bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.bytes).sum()
    }
}
