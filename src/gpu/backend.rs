//! Replays programs on a GPU.

use super::adapter::Adapter;
use super::device::Device;
use super::submits::{MEASURED_RUNS, Submits, group};
use crate::machine::free_bytes;
use crate::ops::Variant;
use crate::plan::{
    Backend, BackendError, BackendInfo, Bound, BufferId, Clock, Limits, Pipeline, Plan, PlanId, Program,
    ProgramError, Span, check_memory,
};
use crate::shaders::{Access, shader};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::time::Instant;
use wgpu::{BufferUsages, ShaderStages};

/// How a program is replayed.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keep the driver's and wgpu's checks of indices and loops in the shaders.
    pub checked: bool,
    /// What the kernels are made for; what the adapter is, if not given.
    pub variant: Option<Variant>,
    /// Kernels, by their full names, that are made for something else: those that were measured to be faster.
    pub chosen: Chosen,
    /// Seconds that one submit may take; if not given, a quarter of one on a real GPU, and no limit on a
    /// software adapter, which nobody watches.
    pub submit_seconds: Option<f64>,
}

/// Variants of kernels by their full names, such as `conv2d.forward`.
pub type Chosen = BTreeMap<String, Variant>;

/// Windows resets a GPU that works on one submit for two seconds, and a screen stutters long before.
const SUBMIT_SECS: f64 = 0.25;

/// Submissions that may be on their way at once. More would pile up their uploads in memory.
const IN_FLIGHT: usize = 3;

/// A plan with everything that a device needs to run it.
#[derive(Debug)]
struct Prepared {
    plan: Plan,
    slots: Vec<wgpu::Buffer>,
    dispatches: Vec<Dispatch>,
    submits: Submits,
}

