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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::reviews::TextOptions;
    use crate::spec::AugmentSpec;

    const LENGTH: usize = 40;

    /// Texts of 30, 3 and no tokens.
    fn texts() -> Texts {
        let names: Vec<String> =
            (0..30).map(|n| format!("q{}x", char::from(b'a' + n % 26)).repeat(1 + n as usize / 26)).collect();
        let long = names.join(" ");
        let options = TextOptions { min_count: 1, length: LENGTH, ..TextOptions::default() };
        let vocabulary = Vocabulary::build(options, vec![], [long.as_str()]).unwrap();
        let three = names[..3].join(" ");
        Texts::new(vec![long, three, String::new()], vocabulary)
    }

    fn rows(augment: &AugmentSpec, epoch: u32) -> Vec<Vec<u32>> {
        let variation = Variation { augment, seed: 5, epoch };
        let tokens = texts().batch(&[0, 1, 2], 4, Some(variation));
        tokens.chunks(LENGTH).map(<[u32]>::to_vec).collect()
    }

    fn real(row: &[u32]) -> Vec<u32> {
        row.iter().copied().filter(|&token| token != PADDING).collect()
    }

    #[test]
    fn windows_are_pieces_of_the_text_of_every_length_from_the_shortest_on() {
        let augment = AugmentSpec { window_probability: 1.0, window_tokens: 5, ..AugmentSpec::default() };
        let whole = real(&rows(&AugmentSpec::default(), 0)[0]);
        assert_eq!(whole.len(), 30);
        let (mut lengths, mut firsts) = (Vec::new(), Vec::new());
        for epoch in 0..200 {
            let rows = rows(&augment, epoch);
            assert_eq!(rows.len(), 4);
            let window = real(&rows[0]);
            let first = whole.iter().position(|token| *token == window[0]).unwrap();
            assert_eq!(
                window,
                whole[first..first + window.len()],
                "it is one piece, and padding stands behind it"
            );
            assert!(rows[0][window.len()..].iter().all(|&token| token == PADDING));
            assert_eq!(real(&rows[1]).len(), 3, "a text that is shorter than any window stays whole");
            assert!(real(&rows[2]).is_empty() && real(&rows[3]).is_empty());
            lengths.push(window.len());
            firsts.push(first);
        }
        assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&5), Some(&30)));
        assert!(firsts.contains(&0) && firsts.iter().any(|&first| first > 20));
        // Evenly by the logarithm: half of them are below the geometric mean of both ends.
        let short = lengths.iter().filter(|&&length| length <= 12).count();
        assert!((70..=130).contains(&short), "{short} of 200");
        assert_eq!(rows(&augment, 7), rows(&augment, 7), "the same every time");
    }

    #[test]
    fn dropped_tokens_leave_no_gap_and_never_nothing() {
        let augment = AugmentSpec { token_dropout: 0.75, ..AugmentSpec::default() };
        let mut kept = 0;
        for epoch in 0..100 {
            let rows = rows(&augment, epoch);
            for (row, all) in rows.iter().zip([30, 3]) {
                let left = real(row).len();
                assert!((1..=all).contains(&left));
                assert_eq!(real(&row[..left]).len(), left);
            }
            kept += real(&rows[0]).len();
        }
        assert!((600..900).contains(&kept), "{kept} of 3000 are left");
    }
}
