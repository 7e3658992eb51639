//! The one source of randomness: the counter-based generator Philox 4x32-10.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11.
//! A draw is a pure function of (seed, epoch, sample, stream, index), so that the host, the CPU
//! backend and a shader draw the same integers in any order, and nothing but those numbers has to
//! be saved to go on where a run stopped. `shaders/parts/philox.wgsl` holds the same generator in WGSL.

const MULTIPLIER_0: u32 = 0xD251_1F53;
const MULTIPLIER_1: u32 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;
const ROUNDS: u32 = 10;

/// What a draw is for. Streams never share numbers.
///
/// Dropout layers use the streams from [`Stream::DROPOUT`] on, one a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// The order of the samples within an epoch.
    Order = 0,
    /// Which samples are for training and which for validation.
    Split = 1,
    /// Rotation, zoom and flip of a photo.
    Augment = 2,
    /// Initial weights; the parameter's number takes the place of the sample.
    Init = 3,
    /// The built-in set of drawn faces.
    Synthetic = 4,
    /// Inputs of kernel tests.
    Test = 5,
    /// The built-in set of reviews.
    SyntheticReviews = 6,
    /// The values of a sweep; the trial's number takes the place of the sample.
    Sweep = 7,
}

impl Stream {
    /// The stream of the first dropout layer.
    pub const DROPOUT: u32 = 16;
}

/// Four random words from a counter and a key.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [first, rest @ ..] = counter;
    philox4x32_row::<1>(first, rest, key).map(|[word]| word)
}

/// The words of as many counters as an array holds, from `first` on in the counters' first word: word by word,
/// so that vectors of a processor compute them at once.
#[inline(always)]
pub fn philox4x32_row<const N: usize>(
    first: u32,
    rest: [u32; 3],
    [mut k0, mut k1]: [u32; 2],
) -> [[u32; N]; 4] {
    let mut c0: [u32; N] = std::array::from_fn(|i| first.wrapping_add(i as u32));
    let [mut c1, mut c2, mut c3] = rest.map(|word| [word; N]);
    for _ in 0..ROUNDS {
        for i in 0..N {
            let product_0 = u64::from(MULTIPLIER_0) * u64::from(c0[i]);
            let product_1 = u64::from(MULTIPLIER_1) * u64::from(c2[i]);
            (c0[i], c1[i], c2[i], c3[i]) = (
                (product_1 >> 32) as u32 ^ c1[i] ^ k0,
                product_1 as u32,
                (product_0 >> 32) as u32 ^ c3[i] ^ k1,
                product_0 as u32,
            );
        }
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

/// Splits a 64-bit seed into Philox's key.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Draws one number after the other from the sequence of (seed, epoch, sample, stream).
#[derive(Debug, Clone)]
pub struct Generator {
    key: [u32; 2],
    epoch: u32,
    sample: u32,
    stream: u32,
    index: u32,
    words: [u32; 4],
}

impl Generator {
    /// Starts the sequence of (seed, epoch, sample, stream) at its first number.
    pub fn new(seed: u64, epoch: u32, sample: u32, stream: Stream) -> Self {
        Self { key: key(seed), epoch, sample, stream: stream as u32, index: 0, words: [0; 4] }
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        let lane = (self.index % 4) as usize;
        if lane == 0 {
            let counter = [self.index / 4, self.sample, self.epoch, self.stream];
            self.words = philox4x32(counter, self.key);
        }
        self.index = self.index.wrapping_add(1);
        self.words[lane]
    }

    /// Uniform in [0, 1), a multiple of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform among 0, 1, … bound - 1. The bias is below bound / 2^32.
    ///
    /// `bound` must not be 0: there is nothing to draw from.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// Standard normal (Box and Muller, 1958).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - f64::from(self.unit())).ln()).sqrt();
        let angle = std::f64::consts::TAU * f64::from(self.unit());
        (radius * angle.cos()) as f32
    }

    /// Puts `items` into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u32 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with Random123 (`kat_vectors`).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn a_row_holds_the_words_of_its_counters() {
        let (rest, key) = ([7, 11, 13], [0xDEAD_BEEF, 5]);
        let first = u32::MAX - 2;
        let row = philox4x32_row::<8>(first, rest, key);
        for i in 0..8 {
            let words = philox4x32([first.wrapping_add(i as u32), rest[0], rest[1], rest[2]], key);
            assert_eq!(row.map(|words| words[i]), words, "{i}");
        }
    }

    #[test]
    fn streams_samples_epochs_and_seeds_differ() {
        let first = |seed, epoch, sample, stream| Generator::new(seed, epoch, sample, stream).next_u32();
        let base = first(1, 1, 1, Stream::Order);
        assert_ne!(base, first(2, 1, 1, Stream::Order));
        assert_ne!(base, first(1 << 32 | 1, 1, 1, Stream::Order));
        assert_ne!(base, first(1, 2, 1, Stream::Order));
        assert_ne!(base, first(1, 1, 2, Stream::Order));
        assert_ne!(base, first(1, 1, 1, Stream::Split));
    }

    #[test]
    fn shuffle_keeps_every_item_once() {
        let mut items: Vec<u32> = (0..1000).collect();
        Generator::new(7, 0, 0, Stream::Order).shuffle(&mut items);
        assert_ne!(items[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        items.sort_unstable();
        assert!(items.iter().copied().eq(0..1000));
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut generator = Generator::new(3, 0, 0, Stream::Init);
        let values: Vec<f64> = (0..20_000).map(|_| f64::from(generator.normal())).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
    }
}
