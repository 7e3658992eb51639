//! An exported program is complete: a replay that knows nothing but its files, and not a type of this
//! program, computes the same bits as our own backend.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use faceshader::gpu::{GpuBackend, Options, adapter};
use faceshader::graph::Graph;
use faceshader::ops::augment::IDENTITY;
use faceshader::ops::{BATCH_COUNT, BATCH_RATES, BATCH_WORDS, Rates, Variant};
use faceshader::plan::{Backend, Kind, Purpose, lower};
use faceshader::rng::{Generator, Stream};
use faceshader::spec::Spec;
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wgpu::BufferUsages;

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets/tiny.toml")
}

fn export(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faceshader"));
    command
        .args(["export", "program", "--model"])
        .arg(tiny())
        .arg("--out")
        .arg(folder)
        .args(more)
        .output()
        .unwrap()
}

/// What the host writes before a step, and the values that persist: the same for both sides.
fn inputs(training: &Value) -> HashMap<String, Vec<u8>> {
    let graph = Graph::new(&Spec::parse(&std::fs::read_to_string(tiny()).unwrap(), "tiny.toml").unwrap(), 1);
    let parameters: HashMap<_, _> = graph.unwrap().parameters().into_iter().collect();
    let batch = training["batch"].as_u64().unwrap() as u32;
    let mut written = HashMap::new();
    for (index, buffer) in training["buffers"].as_array().unwrap().iter().enumerate() {
        let name = buffer["name"].as_str().unwrap();
        let mut generator = Generator::new(5, 0, index as u32, Stream::Init);
        let bytes = buffer["bytes"].as_u64().unwrap() as usize;
        let words: Vec<u32> = match (name, buffer["kind"].as_str().unwrap(), parameters.get(name)) {
            ("batch", ..) => {
                let mut words = vec![0; BATCH_WORDS];
                words[BATCH_COUNT] = batch;
                words[BATCH_RATES..].copy_from_slice(&Rates::STILL.words());
                words
            }
            ("transform", ..) => IDENTITY.iter().map(|&v| v as u32).cycle().take(bytes / 4).collect(),
            ("sample", ..) => (0..batch).collect(),
            (_, "input", _) if buffer["dtype"] == "u8" => {
                (0..bytes / 4).map(|_| generator.next_u32()).collect()
            }
            (_, "input", _) => (0..bytes / 4).map(|_| generator.unit().round().to_bits()).collect(),
            (_, _, Some(parameter)) => {
                parameter.init.draw(bytes / 4, &mut generator).into_iter().map(f32::to_bits).collect()
            }
            _ => continue,
        };
        written.insert(name.into(), words.into_iter().flat_map(u32::to_le_bytes).collect());
    }
    written
}

/// Runs the program in `file` once, on the adapter of this name, and returns its slots.
fn replay(file: &Path, adapter: &str, inputs: &HashMap<String, Vec<u8>>) -> Vec<Vec<u8>> {
    let program: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let number = |value: &Value| value.as_u64().unwrap();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let adapter = adapters.into_iter().find(|found| found.get_info().name == adapter).unwrap();
    let (device, queue) =
        pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();

    let all = BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
    let buffer = |size: u64, usage: BufferUsages| {
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let slots: Vec<wgpu::Buffer> =
        list(&program["slots"]).iter().map(|slot| buffer(number(&slot["bytes"]), all)).collect();
    for known in list(&program["buffers"]) {
        if let Some(bytes) = inputs.get(known["name"].as_str().unwrap()) {
            let slot = &slots[number(&known["slot"]) as usize];
            queue.write_buffer(slot, number(&known["offset_bytes"]), bytes);
        }
    }
    let pipelines: Vec<wgpu::ComputePipeline> = list(&program["pipelines"])
        .iter()
        .map(|pipeline| {
            let path = file.with_file_name(pipeline["wgsl"].as_str().unwrap());
            let text = std::fs::read_to_string(path).unwrap();
            let source = wgpu::ShaderSource::Wgsl(text.into());
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
            let constants = pipeline["constants"].as_object().unwrap();
            let constants: Vec<(&str, f64)> =
                constants.iter().map(|(name, value)| (name.as_str(), value.as_f64().unwrap())).collect();
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: pipeline["entry_point"].as_str(),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    ..Default::default()
                },
                cache: None,
            })
        })
        .collect();

    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for dispatch in list(&program["dispatches"]) {
            let pipeline = &pipelines[number(&dispatch["pipeline"]) as usize];
            let bindings = list(&dispatch["bindings"]);
            let entries: Vec<wgpu::BindGroupEntry> = bindings
                .iter()
                .map(|bound| wgpu::BindGroupEntry {
                    binding: number(&bound["binding"]) as u32,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer: &slots[number(&bound["slot"]) as usize],
                        offset: number(&bound["offset_bytes"]),
                        size: wgpu::BufferSize::new(number(&bound["bytes"])),
                    }),
                })
                .collect();
            let layout = pipeline.get_bind_group_layout(0);
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &layout,
                entries: &entries,
            });
            let groups: Vec<u32> = list(&dispatch["workgroups"]).iter().map(|n| number(n) as u32).collect();
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
        }
    }
    let readbacks: Vec<wgpu::Buffer> = slots
        .iter()
        .map(|slot| {
            let readback = buffer(slot.size(), BufferUsages::MAP_READ | BufferUsages::COPY_DST);
            encoder.copy_buffer_to_buffer(slot, 0, &readback, 0, slot.size());
            readback
        })
        .collect();
    queue.submit([encoder.finish()]);
    readbacks.iter().for_each(|readback| readback.slice(..).map_async(wgpu::MapMode::Read, |r| r.unwrap()));
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    readbacks.iter().map(|readback| readback.slice(..).get_mapped_range().unwrap().to_vec()).collect()
}

