//! The backend for machines without a GPU: it walks the plan with the operators' fast paths and
//! float32 twins, on all cores.

use crate::ops::{Arg, Data};
use crate::plan::{Argument, Backend, BackendError, BackendInfo, BufferId, Clock, Plan, PlanId, Span, Step};
use crate::shape::DType;
use rayon::prelude::*;
use std::collections::HashMap;
use std::time::Instant;

/// A piece of memory.
#[derive(Debug)]
enum Memory {
    F32(Vec<f32>),
    U32(Vec<u32>),
    U8(Vec<u8>),
}

impl Memory {
    fn new(dtype: DType, bytes: usize) -> Self {
        match dtype {
            DType::F32 => Memory::F32(vec![0.0; bytes / 4]),
            DType::U32 => Memory::U32(vec![0; bytes / 4]),
            DType::U8 => Memory::U8(vec![0; bytes]),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Memory::F32(values) => bytemuck::cast_slice(values),
            Memory::U32(values) => bytemuck::cast_slice(values),
            Memory::U8(values) => values,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Memory::F32(values) => bytemuck::cast_slice_mut(values),
            Memory::U32(values) => bytemuck::cast_slice_mut(values),
            Memory::U8(values) => values,
        }
    }

    fn read(&self, elements: usize) -> Data<'_, f32> {
        match self {
            Memory::F32(values) => Data::Read(&values[..elements]),
            Memory::U32(values) => Data::ReadWords(&values[..elements]),
            Memory::U8(values) => Data::ReadBytes(&values[..elements]),
        }
    }

    fn write(&mut self, elements: usize) -> Data<'_, f32> {
        match self {
            Memory::F32(values) => Data::Write(&mut values[..elements]),
            Memory::U32(values) => Data::WriteWords(&mut values[..elements]),
            Memory::U8(values) => Data::ReadBytes(&values[..elements]),
        }
    }
}

/// A plan and where its slots lie.
#[derive(Debug)]
struct Prepared {
    plan: Plan,
    memory_of_slot: Vec<usize>,
}

/// The CPU backend.
#[derive(Debug, Default)]
pub struct CpuBackend {
    memory: Vec<Memory>,
    shared: HashMap<String, usize>,
    plans: Vec<Prepared>,
}

impl CpuBackend {
    /// A backend without plans.
    pub fn new() -> Self {
        Self::default()
    }

    fn memory_of(&self, plan: PlanId, buffer: BufferId) -> (usize, usize) {
        let prepared = &self.plans[plan.0];
        let buffer = &prepared.plan.buffers[buffer];
        (prepared.memory_of_slot[buffer.slot], buffer.bytes())
    }
}

impl Backend for CpuBackend {
    fn info(&self) -> BackendInfo {
        let threads = rayon::current_num_threads();
        let adapter = format!("{} with {threads} threads", std::env::consts::ARCH);
        let driver = format!("faceshader {}", env!("CARGO_PKG_VERSION"));
        BackendInfo { backend: "cpu".into(), adapter, driver }
    }

    fn prepare(&mut self, plan: &Plan) -> Result<PlanId, BackendError> {
        let mut memory_of_slot = Vec::new();
        for slot in &plan.slots {
            let known = slot.shared_as.as_ref().and_then(|name| self.shared.get(name)).copied();
            let index = known.unwrap_or_else(|| {
                self.memory.push(Memory::new(slot.dtype, slot.bytes));
                self.memory.len() - 1
            });
            if let Some(name) = &slot.shared_as {
                self.shared.insert(name.clone(), index);
            }
            memory_of_slot.push(index);
        }
        self.plans.push(Prepared { plan: plan.clone(), memory_of_slot });
        Ok(PlanId(self.plans.len() - 1))
    }

