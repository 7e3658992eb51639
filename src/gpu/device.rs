//! An open device: what it says when something goes wrong, and how its memory is read.

use super::adapter::Adapter;
use super::guard::caught;
use crate::plan::{BackendError, BackendInfo};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use wgpu::{BufferUsages, ErrorFilter, Features, PollError, PollType};

/// How long a device may take for one answer.
const PATIENCE_SECS: u64 = 120;

/// A device with its queue.
#[derive(Debug)]
pub struct Device {
    pub handle: wgpu::Device,
    pub queue: wgpu::Queue,
    pub info: BackendInfo,
    /// The first thing that went wrong outside of an error scope.
    failure: Arc<Mutex<Option<String>>>,
}

impl Device {
    /// Opens an adapter with no more than it needs: WebGPU's default limits, and larger buffers and
    /// timestamps where the adapter has them.
    pub fn open(adapter: &Adapter) -> Result<Device, BackendError> {
        let info = adapter.report.info();
        let offered = adapter.handle.limits();
        let mut limits = wgpu::Limits::default().or_worse_values_from(&offered);
        limits.max_buffer_size = offered.max_buffer_size;
        limits.max_storage_buffer_binding_size = offered.max_storage_buffer_binding_size;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("faceshader"),
            required_features: adapter.handle.features() & Features::TIMESTAMP_QUERY,
            required_limits: limits,
            ..Default::default()
        };
        let (handle, queue) = caught(|| pollster::block_on(adapter.handle.request_device(&descriptor)))
            .and_then(|opened| opened.map_err(|error| error.to_string()))
            .map_err(|reason| BackendError::Device { device: info.adapter.clone(), reason })?;
        let failure = Arc::new(Mutex::new(None));
        let remember = |failure: Arc<Mutex<Option<String>>>| {
            move |reason: String| {
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(reason);
            }
        };
        let (on_error, on_loss) = (remember(failure.clone()), remember(failure.clone()));
        handle.on_uncaptured_error(Arc::new(move |error: wgpu::Error| on_error(error.to_string())));
        handle.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                on_loss(format!("it was lost: {message}"));
            }
        });
        Ok(Device { handle, queue, info, failure })
    }

    /// Compiles a shader. Our own shaders never leave their buffers: every index is computed from constants of the
    /// plan and compared with an extent first, or was read from a buffer and is clamped. `tests/indices.rs` runs every
    /// dispatch of those that read indices among garbage, and the kernels are proven with and without checks.
    #[allow(unsafe_code)]
    pub fn shader_module(&self, name: &str, source: &str, checked: bool) -> wgpu::ShaderModule {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        };
        if checked {
            return self.handle.create_shader_module(descriptor);
        }
        // SAFETY: the shaders are our own, clamp the indices that they read from buffers, and their loops end.
        unsafe {
            self.handle.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        }
    }

    /// An error of this device.
    pub fn error(&self, reason: impl Into<String>) -> BackendError {
        BackendError::Device { device: self.info.adapter.clone(), reason: reason.into() }
    }

    /// Calls wgpu. That it panics, as it does in some places where a driver has failed, is an error of the device.
    pub fn guarded<T>(&self, call: impl FnOnce() -> T) -> Result<T, BackendError> {
        caught(call).map_err(|reason| self.healthy().err().unwrap_or_else(|| self.error(reason)))
    }

    /// Runs `make` and reports what the device has against it.
    pub fn checked<T>(&self, make: impl FnOnce() -> T) -> Result<T, BackendError> {
        self.guarded(|| self.scoped(make))?
    }

    fn scoped<T>(&self, make: impl FnOnce() -> T) -> Result<T, BackendError> {
        let memory = self.handle.push_error_scope(ErrorFilter::OutOfMemory);
        let validation = self.handle.push_error_scope(ErrorFilter::Validation);
        let internal = self.handle.push_error_scope(ErrorFilter::Internal);
        let made = make();
        let errors = [
            pollster::block_on(internal.pop()),
            pollster::block_on(validation.pop()),
            pollster::block_on(memory.pop()),
        ];
        match errors.into_iter().flatten().next() {
            Some(wgpu::Error::OutOfMemory { .. }) => {
                let device = &self.info.adapter;
                Err(BackendError::TooLarge(format!("the device {device:?} has no memory left")))
            }
            Some(error) => Err(self.error(error.to_string())),
            None => self.healthy().map(|()| made),
        }
    }

    /// Whether nothing has gone wrong so far.
    pub fn healthy(&self) -> Result<(), BackendError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map_or(Ok(()), |reason| Err(self.error(reason.clone())))
    }

    /// Waits until the submission, or all of them, are done.
    pub fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), BackendError> {
        let timeout = Some(Duration::from_secs(PATIENCE_SECS));
        let poll = || self.handle.poll(PollType::Wait { submission_index: submission, timeout });
        match self.guarded(poll)? {
            Ok(_) => self.healthy(),
            Err(PollError::Timeout) => {
                Err(BackendError::Timeout { device: self.info.adapter.clone(), seconds: PATIENCE_SECS })
            }
            Err(error) => Err(self.error(error.to_string())),
        }
    }

    /// Writes to a buffer, before everything that is submitted from now on.
    pub fn write(&self, buffer: &wgpu::Buffer, first: usize, bytes: &[u8]) -> Result<(), BackendError> {
        self.guarded(|| self.queue.write_buffer(buffer, first as u64, bytes))
    }

    /// Records commands and submits them.
    pub fn submit(
        &self,
        label: &str,
        record: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> Result<wgpu::SubmissionIndex, BackendError> {
        self.guarded(|| {
            let descriptor = wgpu::CommandEncoderDescriptor { label: Some(label) };
            let mut encoder = self.handle.create_command_encoder(&descriptor);
            record(&mut encoder);
            self.queue.submit([encoder.finish()])
        })
    }

    /// Copies so many bytes of a buffer, from `first` on, to the host, after everything submitted so far.
    pub fn read(&self, buffer: &wgpu::Buffer, first: usize, bytes: usize) -> Result<Vec<u8>, BackendError> {
        let staging = self.checked(|| {
            self.handle.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: bytes as u64,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        self.submit("readback", |encoder| {
            encoder.copy_buffer_to_buffer(buffer, first as u64, &staging, 0, bytes as u64);
        })?;
        let (sender, receiver) = mpsc::channel();
        self.guarded(|| {
            staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
                // The receiver is gone only if waiting has failed already.
                let _ = sender.send(result);
            });
        })?;
        self.wait(None)?;
        match receiver.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.error(error.to_string())),
            Err(_) => return Err(self.error("it did not hand back its memory")),
        }
        let contents = self.guarded(|| {
            let contents = staging.slice(..).get_mapped_range().map(|view| view.to_vec());
            staging.unmap();
            contents
        })?;
        let contents = contents.map_err(|error| self.error(error.to_string()))?;
        self.healthy()?;
        Ok(contents)
    }
}
