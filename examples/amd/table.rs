//! Pipelines with their statistics, and the time of a plan that is made of them.

use crate::chips::Chip;
use crate::cost;
use crate::driver::{Driver, Statistics};
use crate::loops::correction;
use anyhow::{Context, Result};
use faceshader::ops::Variant;
use faceshader::plan::{Bound, Pipeline, Plan, Program};
use std::fmt;

/// Fewer subgroups than this on a SIMD unit do not hide the latency of memory.
const FEW_SUBGROUPS: f64 = 4.0;

/// A pipeline and what became of it.
#[derive(Debug, Clone)]
pub struct Compiled {
    pipeline: Pipeline,
    /// The layer of its first dispatch.
    layer: String,
    subgroup_size: f64,
    vgprs: f64,
    sgprs: f64,
    spills: f64,
    scratch: f64,
    lds: f64,
    subgroups: f64,
    instructions: f64,
    /// Of one wave, in cycles, with the true trip counts.
    latency: f64,
    /// Of 64 invocations, in cycles of a SIMD unit, with the true trip counts.
    inverse_throughput: f64,
    /// True over assumed trip counts.
    loops: f64,
    workgroup_size: f64,
    /// Whether a table has shown it already.
    shown: bool,
}

impl Compiled {
    fn new(
        driver: &Driver,
        chip: &Chip,
        pipeline: &Pipeline,
        bindings: &[Bound],
        layer: &str,
    ) -> Result<Self> {
        let told: Statistics = driver.compile(pipeline, bindings)?;
        let (module, _) = pipeline.specialised()?;
        let mut entries = module.entry_points.iter();
        let entry =
            entries.find(|entry| entry.name == pipeline.entry_point).context("no such entry point")?;
        let loops = correction(pipeline)?;
        Ok(Self {
            pipeline: pipeline.clone(),
            layer: layer.into(),
            subgroup_size: told.subgroup_size,
            vgprs: told.get("VGPRs")?,
            sgprs: told.get("SGPRs")?,
            spills: told.get("Spilled VGPRs")? + told.get("Spilled SGPRs")?,
            scratch: told.get("Scratch size")?,
            lds: told.get("LDS size")?,
            subgroups: chip.resident(told.get("Subgroups per SIMD")?, told.subgroup_size),
            instructions: told.get("Instructions")?,
            latency: loops * told.get("Latency")?,
            inverse_throughput: loops * told.get("Inverse Throughput")?,
            loops,
            workgroup_size: entry.workgroup_size.iter().map(|&size| f64::from(size)).product(),
            shown: false,
        })
    }

    fn name(&self) -> String {
        format!("{} ({})", self.pipeline.label(), self.layer)
    }

    /// Whether two pipelines are one for the reader: another offset in one constant, as for the blocks
    /// of a wide layer.
    fn looks_like(&self, other: &Compiled) -> bool {
        let numbers =
            |c: &Compiled| [c.vgprs, c.sgprs, c.spills, c.lds, c.subgroups, c.instructions, c.loops];
        self.name() == other.name() && self.shown == other.shown && numbers(self) == numbers(other)
    }

    fn warning(&self) -> Option<String> {
        let mut reasons = Vec::new();
        if self.spills > 0.0 {
            reasons.push(format!("spills {} registers", self.spills));
        }
        if self.scratch > 0.0 {
            reasons.push(format!("keeps {} bytes a subgroup in memory", self.scratch));
        }
        if self.subgroups < FEW_SUBGROUPS {
            reasons.push(format!("leaves room for {} subgroups a SIMD unit", self.subgroups));
        }
        (!reasons.is_empty()).then(|| format!("{} {}", self.name(), reasons.join(" and ")))
    }
}

/// All pipelines so far: what plans and models share is compiled once.
pub struct Known<'a> {
    driver: &'a Driver,
    chip: &'static Chip,
    compiled: Vec<Compiled>,
}

impl<'a> Known<'a> {
    pub fn new(driver: &'a Driver, chip: &'static Chip) -> Self {
        Self { driver, chip, compiled: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.compiled.len()
    }

    /// A line for each pipeline that spills or fills too little; look-alikes in a row share one.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.compiled.iter().filter_map(Compiled::warning).collect();
        warnings.dedup();
        warnings
    }

    fn find(&mut self, pipeline: &Pipeline, bindings: &[Bound], layer: &str) -> Result<usize> {
        let known = self.compiled.iter().position(|compiled| compiled.pipeline == *pipeline);
        if let Some(index) = known {
            return Ok(index);
        }
        self.compiled.push(Compiled::new(self.driver, self.chip, pipeline, bindings, layer)?);
        Ok(self.compiled.len() - 1)
    }
}

/// What a dispatch waits for.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Issue,
    Latency,
    Memory,
    Peak,
}

/// A pipeline in a plan.
#[derive(Debug)]
struct Row {
    compiled: Compiled,
    /// Pipelines that look the same.
    pipelines: Vec<usize>,
    dispatches: usize,
    seconds: f64,
    /// The limit of its longest dispatch, and how long that is.
    limit: (f64, Limit),
}

/// A plan in numbers.
#[derive(Debug)]
pub struct Report {
    name: String,
    batch: usize,
    dispatches: usize,
    rows: Vec<Row>,
    seconds: f64,
    /// At the peak, in seconds.
    compute: f64,
    /// At the memory's bandwidth, in seconds.
    memory: f64,
    /// Every step at whichever of the two is longer.
    roofline: f64,
}

