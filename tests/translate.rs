//! Every specialised pipeline translates to what Vulkan, Metal, DX12 and GL want, whether such a device
//! is at hand or not. Where `spirv-val` is installed, it has the last word on the SPIR-V.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use faceshader::data::samples::Samples;
use faceshader::graph::Graph;
use faceshader::ops::Op;
use faceshader::ops::Variant;
use faceshader::plan::{Pipeline, Program, Purpose, lower};
use faceshader::shaders::{Access, SHADERS, shader};
use faceshader::spec::Spec;
use naga::back::{glsl, hlsl, msl};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::ModuleInfo;
use naga::{Module, ResourceBinding, ShaderStage};
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use wgsl_parse::syntax::TranslationUnit;

#[test]
fn shaders_keep_to_the_letter_of_the_language() {
    // Browsers do; naga takes `a | b << c` and the like without parentheses.
    for shader in SHADERS {
        let parsed = shader.source.parse::<TranslationUnit>();
        assert!(parsed.is_ok(), "{}.wgsl: {}", shader.name, parsed.unwrap_err());
    }
}

/// The version of Metal's language that comes with macOS 10.15; newer ones contain it.
const METAL_VERSION: (u8, u8) = (2, 2);

/// The built-in models.
const BUILT_IN: [&str; 5] = [
    include_str!("../assets/models/face.toml"),
    include_str!("../assets/models/face-plus.toml"),
    include_str!("../assets/models/photo.toml"),
    include_str!("../assets/models/review.toml"),
    include_str!("../assets/models/review-plus.toml"),
];
/// Models with what those have not.
const TINY: [&str; 2] = [include_str!("assets/tiny.toml"), include_str!("assets/tiny_text.toml")];

/// A model; what it leaves open is that of the built-in data.
fn model(text: &str) -> Spec {
    let mut spec = Spec::parse(text, "model.toml").unwrap();
    if spec.targets.iter().any(|target| target.kind.is_none()) {
        Samples::settle_without_data(&mut spec).unwrap();
    }
    spec
}

/// Pipelines for training, evaluation and prediction, on GPUs and software adapters.
struct Pipelines {
    /// Those of the built-in models as they come, and one of each entry point that these have not.
    usual: Vec<Pipeline>,
    /// Those of all models with another batch and without fusions, and more of each operator's cases.
    others: Vec<Pipeline>,
}

impl Pipelines {
    fn new() -> Self {
        let mut all = Vec::new();
        for text in BUILT_IN {
            let spec = model(text);
            add_model(&mut all, &Graph::new(&spec, spec.training.batch).unwrap());
        }
        let cases = cases();
        add_cases(&mut all, &cases, 1);
        let usual = all.len();
        for text in BUILT_IN.iter().chain(&TINY) {
            let spec = model(text);
            for fuse in [true, false] {
                add_model(&mut all, &Graph { fuse, ..Graph::new(&spec, 20).unwrap() });
            }
        }
        add_cases(&mut all, &cases, 3);
        let others = all.split_off(usual);
        Pipelines { usual: all, others }
    }
}

/// Adds the pipelines of a model that are not there.
fn add_model(pipelines: &mut Vec<Pipeline>, graph: &Graph) {
    for purpose in [Purpose::Training, Purpose::Evaluation, Purpose::Prediction] {
        let plan = lower(graph, "model", purpose);
        for variant in Variant::ALL {
            for pipeline in Program::new(&plan, variant).unwrap().pipelines {
                if !pipelines.contains(&pipeline) {
                    pipelines.push(pipeline);
                }
            }
        }
    }
}

/// Adds pipelines of cases, up to so many of each entry point.
fn add_cases(pipelines: &mut Vec<Pipeline>, cases: &[Pipeline], count: usize) {
    for pipeline in cases {
        if pipelines.iter().filter(|other| other.label() == pipeline.label()).count() < count {
            pipelines.push(pipeline.clone());
        }
    }
}

/// The pipelines of every operator's cases.
fn cases() -> Vec<Pipeline> {
    let mut pipelines = Vec::new();
    for case in Op::all_cases() {
        let shape = |name: &str| case.op.argument(name, &case.inputs).unwrap().shape;
        let taken = case.op.kernels().into_iter().filter(|kernel| case.op.takes(kernel.name, &case.inputs));
        for (kernel, variant) in taken.flat_map(|k| Variant::ALL.map(|v| (k, v))) {
            for dispatch in case.op.dispatches(kernel.name, variant, &shape) {
                let value = |name: &&str| dispatch.constants.iter().find(|(other, _)| other == name).cloned();
                pipelines.push(Pipeline {
                    shader: case.op.shader().into(),
                    entry_point: dispatch.entry_point.clone(),
                    constants: shader(case.op.shader()).unwrap().constants.iter().filter_map(value).collect(),
                });
            }
        }
    }
    pipelines
}

