//! From a text to the stems that a model sees.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use super::porter::stem;
use super::tokens::{Form, tokens};
use crate::spec::Tokens;

static STOP_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let list = include_str!("../../../assets/text/stop_words.txt");
    list.lines().filter(|line| !line.starts_with('#')).collect()
});

/// NLTK's English stop words, by the alphabet.
pub fn stop_words() -> impl Iterator<Item = &'static str> {
    let mut words: Vec<&str> = STOP_WORDS.iter().copied().collect();
    words.sort_unstable();
    words.into_iter()
}

/// Whether a word in lower case is one of NLTK's 179 English stop words.
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(word)
}

/// A stem and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What the vocabulary counts.
    pub stem: String,
    /// The bytes of the text that it stands for.
    pub place: Range<usize>,
}

/// The stems of a text, in its order.
///
/// The text is cut by `rule`, see [`tokens`]. Words in lower case are dropped if they are stop words, and
/// else stemmed. Tokens of another [`Form`] are dropped: `19mpg`, and by [`Tokens::WhiteSpace`] also
/// `it's` and the last word of a sentence together with its full stop. Letters are Unicode's, of any
/// script.
///
/// With `keep_negations`, `no`, `not` and `nor` stay although they are stop words, and so does a word
/// that ends in `n't`, as it is but for a curly apostrophe, which becomes a straight one. Where a text
/// has lost its apostrophes, `don t` is read as `don't`; so are the halves of the other stop words in
/// `n't`, and of `can't`.
///
/// With a `negation_window`, stems of so many tokens behind a negation begin with `not_` (Das and Chen, 2001): `good` and
/// what is `not good` are two. Stop words count as tokens. `never`, `without` and `hardly` negate as well.
pub fn words(
    text: &str,
    rule: Tokens,
    keep_negations: bool,
    negation_window: usize,
) -> impl Iterator<Item = Word> {
    let mut tokens = tokens(text, rule);
    let mut next = tokens.next();
    // Tokens that are negated from here on.
    let mut negated = 0;
    std::iter::from_fn(move || {
        loop {
            let mut token = next.take()?;
            next = tokens.next();
            let is_negated = negated > 0;
            negated -= usize::from(is_negated);
            if keep_negations {
                if let Some(stem) = negation(&token.text) {
                    negated = negation_window;
                    return Some(Word { stem, place: token.place });
                }
                let is_verb = token.form == Form::Word && token.text.ends_with('n');
                if let Some(half) = next.take_if(|after| {
                    after.text == "t" && (is_half(&token.text) || after.after_apostrophe && is_verb)
                }) {
                    token.place.end = half.place.end;
                    next = tokens.next();
                    negated = negation_window;
                    return Some(Word { stem: token.text + "'t", place: token.place });
                }
            }
            if token.form == Form::Word && !is_stop_word(&token.text) {
                let stem = stem(&token.text);
                if keep_negations && NEGATING.contains(&token.text.as_str()) {
                    negated = negation_window;
                    return Some(Word { stem, place: token.place });
                }
                let stem = if is_negated { format!("{NEGATED}{stem}") } else { stem };
                return Some(Word { stem, place: token.place });
            }
        }
    })
}

/// What stems of negated words begin with. No other stem has an underscore.
const NEGATED: &str = "not_";

/// Words that negate besides those of [`negation`], and are no stop words.
const NEGATING: [&str; 3] = ["never", "without", "hardly"];

/// The stem of a word that negates.
fn negation(token: &str) -> Option<String> {
    if matches!(token, "no" | "not" | "nor") {
        return Some(token.to_owned());
    }
    let verb = token.strip_suffix("n't").or_else(|| token.strip_suffix("n’t"))?;
    (!verb.is_empty() && verb.chars().all(char::is_alphabetic)).then(|| format!("{verb}n't"))
}

