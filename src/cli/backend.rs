//! Opens the backend that the user means, and says which it is and why.

use super::drivers::heard;
use super::{Usage, first_check, tune};
use crate::cpu::CpuBackend;
use crate::faces::Detectors;
use crate::gpu::adapter::{Adapter, Choice, choose};
use crate::gpu::{Chosen, GpuBackend, Options};
use crate::ops::Variant;
use crate::plan::{Backend, BackendInfo};
use crate::spec::Spec;
use anyhow::Result;
use clap::Args;
use std::cell::RefCell;

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

impl Kernels {
    /// The kernels' variant.
    pub fn variant(self) -> Variant {
        match self {
            Kernels::Gpu => Variant::Gpu,
            Kernels::Software => Variant::Software,
        }
    }
}

impl AdapterArguments {
    /// Opens it, with the kernels that were found to be the fastest. Nothing is ever used in its place.
    pub fn open(&self) -> Result<Box<dyn Backend>> {
        self.open_with(|adapter| Ok(tune::known(adapter)))
    }

    /// Opens it for an evaluation or a prediction, with kernels that are proven before, where `prove` says so.
    pub fn open_proven(&self, prove: bool) -> Result<Box<dyn Backend>> {
        let used = RefCell::new(Chosen::new());
        let backend = self.open_with(|adapter| {
            used.replace(tune::known(adapter));
            Ok(used.borrow().clone())
        })?;
        self.proven(backend, prove, &used.into_inner())
    }

    fn proven(&self, mut backend: Box<dyn Backend>, prove: bool, used: &Chosen) -> Result<Box<dyn Backend>> {
        if prove {
            let Options { checked, variant, .. } = self.options();
            first_check::run(&mut *backend, &first_check::kernels(variant, checked, used))?;
        }
        Ok(backend)
    }

    /// What finds faces: on the adapter if it is a GPU, with kernels that are proven before where `prove` says so; else on
    /// the cpu, as a software adapter would compile kernels for minutes.
    pub fn open_detectors(&self, prove: bool) -> Result<Detectors<'static>> {
        match heard(|| choose(&self.adapter))?.0 {
            Choice::Gpu(adapter) if !adapter.report.is_software => {
                Ok(Detectors::on_device(self.open_proven(prove)?))
            }
            Choice::Gpu(_) => {
                log::info!("faces are found on the cpu, as the adapter is no GPU");
                Ok(Detectors::on_cpu())
            }
            Choice::Cpu => Ok(Detectors::on_cpu()),
        }
    }

    /// Opens it for a training. Before the first one its kernels are proven, and the faster of their variants
    /// found, where `prove` says so. A training that goes on keeps the kernels that it had, `before`.
    pub fn open_for_training(
        &self,
        spec: &Spec,
        prove: bool,
        before: impl Fn(&BackendInfo) -> Option<Chosen>,
    ) -> Result<(Box<dyn Backend>, Chosen)> {
        let used = RefCell::new(Chosen::new());
        let backend = self.open_with(|adapter| {
            let chosen = match before(&adapter.report.info()) {
                Some(chosen) => chosen,
                None if prove => tune::known_or_tried(adapter, spec)?,
                None => tune::known(adapter),
            };
            used.replace(chosen.clone());
            Ok(chosen)
        })?;
        let used = used.into_inner();
        Ok((self.proven(backend, prove, &used)?, used))
    }

    /// `chosen` tells of kernels that are better made for something else than the adapter. It is not asked
    /// where the user says what the kernels are made for.
    fn open_with(&self, chosen: impl Fn(&Adapter) -> Result<Chosen>) -> Result<Box<dyn Backend>> {
        match self.choose()? {
            Choice::Cpu => Ok(Box::new(CpuBackend::new())),
            Choice::Gpu(adapter) => {
                let mut options = self.options();
                if options.variant.is_none() {
                    options.chosen = chosen(&adapter)?;
                }
                Ok(Box::new(GpuBackend::open(&adapter, options)?))
            }
        }
    }

    /// Finds what the user means, and says which it is and why.
    fn choose(&self) -> Result<Choice> {
        let (choice, reason) = heard(|| choose(&self.adapter))?;
        let info = match &choice {
            Choice::Cpu if self.checked || self.kernels.is_some() => {
                return Err(Usage("--checked and --kernels are for GPUs, not for the cpu".into()).into());
            }
            Choice::Cpu => CpuBackend::new().info(),
            Choice::Gpu(adapter) => adapter.report.info(),
        };
        let BackendInfo { backend, adapter, driver } = info;
        log::info!("adapter: {backend}, {adapter}, {driver} ({reason})");
        Ok(choice)
    }

    /// Fails where it is not there, before anything that takes long.
    pub fn require(&self) -> Result<()> {
        heard(|| choose(&self.adapter))?;
        Ok(())
    }

    /// Finds it, for a check of all kernels that may run there.
    pub fn all_kernels(&self) -> Result<AllKernels> {
        Ok(AllKernels { choice: self.choose()?, options: self.options() })
    }

    /// The flags that name the adapter and its kernels, for a hint to the user.
    pub fn flags(&self) -> String {
        let kernels = self.options().variant.map_or(String::new(), |v| format!(" --kernels {}", v.name()));
        format!("--adapter {}{kernels}{}", self.adapter, if self.checked { " --checked" } else { "" })
    }

    fn options(&self) -> Options {
        let variant = self.kernels.map(Kernels::variant);
        Options { checked: self.checked, variant, ..Options::default() }
    }
}

/// An adapter with all the kernels that `faceshader tune` may choose there.
pub struct AllKernels {
    choice: Choice,
    options: Options,
}

impl AllKernels {
    /// The kinds of kernels, those made for the adapter first, or the one kind that the user asks for. The cpu has but
    /// one, without a name.
    pub fn variants(&self) -> Vec<Option<Variant>> {
        match (&self.choice, self.options.variant) {
            (Choice::Cpu, _) => vec![None],
            (Choice::Gpu(_), Some(asked)) => vec![Some(asked)],
            (Choice::Gpu(adapter), None) => {
                let usual = Variant::usual(adapter.report.is_software);
                let others = Variant::ALL.into_iter().filter(|&variant| variant != usual);
                std::iter::once(usual).chain(others).map(Some).collect()
            }
        }
    }

    /// Opens the adapter with kernels of one kind.
    pub fn open(&self, variant: Option<Variant>) -> Result<Box<dyn Backend>> {
        match &self.choice {
            Choice::Cpu => Ok(Box::new(CpuBackend::new())),
            Choice::Gpu(adapter) => {
                let options = Options { variant, ..self.options.clone() };
                Ok(Box::new(GpuBackend::open(adapter, options)?))
            }
        }
    }
}

/// What kernels of one kind are called.
pub fn kernels_name(variant: Option<Variant>) -> &'static str {
    variant.map_or("cpu", Variant::name)
}
