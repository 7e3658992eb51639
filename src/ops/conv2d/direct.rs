//! Convolutions of stride 1 on the CPU without patches: as many sums as registers hold walk through the taps
//! together. A tap sees neighbouring pixels for neighbouring outputs, also beyond the end of a row, where rows
//! are as long as those of the padded input; the few sums in between are computed for nothing.

use pulp::{Arch, Simd, WithSimd};
use std::cell::RefCell;

/// Channels whose weights lie side by side.
const CHANNELS: usize = 8;
/// Vectors of outputs that are computed at once.
const VECTORS: usize = 3;
/// With fewer outputs a sample, too much would be computed for nothing.
const LEAST_OUTPUTS: usize = 96;
/// About how many outputs of a channel are computed before they are stored, while they are in cache.
const BAND: usize = 2048;

/// A correlation: how far a window reaches, and what it sees.
#[derive(Debug, Clone, Copy)]
pub struct Correlation {
    pub in_channels: usize,
    pub out_channels: usize,
    /// Height and width; the same of what follows.
    pub kernel: [usize; 2],
    pub input: [usize; 2],
    /// Rows of zeros above, and columns of zeros to the left.
    pub before: [usize; 2],
    pub output: [usize; 2],
}

impl Correlation {
    /// Whether it is large enough.
    pub fn pays(&self) -> bool {
        self.output[0] * self.padded()[1] >= LEAST_OUTPUTS
    }

    /// Height and width of the padded input.
    fn padded(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.output[axis] + self.kernel[axis] - 1)
    }

    /// Computes all samples of `input`. `weight` tells the weight of (output channel, input channel, y, x);
    /// without biases they are zero.
    pub fn compute(
        &self,
        input: &[f32],
        weight: impl Fn([usize; 4]) -> f32,
        bias: Option<&[f32]>,
        output: &mut [f32],
    ) {
        let blocks = (0..self.out_channels).step_by(CHANNELS);
        let weights: Vec<[f32; CHANNELS]> = blocks
            .flat_map(|first| self.taps().map(move |tap| (first, tap)))
            .map(|(first, [channel, y, x])| {
                std::array::from_fn(|i| match first + i {
                    o if o < self.out_channels => weight([o, channel, y, x]),
                    _ => 0.0,
                })
            })
            .collect();
        let offsets = self.offsets();
        ROOM.with_borrow_mut(|room| {
            Arch::new().dispatch(Samples { op: self, offsets, weights, bias, input, output, room });
        });
    }

    /// Writes the gradient of the weights that one sample gives: (output channel, tap).
    pub fn d_weight(&self, input: &[f32], d_output: &[f32], d_weight: &mut [f32]) {
        let offsets = self.offsets();
        ROOM.with_borrow_mut(|room| {
            Arch::new().dispatch(WeightGradient { op: self, offsets, input, d_output, d_weight, room });
        });
    }

    /// Input channel, y and x of every tap.
    fn taps(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let Self { in_channels, kernel: [height, width], .. } = *self;
        let window = (0..height).flat_map(move |y| (0..width).map(move |x| [y, x]));
        (0..in_channels).flat_map(move |channel| window.clone().map(move |[y, x]| [channel, y, x]))
    }

    /// Where every tap's first pixel lies in the padded input.
    fn offsets(&self) -> Vec<usize> {
        let [height, pitch] = self.padded();
        self.taps().map(|[channel, y, x]| (channel * height + y) * pitch + x).collect()
    }
}

/// The padded input of a sample, and the outputs of a band with the padded input's pitch.
#[derive(Default)]
struct Room {
    padded: Vec<f32>,
    band: Vec<f32>,
}

thread_local! {
    /// Kept, since fresh memory costs more than what is computed in it.
    static ROOM: RefCell<Room> = RefCell::default();
}

struct Samples<'a> {
    op: &'a Correlation,
    /// Where a tap's first pixel lies in the padded input.
    offsets: Vec<usize>,
    /// Of all taps, a block of output channels after the other.
    weights: Vec<[f32; CHANNELS]>,
    bias: Option<&'a [f32]>,
    input: &'a [f32],
    output: &'a mut [f32],
    room: &'a mut Room,
}

