//! Opens the backend that the user means, and says which it is and why.

use super::Usage;
use crate::cpu::CpuBackend;
use crate::gpu::adapter::{Choice, choose};
use crate::gpu::{GpuBackend, Options};
use crate::ops::Variant;
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
    /// Use the kernels made for GPUs or for software adapters, whatever the adapter is
    #[arg(long)]
    pub kernels: Option<Kernels>,
}

/// Which kernels run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kernels {
    /// Many lanes with few registers each
    Gpu,
    /// For a CPU that plays a GPU
    Software,
}

impl AdapterArguments {
    /// Opens it. Nothing is ever used in its place.
    pub fn open(&self) -> Result<Box<dyn Backend>> {
        let (choice, reason) = choose(&self.adapter)?;
        let backend: Box<dyn Backend> = match choice {
            Choice::Cpu if self.checked || self.kernels.is_some() => {
                return Err(Usage("--checked and --kernels are for GPUs, not for the cpu".into()).into());
            }
            Choice::Cpu => Box::new(CpuBackend::new()),
            Choice::Gpu(adapter) => Box::new(GpuBackend::open(&adapter, self.options())?),
        };
        let BackendInfo { backend: name, adapter, driver } = backend.info();
        log::info!("adapter: {name}, {adapter}, {driver} ({reason})");
        Ok(backend)
    }

    /// Which kernels run, for what is remembered of an adapter.
    pub fn kernels(&self) -> String {
        let Options { checked, variant, .. } = self.options();
        let kind = variant.map_or("its own".into(), |variant| format!("{variant:?}"));
        format!("{kind} kernels, checked: {checked}")
    }

    fn options(&self) -> Options {
        let variant = self.kernels.map(|kernels| match kernels {
            Kernels::Gpu => Variant::Gpu,
            Kernels::Software => Variant::Software,
        });
        Options { checked: self.checked, variant, submit_seconds: None }
    }
}
