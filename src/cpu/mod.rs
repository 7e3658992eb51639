//! The backend for machines without a GPU: it walks the plan with the operators' fast paths and
//! float32 twins, on all cores.

use crate::machine::free_bytes;
use crate::ops::{Arg, Data};
use crate::plan::{
    Argument, Backend, BackendError, BackendInfo, BufferId, Clock, Plan, PlanId, Span, Step, check_memory,
};
use crate::shape::DType;
use rayon::prelude::*;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

/// A piece of memory.
#[derive(Debug)]
enum Memory {
    F32(Vec<f32>),
    U32(Vec<u32>),
    U8(Vec<u8>),
}

impl Memory {
    /// Zeros; `None` where there is no memory for them.
    fn new(dtype: DType, bytes: usize) -> Option<Self> {
        // Zeros that nobody has written yet take no memory, and asking for them is fast, but cannot fail: what may
        // fail is asked for before.
        Vec::<u8>::new().try_reserve_exact(bytes).ok()?;
        Some(match dtype {
            DType::F32 => Memory::F32(vec![0.0; bytes / 4]),
            DType::U32 => Memory::U32(vec![0; bytes / 4]),
            DType::U8 => Memory::U8(vec![0; bytes]),
        })
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

    fn all(&self) -> Data<'_, f32> {
        match self {
            Memory::F32(values) => Data::Read(values),
            Memory::U32(values) => Data::ReadWords(values),
            Memory::U8(values) => Data::ReadBytes(values),
        }
    }

    fn all_mut(&mut self) -> Data<'_, f32> {
        match self {
            Memory::F32(values) => Data::Write(values),
            Memory::U32(values) => Data::WriteWords(values),
            Memory::U8(values) => Data::ReadBytes(values),
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
    /// What was free before the first plan, in bytes.
    free: OnceCell<Option<u64>>,
}

impl CpuBackend {
    /// A backend without plans.
    pub fn new() -> Self {
        Self::default()
    }

    /// The memory that a buffer lies in, and its bytes there.
    fn memory_of(&self, plan: PlanId, buffer: BufferId) -> (usize, Range<usize>) {
        let prepared = &self.plans[plan.0];
        let buffer = &prepared.plan.buffers[buffer];
        let first = buffer.offset_bytes;
        (prepared.memory_of_slot[buffer.slot], first..first + buffer.bytes())
    }
}

impl Backend for CpuBackend {
    fn info(&self) -> BackendInfo {
        let threads = rayon::current_num_threads();
        let adapter = format!("{} with {threads} threads", std::env::consts::ARCH);
        let driver = format!("faceshader {}", env!("CARGO_PKG_VERSION"));
        BackendInfo { backend: "cpu".into(), adapter, driver }
    }

    fn check(&self, plan: &Plan) -> Result<(), BackendError> {
        // Scratch counts: the fast paths keep partial sums of about its size.
        let is_new = |name: &Option<String>| name.as_ref().is_none_or(|name| !self.shared.contains_key(name));
        let new = plan.slots.iter().filter(|slot| is_new(&slot.shared_as)).map(|slot| slot.bytes);
        let made = self.memory.iter().map(|memory| memory.bytes().len());
        check_memory(plan, new.chain(made).sum(), *self.free.get_or_init(free_bytes))
    }

    fn prepare(&mut self, plan: &Plan) -> Result<PlanId, BackendError> {
        self.check(plan)?;
        let mut memory_of_slot = Vec::new();
        for slot in &plan.slots {
            let known = slot.shared_as.as_ref().and_then(|name| self.shared.get(name)).copied();
            let index = match known {
                Some(index) => index,
                None => {
                    let memory = Memory::new(slot.dtype, slot.bytes).ok_or_else(|| {
                        let bytes = slot.bytes;
                        BackendError::TooLarge(format!("{}: there is no memory for {bytes} bytes", plan.name))
                    })?;
                    self.memory.push(memory);
                    self.memory.len() - 1
                }
            };
            if let Some(name) = &slot.shared_as {
                self.shared.insert(name.clone(), index);
            }
            memory_of_slot.push(index);
        }
        self.plans.push(Prepared { plan: plan.clone(), memory_of_slot });
        Ok(PlanId(self.plans.len() - 1))
    }

