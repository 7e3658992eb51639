//! `faceshader tune`: which variant of each kernel is the faster one on an adapter. It is measured before the
//! first training of a kernel on a real GPU, or when the user asks, and remembered, so that the same training
//! computes the same again. Software adapters have a variant that was made for them and measured on them:
//! nothing is tried there unless the user asks.

use super::cache;
use super::{Outcome, Usage, at_least_one, first_check, model, print};
use crate::gpu::adapter::{Adapter, Choice, choose};
use crate::gpu::{Chosen, GpuBackend, Options};
use crate::graph::Graph;
use crate::ops::{BATCH_COUNT, BATCH_RATE_FACTOR, BATCH_WORDS, Variant};
use crate::plan::{Backend, BackendInfo, Purpose, Step, lower};
use crate::spec::Spec;
use anyhow::Result;
use std::collections::BTreeMap;
use std::time::Instant;

/// Samples of a trial: even software adapters are through with them in a second.
const TRIAL_BATCH: usize = 4;
/// A trial run shorter than this is repeated with as many more samples as take it, up to the whole batch.
const SHORT_SECS: f64 = 0.05;
/// Runs of every variant that are measured, in turns; the shortest counts.
const RUNS: usize = 3;
/// A kernel leaves the variant made for its adapter only for one that takes less than this share of the
/// time: noise should not decide, and what is decided should stay.
const CLEARLY_FASTER: f64 = 0.8;
/// The same goes for kernels that take less than this share of the step.
const WORTH_CHOOSING: f64 = 0.01;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, face-plus, review, review-plus, or a TOML file
    #[arg(long, default_value = "face")]
    model: String,
    /// Samples a step
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// auto, vulkan, metal, dx12, gl, or a part of an adapter's name
    #[arg(long, default_value = "auto", value_name = "ADAPTER")]
    adapter: String,
    /// One line of JSON a kernel
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let mut spec = model::load(&arguments.model)?;
    spec.training.batch = arguments.batch.unwrap_or(spec.training.batch);
    let (choice, reason) = choose(&arguments.adapter)?;
    let Choice::Gpu(adapter) = choice else {
        return Err(Usage("the cpu has no variants to choose from; name a GPU by --adapter".into()).into());
    };
    let BackendInfo { backend, adapter: name, driver } = adapter.report.info();
    log::info!("adapter: {backend}, {name}, {driver} ({reason})");
    let trials = try_all(&adapter, &spec)?;
    let chosen = remember(&adapter, &trials, known(&adapter))?;
    if !arguments.json {
        print(format_args!("{:<28} {:>10} {:>12}   used", "kernel", "gpu ms", "software ms"))?;
    }
    for (kernel, Trial { seconds: [gpu, software] }) in &trials {
        let used = chosen[kernel];
        if arguments.json {
            print(serde_json::json!({
                "kernel": kernel, "gpu_ms": 1e3 * gpu, "software_ms": 1e3 * software, "used": used,
            }))?;
        } else {
            let used = used.name();
            print(format_args!("{kernel:<28} {:>10.3} {:>12.3}   {used}", 1e3 * gpu, 1e3 * software))?;
        }
    }
    Ok(Outcome::Done)
}

/// Where choices are remembered.
const FILE: &str = "tuned.json";

/// What is remembered of all adapters.
fn read() -> BTreeMap<String, serde_json::Value> {
    let text = cache::file(FILE).and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

fn key(adapter: &Adapter) -> String {
    cache::key(&adapter.report.info(), "fastest")
}

/// What was chosen for an adapter; nothing if it never was.
pub fn known(adapter: &Adapter) -> Chosen {
    let entry = read().remove(&key(adapter));
    entry.and_then(|entry| serde_json::from_value(entry).ok()).unwrap_or_default()
}

/// What is known, after trying the kernels of a model that were never tried on this adapter.
pub fn known_or_tried(adapter: &Adapter, spec: &Spec) -> Result<Chosen> {
    let known = known(adapter);
    let plan = lower(&Graph::new(spec, spec.training.batch)?, &spec.name, Purpose::Training);
    let mut kernels = plan.steps.iter().filter(|step| has_variants(step)).map(Step::label);
    if adapter.report.is_software || kernels.all(|kernel| known.contains_key(&kernel)) {
        return Ok(known);
    }
    let start = Instant::now();
    let chosen = remember(adapter, &try_all(adapter, spec)?, known)?;
    let secs = start.elapsed().as_secs_f64();
    log::info!("first use of these kernels here: the faster of their variants were found in {secs:.1} s");
    Ok(chosen)
}

/// Remembers what the trials say, besides what is known of other kernels.
fn remember(adapter: &Adapter, trials: &BTreeMap<String, Trial>, known: Chosen) -> Result<Chosen> {
    let mut chosen = known;
    chosen.extend(choose_proven(adapter, trials)?);
    let mut all = read();
    all.insert(key(adapter), serde_json::json!(chosen));
    if let (Some(file), Ok(text)) = (cache::file(FILE), serde_json::to_string_pretty(&all)) {
        cache::write(&file, &(text + "\n"));
    }
    Ok(chosen)
}

/// What a kernel takes in a training step, by [`Variant::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Trial {
    seconds: [f64; Variant::ALL.len()],
}

