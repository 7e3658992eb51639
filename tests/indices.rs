//! Shaders are compiled without run-time checks. So none may read or write outside of its buffers, whatever numbers
//! it finds in them.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use faceshader::gpu::{GpuBackend, Options, adapter};
use faceshader::ops::{Case, Op, Variant};
use faceshader::plan::{Argument, Backend, Buffer, Kind, Plan, Slot, Step};
use faceshader::rng::{Generator, Stream};
use faceshader::shape::DType;

/// Words behind each argument that a shader sees, and must neither read nor write.
const GUARD_WORDS: usize = 2048;
/// Cases with larger arguments are left out: indices that are a little too large have to lie in the guards.
const MAX_ELEMENTS: usize = 1500;
/// Cases of an operator.
const CASES: usize = 2;

/// Which numbers are found where indices should be.
#[derive(Debug, Clone, Copy)]
enum Garbage {
    AllOnes,
    Random,
    /// Near enough to hit the guards.
    Small,
}

impl Garbage {
    fn words(self, count: usize, dtype: DType, generator: &mut Generator) -> Vec<u32> {
        let word = |generator: &mut Generator| match (self, dtype) {
            // Heads of windows are floats. No NaN: sums of them would differ from run to run in their bits.
            (Garbage::AllOnes, DType::F32) => f32::MAX.to_bits(),
            (Garbage::Random, DType::F32) => (generator.normal() * 4e9).to_bits(),
            (Garbage::Small, DType::F32) => (generator.below(GUARD_WORDS as u32) as f32).to_bits(),
            (Garbage::AllOnes, _) => u32::MAX,
            (Garbage::Random, _) => generator.next_u32(),
            (Garbage::Small, _) => generator.below(GUARD_WORDS as u32),
        };
        (0..count).map(|_| word(generator)).collect()
    }
}

/// Small cases of the operators that read integers, or the heads of windows.
fn cases() -> Vec<Case<Op>> {
    let mut cases: Vec<Case<Op>> = Vec::new();
    for case in Op::all_cases() {
        let specs: Vec<_> = (case.op.kernels().into_iter())
            .flat_map(|kernel| kernel.arguments().chain(kernel.scratch.iter().copied()))
            .filter_map(|name| Some((name, case.op.argument(name, &case.inputs)?)))
            .collect();
        let reads_words = specs.iter().any(|(_, spec)| spec.dtype == DType::U32);
        let is_small = specs
            .iter()
            .all(|(name, spec)| *name == "packed" || *name == "rows" || spec.shape.len() <= MAX_ELEMENTS);
        let known = cases.iter().filter(|other| other.op.name() == case.op.name()).count();
        if is_small && known < CASES && (reads_words || case.op.shader() == "dense") {
            cases.push(case);
        }
    }
    cases
}

/// A plan of one kernel, with a guard behind each argument.
fn plan_of(case: &Case<Op>, kernel: &str) -> Plan {
    let kernel = case.op.kernel(kernel).unwrap();
    let mut plan = Plan { name: "garbage".into(), batch: 1, buffers: vec![], slots: vec![], steps: vec![] };
    let mut arguments = Vec::new();
    for name in kernel.arguments().chain(kernel.scratch.iter().copied()) {
        let mut spec = case.op.argument(name, &case.inputs).unwrap();
        let shape = spec.shape.clone();
        let bytes = (shape.len() * spec.dtype.bytes()).next_multiple_of(4) + 4 * GUARD_WORDS;
        spec.shape = [bytes / spec.dtype.bytes()].into();
        let buffer = Buffer { slot: plan.slots.len(), ..Buffer::new(name, spec, Kind::Output) };
        plan.slots.push(Slot { dtype: buffer.dtype, bytes, shared_as: None });
        arguments.push(Argument { name: name.into(), buffer: plan.buffers.len(), shape });
        plan.buffers.push(buffer);
    }
    let (op, kernel) = (case.op.clone(), kernel.name.into());
    plan.steps = vec![Step { layer: "case".into(), op, kernel, arguments }];
    plan
}

/// Runs a dispatch of a plan among guards of one kind, and returns what lies in each buffer afterwards.
fn run(
    backend: &mut GpuBackend,
    plan: &Plan,
    dispatch: usize,
    garbage: Garbage,
    guard: u32,
) -> Vec<Vec<u32>> {
    let id = backend.prepare(plan).unwrap();
    for (index, buffer) in plan.buffers.iter().enumerate() {
        let mut generator = Generator::new(7, 0, index as u32, Stream::Test);
        let inside = buffer.bytes() / 4 - GUARD_WORDS;
        let mut words = garbage.words(inside, buffer.dtype, &mut generator);
        words.resize(inside + GUARD_WORDS, guard);
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        backend.write(id, index, &bytes).unwrap();
    }
    backend.run_dispatch(id, dispatch).unwrap();
    let read = |index| {
        let bytes = backend.read(id, index).unwrap();
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    };
    (0..plan.buffers.len()).map(read).collect()
}

#[test]
fn whatever_stands_where_indices_should_nothing_outside_is_read_or_written() {
    let adapters = adapter::list();
    let usable = adapters.iter().filter(|adapter| adapter.report.cannot_train.is_none());
    let adapter =
        usable.clone().find(|adapter| adapter.report.is_software).or(usable.clone().next()).unwrap();
    let cases = cases();
    for name in ["embedding", "max_pool2d", "conv_pool2d", "dense_relu", "softmax_cross_entropy", "augment"] {
        assert!(cases.iter().any(|case| case.op.name() == name), "no case of {name} is small enough");
    }
    let (mut failures, mut runs) = (Vec::new(), 0);
    for variant in Variant::ALL {
        let mut backend =
            GpuBackend::open(adapter, Options { variant: Some(variant), ..Options::default() }).unwrap();
        for case in &cases {
            for kernel in case.op.kernels().into_iter().filter(|k| case.op.takes(k.name, &case.inputs)) {
                let plan = plan_of(case, kernel.name);
                let id = backend.prepare(&plan).unwrap();
                for dispatch in 0..backend.dispatches(id) {
                    for garbage in [Garbage::AllOnes, Garbage::Random, Garbage::Small] {
                        // Two guards, so that what was read of them shows.
                        let guards = [0x4040_4040, 0x3f8a_bcde];
                        let [one, other] =
                            guards.map(|guard| run(&mut backend, &plan, dispatch, garbage, guard));
                        for (index, buffer) in plan.buffers.iter().enumerate() {
                            let inside = buffer.bytes() / 4 - GUARD_WORDS;
                            let what = || {
                                let step = &plan.steps[0];
                                format!(
                                    "{} on {:?}, dispatch {dispatch}, {garbage:?}, {}",
                                    step.label(),
                                    case.inputs,
                                    buffer.name
                                )
                            };
                            if [(&one, guards[0]), (&other, guards[1])].iter().any(|(buffers, guard)| {
                                buffers[index][inside..].iter().any(|word| word != guard)
                            }) {
                                failures.push(format!("{}: written behind its end", what()));
                            } else if one[index][..inside] != other[index][..inside] {
                                failures.push(format!("{}: depends on what lies behind a buffer", what()));
                            }
                        }
                        runs += 1;
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures: {:#?}", failures.len(), &failures[..failures.len().min(12)]);
    assert!(runs > 100, "{runs} runs");
}
