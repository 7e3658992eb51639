//! What a device takes at most. Every dispatch of every program passes through here.
//!
//! Programs keep to WebGPU's default limits, whatever the sizes of the model: what would not fit is refused, and
//! the refusal names the layer. A device may bind larger buffers than that, but offers no more of anything else.

use super::{Bound, Step};
use crate::ops::{MAX_WORKGROUPS_AXIS, WINDOW_BYTES};
use crate::shaders::{Access, EntryPoint};

/// The limits that differ from device to device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a storage buffer that a shader sees at once.
    pub binding_bytes: usize,
    /// Bytes of a buffer.
    pub buffer_bytes: usize,
}

impl Limits {
    /// WebGPU's default limits, which every browser has.
    pub const WEBGPU: Limits = Limits { binding_bytes: 128 << 20, buffer_bytes: 256 << 20 };
}

/// Storage buffers of a shader.
pub const STORAGE_BUFFERS: usize = 8;
/// Invocations in a workgroup.
pub const INVOCATIONS: u32 = 256;
/// Memory that a workgroup shares.
pub const WORKGROUP_BYTES: u32 = 16 << 10;
/// A binding begins at a multiple of this.
pub const ALIGNMENT: usize = 256;
/// Shaders number the invocations of a line with integers of 32 bits, some of them signed.
const LINE: u64 = i32::MAX as u64;

/// A step needs more than devices offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {layer:?} ({kernel}) needs {needs}, but {allowed}; use a smaller batch or a smaller layer")]
pub struct TooLarge {
    /// The layer, branch or parameter.
    pub layer: String,
    /// The kernel's full name.
    pub kernel: String,
    /// What it needs.
    pub needs: String,
    /// What there is.
    pub allowed: String,
}

impl Limits {
    /// Whether a device can run a dispatch of a step.
    pub(super) fn check(
        &self,
        step: &Step,
        entry_point: &EntryPoint,
        bindings: &[Bound],
        workgroups: [u32; 3],
    ) -> Result<(), TooLarge> {
        let refuse = |needs: String, allowed: String| {
            let (layer, kernel) = (step.layer.clone(), step.label());
            Err(TooLarge { layer, kernel, needs, allowed })
        };
        for (axis, &count) in ["x", "y", "z"].iter().zip(&workgroups) {
            if count as usize > MAX_WORKGROUPS_AXIS {
                return refuse(
                    format!("{count} workgroups along {axis}"),
                    format!("WebGPU allows {MAX_WORKGROUPS_AXIS}"),
                );
            }
        }
        let [x, y, _] = workgroups.map(u64::from);
        let line = x * y * u64::from(entry_point.invocations);
        if line > LINE {
            return refuse(format!("{line} invocations"), format!("a shader counts up to {LINE}"));
        }
        if entry_point.invocations > INVOCATIONS || entry_point.workgroup_bytes > WORKGROUP_BYTES {
            return refuse(
                format!(
                    "workgroups of {} invocations with {} bytes of memory",
                    entry_point.invocations, entry_point.workgroup_bytes
                ),
                format!("WebGPU allows {INVOCATIONS} and {WORKGROUP_BYTES}"),
            );
        }
        let storage = bindings.iter().filter(|bound| bound.access != Access::Uniform).count();
        if storage > STORAGE_BUFFERS {
            return refuse(format!("{storage} storage buffers"), format!("WebGPU allows {STORAGE_BUFFERS}"));
        }
        for bound in bindings {
            let most = match bound.access {
                Access::Uniform => WINDOW_BYTES,
                Access::Read | Access::ReadWrite => self.binding_bytes,
            };
            if bound.bytes > most {
                let needs = format!("a binding of {}", mebibytes(bound.bytes));
                return refuse(needs, format!("a shader sees at most {}", mebibytes(most)));
            }
            if !bound.offset_bytes.is_multiple_of(ALIGNMENT) {
                let needs = format!("a binding at byte {}", bound.offset_bytes);
                return refuse(needs, format!("bindings begin at multiples of {ALIGNMENT} bytes"));
            }
        }
        Ok(())
    }

    /// Whether a device can have the buffer that a step sees.
    pub(super) fn check_buffer(&self, step: &Step, bytes: usize) -> Result<(), TooLarge> {
        if bytes <= self.buffer_bytes {
            return Ok(());
        }
        Err(TooLarge {
            layer: step.layer.clone(),
            kernel: step.label(),
            needs: format!("a buffer of {}", mebibytes(bytes)),
            allowed: format!("a buffer has at most {}", mebibytes(self.buffer_bytes)),
        })
    }
}

/// 576 MiB; rounded up, so that it never reads like a limit that it exceeds.
fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests;
