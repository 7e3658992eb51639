//! `faceshader tune`: which variant of each kernel is the faster one on an adapter. It is measured before the
//! first training of a kernel on a real GPU, or when the user asks, and remembered, so that the same training
//! computes the same again. Software adapters have a variant that was made for them and measured on them:
//! nothing is tried there unless the user asks.

use super::cache;
use super::drivers::heard;
use super::{Outcome, Usage, at_least_one, first_check, model, print};
use crate::gpu::adapter::{Adapter, Choice, choose};
use crate::gpu::{Chosen, GpuBackend, Options};
use crate::graph::Graph;
use crate::ops::{BATCH_COUNT, BATCH_RATES, BATCH_WORDS, Rates, Variant};
use crate::plan::{Backend, BackendInfo, Plan, Purpose, Step, lower};
use crate::spec::Spec;
use anyhow::Result;
use std::collections::BTreeMap;
use std::time::Instant;

/// Samples of a trial on a software adapter, which is through with so few in a second.
const SOFTWARE_BATCH: usize = 4;
/// Seconds after which a trial before a training tries no other variant: most of them go to the driver's
/// compiler. What it did not come to stays as it is, in later trainings as well.
const SECONDS: f64 = 6.0;
/// Runs of every variant that are measured; the shortest counts.
const RUNS: usize = 3;
/// A kernel leaves the variant made for its adapter only for one that takes less than this share of the
/// time: noise should not decide, and what is decided should stay.
const CLEARLY_FASTER: f64 = 0.8;
/// The same goes for kernels that take less than this share of the step.
const WORTH_CHOOSING: f64 = 0.01;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// face, face-plus, photo, review, review-plus, or a TOML file
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
    let mut spec = model::settled(&arguments.model)?;
    spec.training.batch = arguments.batch.unwrap_or(spec.training.batch);
    let (choice, reason) = heard(|| choose(&arguments.adapter))?;
    let Choice::Gpu(adapter) = choice else {
        return Err(Usage("the cpu has no variants to choose from; name a GPU by --adapter".into()).into());
    };
    let BackendInfo { backend, adapter: name, driver } = adapter.report.info();
    log::info!("adapter: {backend}, {name}, {driver} ({reason})");
    let trials = try_all(&adapter, &spec, f64::INFINITY)?;
    let chosen = remember(&adapter, &trials, known(&adapter))?;
    if !arguments.json {
        print(format_args!("{:<28} {:>10} {:>12}   used", "kernel", "gpu ms", "software ms"))?;
    }
    for (kernel, Trial { seconds, .. }) in &trials {
        let used = chosen[kernel];
        let [gpu, software] = seconds.map(|seconds| seconds.map(|seconds| 1e3 * seconds));
        if arguments.json {
            print(serde_json::json!({
                "kernel": kernel, "gpu_ms": gpu, "software_ms": software, "used": used,
            }))?;
        } else {
            let [gpu, software] = [gpu, software].map(|ms| ms.map_or("-".into(), |ms| format!("{ms:.3}")));
            print(format_args!("{kernel:<28} {gpu:>10} {software:>12}   {}", used.name()))?;
        }
    }
    Ok(Outcome::Done)
}

/// Where choices are remembered.
const FILE: &str = "tuned.json";

/// What is remembered of all adapters.
fn read() -> BTreeMap<String, serde_json::Value> {
    let text = cache::file(FILE).and_then(|file| crate::file::read_plain_text(&file).ok());
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
    let chosen = remember(adapter, &try_all(adapter, spec, SECONDS)?, known)?;
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

/// What the longest step of a kernel takes, by [`Variant::ALL`]; nothing where it was not tried.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Trial {
    seconds: [Option<f64>; Variant::ALL.len()],
    /// Of the time of all kernels that come in variants.
    share: f64,
}