impl Report {
    /// Compiles what is new in a plan, and adds up its time.
    pub fn new(known: &mut Known, plan: &Plan) -> Result<Self> {
        let program = Program::new(plan, Variant::Gpu)?;
        let chip = known.chip;
        let bandwidth = chip.gigabytes_per_second * 1e9;
        let mut times: Vec<(usize, f64, Limit)> = Vec::new();
        for dispatch in &program.dispatches {
            let pipeline = &program.pipelines[dispatch.pipeline];
            let layer = &plan.steps[dispatch.step].layer;
            let index = known.find(pipeline, &dispatch.bindings, layer)?;
            let compiled = &known.compiled[index];
            let workgroups: f64 = dispatch.workgroups.iter().map(|&count| f64::from(count)).product();
            let waves = workgroups * compiled.workgroup_size / 64.0;
            let limits = [
                (chip.seconds(waves * compiled.inverse_throughput), Limit::Issue),
                (compiled.latency / (chip.mhz * 1e6), Limit::Latency),
                (cost::dispatch_bytes(plan, &program, dispatch) / bandwidth, Limit::Memory),
            ];
            let (seconds, limit) = limits.into_iter().fold(limits[0], |a, b| if b.0 > a.0 { b } else { a });
            times.push((index, seconds, limit));
        }
        let [mut compute, mut memory, mut roofline] = [0.0; 3];
        for (number, step) in plan.steps.iter().enumerate() {
            let peak = cost::flops(step) / chip.flops();
            let moved = cost::step_bytes(plan, step) / bandwidth;
            compute += peak;
            memory += moved;
            roofline += f64::max(peak, moved);
            // The operations of a step are spread over its dispatches as their time is.
            let of_step =
                || program.dispatches.iter().enumerate().filter(|(_, dispatch)| dispatch.step == number);
            let sum: f64 = of_step().map(|(index, _)| times[index].1).sum();
            for (index, _) in of_step().filter(|_| sum < peak) {
                times[index].1 *= peak / sum;
                times[index].2 = Limit::Peak;
            }
        }
        let mut rows: Vec<Row> = Vec::new();
        for (index, seconds, limit) in times {
            let compiled = &known.compiled[index];
            let place = rows.iter().position(|row| row.compiled.looks_like(compiled)).unwrap_or_else(|| {
                let compiled = compiled.clone();
                rows.push(Row {
                    compiled,
                    pipelines: Vec::new(),
                    dispatches: 0,
                    seconds: 0.0,
                    limit: (0.0, limit),
                });
                rows.len() - 1
            });
            let row = &mut rows[place];
            if !row.pipelines.contains(&index) {
                row.pipelines.push(index);
            }
            row.dispatches += 1;
            row.seconds += seconds;
            if seconds > row.limit.0 {
                row.limit = (seconds, limit);
            }
        }
        rows.iter().flat_map(|row| &row.pipelines).for_each(|&index| known.compiled[index].shown = true);
        Ok(Self {
            name: plan.name.clone(),
            batch: plan.batch,
            dispatches: program.dispatches.len(),
            seconds: rows.iter().map(|row| row.seconds).sum(),
            rows,
            compute,
            memory,
            roofline,
        })
    }
}

impl Report {
    /// The estimated time against the least that the chip needs.
    pub fn summary(&self) -> String {
        let us = |seconds: f64| 1e6 * seconds;
        format!(
            "{}, batch {}: {} dispatches, estimated {:.0} us; roofline {:.0} us (arithmetic {:.0}, memory \
             {:.0}); ratio {:.2}",
            self.name,
            self.batch,
            self.dispatches,
            us(self.seconds),
            us(self.roofline),
            us(self.compute),
            us(self.memory),
            self.seconds / self.roofline
        )
    }
}

/// The pipelines that no table before has shown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |seconds: f64| 1e6 * seconds;
        let new: Vec<&Row> = self.rows.iter().filter(|row| !row.compiled.shown).collect();
        if !new.is_empty() {
            writeln!(f)?;
            writeln!(
                f,
                "{:<48} {:>5} {:>4} {:>4} {:>5} {:>5} {:>6} {:>5} {:>3} {:>5} {:>6} {:>8}  {:<7} {:>5}",
                self.name,
                "pipes",
                "runs",
                "wave",
                "VGPRs",
                "SGPRs",
                "spills",
                "LDS",
                "sub",
                "instr",
                "loops",
                "us",
                "limit",
                "share"
            )?;
        }
        for Row { compiled, pipelines, dispatches, seconds, limit } in new {
            writeln!(
                f,
                "{:<48} {:>5} {dispatches:>4} {:>4} {:>5} {:>5} {:>6} {:>5} {:>3} {:>5} {:>6} {:>8.1}  {:<7} {:>4.1}%",
                compiled.name(),
                pipelines.len(),
                compiled.subgroup_size,
                compiled.vgprs,
                compiled.sgprs,
                compiled.spills,
                compiled.lds,
                compiled.subgroups,
                compiled.instructions,
                format!("x{:.2}", compiled.loops),
                us(*seconds),
                format!("{:?}", limit.1).to_lowercase(),
                100.0 * seconds / self.seconds
            )?;
        }
        Ok(())
    }
}
