//! The extents of the operator, and how its work is cut.

use super::TAPS;
use crate::ops::Variant;
use crate::ops::attr::Window as Taps;
use crate::ops::packed::Packed;

/// How the work is spread over invocations.
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    /// Windows along x, or input channels for `backward_weight_partial`, that an invocation computes.
    pub width: usize,
    /// Vectors of four channels that it computes. Those of eight channels share a word of codes.
    pub vectors: usize,
    /// Filters that one of `backward_weight_partial` computes.
    pub filters: usize,
    /// `backward_weight` splits its sum until it has about this many invocations, to keep a device busy.
    pub busy: usize,
}

impl Lanes {
    pub fn of(variant: Variant) -> Self {
        match variant {
            // Few registers, so that several subgroups fit beside each other.
            Variant::Gpu => Self { width: 1, vectors: 2, filters: 4, busy: 1 << 14 },
            // It needs more registers than a GPU has.
            Variant::Software => Self { width: 2, vectors: 8, filters: 16, busy: 1 << 10 },
        }
    }
}

/// All extents: those of the convolution's windows, and of the pooled output.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    pub batch: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub y: Taps,
    pub x: Taps,
    pub pooled: [usize; 2],
}

impl Geometry {
    /// The weights as `forward` reads them: a row a tap and one for the bias, a column an output channel.
    pub fn forward_weights(&self) -> Packed {
        Packed { rows: self.in_channels * TAPS + 1, columns: self.out_channels }
    }

    /// The weights as `backward_input` reads them: a row an output channel's tap, a column an input
    /// channel.
    pub fn backward_weights(&self) -> Packed {
        Packed { rows: self.out_channels * TAPS, columns: self.in_channels }
    }

    /// How many pooled rows one partial sum of `backward_weight` covers, and how many such pieces a sample
    /// has.
    pub fn weight_split(&self, lanes: Lanes) -> [usize; 2] {
        let unsplit =
            self.in_channels.div_ceil(lanes.width) * self.out_channels.div_ceil(lanes.filters) * self.batch;
        let pieces = lanes.busy.div_ceil(unsplit).min(self.pooled[0]);
        let rows = self.pooled[0].div_ceil(pieces);
        [rows, self.pooled[0].div_ceil(rows)]
    }
}
