//! Changes the shaders, and counts how many of the changes `faceshader verify` notices.
//!
//! `bash tests/mutants.sh` draws a few hundred of all small changes, so that every shader and every kind
//! of change has its share, and asks the proof about each. What passes is either listed in
//! `known.toml`, with the reason why nothing could tell, or counts as a gap of the proof.
//!
//! Without an argument, as `cargo test` runs it, it tries a handful of changes of one shader.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod changes;
mod judge;
mod known;
mod mutate;

use faceshader::gpu::adapter;
use faceshader::rng::{Generator, Stream};
use faceshader::shaders::SHADERS;
use judge::{PATIENCE, Verdict, judge_all, judge_stdin, patience_of};
use known::{Known, Standing};
use mutate::{Mutant, mutants};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::{BTreeMap, HashSet};
use std::process::ExitCode;

/// The draw that docs/verification.md tells of.
const SEED: u64 = 1;
/// Mutants of the smallest shader. Larger ones have more, by the root of what could change in them: their
/// lines are much alike.
const LEAST: usize = 9;
const PER_ROOT: f64 = 0.25;
/// Mutants that an ordinary test run tries.
const FEW: usize = 5;
/// The share of the mutants that are no equivalents, in percent, that must be caught.
const CAUGHT_PERCENT: usize = 95;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["judge", adapter, shader] => judge_stdin(adapter, shader),
        ["all", adapter] => try_all(adapter, SEED, &[]),
        ["all", adapter, seed, shaders @ ..] => try_all(adapter, seed.parse().unwrap(), shaders),
        _ => try_few(),
    }
}

/// Whether a device would take the shader at all.
fn is_valid(source: &str) -> bool {
    let module = naga::front::wgsl::parse_str(source);
    module.is_ok_and(|module| {
        Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).is_ok()
    })
}

/// Draws `count` valid mutants of a shader: every barrier, as there are few, and then all kinds of change
/// in turn.
fn draw(mut all: Vec<Mutant>, count: usize, generator: &mut Generator) -> Vec<Mutant> {
    generator.shuffle(&mut all);
    let mut kinds: Vec<(&str, Vec<Mutant>)> = Vec::new();
    let mut drawn = Vec::new();
    for mutant in all {
        if mutant.operator == "barrier" {
            drawn.push(mutant);
            continue;
        }
        match kinds.iter_mut().find(|(kind, _)| *kind == mutant.operator) {
            Some((_, mutants)) => mutants.push(mutant),
            None => kinds.push((mutant.operator, vec![mutant])),
        }
    }
    generator.shuffle(&mut kinds);
    while drawn.len() < count && !kinds.is_empty() {
        for (_, mutants) in &mut kinds {
            let valid = std::iter::from_fn(|| mutants.pop()).find(|mutant| is_valid(&mutant.source));
            drawn.extend(valid.filter(|_| drawn.len() < count));
        }
        kinds.retain(|(_, mutants)| !mutants.is_empty());
    }
    drawn
}

/// A shader as it is, which must pass.
fn control(shader: &str, source: &str) -> Mutant {
    let nothing = String::new();
    Mutant {
        shader: shader.into(),
        operator: "none",
        function: nothing.clone(),
        before: nothing.clone(),
        after: nothing,
        nth: 1,
        source: source.into(),
    }
}

fn try_few() -> ExitCode {
    let adapters = adapter::list();
    let adapter = adapters.iter().find(|adapter| adapter.report.cannot_train.is_none()).expect("an adapter");
    let shader = SHADERS.iter().find(|shader| shader.name == "relu").unwrap();
    let mut mutants = draw(mutants(shader.name, shader.source), FEW, &mut generator(SEED, shader.name));
    mutants.push(control(shader.name, shader.source));
    let verdicts = judge_all(&adapter.report.backend, &mutants, |_| PATIENCE, |_, _| {});
    let ((control, _), mutants) = verdicts.split_last().unwrap();
    assert_eq!(*control, Verdict::Survived, "the shader itself must pass");
    assert!(mutants.iter().all(|(verdict, _)| *verdict != Verdict::Survived), "{mutants:?}");
    println!("{FEW} changes of relu were noticed on {}", adapter.report.line());
    ExitCode::SUCCESS
}

