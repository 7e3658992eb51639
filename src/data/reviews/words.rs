//! From a text to the stems that a model sees.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use super::porter::stem;

static STOP_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let list = include_str!("../../../assets/text/stop_words.txt");
    list.lines().filter(|line| !line.starts_with('#')).collect()
});

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
/// The text is cut at white space. What is made of letters only is put into lower case, dropped if it
/// is a stop word, and stemmed. Everything else is dropped: `19mpg`, but also `it's` and the last word
/// of a sentence together with its full stop. Letters are Unicode's, of any script.
///
/// With `keep_negations`, `no`, `not` and `nor` stay although they are stop words, and so does a word
/// that ends in `n't`, as it is but for a curly apostrophe, which becomes a straight one. Where a text
/// has lost its apostrophes, `don t` is read as `don't`; so are the halves of the other stop words in
/// `n't`, and of `can't`.
pub fn words(text: &str, keep_negations: bool) -> impl Iterator<Item = Word> {
    let mut tokens = text.split_whitespace().map(move |token| {
        let start = token.as_ptr().addr() - text.as_ptr().addr();
        (start..start + token.len(), token.to_lowercase())
    });
    let mut next = tokens.next();
    std::iter::from_fn(move || {
        loop {
            let (mut place, token) = next.take()?;
            next = tokens.next();
            if keep_negations {
                if let Some(stem) = negation(&token) {
                    return Some(Word { stem, place });
                }
                if let Some((end, _)) = next.take_if(|(_, after)| after == "t" && is_half(&token)) {
                    place.end = end.end;
                    next = tokens.next();
                    return Some(Word { stem: token + "'t", place });
                }
            }
            if is_word(&token) && !is_stop_word(&token) {
                return Some(Word { stem: stem(&token), place });
            }
        }
    })
}

/// How many of a text's tokens are dropped because they are not made of letters only.
pub fn tokens_without_letters_only(text: &str) -> usize {
    text.split_whitespace().filter(|token| !is_word(token)).count()
}

fn is_word(token: &str) -> bool {
    token.chars().all(char::is_alphabetic)
}

/// The stem of a word that negates.
fn negation(token: &str) -> Option<String> {
    if matches!(token, "no" | "not" | "nor") {
        return Some(token.to_owned());
    }
    let verb = token.strip_suffix("n't").or_else(|| token.strip_suffix("n’t"))?;
    (!verb.is_empty() && is_word(verb)).then(|| format!("{verb}n't"))
}

/// Whether a `t` behind this word is what remains of `'t`.
fn is_half(token: &str) -> bool {
    token == "can" || token.ends_with('n') && is_stop_word(&format!("{token}'t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str, keep_negations: bool) -> Vec<String> {
        words(text, keep_negations).map(|word| word.stem).collect()
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
        assert_eq!(tokens_without_letters_only(text), 4);
        assert_eq!(stems("", false), [""; 0]);
        assert_eq!(stems("the 1 of", false), [""; 0]);
    }

    #[test]
    fn places_are_those_of_the_original_words() {
        let text = "The İSTANBUL cars, I couldn t stand THEM Driving";
        let placed = |keep| words(text, keep).map(|word| &text[word.place]).collect::<Vec<_>>();
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
}