#[test]
fn an_exported_program_computes_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("program");
    let exported = export(&out, &[]);
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let file = out.join("training.json");
    let training: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let inputs = inputs(&training);
    assert!(inputs.len() > 15, "only {:?}", inputs.keys());

    let adapters = adapter::list();
    let usable = |a: &&adapter::Adapter| a.report.cannot_train.is_none() && a.report.is_software;
    let adapter = adapters.iter().find(usable).expect("a software adapter (Debian: mesa-vulkan-drivers)");
    // With wgpu's checks, as the replay's safe calls have them.
    let mut backend = GpuBackend::open(
        adapter,
        Options { checked: true, variant: Some(Variant::Gpu), ..Options::default() },
    )
    .unwrap();
    let spec = Spec::parse(&std::fs::read_to_string(tiny()).unwrap(), "tiny.toml").unwrap();
    let plan = lower(&Graph::new(&spec, spec.training.batch).unwrap(), &spec.name, Purpose::Training);
    let id = backend.prepare(&plan).unwrap();
    for (name, bytes) in &inputs {
        backend.write(id, plan.buffer(name).unwrap(), bytes).unwrap();
    }
    backend.run(id).unwrap();

    let slots = replay(&file, &adapter.report.name, &inputs);
    let mut changed = 0;
    for (index, buffer) in plan.buffers.iter().enumerate().filter(|(_, b)| b.kind != Kind::Transient) {
        let ours = backend.read(id, index).unwrap();
        let found =
            training["buffers"].as_array().unwrap().iter().find(|b| b["name"] == buffer.name.as_str());
        let slot = &slots[found.unwrap()["slot"].as_u64().unwrap() as usize];
        let theirs = &slot[found.unwrap()["offset_bytes"].as_u64().unwrap() as usize..];
        assert!(ours[..] == theirs[..ours.len()], "{} differs", buffer.name);
        let before = inputs.get(&buffer.name).cloned().unwrap_or(vec![0; ours.len()]);
        changed += usize::from(ours != before);
    }
    assert!(changed > 20, "the step changed only {changed} buffers");
}

/// The tensors of a safetensors file by their names.
fn tensors(file: &Path) -> HashMap<String, Vec<u8>> {
    let bytes = std::fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors.iter().map(|(name, tensor)| (name.to_string(), tensor.data().to_vec())).collect()
}

#[test]
fn a_recorded_step_holds_all_that_a_replay_needs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("program");
    let exported = export(&out, &["--steps", "1", "--adapter", "vulkan"]);
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let read = |name: &str| tensors(&out.join("recording").join(name).with_extension("safetensors"));
    let mut inputs = read("initial");
    inputs.extend(read("step-0"));
    let want = read("training");
    assert!(inputs.len() > 15 && want.len() > 15, "{:?} give {:?}", inputs.keys(), want.keys());
    let changed = want.iter().filter(|(name, bytes)| inputs.get(*name) != Some(bytes)).count();
    assert_eq!(changed, want.len(), "a recorded result is what was there before");

    let file = out.join("training.json");
    let training: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let vulkan =
        adapter::list().into_iter().find(|a| a.report.backend == "vulkan" && a.report.cannot_train.is_none());
    let slots = replay(&file, &vulkan.unwrap().report.name, &inputs);
    for buffer in training["buffers"].as_array().unwrap() {
        let Some(want) = want.get(buffer["name"].as_str().unwrap()) else { continue };
        let slot = &slots[buffer["slot"].as_u64().unwrap() as usize];
        let got = &slot[buffer["offset_bytes"].as_u64().unwrap() as usize..];
        assert!(got[..want.len()] == want[..], "{} differs", buffer["name"]);
    }
    for name in ["evaluation", "prediction"] {
        assert!(!read(name).is_empty(), "no results of {name}");
    }
}

#[test]
fn every_file_that_an_exported_program_names_is_there() {
    let folder = tempfile::tempdir().unwrap();
    assert!(export(folder.path(), &["--batch", "3"]).status.success());
    for name in ["training", "evaluation", "prediction"] {
        let file = folder.path().join(name).with_extension("json");
        let program: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(program["batch"], 3);
        for pipeline in program["pipelines"].as_array().unwrap() {
            let wgsl = folder.path().join(pipeline["wgsl"].as_str().unwrap());
            assert!(std::fs::read_to_string(wgsl).unwrap().contains("@compute"));
            let spirv = std::fs::read(folder.path().join(pipeline["spirv"].as_str().unwrap())).unwrap();
            assert_eq!(spirv[..4], 0x0723_0203_u32.to_le_bytes(), "{pipeline}");
        }
    }
}

#[test]
fn a_folder_that_is_not_empty_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "kept").unwrap();
    let refused = export(folder.path(), &[]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("is not empty") && said.contains("--out"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was written");
}