    fn write(&mut self, plan: PlanId, buffer: BufferId, bytes: &[u8]) -> Result<(), BackendError> {
        let (memory, place) = self.memory_of(plan, buffer);
        self.memory[memory].bytes_mut()[place][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn run(&mut self, plan: PlanId) -> Result<(), BackendError> {
        (0..self.plans[plan.0].plan.steps.len()).try_for_each(|step| self.run_step(plan, step))
    }

    fn run_step(&mut self, plan: PlanId, step: usize) -> Result<(), BackendError> {
        let Prepared { plan, memory_of_slot } = &self.plans[plan.0];
        let step = &plan.steps[step];
        let place = |argument: &Argument| {
            let buffer = &plan.buffers[argument.buffer];
            let first = buffer.offset_bytes / buffer.dtype.bytes();
            Place { memory: memory_of_slot[buffer.slot], first, end: first + argument.shape.len() }
        };
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
        let (memory, place) = self.memory_of(plan, buffer);
        Ok(self.memory[memory].bytes()[place].to_vec())
    }
}

/// Elements of a piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    memory: usize,
    first: usize,
    end: usize,
}

/// Borrows the memory of a step's arguments: what it writes exclusively, the rest shared.
fn borrow<'a>(
    memory: &'a mut [Memory],
    plan: &Plan,
    step: &Step,
    place: &dyn Fn(&Argument) -> Place,
) -> Vec<Arg<'a, f32>> {
    let written: Vec<BufferId> = step.writes().collect();
    let is_written = |argument: &&Argument| written.contains(&argument.buffer);
    let written: Vec<Place> = step.twin_arguments().filter(is_written).map(place).collect();
    let mut places: Vec<Place> = step.twin_arguments().map(place).collect();
    places.sort();
    places.dedup();
    let mut pieces: HashMap<Place, Data<'a, f32>> = HashMap::new();
    for (index, memory) in memory.iter_mut().enumerate() {
        let mut here = places.iter().filter(|place| place.memory == index).peekable();
        if here.peek().is_none() {
            continue;
        }
        if !written.iter().any(|place| place.memory == index) {
            let memory = &*memory;
            pieces.extend(here.map(|place| {
                let mut rest = memory.all();
                take(&mut rest, place.first);
                (*place, take(&mut rest, place.end - place.first))
            }));
            continue;
        }
        let (mut rest, mut end) = (memory.all_mut(), 0);
        for place in here {
            assert!(place.first >= end, "{}: two arguments overlap", step.label());
            take(&mut rest, place.first - end);
            let piece = take(&mut rest, place.end - place.first);
            pieces.insert(*place, if written.contains(place) { piece } else { frozen(piece) });
            end = place.end;
        }
    }
    let mut args = Vec::new();
    for argument in step.twin_arguments() {
        let place = place(argument);
        let data = match written.contains(&place) {
            true => pieces.remove(&place),
            false => pieces.get(&place).map(share),
        };
        let Some(data) = data else { unreachable!("{}: two arguments write to one buffer", step.label()) };
        let batched = plan.buffers[argument.buffer].batched;
        args.push(Arg { shape: argument.shape.clone(), data, batched });
    }
    args
}

/// Computes a kernel, its samples in parallel where they do not depend on each other.
fn compute(step: &Step, mut args: Vec<Arg<f32>>) {
    let batch = args.iter().find(|arg| arg.batched).map_or(1, |arg| arg.shape.batch());
    let parts = rayon::current_num_threads().min(batch);
    // Layers side by side may share a batch of which each has results of its own.
    let one_batch = args.iter().all(|arg| !arg.batched || arg.shape.batch() == batch);
    if step.signature().per_sample && one_batch && parts > 1 {
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

/// The same elements, no longer to be written.
fn frozen(data: Data<'_, f32>) -> Data<'_, f32> {
    match data {
        Data::Write(values) => Data::Read(values),
        Data::WriteWords(words) => Data::ReadWords(words),
        read => read,
    }
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