#[derive(Debug)]
struct Dispatch {
    step: usize,
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Dispatch {
    fn record(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// The GPU backend.
#[derive(Debug)]
pub struct GpuBackend {
    device: Device,
    checked: bool,
    variant: Variant,
    chosen: Chosen,
    submit_seconds: f64,
    modules: HashMap<String, wgpu::ShaderModule>,
    shared: HashMap<String, wgpu::Buffer>,
    plans: Vec<Prepared>,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    /// Memory of the host that was free before the first plan, where it is what the adapter has.
    free_bytes: Option<u64>,
    /// Bytes of all buffers so far.
    made_bytes: usize,
}

impl GpuBackend {
    /// Opens an adapter.
    pub fn open(adapter: &Adapter, options: Options) -> Result<Self, BackendError> {
        Ok(Self {
            device: Device::open(adapter)?,
            checked: options.checked,
            variant: options.variant.unwrap_or(Variant::usual(adapter.report.is_software)),
            chosen: options.chosen,
            submit_seconds: options.submit_seconds.unwrap_or(match adapter.report.is_software {
                true => f64::INFINITY,
                false => SUBMIT_SECS,
            }),
            modules: HashMap::new(),
            shared: HashMap::new(),
            plans: Vec::new(),
            in_flight: VecDeque::new(),
            free_bytes: if adapter.report.is_software { free_bytes() } else { None },
            made_bytes: 0,
        })
    }

    /// Compiles `source` in place of the built-in shader `name`, always with the driver's and wgpu's
    /// checks. It is for tests: they break a shader, and ask whether its proof notices.
    pub fn replace_shader(&mut self, name: &str, source: &str) -> Result<(), BackendError> {
        let module = self.device.checked(|| self.device.shader_module(name, source, true))?;
        self.modules.insert(name.into(), module);
        Ok(())
    }

    /// Runs a single dispatch of a plan, whatever the others would have left in its buffers. It is for tests.
    pub fn run_dispatch(&mut self, plan: PlanId, dispatch: usize) -> Result<(), BackendError> {
        self.submit(plan, dispatch..dispatch + 1)?;
        self.wait()
    }

    /// A plan as this device runs it.
    fn program(&self, plan: &Plan) -> Result<Program, BackendError> {
        let variant = |kernel: &str| self.chosen.get(kernel).copied().unwrap_or(self.variant);
        let limits = self.device.handle.limits();
        let limits = Limits {
            binding_bytes: limits.max_storage_buffer_binding_size as usize,
            buffer_bytes: limits.max_buffer_size as usize,
        };
        Program::mixed(plan, &variant, &limits).map_err(|error| match error {
            ProgramError::TooLarge(error) => BackendError::TooLarge(error.to_string()),
            ProgramError::Mismatch { .. } => BackendError::Unsupported(error.to_string()),
        })
    }

    /// Whether there is memory for a program. What a real GPU has left, nobody tells.
    fn check_program(&self, plan: &Plan, program: &Program) -> Result<(), BackendError> {
        let is_new = |name: &Option<String>| name.as_ref().is_none_or(|name| !self.shared.contains_key(name));
        let new =
            program.slots.iter().filter(|slot| is_new(&slot.shared_as)).map(|slot| slot.bytes).sum::<usize>();
        check_memory(plan, self.made_bytes + new, self.free_bytes)
    }

    fn slots(&mut self, program: &Program) -> Result<Vec<wgpu::Buffer>, BackendError> {
        let mut slots = Vec::new();
        for (index, slot) in program.slots.iter().enumerate() {
            let mut usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
            let bindings = program.dispatches.iter().flat_map(|dispatch| &dispatch.bindings);
            if bindings.filter(|bound| bound.slot == index).any(|bound| bound.access == Access::Uniform) {
                usage |= BufferUsages::UNIFORM;
            }
            let known = slot.shared_as.as_ref().and_then(|name| self.shared.get(name)).cloned();
            self.made_bytes += if known.is_none() { slot.bytes } else { 0 };
            let buffer = match known {
                Some(buffer) => buffer,
                None => self.device.checked(|| {
                    self.device.handle.create_buffer(&wgpu::BufferDescriptor {
                        label: slot.shared_as.as_deref(),
                        size: slot.bytes as u64,
                        usage,
                        mapped_at_creation: false,
                    })
                })?,
            };
            if let Some(name) = &slot.shared_as {
                self.shared.insert(name.clone(), buffer.clone());
            }
            slots.push(buffer);
        }
        Ok(slots)
    }

    fn module(&mut self, name: &str) -> Result<wgpu::ShaderModule, BackendError> {
        if let Some(module) = self.modules.get(name) {
            return Ok(module.clone());
        }
        let source = shader(name).map_or("", |shader| shader.source);
        let module = self.device.checked(|| self.device.shader_module(name, source, self.checked))?;
        self.modules.insert(name.into(), module.clone());
        Ok(module)
    }

    fn pipeline(
        &mut self,
        pipeline: &Pipeline,
        bindings: &[Bound],
    ) -> Result<(wgpu::ComputePipeline, wgpu::BindGroupLayout), BackendError> {
        let module = self.module(&pipeline.shader)?;
        let label = format!("{}.{}", pipeline.shader, pipeline.entry_point);
        let entries: Vec<wgpu::BindGroupLayoutEntry> = bindings
            .iter()
            .map(|bound| wgpu::BindGroupLayoutEntry {
                binding: bound.binding,
                visibility: ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match bound.access {
                        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                        Access::Uniform => wgpu::BufferBindingType::Uniform,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let constants: Vec<(&str, f64)> =
            pipeline.constants.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let device = &self.device.handle;
        self.device.checked(|| {
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(&label),
                entries: &entries,
            });
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(&label),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let compiled = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(&pipeline.entry_point),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    zero_initialize_workgroup_memory: true,
                },
                cache: None,
            });
            (compiled, layout)
        })
    }

    /// Runs all steps in one submit, each in a pass of its own with a timestamp before and after it.
    fn run_with_timestamps(&mut self, plan: PlanId) -> Result<Vec<Span>, BackendError> {
        let Prepared { plan, dispatches, .. } = &self.plans[plan.0];
        let device = &self.device.handle;
        let count = 2 * plan.steps.len() as u32;
        let (queries, times) = self.device.checked(|| {
            let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let times = device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: u64::from(count) * size_of::<u64>() as u64,
                usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            (queries, times)
        })?;
        self.device.submit(&plan.name, |encoder| {
            for step in 0..plan.steps.len() {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &queries,
                        beginning_of_pass_write_index: Some(2 * step as u32),
                        end_of_pass_write_index: Some(2 * step as u32 + 1),
                    }),
                });
                dispatches.iter().filter(|dispatch| dispatch.step == step).for_each(|dispatch| {
                    dispatch.record(&mut pass);
                });
            }
            encoder.resolve_query_set(&queries, 0..count, &times, 0);
        })?;
        let ticks = self.device.read(&times, 0, count as usize * size_of::<u64>())?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&ticks);
        let seconds = 1e-9 * f64::from(self.device.queue.get_timestamp_period());
        let since = |from: u64, to: u64| to.saturating_sub(from) as f64 * seconds;
        let (pairs, _) = ticks.as_chunks::<2>();
        let first = pairs.first().map_or(0, |pair| pair[0]);
        let span = |&[begin, end]: &[u64; 2]| Span { start: since(first, begin), seconds: since(begin, end) };
        Ok(pairs.iter().map(span).collect())
    }

    /// Records some dispatches in one pass, and submits them.
    fn submit(&mut self, plan: PlanId, range: Range<usize>) -> Result<(), BackendError> {
        let Prepared { plan, dispatches, .. } = &self.plans[plan.0];
        let submission = self.device.submit(&plan.name, |encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            dispatches[range].iter().for_each(|dispatch| dispatch.record(&mut pass));
        })?;
        self.in_flight.push_back(submission);
        if self.in_flight.len() > IN_FLIGHT {
            self.device.wait(self.in_flight.pop_front())?;
        }
        self.device.healthy()
    }

    /// Runs dispatch by dispatch, and learns from it what one submit can hold.
    fn run_measuring(&mut self, plan: PlanId, runs_before: usize) -> Result<(), BackendError> {
        self.wait()?;
        let mut seconds = Vec::new();
        for dispatch in 0..self.plans[plan.0].dispatches.len() {
            let start = Instant::now();
            self.submit(plan, dispatch..dispatch + 1)?;
            self.wait()?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        self.plans[plan.0].submits = match runs_before + 1 {
            MEASURED_RUNS => Submits::Known(group(&seconds, self.submit_seconds)),
            runs => Submits::Measuring(runs),
        };
        Ok(())
    }

    /// The dispatches of a step.
    fn dispatches_of(&self, plan: PlanId, step: usize) -> Range<usize> {
        let dispatches = &self.plans[plan.0].dispatches;
        let first = dispatches.partition_point(|dispatch| dispatch.step < step);
        first..dispatches.partition_point(|dispatch| dispatch.step <= step)
    }
}

