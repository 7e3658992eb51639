//! The WGSL shaders, and what `build.rs` read from them.

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
    /// The buffers that it uses, itself or through the functions that it calls.
    pub bindings: &'static [Binding],
}

/// A storage buffer of a shader, in group 0.
#[derive(Debug)]
pub struct Binding {
    /// The number of the binding.
    pub index: u32,
    /// The name, which is that of the kernel's argument.
    pub name: &'static str,
    /// Whether the shader may write to it.
    pub writable: bool,
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
