//! Every specialised pipeline translates to what Vulkan, Metal, DX12 and GL want, whether such a device
//! is at hand or not. Where `spirv-val` is installed, it has the last word on the SPIR-V.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use faceshader::graph::Graph;
use faceshader::ops::Op;
use faceshader::ops::Variant;
use faceshader::plan::{Pipeline, Program, Purpose, lower};
use faceshader::shaders::{SHADERS, shader};
use faceshader::spec::Spec;
use naga::ShaderStage;
use naga::back::{glsl, hlsl, msl};
use naga::proc::BoundsCheckPolicies;
use std::collections::BTreeSet;
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

/// Every pipeline of the models, for training and prediction, fused and not, on GPUs and software
/// adapters.
fn pipelines() -> Vec<Pipeline> {
    let mut pipelines: Vec<Pipeline> = Vec::new();
    let models = [
        include_str!("../assets/models/face.toml"),
        include_str!("../assets/models/face-plus.toml"),
        include_str!("../assets/models/review.toml"),
        include_str!("../assets/models/review-plus.toml"),
        include_str!("assets/tiny.toml"),
        include_str!("assets/tiny_text.toml"),
    ];
    for text in models {
        let spec = Spec::parse(text, "model.toml").unwrap();
        for fuse in [true, false] {
            let graph = Graph { fuse, ..Graph::new(&spec, 20).unwrap() };
            for purpose in [Purpose::Training, Purpose::Evaluation] {
                let plan = lower(&graph, "model", purpose);
                for variant in Variant::ALL {
                    for pipeline in Program::new(&plan, variant).unwrap().pipelines {
                        if !pipelines.contains(&pipeline) {
                            pipelines.push(pipeline);
                        }
                    }
                }
            }
        }
    }
    for pipeline in cases() {
        // A few of each entry point, for the operators that no model above has.
        let alike =
            |other: &&Pipeline| other.shader == pipeline.shader && other.entry_point == pipeline.entry_point;
        if pipelines.iter().filter(alike).count() < 3 {
            pipelines.push(pipeline);
        }
    }
    pipelines
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

/// Translates a pipeline to SPIR-V (returned), MSL, HLSL and GLSL.
fn translate(pipeline: &Pipeline) -> Vec<u32> {
    let (module, info) = pipeline.specialised().unwrap();
    let entry = (ShaderStage::Compute, pipeline.entry_point.clone());

    let options = msl::PipelineOptions { entry_point: Some(entry.clone()), ..Default::default() };
    let (text, _) = msl::write_string(&module, &info, &msl::Options::default(), &options).unwrap();
    assert!(text.contains("kernel void"), "{text}");

    let mut text = String::new();
    let target = hlsl::BindTarget { space: 1, ..Default::default() };
    let options = hlsl::Options { special_constants_binding: Some(target), ..Default::default() };
    let pipeline_options = hlsl::PipelineOptions { entry_point: Some(entry.clone()) };
    hlsl::Writer::new(&mut text, &options, &pipeline_options).write(&module, &info, None).unwrap();
    assert!(text.contains("numthreads"), "{text}");

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
    pipeline.spirv().unwrap()
}

#[test]
fn every_pipeline_translates_for_every_backend() {
    let pipelines = pipelines();
    let names: BTreeSet<String> =
        pipelines.iter().map(|p| format!("{}.{}", p.shader, p.entry_point)).collect();
    assert!(pipelines.len() > 60 && names.len() > 25, "{} pipelines of {names:?}", pipelines.len());
    let has_validator = Command::new("spirv-val").arg("--version").output().is_ok();
    eprintln!(
        "{} pipelines; spirv-val: {}",
        pipelines.len(),
        if has_validator { "yes" } else { "not installed" }
    );
    let folder = tempfile::tempdir().unwrap();
    for (number, pipeline) in pipelines.iter().enumerate() {
        let words = translate(pipeline);
        if has_validator {
            let path = folder.path().join(format!("{number}.spv"));
            std::fs::write(&path, bytemuck::cast_slice(&words)).unwrap();
            let output =
                Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(&path).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}.{}: {said}", pipeline.shader, pipeline.entry_point);
        }
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
