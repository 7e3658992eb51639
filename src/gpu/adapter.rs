//! Which adapters there are, and which one is meant.

use crate::plan::BackendInfo;
use serde::Serialize;
use wgpu::{Backends, DeviceType, DownlevelFlags, Limits};

/// An adapter that a driver offers.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// wgpu's handle.
    pub(super) handle: wgpu::Adapter,
    /// What is known of it.
    pub report: AdapterReport,
}

/// What `faceshader adapters` tells of an adapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterReport {
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// The adapter's name.
    pub name: String,
    /// The driver's name and version.
    pub driver: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `CPU` or `other`.
    pub kind: String,
    /// Whether the driver computes on the CPU.
    pub is_software: bool,
    /// The largest buffer that a shader can see at once.
    pub max_binding_bytes: u64,
    /// The largest buffer.
    pub max_buffer_bytes: u64,
    /// Invocations in a workgroup.
    pub max_workgroup_invocations: u32,
    /// Workgroup memory.
    pub max_workgroup_bytes: u32,
    /// Storage buffers that a shader can use.
    pub max_storage_buffers: u32,
    /// Why it cannot train, if it cannot.
    pub cannot_train: Option<String>,
}

/// No adapter fits what was asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("there is no adapter {wanted:?}; there are:\n{available}")]
pub struct NoSuchAdapter {
    /// What was asked for.
    pub wanted: String,
    /// One line for each adapter that is there.
    pub available: String,
}

/// What `--adapter` means.
#[derive(Debug, Clone)]
pub enum Choice {
    /// The CPU backend.
    Cpu,
    /// A GPU, or a driver that plays one.
    Gpu(Box<Adapter>),
}

/// The kinds of adapter that `auto` asks about.
const DISCRETE: &str = "discrete GPU";
const INTEGRATED: &str = "integrated GPU";

/// Storage buffers that our largest kernel uses.
const STORAGE_BUFFERS: u32 = 8;
/// Invocations in the workgroups of our kernels.
const INVOCATIONS: u32 = crate::ops::WORKGROUP as u32;

/// The uniform buffers of our kernels.
const UNIFORM_BYTES: u64 = crate::ops::WINDOW_BYTES as u64;

/// All adapters, real GPUs first.
pub fn list() -> Vec<Adapter> {
    list_of(Backends::VULKAN | Backends::METAL | Backends::DX12 | Backends::GL)
}

/// The adapters of some of wgpu's backends, real GPUs first; where the environment variable `WGPU_BACKEND` names some,
/// as in `vulkan,gl`, only of those. Asking for fewer is faster, and spares what drivers have to say when they look for
/// a display.
fn list_of(backends: Backends) -> Vec<Adapter> {
    let allowed = Backends::from_env().filter(|backends| !backends.is_empty());
    let backends = backends & allowed.unwrap_or(Backends::all());
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let handles = pollster::block_on(instance.enumerate_adapters(backends));
    let mut adapters: Vec<Adapter> = handles.into_iter().map(describe).collect();
    adapters.sort_by_key(|adapter| adapter.report.is_software);
    adapters
}

fn describe(handle: wgpu::Adapter) -> Adapter {
    let (info, limits) = (handle.get_info(), handle.limits());
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => DISCRETE,
        DeviceType::IntegratedGpu => INTEGRATED,
        DeviceType::VirtualGpu => "virtual GPU",
        DeviceType::Cpu => "CPU",
        DeviceType::Other => "other",
    };
    let software_names = ["llvmpipe", "softpipe", "swiftshader", "lavapipe", "warp", "basic render"];
    let name = info.name.to_lowercase();
    let is_software =
        info.device_type == DeviceType::Cpu || software_names.iter().any(|software| name.contains(software));
    let report = AdapterReport {
        backend: backend_name(info.backend).into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
        kind: kind.into(),
        is_software,
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
        max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        cannot_train: obstacle(&handle, &limits),
        name: info.name,
    };
    Adapter { handle, report }
}

