//! Kernels as dispatches of a shader.

use serde::{Deserialize, Serialize};

/// One dispatch of an entry point of the operator's shader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    /// The entry point in the operator's shader.
    pub entry_point: String,
    /// Values of the shader's `override` constants.
    pub constants: Vec<(String, f64)>,
    /// Arguments that a uniform binding sees from this byte on.
    pub offsets: Vec<(String, usize)>,
    /// Scratch of which storage bindings see only so many elements: what this kernel takes of it in this variant.
    pub rooms: Vec<(String, usize)>,
    /// Workgroups along x, y and z.
    pub workgroups: [u32; 3],
}

/// What a kernel's dispatches are made for. The results are the same within their bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// Many lanes with few registers each.
    Gpu,
    /// A CPU that plays a GPU: few lanes, for which a load from a storage buffer costs much and one that
    /// all lanes share costs little.
    Software,
}

impl Variant {
    /// All variants.
    pub const ALL: [Variant; 2] = [Variant::Gpu, Variant::Software];

    /// What an adapter's kernels are, unless measurements say otherwise.
    pub fn usual(is_software: bool) -> Variant {
        if is_software { Variant::Software } else { Variant::Gpu }
    }

    /// What the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Gpu => "gpu",
            Variant::Software => "software",
        }
    }
}

/// Invocations in a workgroup of a kernel whose invocations are numbered along one line.
pub const WORKGROUP: usize = 64;
/// Invocations in a row, where a line of them is folded. WebGPU's limit is 65,535 workgroups; with so
/// few, small cases fold as well, and prove that shaders put the line together again.
pub const ROW: usize = 16 * WORKGROUP;
/// WebGPU's default limit of workgroups along one axis.
pub const MAX_WORKGROUPS_AXIS: usize = 65_535;

/// A count of workgroups. What does not fit into 32 bits becomes the largest count, which no device runs and every
/// program refuses.
fn workgroups(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Dispatch {
    /// Numbers `invocations` along one line, [`WORKGROUP`] a workgroup. The line is folded into rows
    /// of `num_workgroups.x` workgroups; the shader's `line_index` puts it together again, and
    /// invocations beyond the end have to return at once.
    pub fn line(entry_point: &str, invocations: usize, constants: &[(&str, f64)]) -> Self {
        let groups = invocations.div_ceil(WORKGROUP).max(1);
        let rows = invocations.div_ceil(ROW).clamp(1, MAX_WORKGROUPS_AXIS);
        let columns = groups.div_ceil(rows);
        Self {
            entry_point: entry_point.into(),
            constants: constants.iter().map(|&(name, value)| (name.into(), value)).collect(),
            offsets: Vec::new(),
            rooms: Vec::new(),
            workgroups: [workgroups(columns), workgroups(rows), 1],
        }
    }

    /// The same dispatch so many times at once: z numbers the layers, blocks or chunks.
    pub(super) fn deep(mut self, count: usize) -> Self {
        self.workgroups[2] = workgroups(count);
        self
    }

    /// The same dispatch, for which a scratch argument has only so many elements.
    pub(super) fn with_room(mut self, argument: &str, elements: usize) -> Self {
        self.rooms.push((argument.into(), elements));
        self
    }

    /// The same dispatch, with one argument seen as a uniform buffer from a byte on.
    pub(super) fn seen_from(mut self, argument: &str, offset_bytes: usize) -> Self {
        self.offsets.push((argument.into(), offset_bytes));
        self
    }
}

/// Dispatches for which a scratch argument has only so many elements.
pub(super) fn in_room(dispatches: Vec<Dispatch>, argument: &str, elements: usize) -> Vec<Dispatch> {
    dispatches.into_iter().map(|dispatch| dispatch.with_room(argument, elements)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    #[test]
    fn a_line_covers_its_invocations_within_the_limits() {
        for invocations in [0, 1, WORKGROUP, WORKGROUP + 1, ROW, ROW + 1, 5 * ROW + 7, Shape::MAX_ELEMENTS] {
            let [columns, rows, layers] = Dispatch::line("forward", invocations, &[]).workgroups;
            let there = columns as usize * rows as usize * WORKGROUP;
            assert!(there >= invocations && there <= invocations + (rows as usize + 1) * WORKGROUP);
            assert!(columns as usize <= MAX_WORKGROUPS_AXIS && rows as usize <= MAX_WORKGROUPS_AXIS);
            assert_eq!((rows > 1, layers), (invocations > ROW, 1), "{invocations}");
        }
    }
}
