use super::*;
use crate::graph::Graph;
use crate::ops::{Op, Variant};
use crate::plan::{Argument, Buffer, Kind, Plan, Program, ProgramError, Purpose, Slot, lower};
use crate::rng::{Generator, Stream};
use crate::shaders::shader;
use crate::shape::Shape;
use crate::spec::Spec;

/// Sizes drawn for each case of each operator.
const DRAWS: u64 = 12;

/// A number whose logarithm is drawn evenly.
fn draw(generator: &mut Generator, bits: u32) -> usize {
    let size = 1_usize << generator.below(bits);
    size + generator.below(size as u32) as usize
}

/// The operator with more outputs, filters or rows, so that it stays as valid as it was.
fn enlarged(op: &Op, generator: &mut Generator) -> Option<Op> {
    fn enlarge(value: &mut serde_json::Value, factor: usize) {
        let serde_json::Value::Object(fields) = value else { return };
        for (name, value) in fields {
            let count = ["out_features", "out_channels", "vocabulary", "width"].contains(&name.as_str());
            match value.as_u64().filter(|_| count) {
                Some(number) => *value = (number * factor as u64).into(),
                None => enlarge(value, factor),
            }
        }
    }
    let mut value = serde_json::to_value(op).ok()?;
    enlarge(&mut value, draw(generator, 12));
    serde_json::from_value(value).ok()
}

/// A plan of one kernel, each argument in a buffer of its own; `None` where one is larger than models may be.
fn plan_of(op: &Op, kernel: &str, inputs: &[Shape]) -> Option<Plan> {
    let kernel = op.kernel(kernel)?;
    let mut plan = Plan { name: "large".into(), batch: 1, buffers: vec![], slots: vec![], steps: vec![] };
    let mut arguments = Vec::new();
    for name in kernel.arguments().chain(kernel.scratch.iter().copied()) {
        let spec = op.argument(name, inputs)?;
        spec.shape.checked_len()?;
        let shape = spec.shape.clone();
        let buffer = Buffer { slot: plan.slots.len(), ..Buffer::new(name, spec, Kind::Transient) };
        plan.slots.push(Slot { dtype: buffer.dtype, bytes: buffer.bytes(), shared_as: None });
        arguments.push(Argument { name: name.into(), buffer: plan.buffers.len(), shape });
        plan.buffers.push(buffer);
    }
    plan.steps = vec![Step { layer: "big".into(), op: op.clone(), kernel: kernel.name.into(), arguments }];
    Some(plan)
}

/// Says what WebGPU's default limits are once more, in numbers.
fn assert_within_limits(program: &Program, what: &str) {
    for invocation in &program.dispatches {
        assert!(invocation.workgroups.iter().all(|&count| count <= 65_535), "{what}: {invocation:?}");
        let storage = invocation.bindings.iter().filter(|bound| bound.access != Access::Uniform);
        assert!(storage.count() <= 8, "{what}");
        for bound in &invocation.bindings {
            let most = if bound.access == Access::Uniform { 65_536 } else { 134_217_728 };
            assert!(bound.bytes <= most && bound.offset_bytes % 256 == 0, "{what}: {bound:?}");
            assert!(bound.offset_bytes + bound.bytes <= program.slots[bound.slot].bytes, "{what}: {bound:?}");
        }
        let pipeline = &program.pipelines[invocation.pipeline];
        let entry_point = shader(&pipeline.shader).unwrap().entry_point(&pipeline.entry_point).unwrap();
        assert!(entry_point.invocations <= 256 && entry_point.workgroup_bytes <= 16_384, "{what}");
    }
    assert!(program.slots.iter().all(|slot| slot.bytes <= 268_435_456), "{what}");
}

