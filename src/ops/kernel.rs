//! What a kernel is called, and what it reads and writes.

/// A kernel's name and the names of its arguments.
///
/// A twin gets the arguments in this order: `reads`, then those of `writes` that are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Such as `forward` or `d_input`.
    pub name: &'static str,
    /// Arguments that the kernel reads.
    pub reads: &'static [&'static str],
    /// Arguments that the kernel writes, every element of them. One that is also read is changed in
    /// place.
    pub writes: &'static [&'static str],
    /// Room for intermediate results between the kernel's own dispatches.
    pub scratch: &'static [&'static str],
    /// Whether each sample's results depend on no other sample, so that the batch may be split.
    pub per_sample: bool,
}

impl Kernel {
    /// A kernel that reads `reads` and writes `writes`, where samples may depend on each other.
    pub const fn new(
        name: &'static str,
        reads: &'static [&'static str],
        writes: &'static [&'static str],
    ) -> Self {
        Self { name, reads, writes, scratch: &[], per_sample: false }
    }

    /// The same kernel, whose samples do not depend on each other.
    pub const fn per_sample(self) -> Self {
        Self { per_sample: true, ..self }
    }

    /// The same kernel with room for intermediate results.
    pub const fn scratch(self, scratch: &'static [&'static str]) -> Self {
        Self { scratch, ..self }
    }

    /// The names of the twin's arguments, in order.
    pub fn arguments(&self) -> impl Iterator<Item = &'static str> {
        self.reads.iter().chain(self.writes.iter().filter(|name| !self.reads.contains(name))).copied()
    }
}
