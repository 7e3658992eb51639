//! Where a text is cut into tokens, and which of them are words.

use std::ops::Range;

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

use crate::spec::Tokens;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// In lower case, without soft hyphens.
    pub text: String,
    /// The bytes of the text that it stands for.
    pub place: Range<usize>,
    /// What it is made of.
    pub form: Form,
    /// Whether nothing but an apostrophe parts it from the token before.
    pub after_apostrophe: bool,
}

/// What a token is made of. Only a [`Word`](Form::Word) can be in a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Letters, of any script.
    Word,
    /// No letter at all: `1992`.
    Number,
    /// Letters and digits: `19mpg`.
    WordWithDigits,
    /// Letters and punctuation, which only [`Tokens::WhiteSpace`] leaves together: `excellent!`.
    WordWithPunctuation,
}

impl Form {
    /// In a sentence, of several.
    pub fn plural(self) -> &'static str {
        match self {
            Form::Word => "words",
            Form::Number => "numbers",
            Form::WordWithDigits => "words with digits",
            Form::WordWithPunctuation => "words with punctuation",
        }
    }

    /// The form of what holds no white space. Marks, such as accents on their own, belong to their letters.
    fn of(token: &str, rule: Tokens) -> Form {
        let any = |test: fn(char) -> bool| token.chars().any(test);
        let is_word = match rule {
            Tokens::WhiteSpace => token.chars().all(char::is_alphabetic),
            Tokens::UnicodeWords => any(char::is_alphabetic) && !any(char::is_numeric),
        };
        match is_word {
            true => Form::Word,
            false if !any(char::is_alphabetic) => Form::Number,
            false if any(char::is_numeric) => Form::WordWithDigits,
            false => Form::WordWithPunctuation,
        }
    }
}

/// The tokens of a text, in its order.
///
/// [`Tokens::UnicodeWords`] are those of UAX 29, "Unicode Text Segmentation", cut once more where a word
/// holds an apostrophe, a full stop, a colon or an underscore: `it's` is `it` and `s`, as in a text that
/// has lost its punctuation, and `end.But` is two words. Tags such as `<br />` and entities such as
/// `&quot;` are no words and part those beside them.
pub fn tokens(text: &str, rule: Tokens) -> Box<dyn Iterator<Item = Token> + '_> {
    let token = move |(piece, after_apostrophe): (&str, bool)| {
        let start = piece.as_ptr().addr() - text.as_ptr().addr();
        let place = start..start + piece.len();
        let mut text = piece.to_lowercase();
        if rule == Tokens::UnicodeWords {
            text.retain(|c| c != SOFT_HYPHEN);
        }
        let form = Form::of(&text, rule);
        Token { text, place, form, after_apostrophe }
    };
    match rule {
        Tokens::WhiteSpace => Box::new(text.split_whitespace().map(move |piece| token((piece, false)))),
        Tokens::UnicodeWords => Box::new(
            between_markup(text).flat_map(UnicodeSegmentation::unicode_words).flat_map(parts).map(token),
        ),
    }
}

/// Where a line may break a word; it is part of none.
const SOFT_HYPHEN: char = '\u{ad}';

/// Typewriter's, typographer's of both sides, the letter, and the wide one.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '\u{2bc}' | '\u{ff07}')
}

/// What UAX 29 leaves within words besides letters, digits and marks.
fn is_joint(c: char) -> bool {
    is_apostrophe(c) || matches!(c, '.' | ':' | '_' | '\u{2024}' | '\u{ff0e}' | '\u{ff1a}' | '\u{ff3f}')
}

/// The parts of a word between its joints, and whether an apostrophe is right before each. Numbers stay
/// whole: `3.5`.
fn parts(word: &str) -> impl Iterator<Item = (&str, bool)> {
    let cuts = word.chars().any(char::is_alphabetic);
    let mut before = None;
    word.split(move |c| cuts && is_joint(c)).filter_map(move |part| {
        let start = part.as_ptr().addr() - word.as_ptr().addr();
        let joint = word[..start].chars().next_back();
        let follows = before.replace(start + part.len()).is_some_and(|end| {
            joint.is_some_and(|joint| is_apostrophe(joint) && end + joint.len_utf8() == start)
        });
        (!part.is_empty()).then_some((part, follows))
    })
}

/// The text between tags and entities.
fn between_markup(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let found = whole
            .match_indices(['<', '&'])
            .find_map(|(start, _)| Some((start, start + markup_bytes(&whole[start..])?)));
        let Some((start, end)) = found else { return rest.take() };
        rest = Some(&whole[end..]);
        Some(&whole[..start])
    })
}