/// Whether a `t` behind this word is what remains of `'t`.
fn is_half(token: &str) -> bool {
    token == "can" || token.ends_with('n') && is_stop_word(&format!("{token}'t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems_by(rule: Tokens, text: &str, keep_negations: bool) -> Vec<String> {
        words(text, rule, keep_negations, 0).map(|word| word.stem).collect()
    }

    /// By the rule of the tutorial.
    fn stems(text: &str, keep_negations: bool) -> Vec<String> {
        stems_by(Tokens::WhiteSpace, text, keep_negations)
    }

    #[test]
    fn there_are_179_stop_words() {
        assert_eq!(STOP_WORDS.len(), 179);
        assert!(["not", "no", "nor", "t", "don", "isn't", "it's", "should've"].into_iter().all(is_stop_word));
        assert!(
            ["never", "hardly", "without", "i'll", "can't", "#", ""].into_iter().all(|w| !is_stop_word(w))
        );
    }

    #[test]
    fn words_of_letters_are_lowered_and_stemmed_and_the_rest_is_dropped() {
        let text = "  The CARS\twere\nnoisy, at 70mph it's 1 problem\u{a0}Überholte ";
        assert_eq!(stems(text, false), ["car", "problem", "überholt"]);
        let dropped = tokens(text, Tokens::WhiteSpace).filter(|token| token.form != Form::Word);
        assert_eq!(dropped.count(), 4);
        assert_eq!(stems("", false), [""; 0]);
        assert_eq!(stems("the 1 of", false), [""; 0]);
    }

    #[test]
    fn places_are_those_of_the_original_words() {
        let text = "The İSTANBUL cars, I couldn t stand THEM Driving";
        let placed =
            |keep| words(text, Tokens::WhiteSpace, keep, 0).map(|word| &text[word.place]).collect::<Vec<_>>();
        assert_eq!(placed(false), ["stand", "Driving"]);
        assert_eq!(placed(true), ["couldn t", "stand", "Driving"]);
    }

    #[test]
    fn negations_stay_on_demand() {
        let text = "I do not like it nor don't I DIDN’T won t can t no sedan t none n't x1n't don";
        assert_eq!(stems(text, false), ["like", "sedan", "none"]);
        let kept = ["not", "like", "nor", "don't", "didn't", "won't", "can't", "no", "sedan", "none"];
        assert_eq!(stems(text, true), kept);
    }
    #[test]
    fn words_beside_punctuation_are_words() {
        let stems = |text| stems_by(Tokens::UnicodeWords, text, false);
        assert_eq!(stems("excellent!"), ["excel"]);
        assert_eq!(stems("The CARS, were\nnoisy; at 70mph it's 1 (problem)."), ["car", "noisi", "problem"]);
        assert_eq!(stems("it's I'll don't can't they've he'd"), [""; 0]);
        assert_eq!(stems("bad<br /><br />well-built"), ["bad", "well", "built"]);
    }

    #[test]
    fn punctuation_makes_no_difference_to_stems() {
        let bare = "I don t like it  It s the car s engine  I ll sell it  can t you tell  we ve 2 V6 cars";
        let written =
            "I don't like it. It’s the car's engine! I'll \"sell\" it - can't you tell? We've 2 V6 cars.";
        for keep in [false, true] {
            let stems = stems_by(Tokens::UnicodeWords, written, keep);
            assert_eq!(stems, stems_by(Tokens::UnicodeWords, bare, keep));
            assert_eq!(stems, stems_by(Tokens::WhiteSpace, bare, keep));
        }
    }

    #[test]
    fn negations_with_apostrophes_keep_their_places() {
        let text = "I Don't like, didn’t mayn't no (CAN’T), do n't won t x1n't not.";
        let placed: Vec<(String, &str)> =
            words(text, Tokens::UnicodeWords, true, 0).map(|word| (word.stem, &text[word.place])).collect();
        let expected = [
            ("don't", "Don't"),
            ("like", "like"),
            ("didn't", "didn’t"),
            ("mayn't", "mayn't"),
            ("no", "no"),
            ("can't", "CAN’T"),
            ("n't", "n't"),
            ("won't", "won t"),
            ("not", "not"),
        ];
        assert_eq!(placed, expected.map(|(stem, place)| (stem.to_owned(), place)));
    }

    #[test]
    fn words_behind_a_negation_are_other_words() {
        let stems = |text, window| {
            words(text, Tokens::UnicodeWords, true, window).map(|word| word.stem).collect::<Vec<_>>()
        };
        let text = "This car is not very reliable, but cheap.";
        assert_eq!(stems(text, 0), ["car", "not", "reliabl", "cheap"]);
        // "very" is a stop word and counts; "but" is the third.
        assert_eq!(stems(text, 3), ["car", "not", "not_reliabl", "cheap"]);
        assert_eq!(stems(text, 4), ["car", "not", "not_reliabl", "not_cheap"]);
        assert_eq!(stems("I can t complain", 1), ["can't", "not_complain"]);
        assert_eq!(stems("never buy; without trouble", 1), ["never", "not_buy", "without", "not_troubl"]);
        // A negation is none of the words that another one negates, and begins anew.
        assert_eq!(stems("not no good car", 2), ["not", "no", "not_good", "not_car"]);
        let without: Vec<String> =
            words("never good", Tokens::UnicodeWords, false, 3).map(|word| word.stem).collect();
        assert_eq!(without, ["never", "good"], "nothing negates where negations are dropped");
    }
}