/// The variant of each kernel: the usual one, unless another is clearly faster.
fn choose_faster(trials: &BTreeMap<String, Trial>, usual: Variant) -> Chosen {
    let step: f64 = trials.values().map(|trial| trial.seconds[usual as usize]).sum();
    let faster = |trial: &Trial| {
        let of = |variant: Variant| trial.seconds[variant as usize];
        let fastest = Variant::ALL.into_iter().min_by(|&a, &b| of(a).total_cmp(&of(b)))?;
        (of(usual) >= WORTH_CHOOSING * step && of(fastest) < CLEARLY_FASTER * of(usual)).then_some(fastest)
    };
    trials.iter().map(|(kernel, trial)| (kernel.clone(), faster(trial).unwrap_or(usual))).collect()
}

/// Measures every variant of the kernels of a model's training step that have more than one.
fn try_all(adapter: &Adapter, spec: &Spec) -> Result<BTreeMap<String, Trial>> {
    let open = |variant| GpuBackend::open(adapter, Options { variant: Some(variant), ..Options::default() });
    let mut backends = Variant::ALL.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let batch = spec.training.batch;
    let (trials, longest) = measure(&mut backends, spec, batch.min(TRIAL_BATCH))?;
    let affordable = (TRIAL_BATCH as f64 * SHORT_SECS / longest.max(1e-6)) as usize;
    match batch.min(affordable) {
        more if more > TRIAL_BATCH => Ok(measure(&mut backends, spec, more)?.0),
        _ => Ok(trials),
    }
}

/// The variant of each kernel that was tried: the faster one, if it is proven on this adapter.
fn choose_proven(adapter: &Adapter, trials: &BTreeMap<String, Trial>) -> Result<Chosen> {
    let usual = Variant::usual(adapter.report.is_software);
    let chosen = choose_faster(trials, usual);
    if chosen.values().all(|&variant| variant == usual) {
        return Ok(chosen);
    }
    let options = Options { chosen: chosen.clone(), ..Options::default() };
    let mut backend = GpuBackend::open(adapter, options)?;
    match first_check::run(&mut backend, &first_check::kernels(None, false, &chosen)) {
        Ok(()) => Ok(chosen),
        Err(error) => {
            log::warn!("faster kernels are left out, since they are wrong on this adapter: {error:#}");
            Ok(chosen.into_keys().map(|kernel| (kernel, usual)).collect())
        }
    }
}

/// The trials, and the seconds of the longest run.
fn measure(backends: &mut [GpuBackend], spec: &Spec, batch: usize) -> Result<(BTreeMap<String, Trial>, f64)> {
    let mut plan = lower(&Graph::new(spec, batch)?, &spec.name, Purpose::Training);
    plan.steps.retain(has_variants);
    let mut ids = Vec::new();
    for backend in &mut *backends {
        let id = backend.prepare(&plan)?;
        let mut words = [0_u32; BATCH_WORDS];
        words[BATCH_COUNT] = batch as u32;
        words[BATCH_RATE_FACTOR] = 1.0_f32.to_bits();
        if let Some(buffer) = plan.buffer("batch") {
            backend.write(id, buffer, bytemuck::cast_slice(&words))?;
        }
        // Without measuring: first runs compile, page in, and show what one submit can hold.
        backend.run(id)?;
        backend.run(id)?;
        ids.push(id);
    }
    let mut shortest = vec![[f64::INFINITY; Variant::ALL.len()]; plan.steps.len()];
    for _ in 0..RUNS {
        for (variant, backend) in backends.iter_mut().enumerate() {
            for (times, span) in shortest.iter_mut().zip(backend.run_timed(ids[variant])?) {
                times[variant] = times[variant].min(span.seconds);
            }
        }
    }
    let run = |variant: usize| shortest.iter().map(|times| times[variant]).sum::<f64>();
    let longest = (0..backends.len()).map(run).fold(0.0, f64::max);
    let mut trials: BTreeMap<String, Trial> = BTreeMap::new();
    for (step, times) in plan.steps.iter().zip(shortest) {
        let trial = trials.entry(step.label()).or_default();
        trial.seconds.iter_mut().zip(times).for_each(|(sum, seconds)| *sum += seconds);
    }
    Ok((trials, longest))
}

/// Whether a step's variants differ at all.
fn has_variants(step: &Step) -> bool {
    let [gpu, software] =
        Variant::ALL.map(|variant| step.op.dispatches(&step.kernel, variant, &|name| step.shape(name)));
    gpu != software
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_clearly_faster_leaves_the_usual_variant() {
        let trial = |gpu: f64, software: f64| Trial { seconds: [gpu, software] };
        let trials: BTreeMap<String, Trial> = [
            ("a", trial(1.0, 0.5)),
            ("b", trial(1.0, 0.9)),
            ("c", trial(1.0, 3.0)),
            ("too short", trial(0.01, 0.001)),
            ("none", trial(0.0, 0.0)),
        ]
        .map(|(name, trial)| (name.to_string(), trial))
        .into();
        let others = |usual| {
            let chosen = choose_faster(&trials, usual);
            assert_eq!(chosen.len(), trials.len());
            chosen.into_iter().filter(|(_, variant)| *variant != usual).collect::<Vec<_>>()
        };
        assert_eq!(others(Variant::Gpu), [("a".into(), Variant::Software)]);
        assert_eq!(others(Variant::Software), [("c".into(), Variant::Gpu)]);
    }
}