/// A pipeline in the languages of the drivers.
struct Translation {
    spirv: Vec<u32>,
    msl: String,
    hlsl: String,
    /// The name that the entry point has in HLSL.
    hlsl_entry_point: String,
}

/// Translates a pipeline as wgpu does, with its run-time checks or without. GLSL is only made, not returned.
fn translate(pipeline: &Pipeline, checked: bool) -> Translation {
    let (module, info) = pipeline.specialised().unwrap();
    let entry = (ShaderStage::Compute, pipeline.entry_point.clone());
    let (hlsl, hlsl_entry_point) = hlsl_of(pipeline, &module, &info, checked);

    let mut text = String::new();
    let options = glsl::Options {
        version: glsl::Version::Embedded { version: 310, is_webgl: false },
        ..Default::default()
    };
    let pipeline_options =
        glsl::PipelineOptions { shader_stage: entry.0, entry_point: entry.1, multiview: None };
    let policies = BoundsCheckPolicies::default();
    glsl::Writer::new(&mut text, &module, &info, &options, &pipeline_options, policies)
        .unwrap()
        .write()
        .unwrap();
    assert!(text.contains("local_size_x"), "{text}");
    let spirv = pipeline.spirv().unwrap();
    Translation { spirv, msl: msl_of(pipeline, &module, &info, checked), hlsl, hlsl_entry_point }
}

/// The buffers of a pipeline: where WGSL binds them, and how it sees them.
fn bindings(pipeline: &Pipeline) -> impl Iterator<Item = (ResourceBinding, Access)> {
    let entry_point = shader(&pipeline.shader).unwrap().entry_point(&pipeline.entry_point).unwrap();
    let bindings = entry_point.bindings.iter();
    bindings.map(|bound| (ResourceBinding { group: 0, binding: bound.index }, bound.access))
}

fn msl_of(pipeline: &Pipeline, module: &Module, info: &ModuleInfo, checked: bool) -> String {
    let slot = |(slot, (place, access)): (usize, (ResourceBinding, Access))| {
        let mutable = access == Access::ReadWrite;
        (place, msl::BindTarget { buffer: Some(slot as u8), mutable, ..Default::default() })
    };
    let resources: msl::BindingMap = bindings(pipeline).enumerate().map(slot).collect();
    let sizes_buffer = Some(resources.len() as u8);
    let resources = msl::EntryPointResources { resources, sizes_buffer, ..Default::default() };
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let options = msl::Options {
        lang_version: METAL_VERSION,
        fake_missing_bindings: false,
        per_entry_point_map: [(pipeline.entry_point.clone(), resources)].into(),
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..Default::default()
    };
    let entry_point = Some((ShaderStage::Compute, pipeline.entry_point.clone()));
    let pipeline_options = msl::PipelineOptions { entry_point, ..Default::default() };
    let (text, _) = msl::write_string(module, info, &options, &pipeline_options).unwrap();
    assert!(text.contains("kernel void"), "{text}");
    text
}

/// The HLSL, and the name of its entry point.
fn hlsl_of(pipeline: &Pipeline, module: &Module, info: &ModuleInfo, checked: bool) -> (String, String) {
    // Registers are counted for each kind of buffer: b for uniform ones, t for those that are read, u for others.
    let mut registers = [0; 3];
    let register = |(place, access): (ResourceBinding, Access)| {
        let next = match access {
            Access::Uniform => &mut registers[0],
            Access::Read => &mut registers[1],
            Access::ReadWrite => &mut registers[2],
        };
        *next += 1;
        (place, hlsl::BindTarget { register: *next - 1, ..Default::default() })
    };
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        binding_map: bindings(pipeline).map(register).collect(),
        fake_missing_bindings: false,
        special_constants_binding: Some(hlsl::BindTarget { space: 1, ..Default::default() }),
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..Default::default()
    };
    let entry_point = Some((ShaderStage::Compute, pipeline.entry_point.clone()));
    let pipeline_options = hlsl::PipelineOptions { entry_point };
    let mut text = String::new();
    let written =
        hlsl::Writer::new(&mut text, &options, &pipeline_options).write(module, info, None).unwrap();
    assert!(text.contains("numthreads"), "{text}");
    (text, written.entry_point_names[0].clone().unwrap())
}

