//! Reviews as a model sees them.

use super::Reviews;
use super::vocabulary::Vocabulary;
use crate::data::batches::{Dataset, Input, Variation};
use crate::spec::Target;

/// Reviews with the numbers of their words.
#[derive(Debug, Clone)]
pub struct Texts {
    /// The reviews.
    pub reviews: Reviews,
    /// How their words are numbered.
    pub vocabulary: Vocabulary,
    /// (reviews, length) numbers.
    tokens: Vec<u32>,
}

impl Texts {
    /// Numbers the words of reviews.
    pub fn new(reviews: Reviews, vocabulary: Vocabulary) -> Self {
        let tokens = vocabulary.encode_all(&reviews.texts);
        Self { reviews, vocabulary, tokens }
    }

    /// Texts that are numbers already, `length` of them each, without labels.
    pub fn of_tokens(texts: &[Vec<u32>], vocabulary: Vocabulary) -> Self {
        let reviews = Reviews { labels: vec![None; texts.len()], ..Reviews::default() };
        Self { reviews, vocabulary, tokens: texts.concat() }
    }
}

impl Dataset for Texts {
    /// `tokens`: (N, length) numbers.
    fn inputs(&self, chosen: &[usize], size: usize, _variation: Option<Variation>) -> Vec<Input> {
        let length = self.vocabulary.options().length;
        let row = |&index: &usize| &self.tokens[index * length..][..length];
        let mut tokens: Vec<u32> = chosen.iter().flat_map(row).copied().collect();
        tokens.resize(size * length, 0);
        vec![("tokens", bytemuck::cast_slice(&tokens).to_vec())]
    }

    fn answer(&self, sample: usize, target: Target) -> Option<f32> {
        match target {
            Target::Class => self.reviews.labels[sample].map(|class| class as f32),
            Target::Age | Target::Gender => None,
        }
    }
}