    fn write(&mut self, plan: PlanId, buffer: BufferId, bytes: &[u8]) -> Result<(), BackendError> {
        let (memory, _) = self.memory_of(plan, buffer);
        self.memory[memory].bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn run(&mut self, plan: PlanId) -> Result<(), BackendError> {
        (0..self.plans[plan.0].plan.steps.len()).try_for_each(|step| self.run_step(plan, step))
    }

    fn run_step(&mut self, plan: PlanId, step: usize) -> Result<(), BackendError> {
        let Prepared { plan, memory_of_slot } = &self.plans[plan.0];
        let step = &plan.steps[step];
        let place = |argument: &Argument| memory_of_slot[plan.buffers[argument.buffer].slot];
        let args = borrow(&mut self.memory, plan, step, &place);
        compute(step, args);
        Ok(())
    }

    fn run_timed(&mut self, plan: PlanId) -> Result<Vec<Span>, BackendError> {
        let begin = Instant::now();
        let mut spans = Vec::new();
        for step in 0..self.plans[plan.0].plan.steps.len() {
            let start = begin.elapsed().as_secs_f64();
            self.run_step(plan, step)?;
            spans.push(Span { start, seconds: begin.elapsed().as_secs_f64() - start });
        }
        Ok(spans)
    }

    fn clock(&self, _plan: PlanId) -> Clock {
        Clock::Host
    }

    fn dispatches(&self, _plan: PlanId) -> usize {
        0
    }

    fn submits(&self, _plan: PlanId) -> usize {
        0
    }

    fn wait(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    fn read(&mut self, plan: PlanId, buffer: BufferId) -> Result<Vec<u8>, BackendError> {
        let (memory, bytes) = self.memory_of(plan, buffer);
        Ok(self.memory[memory].bytes()[..bytes].to_vec())
    }
}

/// Borrows the memory of a step's arguments: what it writes exclusively, the rest shared.
fn borrow<'a>(
    memory: &'a mut [Memory],
    plan: &Plan,
    step: &Step,
    place: &dyn Fn(&Argument) -> usize,
) -> Vec<Arg<'a, f32>> {
    let written: Vec<BufferId> = step.writes().collect();
    let mut exclusive: HashMap<usize, &'a mut Memory> = HashMap::new();
    let mut shared: HashMap<usize, &'a Memory> = HashMap::new();
    let is_written =
        |index: usize| step.arguments.iter().any(|a| written.contains(&a.buffer) && place(a) == index);
    let is_used = |index: usize| step.arguments.iter().any(|a| place(a) == index);
    for (index, memory) in memory.iter_mut().enumerate() {
        if is_written(index) {
            exclusive.insert(index, memory);
        } else if is_used(index) {
            shared.insert(index, memory);
        }
    }
    let mut args = Vec::new();
    for argument in step.twin_arguments() {
        let (index, elements) = (place(argument), argument.shape.len());
        let data = match exclusive.remove(&index) {
            Some(memory) => memory.write(elements),
            None => match shared.get(&index) {
                Some(memory) => memory.read(elements),
                None => unreachable!("{}: two arguments write to one buffer", step.label()),
            },
        };
        let batched = plan.buffers[argument.buffer].batched;
        args.push(Arg { shape: argument.shape.clone(), data, batched });
    }
    args
}

/// Computes a kernel, its samples in parallel where they do not depend on each other.
fn compute(step: &Step, mut args: Vec<Arg<f32>>) {
    let batch = args.iter().find(|arg| arg.batched).map_or(1, |arg| arg.shape.batch());
    let parts = rayon::current_num_threads().min(batch);
    if step.signature().per_sample && parts > 1 {
        split(args, batch, parts).into_par_iter().for_each(|mut args| compute_part(step, &mut args));
    } else {
        compute_part(step, &mut args);
    }
}

fn compute_part(step: &Step, args: &mut [Arg<f32>]) {
    if !step.op.fast(&step.kernel, args) {
        step.op.twin(&step.kernel, args);
    }
}

/// Cuts the batch into parts: each gets its samples of the batched arguments, and all of the others.
fn split<'a>(args: Vec<Arg<'a, f32>>, batch: usize, parts: usize) -> Vec<Vec<Arg<'a, f32>>> {
    let sizes: Vec<usize> =
        (0..parts).map(|part| (part + 1) * batch / parts - part * batch / parts).collect();
    let mut split: Vec<Vec<Arg<f32>>> = sizes.iter().map(|_| Vec::with_capacity(args.len())).collect();
    for arg in args {
        let Arg { shape, mut data, batched } = arg;
        let per_sample = shape.len() / batch;
        for (part, &samples) in split.iter_mut().zip(&sizes) {
            let (data, shape) = if batched {
                (take(&mut data, samples * per_sample), shape.with_batch(samples))
            } else {
                (share(&data), shape.clone())
            };
            part.push(Arg { shape, data, batched });
        }
    }
    split
}

/// Takes the first elements out of `data`.
fn take<'a>(data: &mut Data<'a, f32>, elements: usize) -> Data<'a, f32> {
    match data {
        Data::Read(values) => Data::Read(take_shared(values, elements)),
        Data::ReadWords(values) => Data::ReadWords(take_shared(values, elements)),
        Data::ReadBytes(values) => Data::ReadBytes(take_shared(values, elements)),
        Data::Write(values) => Data::Write(take_exclusive(values, elements)),
        Data::WriteWords(values) => Data::WriteWords(take_exclusive(values, elements)),
    }
}

fn take_shared<'a, T>(values: &mut &'a [T], elements: usize) -> &'a [T] {
    let (first, rest) = values.split_at(elements);
    *values = rest;
    first
}

fn take_exclusive<'a, T>(values: &mut &'a mut [T], elements: usize) -> &'a mut [T] {
    let (first, rest) = std::mem::take(values).split_at_mut(elements);
    *values = rest;
    first
}

/// The same elements again, to read.
fn share<'a>(data: &Data<'a, f32>) -> Data<'a, f32> {
    match data {
        Data::Read(values) => Data::Read(values),
        Data::ReadWords(values) => Data::ReadWords(values),
        Data::ReadBytes(values) => Data::ReadBytes(values),
        Data::Write(_) | Data::WriteWords(_) => {
            unreachable!("a kernel whose samples are independent writes to what they share")
        }
    }
}