impl WithSimd for Samples<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Samples { op, offsets, weights, bias, input, output, room } = self;
        let at_once = VECTORS * S::F32_LANES;
        let ([padded_height, pitch], [height, width]) = (op.padded(), op.output);
        let rows = (BAND / pitch).clamp(1, height);
        let positions = (rows * pitch).next_multiple_of(at_once);
        // Beyond the end, as far as the last vectors look.
        room.padded.clear();
        room.padded.resize(op.in_channels * padded_height * pitch + op.kernel[1] + positions, 0.0);
        room.band.resize(op.out_channels.next_multiple_of(CHANNELS) * positions, 0.0);
        let samples = input.chunks_exact(op.in_channels * op.input[0] * op.input[1]);
        for (input, output) in samples.zip(output.chunks_exact_mut(op.out_channels * height * width)) {
            op.pad(input, &mut room.padded);
            for first_row in (0..height).step_by(rows) {
                let rows = rows.min(height - first_row);
                for (block, weights) in weights.chunks_exact(offsets.len()).enumerate() {
                    let channels = &mut room.band[block * CHANNELS * positions..][..CHANNELS * positions];
                    let biases = std::array::from_fn(|i| {
                        bias.and_then(|bias| bias.get(block * CHANNELS + i)).copied().unwrap_or(0.0)
                    });
                    for first in (0..rows * pitch).step_by(at_once) {
                        let seen = &room.padded[first_row * pitch + first..];
                        let band = Band { weights, offsets: &offsets, biases, positions, first };
                        // Twice as many registers hold twice as many sums.
                        if S::REGISTER_COUNT >= 32 {
                            band.tile::<S, CHANNELS>(simd, seen, 0, channels);
                        } else {
                            band.tile::<S, 4>(simd, seen, 0, channels);
                            band.tile::<S, 4>(simd, seen, 4, channels);
                        }
                    }
                }
                let planes = output.chunks_exact_mut(height * width);
                for (plane, band) in planes.zip(room.band.chunks_exact(positions)) {
                    let plane = plane[first_row * width..][..rows * width].chunks_exact_mut(width);
                    plane.zip(band.chunks(pitch)).for_each(|(to, from)| to.copy_from_slice(&from[..width]));
                }
            }
        }
    }
}

impl Correlation {
    /// Copies a sample to where the zeros around it are already.
    fn pad(&self, input: &[f32], padded: &mut [f32]) {
        let ([padded_height, pitch], [height, width]) = (self.padded(), self.input);
        for (channel, rows) in input.chunks_exact(height * width).enumerate() {
            let seen = rows.chunks_exact(width).take(padded_height - self.before[0]);
            for (y, row) in seen.enumerate() {
                let at = (channel * padded_height + self.before[0] + y) * pitch + self.before[1];
                let width = width.min(pitch - self.before[1]);
                padded[at..at + width].copy_from_slice(&row[..width]);
            }
        }
    }
}

/// Taps of a tile of the weights' gradient.
const TAPS: usize = 6;
/// Vectors of products that are summed up before they are added to the others, so that sums of many stay accurate.
const SUMMED: usize = 256;
/// Lanes of a vector at most.
const MOST_LANES: usize = 16;

struct WeightGradient<'a> {
    op: &'a Correlation,
    offsets: Vec<usize>,
    input: &'a [f32],
    d_output: &'a [f32],
    d_weight: &'a mut [f32],
    room: &'a mut Room,
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let WeightGradient { op, offsets, input, d_output, d_weight, room } = self;
        let ([padded_height, pitch], [height, width]) = (op.padded(), op.output);
        let positions = (height * pitch).next_multiple_of(S::F32_LANES);
        room.padded.clear();
        room.padded.resize(op.in_channels * padded_height * pitch + op.kernel[1] + positions, 0.0);
        op.pad(input, &mut room.padded);
        // The gradient with the padded input's pitch, and zeros in between.
        room.band.clear();
        room.band.resize(op.out_channels * positions, 0.0);
        for (plane, to) in d_output.chunks_exact(height * width).zip(room.band.chunks_exact_mut(positions)) {
            let rows = plane.chunks_exact(width).zip(to.chunks_mut(pitch));
            rows.for_each(|(row, to)| to[..width].copy_from_slice(row));
        }
        let mut first = 0;
        while first < op.out_channels {
            let left = op.out_channels - first;
            let tile = Tile { offsets: &offsets, seen: &room.padded, positions };
            let d = &room.band[first * positions..];
            let d_weight = &mut d_weight[first * offsets.len()..];
            // Twice as many registers hold twice as many sums.
            first += match left {
                4.. if S::REGISTER_COUNT >= 32 => tile.store::<S, 4>(simd, d, d_weight),
                2.. => tile.store::<S, 2>(simd, d, d_weight),
                _ => tile.store::<S, 1>(simd, d, d_weight),
            };
        }
    }
}

