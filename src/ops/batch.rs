//! The words of the argument `batch`.

/// The argument `batch` is this many words that the host writes before every step.
pub const BATCH_WORDS: usize = 8;
/// Word of `batch`: how many samples of the batch are real. Those after them count for nothing.
pub const BATCH_COUNT: usize = 0;
/// Word of `batch`: the epoch, from 0.
pub const BATCH_EPOCH: usize = 1;
/// First of two words of `batch`: the seed, lower half first.
pub const BATCH_SEED: usize = 2;
/// First of the words of `batch` that hold [`Rates`], the last ones, all bits of floats.
pub const BATCH_RATES: usize = 4;
/// Word of `batch`: [`Rates::ema_share`].
pub const BATCH_EMA: usize = 7;

/// What changes from step to step and is the same for all samples and parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// What the learning rate is multiplied by.
    pub factor: f32,
    /// What the optimiser corrects its moments by; see [`crate::ops::Operator::corrections`].
    pub corrections: [f32; 2],
    /// How far the moving average of the weights moves towards them, from 0 to 1.
    pub ema_share: f32,
}

impl Rates {
    /// Of a run that updates nothing.
    pub const STILL: Rates = Rates { factor: 1.0, corrections: [1.0; 2], ema_share: 0.0 };

    /// The words of `batch` from [`BATCH_RATES`] on.
    pub fn words(self) -> [u32; BATCH_WORDS - BATCH_RATES] {
        let [first, second] = self.corrections;
        [self.factor, first, second, self.ema_share].map(f32::to_bits)
    }
}

/// What the words of `batch` mean, for hosts that replay exported programs.
pub const BATCH_MEANINGS: [&str; BATCH_WORDS] = [
    "number of real samples; those after them count for nothing",
    "epoch, from 0",
    "seed, lower half",
    "seed, upper half",
    "bits of a float: what the learning rate is multiplied by",
    "bits of a float: 1 / (1 - beta1^step) for Adam, with steps from 1; 1 for other optimisers",
    "bits of a float: 1 / (1 - beta2^step) for Adam, with steps from 1; 1 for other optimisers",
    "bits of a float: how far the moving average of the weights moves towards them; 0 where there is none",
];