/// Longer ones are no tags.
const MAX_TAG_BYTES: usize = 1000;
const MAX_ENTITY_BYTES: usize = 12;

/// How long the tag or entity is that a text begins with, if it does.
///
/// `a <b and c> d` is no tag: without an attribute, nothing but its name is in a tag.
fn markup_bytes(text: &str) -> Option<usize> {
    let upto = |last: u8, limit: usize| text.bytes().take(limit).position(|byte| byte == last);
    if text.starts_with('&') {
        let end = upto(b';', MAX_ENTITY_BYTES)?;
        let name = &text[1..end];
        let digits = name.strip_prefix('#');
        let is_plain = |name: &str| name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return digits.map_or_else(|| is_plain(name), is_plain).then_some(end + 1);
    }
    let inside = text.strip_prefix("</").or_else(|| text.strip_prefix('<'))?;
    if !inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let end = upto(b'>', MAX_TAG_BYTES)?;
    let inside = &text[1..end];
    let inside = inside.strip_prefix('/').unwrap_or(inside);
    let name = inside.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let attributes = &inside[name..];
    let is_tag = !inside.contains('<')
        && (matches!(attributes.trim(), "" | "/")
            || attributes.starts_with(char::is_whitespace) && attributes.contains('='));
    is_tag.then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        tokens(text, Tokens::UnicodeWords).map(|token| &text[token.place]).collect()
    }

    #[test]
    fn punctuation_dashes_and_tags_part_words() {
        assert_eq!(
            cut("\"Excellent!\", he said...so-so—really\u{2013}(no)"),
            ["Excellent", "he", "said", "so", "so", "really", "no"]
        );
        assert_eq!(
            cut("great.But: it's _old_ e.g. U.S."),
            ["great", "But", "it", "s", "old", "e", "g", "U", "S"]
        );
        assert_eq!(cut("bad<br /><br/>good</p><a href=\"x\">link</a>"), ["bad", "good", "link"]);
        assert_eq!(cut("don&#39;t &quot;love&quot; R&D; it"), ["don", "t", "love", "R", "D", "it"]);
        assert_eq!(cut("a <b and c> d <3 < & <"), ["a", "b", "and", "c", "d", "3"]);
        assert_eq!(cut("<é> <p &; &x é;"), ["é", "p", "x", "é"]);
    }

    #[test]
    fn numbers_stay_whole_and_words_with_digits_too() {
        assert_eq!(cut("3.5 1,000 19mpg 4x4 '90s V6's"), ["3.5", "1,000", "19mpg", "4x4", "90s", "V6", "s"]);
        let forms: Vec<Form> = tokens("it 3.5 19mpg", Tokens::UnicodeWords).map(|token| token.form).collect();
        assert_eq!(forms, [Form::Word, Form::Number, Form::WordWithDigits]);
    }

    #[test]
    fn words_of_every_script_are_words() {
        for text in ["Überholte", "cafe\u{301}", "отлично", "हिन्दी", "ممتاز", "מצוין"]
        {
            let all: Vec<Token> = tokens(text, Tokens::UnicodeWords).collect();
            assert_eq!((all.len(), all[0].form), (1, Form::Word), "{text}: {all:?}");
        }
        let soft: Vec<Token> = tokens("ex\u{ad}cel", Tokens::UnicodeWords).collect();
        assert_eq!((soft[0].text.as_str(), soft[0].place.clone()), ("excel", 0..7));
    }

    #[test]
    fn apostrophes_of_every_kind_cut_and_are_remembered() {
        for apostrophe in ["'", "\u{2019}", "\u{2018}", "\u{2bc}", "\u{ff07}"] {
            let text = format!("do Didn{apostrophe}t");
            let all: Vec<Token> = tokens(&text, Tokens::UnicodeWords).collect();
            let told: Vec<(&str, bool)> =
                all.iter().map(|token| (token.text.as_str(), token.after_apostrophe)).collect();
            assert_eq!(told, [("do", false), ("didn", false), ("t", true)], "{text}");
        }
    }

    #[test]
    fn a_long_text_of_open_tags_is_read_in_no_time() {
        let start = std::time::Instant::now();
        for text in ["<a ".repeat(300_000), "&amp".repeat(300_000), "<".repeat(1_000_000)] {
            tokens(&text, Tokens::UnicodeWords).count();
        }
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}