fn backend_name(backend: wgpu::Backend) -> &'static str {
    match backend {
        wgpu::Backend::Vulkan => "vulkan",
        wgpu::Backend::Metal => "metal",
        wgpu::Backend::Dx12 => "dx12",
        wgpu::Backend::Gl => "gl",
        wgpu::Backend::BrowserWebGpu => "webgpu",
        wgpu::Backend::Noop => "noop",
    }
}

/// The version that a driver of desktop OpenGL tells, if it is too old for compute shaders. NVIDIA's driver gives the
/// least that wgpu asks for, 3.3; its extensions then promise what WGSL translated for 3.3 cannot say.
fn old_opengl(driver: &str) -> Option<String> {
    let version = driver.split([' ', '-']).next()?;
    let mut numbers = version.split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return None };
    ((major, minor) < (4, 3)).then(|| format!("{major}.{minor}"))
}

/// Why an adapter cannot train.
fn obstacle(handle: &wgpu::Adapter, limits: &Limits) -> Option<String> {
    if !handle.get_downlevel_capabilities().flags.contains(DownlevelFlags::COMPUTE_SHADERS) {
        return Some("it has no compute shaders".into());
    }
    let info = handle.get_info();
    if let Some(version) = old_opengl(&info.driver_info).filter(|_| info.backend == wgpu::Backend::Gl) {
        return Some(format!("its driver gives OpenGL {version}, and compute shaders need 4.3; try vulkan"));
    }
    if limits.max_storage_buffers_per_shader_stage < STORAGE_BUFFERS {
        let has = limits.max_storage_buffers_per_shader_stage;
        return Some(format!("a shader can use {has} storage buffers, but {STORAGE_BUFFERS} are needed"));
    }
    if limits.max_uniform_buffer_binding_size < UNIFORM_BYTES
        || limits.min_uniform_buffer_offset_alignment > 256
    {
        let has = limits.max_uniform_buffer_binding_size >> 10;
        let needs = UNIFORM_BYTES >> 10;
        return Some(format!(
            "a shader sees uniform buffers of {has} KiB, but {needs} KiB at every 256 bytes are needed"
        ));
    }
    if limits.max_compute_invocations_per_workgroup < INVOCATIONS {
        let has = limits.max_compute_invocations_per_workgroup;
        return Some(format!("a workgroup holds {has} invocations, but {INVOCATIONS} are needed"));
    }
    None
}

impl AdapterReport {
    /// One line for people.
    pub fn line(&self) -> String {
        let software = if self.is_software { ", software" } else { "" };
        let obstacle =
            self.cannot_train.as_ref().map_or(String::new(), |why| format!(" (cannot train: {why})"));
        format!("{:<7} {} [{}{software}], {}{obstacle}", self.backend, self.name, self.kind, self.driver)
    }

    /// What goes into the run folder.
    pub fn info(&self) -> BackendInfo {
        BackendInfo { backend: self.backend.clone(), adapter: self.name.clone(), driver: self.driver.clone() }
    }
}

/// The adapter that `auto` means among some: the first that can train of discrete GPUs, then of integrated ones, then
/// of others; never one that computes on the CPU.
fn preferred<'a>(reports: impl Iterator<Item = &'a AdapterReport>) -> Option<usize> {
    let rank = |report: &AdapterReport| match report.kind.as_str() {
        DISCRETE => 0,
        INTEGRATED => 1,
        _ => 2,
    };
    let real = |(_, report): &(usize, &AdapterReport)| report.cannot_train.is_none() && !report.is_software;
    reports
        .enumerate()
        .filter(real)
        .min_by_key(|(index, report)| (rank(report), *index))
        .map(|(index, _)| index)
}

