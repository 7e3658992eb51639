//! The WGSL shaders, and what `build.rs` read from them.

use serde::{Deserialize, Serialize};

/// A shader file.
#[derive(Debug)]
pub struct Shader {
    /// The operator's name and the file's stem.
    pub name: &'static str,
    /// The text.
    pub source: &'static str,
    /// The names of the `override` constants.
    pub constants: &'static [&'static str],
    /// What can be dispatched.
    pub entry_points: &'static [EntryPoint],
}

/// An entry point of a shader.
#[derive(Debug)]
pub struct EntryPoint {
    /// The function's name.
    pub name: &'static str,
    /// Invocations in a workgroup.
    pub invocations: u32,
    /// Workgroup memory that it uses, itself or through the functions that it calls.
    pub workgroup_bytes: u32,
    /// The buffers that it uses, itself or through the functions that it calls.
    pub bindings: &'static [Binding],
}

/// A buffer of a shader, in group 0.
#[derive(Debug)]
pub struct Binding {
    /// The number of the binding.
    pub index: u32,
    /// The name, which is that of the kernel's argument, with one of [`crate::ops::VIEW_SUFFIXES`] behind it
    /// where it is seen another way.
    pub name: &'static str,
    /// How the shader sees it.
    pub access: Access,
}

/// How a shader sees a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that may be written.
    ReadWrite,
    /// A uniform buffer.
    Uniform,
}

include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// The shader of the operator `name`.
pub fn shader(name: &str) -> Option<&'static Shader> {
    SHADERS.iter().find(|shader| shader.name == name)
}

impl Shader {
    /// The entry point of this name.
    pub fn entry_point(&self, name: &str) -> Option<&'static EntryPoint> {
        self.entry_points.iter().find(|entry_point| entry_point.name == name)
    }
}
