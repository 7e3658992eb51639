//! Plain Vulkan, as far as compiling a compute pipeline and asking for its statistics.
//!
//! wgpu refuses a device without hardware, so this talks to the driver through `ash`. The features are
//! those that wgpu switches on, where they change what is compiled.
#![allow(unsafe_code, reason = "Vulkan through ash is unsafe throughout")]

use anyhow::{Context, Result, anyhow};
use ash::{khr, vk};
use faceshader::plan::{Bound, Pipeline};
use faceshader::shaders::Access;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};

/// An open device of the driver.
pub struct Driver {
    /// Its functions live in the library that this holds open, so it has to stay.
    _entry: ash::Entry,
    instance: ash::Instance,
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    /// What the device calls itself.
    pub name: String,
}

/// What the driver tells of the machine code of a pipeline.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Invocations that run together.
    pub subgroup_size: f64,
    values: HashMap<String, f64>,
}

impl Statistics {
    /// A statistic by the driver's name for it.
    pub fn get(&self, name: &str) -> Result<f64> {
        let names = || self.values.keys().cloned().collect::<Vec<_>>().join(", ");
        let value = self.values.get(name).copied();
        value.with_context(|| format!("the driver tells no {name:?}; it tells {}", names()))
    }
}

impl Driver {
    /// Opens the device of a chip that is not there. `family` is what `RADV_FORCE_FAMILY` was set to
    /// before this process began.
    pub fn open(family: &str) -> Result<Self> {
        // SAFETY: the loader is the system's own, and is unloaded only after the instance is destroyed.
        let entry = unsafe { ash::Entry::load() }.context("there is no Vulkan loader (libvulkan.so.1)")?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_1);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: `info` and what it points to are alive.
        let instance = unsafe { entry.create_instance(&info, None) }.context("the driver does not start")?;
        // SAFETY: the instance is alive.
        let devices = unsafe { instance.enumerate_physical_devices() }?;
        let named = devices.into_iter().map(|device| {
            // SAFETY: the device is one of the instance's.
            let properties = unsafe { instance.get_physical_device_properties(device) };
            (device, text(&properties.device_name))
        });
        let fits = |name: &str| name.to_lowercase().contains(&format!("radv {family}"));
        let (physical, name) = named.filter(|(_, name)| fits(name)).last().with_context(|| {
            format!("the driver shows no chip {family:?}; RADV_FORCE_FAMILY may not know it")
        })?;
        let device = create_device(&instance, physical).context("the device does not open")?;
        let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
        Ok(Self { _entry: entry, instance, device, executables, name })
    }

    /// Compiles a pipeline and asks what became of it. `bindings` are those of one of its dispatches.
    pub fn compile(&self, pipeline: &Pipeline, bindings: &[Bound]) -> Result<Statistics> {
        let words = pipeline.spirv()?;
        let entry_point = CString::new(pipeline.entry_point.as_str())?;
        let bindings: Vec<vk::DescriptorSetLayoutBinding> = bindings
            .iter()
            .map(|bound| {
                let kind = match bound.access {
                    Access::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                    Access::Read | Access::ReadWrite => vk::DescriptorType::STORAGE_BUFFER,
                };
                vk::DescriptorSetLayoutBinding::default()
                    .binding(bound.binding)
                    .descriptor_type(kind)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let device = &self.device;
        let set_info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let module_info = vk::ShaderModuleCreateInfo::default().code(&words);
        // SAFETY: every object is made from a live one and destroyed once, after its last use; the SPIR-V
        // comes from naga, which has validated the module.
        unsafe {
            let set = device.create_descriptor_set_layout(&set_info, None)?;
            let sets = [set];
            let layout_info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = device.create_pipeline_layout(&layout_info, None)?;
            let module = device.create_shader_module(&module_info, None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry_point);
            let info = vk::ComputePipelineCreateInfo::default()
                .flags(vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR)
                .stage(stage)
                .layout(layout);
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let pipelines = made.map_err(|(_, error)| error);
            let statistics = pipelines.map_err(anyhow::Error::from).and_then(|pipelines| {
                let statistics = self.statistics(pipelines[0]);
                device.destroy_pipeline(pipelines[0], None);
                statistics
            });
            device.destroy_shader_module(module, None);
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(set, None);
            statistics.with_context(|| format!("{} does not compile", pipeline.label()))
        }
    }

    fn statistics(&self, pipeline: vk::Pipeline) -> Result<Statistics> {
        let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline is alive and was made by this device.
        let executables = unsafe { self.executables.get_pipeline_executable_properties(&info) }?;
        let executable = executables.first().ok_or_else(|| anyhow!("it has no machine code"))?;
        let which = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(0);
        // SAFETY: as above, and it was made with CAPTURE_STATISTICS.
        let told = unsafe { self.executables.get_pipeline_executable_statistics(&which) }?;
        let mut statistics =
            Statistics { subgroup_size: f64::from(executable.subgroup_size), values: HashMap::new() };
        for statistic in told {
            let value = &statistic.value;
            // SAFETY: the format says which member of the union the driver has written.
            let value = unsafe {
                match statistic.format {
                    vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => value.f64,
                    vk::PipelineExecutableStatisticFormatKHR::INT64 => value.i64 as f64,
                    vk::PipelineExecutableStatisticFormatKHR::BOOL32 => f64::from(value.b32),
                    _ => value.u64 as f64,
                }
            };
            statistics.values.insert(text(&statistic.name), value);
        }
        Ok(statistics)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: all that was made from the device and the instance is destroyed.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

/// A device that tells statistics, with the checks of buffers that wgpu asks for.
fn create_device(instance: &ash::Instance, physical: vk::PhysicalDevice) -> Result<ash::Device> {
    let mut offered2 = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
    let mut offered = vk::PhysicalDeviceFeatures2::default().push_next(&mut offered2);
    // SAFETY: the device is one of the instance's, and the structures are alive.
    unsafe { instance.get_physical_device_features2(physical, &mut offered) };
    let robust = offered.features.robust_buffer_access == vk::TRUE;
    let robust2 = offered2.robust_buffer_access2 == vk::TRUE;

    let mut extensions: Vec<*const c_char> = vec![khr::pipeline_executable_properties::NAME.as_ptr()];
    let mut statistics =
        vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
    let mut robustness2 = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
    let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(robust);
    let priorities = [1.0];
    let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&priorities)];
    if robust2 {
        extensions.push(ash::ext::robustness2::NAME.as_ptr());
    }
    let mut info = vk::DeviceCreateInfo::default()
        .queue_create_infos(&queues)
        .enabled_extension_names(&extensions)
        .enabled_features(&features)
        .push_next(&mut statistics);
    if robust2 {
        info = info.push_next(&mut robustness2);
    }
    // SAFETY: `info` and what it points to are alive, and only offered features are asked for.
    Ok(unsafe { instance.create_device(physical, &info, None) }?)
}

/// A name that the driver has written into an array, up to its zero.
fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> = characters.iter().map(|&character| character as u8).collect();
    CStr::from_bytes_until_nul(&bytes).map_or_else(|_| String::new(), |text| text.to_string_lossy().into())
}