/// What the sums of some channels of the gradient run over.
struct Tile<'a> {
    offsets: &'a [usize],
    seen: &'a [f32],
    positions: usize,
}

impl Tile<'_> {
    /// Stores the sums of `N` channels, and returns how many these are.
    #[inline(always)]
    fn store<S: Simd, const N: usize>(&self, simd: S, d: &[f32], d_weight: &mut [f32]) -> usize {
        for (block, taps) in self.offsets.chunks(TAPS).enumerate() {
            let mut seen = [self.seen; TAPS];
            for (i, seen) in seen.iter_mut().enumerate() {
                // Beyond the last tap the last one again; its sums are not stored.
                *seen = &self.seen[taps[i.min(taps.len() - 1)]..][..self.positions];
            }
            let sums: [[f32; TAPS]; N] = dot_products(simd, d, seen, self.positions);
            for (channel, sums) in sums.iter().enumerate() {
                let at = channel * self.offsets.len() + block * TAPS;
                d_weight[at..at + taps.len()].copy_from_slice(&sums[..taps.len()]);
            }
        }
        N
    }
}

impl Correlation {
    /// How many additions a product of [`Correlation::d_weight`] passes through at most, whatever the machine's
    /// vectors hold.
    pub fn weight_height(&self) -> usize {
        let positions = self.output[0] * self.padded()[1];
        positions.min(SUMMED) + positions.div_ceil(SUMMED) + MOST_LANES
    }
}

/// The sums of products of `N` channels of the gradient, `positions` apart, with what each tap sees.
#[inline(always)]
fn dot_products<S: Simd, const N: usize>(
    simd: S,
    d: &[f32],
    seen: [&[f32]; TAPS],
    positions: usize,
) -> [[f32; TAPS]; N] {
    let zero = simd.splat_f32s(0.0);
    let mut all = [[zero; TAPS]; N];
    for first in (0..positions).step_by(SUMMED * S::F32_LANES) {
        let mut sums = [[zero; TAPS]; N];
        for at in (first..positions.min(first + SUMMED * S::F32_LANES)).step_by(S::F32_LANES) {
            let mut gradients = [zero; N];
            for i in 0..N {
                gradients[i] = S::as_simd_f32s(&d[i * positions + at..][..S::F32_LANES]).0[0];
            }
            for tap in 0..TAPS {
                let pixels = S::as_simd_f32s(&seen[tap][at..at + S::F32_LANES]).0[0];
                for (sums, &d) in sums.iter_mut().zip(&gradients) {
                    sums[tap] = simd.mul_add_e_f32s(d, pixels, sums[tap]);
                }
            }
        }
        for i in 0..N {
            for tap in 0..TAPS {
                all[i][tap] = simd.add_f32s(all[i][tap], sums[i][tap]);
            }
        }
    }
    let mut totals = [[0.0; TAPS]; N];
    for i in 0..N {
        for tap in 0..TAPS {
            totals[i][tap] = simd.reduce_sum_f32s(all[i][tap]);
        }
    }
    totals
}

/// What is computed of a block of output channels.
struct Band<'a> {
    weights: &'a [[f32; CHANNELS]],
    offsets: &'a [usize],
    biases: [f32; CHANNELS],
    /// Room of a channel.
    positions: usize,
    /// The first output that is computed.
    first: usize,
}

impl Band<'_> {
    /// Computes [`VECTORS`] vectors of outputs of `N` channels of the block, from `channel` on.
    #[inline(always)]
    fn tile<S: Simd, const N: usize>(&self, simd: S, seen: &[f32], channel: usize, channels: &mut [f32]) {
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; N];
        for (sums, &bias) in sums.iter_mut().zip(&self.biases[channel..]) {
            *sums = [simd.splat_f32s(bias); VECTORS];
        }
        for (&offset, weights) in self.offsets.iter().zip(self.weights) {
            let (pixels, _) = S::as_simd_f32s(&seen[offset..offset + VECTORS * S::F32_LANES]);
            for i in 0..N {
                let weight = simd.splat_f32s(weights[channel + i]);
                for v in 0..VECTORS {
                    sums[i][v] = simd.mul_add_e_f32s(weight, pixels[v], sums[i][v]);
                }
            }
        }
        for i in 0..N {
            let row = &mut channels[(channel + i) * self.positions + self.first..][..VECTORS * S::F32_LANES];
            S::as_mut_simd_f32s(row).0.copy_from_slice(&sums[i]);
        }
    }
}
