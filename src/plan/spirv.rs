//! A pipeline with its constants filled in, and its translation to SPIR-V for Vulkan.
//!
//! The translation is the one that the GPU backend asks of wgpu by default: no checks of indices,
//! divisions and loops, since every index is computed from constants of the plan and compared with an
//! extent first.

use super::Pipeline;
use crate::shaders::shader;
use naga::ShaderStage;
use naga::back::pipeline_constants::process_overrides;
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// Vulkan 1.1 takes SPIR-V up to this version.
const SPIRV_VERSION: (u8, u8) = (1, 3);

/// A pipeline cannot be translated: a mistake in this program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("shaders/{shader}.wgsl, {entry_point}: {reason}")]
pub struct TranslationError {
    /// The shader's name.
    pub shader: String,
    /// The entry point's name.
    pub entry_point: String,
    /// What is wrong.
    pub reason: String,
}

impl Pipeline {
    /// `conv2d.forward`
    pub fn label(&self) -> String {
        format!("{}.{}", self.shader, self.entry_point)
    }

    /// The shader with this entry point only and with a value for every constant, validated.
    pub fn specialised(&self) -> Result<(naga::Module, ModuleInfo), TranslationError> {
        let source = shader(&self.shader).ok_or_else(|| self.error("there is no such shader"))?.source;
        let module = naga::front::wgsl::parse_str(source)
            .map_err(|error| self.error(error.emit_to_string(source).as_str()))?;
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        let info = validator.validate(&module).map_err(|error| self.error(&error.to_string()))?;
        let constants = self.constants.iter().cloned().collect();
        let entry = Some((ShaderStage::Compute, self.entry_point.as_str()));
        let (module, info) = process_overrides(&module, &info, entry, &constants)
            .map_err(|error| self.error(&error.to_string()))?;
        Ok((module.into_owned(), info.into_owned()))
    }

    /// The pipeline as SPIR-V words, with one entry point and no specialisation constants.
    pub fn spirv(&self) -> Result<Vec<u32>, TranslationError> {
        let (module, info) = self.specialised()?;
        let unchecked = BoundsCheckPolicy::Unchecked;
        let options = spv::Options {
            lang_version: SPIRV_VERSION,
            flags: spv::WriterFlags::empty(),
            bounds_check_policies: BoundsCheckPolicies {
                index: unchecked,
                buffer: unchecked,
                image_load: unchecked,
                binding_array: unchecked,
            },
            force_loop_bounding: false,
            emit_int_div_checks: false,
            ..Default::default()
        };
        let entry = spv::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: self.entry_point.clone(),
        };
        spv::write_vec(&module, &info, &options, Some(&entry)).map_err(|error| self.error(&error.to_string()))
    }

    fn error(&self, reason: &str) -> TranslationError {
        TranslationError {
            shader: self.shader.clone(),
            entry_point: self.entry_point.clone(),
            reason: reason.into(),
        }
    }
}
