//! Opens the backend that the user means, and says which it is and why.

use crate::cpu::CpuBackend;
use crate::gpu::adapter::{Choice, choose};
use crate::gpu::{GpuBackend, Options};
use crate::plan::{Backend, BackendInfo};
use anyhow::Result;
use clap::Args;

/// Which adapter computes.
#[derive(Debug, Clone, Args)]
pub struct AdapterArguments {
    /// auto, vulkan, metal, dx12, gl, cpu, or a part of an adapter's name
    #[arg(long, default_value = "auto", value_name = "ADAPTER")]
    pub adapter: String,
    /// Keep all run-time checks in the shaders
    #[arg(long)]
    pub checked: bool,
}

impl AdapterArguments {
    /// Opens it. Nothing is ever used in its place.
    pub fn open(&self) -> Result<Box<dyn Backend>> {
        let (choice, reason) = choose(&self.adapter)?;
        let backend: Box<dyn Backend> = match choice {
            Choice::Cpu => Box::new(CpuBackend::new()),
            Choice::Gpu(adapter) => Box::new(GpuBackend::open(&adapter, Options { checked: self.checked })?),
        };
        let BackendInfo { backend: name, adapter, driver } = backend.info();
        log::info!("adapter: {name}, {adapter}, {driver} ({reason})");
        Ok(backend)
    }
}
