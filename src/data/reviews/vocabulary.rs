//! From stems to numbers: the part of a text model that is no weight.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::words::{Word, words};
use crate::data::DataError;
use crate::file::{FileError, read_plain, write_whole};
use crate::spec::{MAX_TEXT_LENGTH, Tokens};

/// The number that fills a text up to its length. The first word's number is 1.
pub const PADDING: u32 = 0;

/// How texts become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextOptions {
    /// How texts are cut. Vocabularies from before there was a choice do not say it.
    #[serde(default)]
    pub tokens: Tokens,
    /// Whether `not` and its kin stay in; see [`words`].
    pub keep_negations: bool,
    /// Tokens behind a negation whose stems are marked; see [`words`].
    #[serde(default, skip_serializing_if = "is_none")]
    pub negation_window: usize,
    /// Whether a stem has a number only where it stands first in a text.
    #[serde(default)]
    pub distinct: bool,
    /// Stems that occur less often in the training texts are dropped.
    pub min_count: usize,
    /// Numbers a text: longer ones are cut at their end, shorter ones filled up with [`PADDING`].
    pub length: usize,
}

fn is_none(window: &usize) -> bool {
    *window == 0
}

impl TextOptions {
    /// The stems of a text by these options.
    pub fn words(self, text: &str) -> impl Iterator<Item = Word> {
        words(text, self.tokens, self.keep_negations, self.negation_window)
    }
}

impl Default for TextOptions {
    fn default() -> TextOptions {
        TextOptions {
            tokens: Tokens::UnicodeWords,
            keep_negations: false,
            negation_window: 0,
            distinct: false,
            min_count: 5,
            length: 550,
        }
    }
}

/// The numbers of the stems, and all else that a prediction needs besides the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    options: TextOptions,
    classes: Vec<String>,
    distinct_stems: usize,
    stems: Vec<String>,
    numbers: HashMap<String, u32>,
}

/// The file: JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<S> {
    /// One name a class; a label is a place in it.
    classes: S,
    options: TextOptions,
    distinct_stems: usize,
    /// The first has number 1.
    stems: S,
}

/// A text as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// `length` numbers below [`Vocabulary::rows`].
    pub tokens: Vec<u32>,
    /// The bytes of the text that each of the first tokens stands for; the others are padding.
    pub places: Vec<Range<usize>>,
}