/// The variant of each kernel: the usual one, unless another is clearly faster.
fn choose_faster(trials: &BTreeMap<String, Trial>, usual: Variant) -> Chosen {
    let choose = |trial: &Trial| {
        let of = |variant: Variant| trial.seconds[variant as usize].unwrap_or(f64::INFINITY);
        trial.seconds[usual as usize]?;
        let fastest = Variant::ALL.into_iter().min_by(|&a, &b| of(a).total_cmp(&of(b)))?;
        (trial.share >= WORTH_CHOOSING && of(fastest) < CLEARLY_FASTER * of(usual)).then_some(fastest)
    };
    trials.iter().map(|(kernel, trial)| (kernel.clone(), choose(trial).unwrap_or(usual))).collect()
}

/// Measures the variants of the kernels of a model's training step that have more than one, those that take
/// longest first, for so many seconds.
fn try_all(adapter: &Adapter, spec: &Spec, limit: f64) -> Result<BTreeMap<String, Trial>> {
    let usual = Variant::usual(adapter.report.is_software);
    let batch = spec.training.batch;
    let batch = if adapter.report.is_software { batch.min(SOFTWARE_BATCH) } else { batch };
    let mut plan = lower(&Graph::new(spec, batch)?, &spec.name, Purpose::Training);
    plan.steps.retain(has_variants);
    let open = |variant| GpuBackend::open(adapter, Options { variant: Some(variant), ..Options::default() });
    let mut backend = open(usual)?;
    let seconds = measure(&mut backend, &plan)?;
    let all: f64 = seconds.iter().sum();
    let mut kernels: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let (longest, sum) = kernels.entry(step.label()).or_insert((index, 0.0));
        *sum += seconds[index];
        if seconds[index] > seconds[*longest] {
            *longest = index;
        }
    }
    let mut order: Vec<(String, (usize, f64))> = kernels.into_iter().collect();
    order.sort_by(|(_, (_, a)), (_, (_, b))| b.total_cmp(a));
    let mut others = Vec::new();
    for variant in Variant::ALL.into_iter().filter(|&variant| variant != usual) {
        others.push((variant, open(variant)?));
    }
    let start = Instant::now();
    let mut trials = BTreeMap::new();
    for (kernel, (longest, sum)) in order {
        let mut trial = Trial { share: sum / all, ..Trial::default() };
        let step = Plan { steps: vec![plan.steps[longest].clone()], ..plan.clone() };
        // On its own, like the others: what it reads may lie in a cache.
        trial.seconds[usual as usize] = measure(&mut backend, &step)?.first().copied();
        for (variant, backend) in &mut others {
            if start.elapsed().as_secs_f64() < limit {
                trial.seconds[*variant as usize] = measure(backend, &step)?.first().copied();
            }
        }
        trials.insert(kernel, trial);
    }
    Ok(trials)
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

/// The seconds of each step of a plan.
fn measure(backend: &mut GpuBackend, plan: &Plan) -> Result<Vec<f64>> {
    let id = backend.prepare(plan)?;
    let mut words = [0_u32; BATCH_WORDS];
    words[BATCH_COUNT] = plan.batch as u32;
    words[BATCH_RATES..].copy_from_slice(&Rates::STILL.words());
    if let Some(buffer) = plan.buffer("batch") {
        backend.write(id, buffer, bytemuck::cast_slice(&words))?;
    }
    // Without measuring: first runs compile, page in, and show what one submit can hold.
    backend.run(id)?;
    backend.run(id)?;
    let mut shortest = vec![f64::INFINITY; plan.steps.len()];
    for _ in 0..RUNS {
        for (shortest, span) in shortest.iter_mut().zip(backend.run_timed(id)?) {
            *shortest = shortest.min(span.seconds);
        }
    }
    Ok(shortest)
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
        let trial = |gpu: f64, software: f64, share| {
            let seconds = [gpu, software].map(|seconds| (seconds > 0.0).then_some(seconds));
            Trial { seconds, share }
        };
        let trials: BTreeMap<String, Trial> = [
            ("a", trial(1.0, 0.5, 0.2)),
            ("b", trial(1.0, 0.9, 0.2)),
            ("c", trial(1.0, 3.0, 0.6)),
            ("too short", trial(0.01, 0.001, 0.002)),
            ("not tried", trial(1.0, 0.0, 0.2)),
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