#[test]
fn every_dispatch_of_every_operator_keeps_the_limits_or_names_its_layer() {
    let (mut kept, mut refused) = (0, 0);
    for (number, case) in (0..).zip(Op::all_cases()) {
        for seed in 0..DRAWS {
            let mut generator = Generator::new(seed, 0, number, Stream::Test);
            let factors: Vec<usize> = (0..4).map(|_| draw(&mut generator, 13)).collect();
            let axis = generator.below(5) as usize;
            let scale =
                |shape: &Shape| {
                    let axes = shape.0.iter().enumerate();
                    // One axis, or all but one.
                    axes.map(|(index, &extent)| {
                        if (index == axis) == (seed % 2 == 0) { extent * factors[index] } else { extent }
                    })
                    .collect()
                };
            let inputs: Vec<Shape> = case.inputs.iter().map(|shape| Shape(scale(shape))).collect();
            let Some(op) = enlarged(&case.op, &mut generator) else { continue };
            if inputs.iter().any(|input| input.checked_len().is_none()) || op.output_shape(&inputs).is_err() {
                continue;
            }
            for kernel in op.kernels().into_iter().filter(|kernel| op.takes(kernel.name, &inputs)) {
                let Some(plan) = plan_of(&op, kernel.name, &inputs) else { continue };
                let what = format!("{op:?} {} on {inputs:?}", kernel.name);
                for variant in Variant::ALL {
                    match Program::new(&plan, variant) {
                        Ok(program) => {
                            assert_within_limits(&program, &what);
                            kept += 1;
                        }
                        Err(ProgramError::TooLarge(error)) => {
                            assert!(error.to_string().starts_with("layer \"big\" ("), "{what}: {error}");
                            let largest = plan.buffers.iter().map(Buffer::bytes).max().unwrap_or(0);
                            assert!(largest > Limits::WEBGPU.binding_bytes, "{what}: {error}");
                            refused += 1;
                        }
                        Err(error) => panic!("{what}: {error}"),
                    }
                }
            }
        }
    }
    assert!(kept > 1_000 && refused > 100, "{kept} kept, {refused} refused");
}

fn training(input: &str, layers: &str, batch: usize) -> Plan {
    let text = format!(
        "name = \"large\"\n[input]\n{input}\n[optimizer]\nop = \"adam\"\nlearning_rate = 0.1\n[training]\nbatch = 1\n\
         epochs = 1\n{layers}\n[[layer]]\nname = \"flatten\"\nop = \"flatten\"\n[[branch]]\nname = \"age\"\n\
         target = \"age\"\nloss = {{ op = \"mse\" }}\n[[branch.layer]]\nname = \"dense\"\nop = \"dense\"\n\
         out_features = 1"
    );
    let spec = Spec::parse(&text, "large.toml").unwrap();
    lower(&Graph::new(&spec, batch).unwrap(), "large", Purpose::Training)
}

#[test]
fn an_update_of_many_inputs_is_folded_into_rows() {
    // 67,500 workgroups of 64 inputs.
    let plan = training("width = 1200\nheight = 1200", "", 2);
    assert!(plan.steps.iter().any(|step| step.label() == "dense_adam.update"));
    assert_within_limits(&Program::new(&plan, Variant::Gpu).unwrap(), "1200x1200");
}

#[test]
fn scratch_has_room_for_the_variant_that_runs_and_no_more() {
    let conv = |name: &str| {
        format!(
            "[[layer]]\nname = {name:?}\nop = \"conv2d\"\nout_channels = 512\nkernel = 3\npadding = \"same\"\n"
        )
    };
    let plan = training("width = 8\nheight = 8", &(conv("first") + &conv("wide")), 64);
    let program = Program::new(&plan, Variant::Gpu).unwrap();
    let partial = plan.buffer("wide.partial").unwrap();
    assert!(plan.buffers[partial].bytes() > 500 << 20);
    let slot = &program.slots[plan.buffers[partial].slot];
    assert!(slot.bytes < 11 << 20, "{} bytes", slot.bytes);
    let Err(ProgramError::TooLarge(error)) = Program::new(&plan, Variant::Software) else {
        panic!("it needs 576 MiB")
    };
    assert_eq!((error.layer.as_str(), error.needs.as_str()), ("wide", "a binding of 577 MiB"));
}