impl Backend for GpuBackend {
    fn info(&self) -> BackendInfo {
        self.device.info.clone()
    }

    fn check(&self, plan: &Plan) -> Result<(), BackendError> {
        self.check_program(plan, &self.program(plan)?)
    }

    fn prepare(&mut self, plan: &Plan) -> Result<PlanId, BackendError> {
        let program = self.program(plan)?;
        self.check_program(plan, &program)?;
        let slots = self.slots(&program)?;
        let mut compiled: HashMap<usize, (wgpu::ComputePipeline, wgpu::BindGroupLayout)> = HashMap::new();
        let mut dispatches = Vec::new();
        for invocation in &program.dispatches {
            let (pipeline, layout) = match compiled.get(&invocation.pipeline) {
                Some(known) => known.clone(),
                None => self.pipeline(&program.pipelines[invocation.pipeline], &invocation.bindings)?,
            };
            compiled.insert(invocation.pipeline, (pipeline.clone(), layout.clone()));
            let entries: Vec<wgpu::BindGroupEntry> = invocation
                .bindings
                .iter()
                .map(|bound| wgpu::BindGroupEntry {
                    binding: bound.binding,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &slots[bound.slot],
                        offset: bound.offset_bytes as u64,
                        size: wgpu::BufferSize::new(bound.bytes as u64),
                    }),
                })
                .collect();
            let bind_group = self.device.checked(|| {
                self.device.handle.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: None,
                    layout: &layout,
                    entries: &entries,
                })
            })?;
            let workgroups = invocation.workgroups;
            dispatches.push(Dispatch { step: invocation.step, pipeline, bind_group, workgroups });
        }
        let submits = match self.submit_seconds.is_finite() {
            true => Submits::Measuring(0),
            false => Submits::Known(std::iter::once(0..dispatches.len()).collect()),
        };
        self.plans.push(Prepared { plan: plan.clone(), slots, dispatches, submits });
        Ok(PlanId(self.plans.len() - 1))
    }

    fn write(&mut self, plan: PlanId, buffer: BufferId, bytes: &[u8]) -> Result<(), BackendError> {
        let Prepared { plan, slots, .. } = &self.plans[plan.0];
        let buffer = &plan.buffers[buffer];
        let (slot, first) = (&slots[buffer.slot], buffer.offset_bytes);
        let whole = bytes.len() / 4 * 4;
        self.device.write(slot, first, &bytes[..whole])?;
        if whole < bytes.len() {
            let mut word = [0; 4];
            word[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
            self.device.write(slot, first + whole, &word)?;
        }
        self.device.healthy()
    }

    fn run(&mut self, plan: PlanId) -> Result<(), BackendError> {
        match &self.plans[plan.0].submits {
            Submits::Measuring(runs) => self.run_measuring(plan, *runs),
            Submits::Known(ranges) => {
                ranges.clone().into_iter().try_for_each(|range| self.submit(plan, range))
            }
        }
    }

    fn run_step(&mut self, plan: PlanId, step: usize) -> Result<(), BackendError> {
        self.submit(plan, self.dispatches_of(plan, step))
    }

    fn run_timed(&mut self, plan: PlanId) -> Result<Vec<Span>, BackendError> {
        let steps = self.plans[plan.0].plan.steps.len();
        if self.clock(plan) == Clock::Device {
            return self.run_with_timestamps(plan);
        }
        let begin = Instant::now();
        let mut spans = Vec::new();
        for step in 0..steps {
            let start = begin.elapsed().as_secs_f64();
            self.run_step(plan, step)?;
            self.wait()?;
            spans.push(Span { start, seconds: begin.elapsed().as_secs_f64() - start });
        }
        Ok(spans)
    }

    fn clock(&self, plan: PlanId) -> Clock {
        let Prepared { plan, submits, .. } = &self.plans[plan.0];
        let fits = 2 * plan.steps.len() <= wgpu::QUERY_SET_MAX_QUERIES as usize;
        // Timestamps need all steps in one submit: only where that is known to be short enough.
        let one_submit = matches!(submits, Submits::Known(ranges) if ranges.len() <= 1);
        match fits && one_submit && self.device.handle.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            true => Clock::Device,
            false => Clock::Host,
        }
    }

    fn dispatches(&self, plan: PlanId) -> usize {
        self.plans[plan.0].dispatches.len()
    }

    fn submits(&self, plan: PlanId) -> usize {
        match &self.plans[plan.0].submits {
            Submits::Measuring(_) => self.plans[plan.0].dispatches.len(),
            Submits::Known(ranges) => ranges.len(),
        }
    }

    fn wait(&mut self) -> Result<(), BackendError> {
        self.in_flight.clear();
        self.device.wait(None)
    }

    fn read(&mut self, plan: PlanId, buffer: BufferId) -> Result<Vec<u8>, BackendError> {
        let Prepared { plan, slots, .. } = &self.plans[plan.0];
        let buffer = &plan.buffers[buffer];
        self.device.read(&slots[buffer.slot], buffer.offset_bytes, buffer.bytes())
    }
}