/// The draw of one shader; it does not change with the other shaders.
fn generator(seed: u64, shader: &str) -> Generator {
    let number = shader.bytes().fold(0, |hash: u32, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    Generator::new(seed, 0, number, Stream::Test)
}

/// What came out for one shader, or for all.
#[derive(Debug, Default)]
struct Total {
    places: usize,
    mutants: usize,
    caught: usize,
    equivalent: usize,
    survived: usize,
}

impl Total {
    fn add(&mut self, other: &Total) {
        self.places += other.places;
        self.mutants += other.mutants;
        self.caught += other.caught;
        self.equivalent += other.equivalent;
        self.survived += other.survived;
    }

    fn line(&self, name: &str) -> String {
        let Total { places, mutants, caught, equivalent, survived } = self;
        format!("{name:<24} {places:>8} {mutants:>8} {caught:>8} {equivalent:>10} {survived:>9}")
    }
}

/// Tries the draw of the named shaders, or of all where none is named.
fn try_all(adapter: &str, seed: u64, names: &[&str]) -> ExitCode {
    let is_named = |name: &str| names.is_empty() || names.contains(&name);
    for name in names {
        assert!(SHADERS.iter().any(|shader| shader.name == *name), "there is no shader {name}");
    }
    let known = Known::read();
    let mut totals: BTreeMap<&str, Total> = BTreeMap::new();
    let mut drawn = Vec::new();
    let mut lines = HashSet::new();
    for shader in SHADERS {
        let all = mutants(shader.name, shader.source);
        lines.extend(all.iter().map(Mutant::line));
        if !is_named(shader.name) {
            continue;
        }
        totals.entry(shader.name).or_default().places = all.len();
        let count = LEAST + ((all.len() as f64).sqrt() * PER_ROOT) as usize;
        drawn.extend(draw(all, count, &mut generator(seed, shader.name)));
    }
    let mut failures = known.stale(&lines);

    let tried = SHADERS.iter().filter(|shader| is_named(shader.name));
    let controls: Vec<Mutant> = tried.map(|shader| control(shader.name, shader.source)).collect();
    let mut patience = BTreeMap::new();
    for (control, (verdict, took)) in
        controls.iter().zip(judge_all(adapter, &controls, |_| PATIENCE, |_, _| {}))
    {
        if verdict != Verdict::Survived {
            println!("{} fails as it is: {}", control.shader, verdict.line());
            return ExitCode::FAILURE;
        }
        patience.insert(control.shader.as_str(), patience_of(took));
    }
    let patience = |mutant: &Mutant| patience[mutant.shader.as_str()];
    let verdicts = judge_all(adapter, &drawn, patience, |mutant, verdict| {
        eprintln!("{:<12} {}: {}", mutant.operator, mutant.line(), verdict.line());
    });
    let hung = verdicts.iter().filter(|(verdict, _)| matches!(verdict, Verdict::Hung(_))).count();

    let mut kinds: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut gaps = Vec::new();
    for (mutant, (verdict, _)) in drawn.iter().zip(&verdicts) {
        let total = totals.entry(&mutant.shader).or_default();
        let kind = kinds.entry(mutant.operator).or_default();
        total.mutants += 1;
        kind[0] += 1;
        match (known.standing(mutant), verdict) {
            (Some(Standing::Equivalent), Verdict::Survived) => total.equivalent += 1,
            (standing, Verdict::Survived) => {
                total.survived += 1;
                gaps.push((standing, mutant));
            }
            (Some(Standing::Equivalent), _) => {
                let said = verdict.line();
                failures.push(format!("listed as equivalent, but it is not: {}: {said}", mutant.line()));
            }
            (None | Some(Standing::Unobservable), _) => {
                total.caught += 1;
                kind[1] += 1;
            }
        }
    }
    let head = format!("{:<24} {:>8} {:>8}", "shader", "places", "mutants");
    println!("{head} {:>8} {:>10} {:>9}", "caught", "equivalent", "survived");
    let mut sum = Total::default();
    for (name, total) in &totals {
        println!("{}", total.line(name));
        sum.add(total);
    }
    println!("{}\n\n{:<24} {:>8} {:>8}", sum.line("all"), "kind of change", "mutants", "caught");
    for (kind, [mutants, caught]) in kinds {
        println!("{kind:<24} {mutants:>8} {caught:>8}");
    }
    for (title, wanted) in [("survived", None), ("no adapter here could tell", Some(Standing::Unobservable))]
    {
        for (index, (_, mutant)) in gaps.iter().filter(|(standing, _)| *standing == wanted).enumerate() {
            if index == 0 {
                println!("\n{title}:");
            }
            println!("  {}", mutant.line());
        }
    }
    let different = sum.mutants - sum.equivalent;
    println!(
        "\nof {} changes {} are equivalent; of the other {different}, {} were caught, {hung} of these as they hung",
        sum.mutants, sum.equivalent, sum.caught
    );
    if sum.caught * 100 < different * CAUGHT_PERCENT {
        failures.push(format!("less than {CAUGHT_PERCENT} % were caught"));
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