impl Vocabulary {
    /// Numbers the stems of the training texts: 1 for the most frequent one, and so on. Those that are
    /// equally frequent are in the order of the alphabet (of their code points).
    ///
    /// # Errors
    /// When no stem is frequent enough.
    pub fn build<'a>(
        options: TextOptions,
        classes: Vec<String>,
        training: impl IntoParallelIterator<Item = &'a str>,
    ) -> Result<Vocabulary, DataError> {
        let counts = training.into_par_iter().fold(HashMap::<String, usize>::new, |mut counts, text| {
            options.words(text).for_each(|word| *counts.entry(word.stem).or_default() += 1);
            counts
        });
        let counts = counts.reduce(HashMap::new, |mut counts, others| {
            others.into_iter().for_each(|(stem, count)| *counts.entry(stem).or_default() += count);
            counts
        });
        let distinct_stems = counts.len();
        let mut kept: Vec<(String, usize)> =
            counts.into_iter().filter(|(_, count)| *count >= options.min_count).collect();
        kept.sort_unstable_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
        if kept.is_empty() {
            return Err(DataError::NoWords { stems: distinct_stems, min_count: options.min_count });
        }
        let stems = kept.into_iter().map(|(stem, _)| stem).collect();
        Ok(Self::of(options, classes, distinct_stems, stems))
    }

    fn of(options: TextOptions, classes: Vec<String>, distinct_stems: usize, stems: Vec<String>) -> Self {
        let numbers = stems.iter().cloned().zip(1..).collect();
        Vocabulary { options, classes, distinct_stems, stems, numbers }
    }

    /// How texts become numbers.
    pub fn options(&self) -> TextOptions {
        self.options
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many different stems the training texts have, frequent or not.
    pub fn distinct_stems(&self) -> usize {
        self.distinct_stems
    }

    /// The stems that have a number; the first has number 1.
    pub fn stems(&self) -> &[String] {
        &self.stems
    }

    /// Rows of the embedding: one a stem, and one for the padding.
    pub fn rows(&self) -> usize {
        self.stems.len() + 1
    }

    /// Numbers the stems of a text; those that have no number are left out first.
    pub fn encode(&self, text: &str) -> Encoded {
        let mut seen = HashSet::new();
        let known = self
            .options
            .words(text)
            .filter_map(|word| Some((*self.numbers.get(&word.stem)?, word.place)))
            .filter(|&(number, _)| !self.options.distinct || seen.insert(number));
        let (mut tokens, places): (Vec<u32>, Vec<_>) = known.take(self.options.length).unzip();
        tokens.resize(self.options.length, PADDING);
        Encoded { tokens, places }
    }

    /// The tokens of N texts: N x `length`.
    pub fn encode_all<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Vec<u32> {
        texts.par_iter().flat_map_iter(|text| self.encode(text.as_ref()).tokens).collect()
    }

    /// What [`write`](Self::write) writes.
    ///
    /// # Errors
    /// Those of the JSON writer; strings and numbers give none.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(&Saved {
            classes: &self.classes,
            options: self.options,
            distinct_stems: self.distinct_stems,
            stems: &self.stems,
        })
    }

    /// Writes the vocabulary as JSON, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let contents =
            |error: serde_json::Error| FileError::Contents { path: path.into(), reason: error.to_string() };
        write_whole(path, &self.to_json().map_err(contents)?)
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such vocabulary: names the file and what is wrong. A length
    /// above [`MAX_TEXT_LENGTH`] is that of no model.
    pub fn read(path: &Path) -> Result<Vocabulary, FileError> {
        let text = read_plain(path).map_err(|source| FileError::Read { path: path.into(), source })?;
        let contents = |reason: String| FileError::Contents { path: path.into(), reason };
        let saved: Saved<Vec<String>> =
            serde_json::from_slice(&text).map_err(|error| contents(error.to_string()))?;
        let Saved { classes, options, distinct_stems, stems } = saved;
        if !(1..=MAX_TEXT_LENGTH).contains(&options.length) {
            let length = options.length;
            return Err(contents(format!("`length` is {length}; it must be from 1 to {MAX_TEXT_LENGTH}")));
        }
        // A number has none.
        if classes.len() == 1 {
            return Err(contents(format!("{} in place of two classes or more", classes.len())));
        }
        for (what, names) in [("class", &classes), ("stem", &stems)] {
            let mut seen = HashSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                return Err(contents(format!("the {what} `{twice}` is there twice")));
            }
        }
        if stems.is_empty() || u32::try_from(stems.len()).is_err() {
            return Err(contents(format!("{} stems", stems.len())));
        }
        if stems.len() > distinct_stems {
            let reason = format!("{} stems of {distinct_stems} different ones", stems.len());
            return Err(contents(reason));
        }
        Ok(Self::of(options, classes, distinct_stems, stems))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(options: TextOptions) -> Vocabulary {
        let texts = ["zebra Car car the", "cars zebra seat", "seats bus not"];
        Vocabulary::build(options, vec!["bad".into(), "good".into()], texts).unwrap()
    }

    const SHORT: TextOptions = TextOptions {
        tokens: Tokens::WhiteSpace,
        keep_negations: false,
        negation_window: 0,
        distinct: false,
        min_count: 2,
        length: 4,
    };

    #[test]
    fn the_most_frequent_stem_is_1_and_equals_go_by_the_alphabet() {
        let vocabulary = vocabulary(SHORT);
        assert_eq!(vocabulary.stems(), ["car", "seat", "zebra"]);
        assert_eq!((vocabulary.rows(), vocabulary.distinct_stems()), (4, 4));
        let negating = TextOptions { keep_negations: true, min_count: 1, ..SHORT };
        assert_eq!(super::tests::vocabulary(negating).stems(), ["car", "seat", "zebra", "bu", "not"]);
    }

    #[test]
    fn texts_are_filled_up_and_cut_at_their_end() {
        let vocabulary = vocabulary(SHORT);
        let text = "The bus seats\tCARS";
        let Encoded { tokens, places } = vocabulary.encode(text);
        assert_eq!(tokens, [2, 1, 0, 0]);
        assert_eq!(places.into_iter().map(|place| &text[place]).collect::<Vec<_>>(), ["seats", "CARS"]);
        let long = vocabulary.encode("bus zebra car seat bus car zebra");
        assert_eq!((long.tokens.as_slice(), long.places.len()), ([3, 1, 2, 1].as_slice(), 4));
        assert_eq!(vocabulary.encode_all(&["", "zebra"]), [0, 0, 0, 0, 3, 0, 0, 0]);
    }

    #[test]
    fn distinct_words_count_where_they_stand_first() {
        let vocabulary = vocabulary(TextOptions { distinct: true, ..SHORT });
        let text = "zebra car seat cars zebra bus seats";
        let Encoded { tokens, places } = vocabulary.encode(text);
        assert_eq!(tokens, [3, 1, 2, 0]);
        assert_eq!(places, [0..5, 6..9, 10..14]);
    }

    #[test]
    fn no_word_that_is_frequent_enough_is_an_error() {
        let options = TextOptions { min_count: 3, ..SHORT };
        let error = Vocabulary::build(options, vec![], ["car seat", "car the seat"]).unwrap_err();
        assert!(error.to_string().contains("none of the 2 different words"), "{error}");
        assert!(Vocabulary::build(options, vec![], [""]).is_err());
    }

    #[test]
    fn a_written_vocabulary_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocabulary.json");
        let vocabulary = vocabulary(SHORT);
        vocabulary.write(&path).unwrap();
        assert_eq!(Vocabulary::read(&path).unwrap(), vocabulary);
    }

    #[test]
    fn a_vocabulary_from_before_there_were_rules_cuts_at_white_space() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocabulary.json");
        let vocabulary = vocabulary(SHORT);
        vocabulary.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let old = text.replace("\"tokens\": \"white_space\",", "");
        assert_ne!(old, text);
        std::fs::write(&path, old).unwrap();
        assert_eq!(Vocabulary::read(&path).unwrap(), vocabulary);
        assert_eq!(vocabulary.encode("car, seat").tokens, [2, 0, 0, 0]);
        let words =
            Vocabulary { options: TextOptions { tokens: Tokens::UnicodeWords, ..SHORT }, ..vocabulary };
        assert_eq!(words.encode("car, seat").tokens, [1, 2, 0, 0]);
    }

    #[test]
    fn a_damaged_vocabulary_is_refused_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocabulary.json");
        vocabulary(SHORT).write(&path).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        for (from, to, reason) in [
            ("\"zebra\"", "\"car\"", "the stem `car` is there twice"),
            ("\"good\"", "\"bad\"", "the class `bad` is there twice"),
            ("\"bad\",", "", "1 in place of two classes"),
            ("\"length\": 4", "\"length\": 0", "`length` is 0"),
            ("\"length\": 4", "\"length\": 1000000000000000000", "`length` is 1000000000000000000"),
            ("\"length\": 4", "\"size\": 4", "unknown field `size`"),
            ("\"distinct_stems\": 4", "\"distinct_stems\": 2", "3 stems of 2 different ones"),
            ("\"white_space\"", "\"letters\"", "unknown variant `letters`"),
            ("\"stems\"", "\"words\"", "unknown field `words`"),
            ("{", "", "invalid type"),
        ] {
            assert!(good.contains(from), "{good}");
            std::fs::write(&path, good.replace(from, to)).unwrap();
            let error = Vocabulary::read(&path).unwrap_err().to_string();
            assert!(error.contains("vocabulary.json") && error.contains(reason), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Vocabulary::read(&path), Err(FileError::Read { .. })));
    }
}
