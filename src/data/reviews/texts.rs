//! Texts as a model sees them.

use rayon::prelude::*;

use super::vocabulary::Vocabulary;
use crate::data::split::Content;

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

    /// (N, length) numbers of `chosen` texts, filled up to `size` of them.
    pub fn batch(&self, chosen: &[usize], size: usize) -> Vec<u32> {
        let length = self.vocabulary.options().length;
        let row = |&index: &usize| &self.tokens[index * length..][..length];
        let mut tokens: Vec<u32> = chosen.iter().flat_map(row).copied().collect();
        tokens.resize(size * length, 0);
        tokens
    }
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
