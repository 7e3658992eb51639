//! Texts as a model sees them.

use rayon::prelude::*;

use super::vocabulary::{PADDING, Vocabulary};
use crate::data::batches::Variation;
use crate::data::split::Content;
use crate::rng::{Generator, Stream};

/// Texts with the numbers of their words.
#[derive(Debug, Clone)]
pub struct Texts {
    /// As they were written.
    pub texts: Vec<String>,
    /// How their words are numbered.
    pub vocabulary: Vocabulary,
    /// (texts, length) numbers.
    tokens: Vec<u32>,
}

impl Texts {
    /// Numbers the words of texts.
    pub fn new(texts: Vec<String>, vocabulary: Vocabulary) -> Self {
        let tokens = vocabulary.encode_all(&texts);
        Self { texts, vocabulary, tokens }
    }

    /// Texts that are numbers already, `length` of them each.
    pub fn of_tokens(texts: &[Vec<u32>], vocabulary: Vocabulary) -> Self {
        Self { texts: Vec::new(), vocabulary, tokens: texts.concat() }
    }

    /// (N, length) numbers of `chosen` texts, filled up to `size` of them; with a variation, of windows of them without
    /// the tokens that it drops.
    pub fn batch(&self, chosen: &[usize], size: usize, variation: Option<Variation>) -> Vec<u32> {
        let length = self.vocabulary.options().length;
        let variation = variation.filter(|variation| !variation.augment.keeps_texts());
        let mut tokens = Vec::with_capacity(size * length);
        for &index in chosen {
            let row = &self.tokens[index * length..][..length];
            match variation {
                None => tokens.extend_from_slice(row),
                Some(variation) => {
                    tokens.extend(varied(row, variation, index as u32));
                    tokens.resize(tokens.len().next_multiple_of(length), PADDING);
                }
            }
        }
        tokens.resize(size * length, PADDING);
        tokens
    }
}

/// A window of a text's tokens without those that are dropped; at least one is left of a text that has any.
fn varied(row: &[u32], Variation { augment, seed, epoch }: Variation, sample: u32) -> Vec<u32> {
    let real = &row[..row.iter().position(|&token| token == PADDING).unwrap_or(row.len())];
    let mut generator = Generator::new(seed, epoch, sample, Stream::Augment);
    let mut window = real;
    let shortest = augment.window_tokens.max(1);
    if f64::from(generator.unit()) < augment.window_probability && real.len() > shortest {
        let ratio = real.len() as f64 / shortest as f64;
        let length = (shortest as f64 * ratio.powf(generator.unit().into())).round() as usize;
        let length = length.clamp(shortest, real.len());
        let first = generator.below((real.len() - length) as u32 + 1) as usize;
        window = &real[first..first + length];
    }
    let mut kept: Vec<u32> =
        window.iter().copied().filter(|_| f64::from(generator.unit()) >= augment.token_dropout).collect();
    if kept.is_empty() {
        kept.extend(window.first());
    }
    kept
}

/// Of the words and signs, with one space in place of all white space between them.
pub fn contents(texts: &[String]) -> Vec<Content> {
    let content = |text: &String| {
        let mut hasher = blake3::Hasher::new();
        for piece in text.split_whitespace() {
            hasher.update(piece.as_bytes()).update(b" ");
        }
        hasher.finalize().into()
    };
    texts.par_iter().map(content).collect()
}