/// Finds what `wanted` means: `auto`, `cpu`, a backend, or a part of an adapter's name, in any case.
/// With it comes the reason, for the user to read.
pub fn choose(wanted: &str) -> Result<(Choice, String), NoSuchAdapter> {
    let wanted_lower = wanted.trim().to_lowercase();
    if wanted_lower == "cpu" {
        return Ok((Choice::Cpu, "as asked for".into()));
    }
    let can_train = |adapter: &&Adapter| adapter.report.cannot_train.is_none();
    if wanted_lower == "auto" {
        let best = |adapters: &[Adapter]| preferred(adapters.iter().map(|adapter| &adapter.report));
        let mut adapters = list_of(Backends::VULKAN | Backends::METAL | Backends::DX12);
        if best(&adapters).is_none() {
            adapters.extend(list_of(Backends::GL));
        }
        return Ok(match best(&adapters).map(|index| &adapters[index]) {
            Some(adapter) => {
                let reason = format!("the first {} that can train", adapter.report.kind);
                (Choice::Gpu(Box::new(adapter.clone())), reason)
            }
            None if adapters.is_empty() => (Choice::Cpu, "no GPU driver was found".into()),
            None => (Choice::Cpu, "no real GPU was found; software GPUs are used only if asked for".into()),
        });
    }
    let adapters = match wanted_lower.as_str() {
        "vulkan" => list_of(Backends::VULKAN),
        "metal" => list_of(Backends::METAL),
        "dx12" => list_of(Backends::DX12),
        _ => list(),
    };
    let matches = |adapter: &&Adapter| {
        !wanted_lower.is_empty()
            && (adapter.report.backend == wanted_lower
                || adapter.report.name.to_lowercase().contains(&wanted_lower))
    };
    match adapters.iter().filter(matches).find(can_train) {
        Some(adapter) => Ok((Choice::Gpu(Box::new(adapter.clone())), "as asked for".into())),
        None => {
            let mut lines: Vec<String> =
                list().iter().map(|adapter| format!("  {}", adapter.report.line())).collect();
            lines.push("  cpu     this program's own backend".into());
            Err(NoSuchAdapter { wanted: wanted.into(), available: lines.join("\n") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_prefers_a_discrete_gpu_then_an_integrated_one() {
        let report = |kind: &str, is_software, can_train: bool| AdapterReport {
            backend: "vulkan".into(),
            name: kind.into(),
            driver: String::new(),
            kind: kind.into(),
            is_software,
            max_binding_bytes: 0,
            max_buffer_bytes: 0,
            max_workgroup_invocations: 0,
            max_workgroup_bytes: 0,
            max_storage_buffers: 0,
            cannot_train: (!can_train).then(|| "it is too old".into()),
        };
        let discrete = report("discrete GPU", false, true);
        let old = report("discrete GPU", false, false);
        let integrated = report("integrated GPU", false, true);
        let virtual_gpu = report("virtual GPU", false, true);
        let software = report("CPU", true, true);
        for (listed, meant) in [
            (vec![&integrated, &discrete], Some(1)),
            (vec![&virtual_gpu, &integrated, &old], Some(1)),
            (vec![&software, &virtual_gpu], Some(1)),
            (vec![&discrete, &discrete], Some(0)),
            (vec![&software, &old], None),
            (vec![], None),
        ] {
            let kinds: Vec<&str> = listed.iter().map(|report| report.kind.as_str()).collect();
            assert_eq!(preferred(listed.iter().copied()), meant, "{kinds:?}");
        }
    }

    #[test]
    fn desktop_opengl_before_4_3_is_too_old() {
        for (driver, old) in [
            ("3.3.0 NVIDIA 580.159.04", Some("3.3")),
            ("4.2 (Core Profile) Mesa 22.3.6", Some("4.2")),
            ("4.3.0", None),
            ("4.5 (Core Profile) Mesa 22.3.6", None),
            ("OpenGL ES 3.2 Mesa 22.3.6", None),
            ("", None),
        ] {
            assert_eq!(old_opengl(driver).as_deref(), old, "{driver}");
        }
    }
}
