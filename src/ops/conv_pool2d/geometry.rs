//! The extents of the operator, and how its work is cut.

use super::TAPS;
use crate::ops::Variant;
use crate::ops::attr::Window as Taps;
use crate::ops::conv2d::pieces_of;
use crate::ops::height;
use crate::ops::packed::Packed;

/// Filters that one workgroup of `backward_weight_tile` computes.
const TILE_FILTERS: usize = 4;
/// Filters, and input channels, that an invocation of `backward_weight_partial` computes.
pub const PARTIAL: [usize; 2] = [16, 2];
/// `backward_weight_partial` splits its sum until it has about this many invocations.
const INVOCATIONS: usize = 1 << 10;

/// How the work of the forward pass and the input's gradient is spread over invocations.
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    /// Windows along x that an invocation computes.
    pub width: usize,
    /// Vectors of four channels that it computes. Those of eight channels share a word of codes.
    pub vectors: usize,
}

impl Lanes {
    pub fn of(variant: Variant) -> Self {
        match variant {
            // Few registers, so that several subgroups fit beside each other.
            Variant::Gpu => Self { width: 1, vectors: 2 },
            // It needs more registers than a GPU has.
            Variant::Software => Self { width: 2, vectors: 8 },
        }
    }
}

/// All extents: those of the convolution's windows, and of the pooled output.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    pub batch: usize,
    pub in_channels: usize,
    /// Those of all layers.
    pub out_channels: usize,
    pub layers: usize,
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

    /// Output channels of one layer.
    pub fn layer_channels(&self) -> usize {
        self.out_channels / self.layers
    }

    /// Words of a sample's mask, a bit an output.
    pub fn mask_words(&self) -> usize {
        (self.layer_channels() * self.pooled[0] * self.pooled[1]).div_ceil(32)
    }

    /// Blocks of weights that invocations of `backward_weight_partial` compute.
    pub fn weight_blocks(&self) -> usize {
        self.out_channels.div_ceil(PARTIAL[0]) * self.in_channels.div_ceil(PARTIAL[1])
    }

    /// How many pooled rows one of its partial sums covers, and how many such pieces a sample has.
    pub fn weight_split(&self) -> [usize; 2] {
        let pieces = INVOCATIONS.div_ceil(self.weight_blocks() * self.batch).min(self.pooled[0]);
        let rows = self.pooled[0].div_ceil(pieces);
        [rows, self.pooled[0].div_ceil(rows)]
    }

    /// Blocks of weights that workgroups of `backward_weight_tile` compute.
    pub fn tiles(&self) -> usize {
        self.out_channels.div_ceil(TILE_FILTERS) * self.in_channels
    }

    /// The pieces of the pooled pixels of all samples.
    pub fn pieces(&self) -> [usize; 2] {
        pieces_of(self.batch * self.pooled[0] * self.pooled[1], self.tiles())
    }

    /// How many additions a term of `backward_weight` passes through at most in the shaders. Of a window's four
    /// pixels only one has a gradient that is not exactly zero.
    pub fn weight_height(&self) -> usize {
        let [rows, splits] = self.weight_split();
        let [piece, pieces] = self.pieces();
        let software = rows * self.pooled[1] + height::of_pieces(self.batch * splits);
        let gpu = height::of_stride(piece) + height::of_lanes() + height::of_pieces(pieces);
        software.max(gpu)
    }
}