/// Runs a program that checks files, and fails with what it says.
fn require(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{}{said}", String::from_utf8_lossy(&output.stdout));
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn every_pipeline_translates_for_every_backend() {
    let Pipelines { usual, others } = Pipelines::new();
    let pipelines: Vec<&Pipeline> = usual.iter().chain(&others).collect();
    let names: BTreeSet<String> = pipelines.iter().map(|pipeline| pipeline.label()).collect();
    assert!(pipelines.len() > 60 && names.len() > 25, "{} pipelines of {names:?}", pipelines.len());
    let temporary = tempfile::tempdir().unwrap();
    // tests/hlsl.sh keeps them and sends the HLSL through DXC.
    let kept = std::env::var_os("TRANSLATIONS").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    let (mut spirv, mut entry_points, mut other_entry_points) = (Vec::new(), String::new(), String::new());
    let mut metal = "#include <metal_stdlib>\n#include <simd/simd.h>\n".to_string();
    let (mut known, mut known_spirv) = (HashSet::new(), HashSet::new());
    for (number, pipeline) in pipelines.iter().enumerate() {
        for checked in [false, true] {
            let translation = translate(pipeline, checked);
            let suffix = if checked { ".checked" } else { "" };
            let stem = format!("{number:03}.{}{suffix}", pipeline.label());
            let write = |extension: &str, bytes: &[u8]| {
                let path = folder.join(format!("{stem}.{extension}"));
                std::fs::write(&path, bytes).unwrap();
                path
            };
            // Constants that an entry point does not use make no other text.
            if known.insert(translation.hlsl.clone()) {
                write("hlsl", translation.hlsl.as_bytes());
                let list = if number < usual.len() && !checked {
                    &mut entry_points
                } else {
                    &mut other_entry_points
                };
                writeln!(list, "{stem}.hlsl {}", translation.hlsl_entry_point).unwrap();
            }
            if known.insert(translation.msl.clone()) {
                let path = write("metal", translation.msl.as_bytes());
                // Each in a namespace of its own: they all name their types alike.
                let path = path.display();
                writeln!(metal, "namespace p{number}_{checked} {{\n#include \"{path}\"\n}}").unwrap();
            }
            let words = translation.spirv;
            if !checked && known_spirv.insert(words.clone()) {
                spirv.push(write("spv", bytemuck::cast_slice(&words)));
            }
        }
    }
    std::fs::write(folder.join("entry_points.txt"), entry_points).unwrap();
    std::fs::write(folder.join("other_entry_points.txt"), other_entry_points).unwrap();
    let checkers = ["spirv-val", "g++"].map(is_installed);
    eprintln!("{} pipelines; installed are spirv-val and g++: {checkers:?}", pipelines.len());
    if checkers[0] {
        for path in &spirv {
            require(Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(path));
        }
    }
    if checkers[1] {
        let all = folder.join("all.cpp");
        std::fs::write(&all, metal).unwrap();
        require(&mut metal_checker(&all));
    }
}

/// Looks at the types of Metal's language, which is C++14 with Metal's own library: tests/metal holds stand-ins for
/// what our kernels use of it.
fn metal_checker(file: &Path) -> Command {
    let mut command = Command::new("g++");
    // Attributes such as [[buffer(0)]] mean nothing to g++, and 1.0 is a float.
    let options =
        ["-std=c++14", "-fsingle-precision-constant", "-fsyntax-only", "-Wno-attributes", "-isystem"];
    let stand_ins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metal");
    command.args(options).arg(stand_ins).arg(file);
    command
}

#[test]
fn wrong_types_are_refused_for_metal() {
    if !is_installed("g++") {
        eprintln!("SKIPPED: g++ is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.cpp");
    let is_accepted = |statement: &str| {
        let text = format!("#include <metal_stdlib>\nkernel void f(constant float& x) {{ {statement}; }}\n");
        std::fs::write(&file, text).unwrap();
        metal_checker(&file).output().unwrap().status.success()
    };
    assert!(is_accepted("metal::float4 v = metal::float4(metal::float3(1.0), x) * 2.0"));
    for wrong in [
        "metal::float4 v = metal::float3(1.0)",
        "metal::int4 v = metal::uint4(1u)",
        "metal::float4 v = metal::float4(1.0) + metal::int4(1)",
        "float d = metal::dot(metal::int2(1), metal::int2(1))",
        "int i = as_type<int>(metal::float2(1.0))",
        "float s = metal::sine(x)",
        "metal::float2 v = metal::float4x2() * metal::float2(1.0)",
        "x = 1.0",
    ] {
        assert!(!is_accepted(wrong), "{wrong}");
    }
}

#[test]
fn every_operator_has_a_shader_and_every_shader_an_operator() {
    let with_kernels =
        |name: &str| Op::all_cases().iter().find(|case| case.op.name() == name).map(|case| case.op.shader());
    let used: BTreeSet<&str> = Op::TABLE.iter().filter_map(|(name, _)| with_kernels(name)).collect();
    let there: BTreeSet<&str> = faceshader::shaders::SHADERS.iter().map(|shader| shader.name).collect();
    assert_eq!(used, there);
}
