//! The words of the argument `batch`.

/// The argument `batch` is this many words that the host writes before every step.
pub const BATCH_WORDS: usize = 7;
/// Word of `batch`: how many samples of the batch are real. Those after them count for nothing.
pub const BATCH_COUNT: usize = 0;
/// Word of `batch`: the epoch, from 0.
pub const BATCH_EPOCH: usize = 1;
/// First of two words of `batch`: the seed, lower half first.
pub const BATCH_SEED: usize = 2;
/// First of three words of `batch`, the last ones, all bits of floats: what the learning rate is multiplied by, and
/// what the optimiser corrects its moments by; see [`crate::ops::Operator::corrections`].
pub const BATCH_RATES: usize = 4;

/// What the words of `batch` mean, for hosts that replay exported programs.
pub const BATCH_MEANINGS: [&str; BATCH_WORDS] = [
    "number of real samples; those after them count for nothing",
    "epoch, from 0",
    "seed, lower half",
    "seed, upper half",
    "bits of a float: what the learning rate is multiplied by",
    "bits of a float: 1 / (1 - beta1^step) for Adam, with steps from 1; 1 for other optimisers",
    "bits of a float: 1 / (1 - beta2^step) for Adam, with steps from 1; 1 for other optimisers",
];

/// The words of `batch` from [`BATCH_RATES`] on.
pub fn rate_words(factor: f32, corrections: [f32; 2]) -> [u32; BATCH_WORDS - BATCH_RATES] {
    [factor, corrections[0], corrections[1]].map(f32::to_bits)
}
