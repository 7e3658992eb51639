//! The Porter stemmer as NLTK runs it by default.
//!
//! M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, with the changes that NLTK
//! calls `NLTK_EXTENSIONS`: a few irregular words, short words left alone, and gentler rules for
//! -ies, -ied, -y, -alli, -fulli and -logi. Neither the paper's algorithm nor Porter2 gives the same
//! stems: the crates porter-stemmer and rust-stemmers differ on 358 and 356 of the 15,570 distinct words
//! of the reference's car reviews. This code and NLTK 3.10.4 agree on all of them, and on 300,000 random
//! words made of its suffixes; `tests/assets/stems.txt` holds NLTK's answers for 697 words, a few for
//! each rule.

/// Words whose stem no rule gives.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("inning", "inning"),
    ("innings", "inning"),
    ("outing", "outing"),
    ("outings", "outing"),
    ("canning", "canning"),
    ("cannings", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// A suffix, and what takes its place.
type Rule = (&'static str, &'static str);

/// Where the measure of what remains is above 0. Of rules that fit, the first counts.
const STEP_2: [Rule; 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

/// As in step 2.
const STEP_3: [Rule; 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

/// Dropped where the measure of what remains is above 1. Of suffixes that fit, the first counts.
const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism",
    "ate", "iti", "ous", "ive", "ize",
];

/// The stem of a word in lower case. Letters that are not English ones count as consonants.
pub fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == word) {
        return (*stem).to_owned();
    }
    let mut word = word.to_owned();
    if word.chars().nth(2).is_some() {
        plural(&mut word);
        past_or_progressive(&mut word);
        final_y(&mut word);
        double_suffix(&mut word);
        replace_first(&mut word, &STEP_3);
        last_suffix(&mut word);
        final_e(&mut word);
        if word.ends_with("ll") && measure(&word[..word.len() - 1]) > 1 {
            word.pop();
        }
    }
    word
}

/// Step 1a.
fn plural(word: &mut String) {
    if word.ends_with("ies") {
        // Dies and ties keep their e.
        let kept = if is_four_letters(word) { 1 } else { 2 };
        word.truncate(word.len() - kept);
    } else if word.ends_with("sses") {
        word.truncate(word.len() - 2);
    } else if word.ends_with('s') && !word.ends_with("ss") {
        word.pop();
    }
}

/// Step 1b.
fn past_or_progressive(word: &mut String) {
    if word.ends_with("ied") {
        let kept = if is_four_letters(word) { 1 } else { 2 };
        word.truncate(word.len() - kept);
        return;
    }
    if let Some(rest) = word.strip_suffix("eed") {
        if measure(rest) > 0 {
            word.pop();
        }
        return;
    }
    let has_vowel = |rest: &&str| !consonants(rest).all(|consonant| consonant);
    let Some(rest) = ["ed", "ing"].iter().find_map(|suffix| word.strip_suffix(suffix).filter(has_vowel))
    else {
        return;
    };
    word.truncate(rest.len());
    if ["at", "bl", "iz"].iter().any(|ending| word.ends_with(ending)) {
        word.push('e');
    } else if ends_in_double_consonant(word) {
        if !word.ends_with(['l', 's', 'z']) {
            word.pop();
        }
    } else if measure(word) == 1 && ends_in_short_syllable(word) {
        word.push('e');
    }
}

/// Step 1c: behind a consonant that is not the first letter.
fn final_y(word: &mut String) {
    if let Some(rest) = word.strip_suffix('y')
        && rest.chars().nth(1).is_some()
        && consonants(rest).last() == Some(true)
    {
        word.pop();
        word.push('i');
    }
}

/// Step 2.
fn double_suffix(word: &mut String) {
    if let Some(rest) = word.strip_suffix("alli")
        && measure(rest) > 0
    {
        word.truncate(word.len() - 2);
        return double_suffix(word);
    }
    // The l counts as a part of the stem: geology loses as much as archaeology.
    if !replace_first(word, &STEP_2) && word.ends_with("logi") && measure(&word[..word.len() - 3]) > 0 {
        word.pop();
    }
}

/// Step 4.
fn last_suffix(word: &mut String) {
    for suffix in STEP_4 {
        if let Some(rest) = word.strip_suffix(suffix) {
            if measure(rest) > 1 && (suffix != "ion" || rest.ends_with(['s', 't'])) {
                word.truncate(rest.len());
            }
            return;
        }
    }
}

/// Step 5a.
fn final_e(word: &mut String) {
    if let Some(rest) = word.strip_suffix('e') {
        let measure = measure(rest);
        if measure > 1 || measure == 1 && !ends_in_short_syllable(rest) {
            word.pop();
        }
    }
}

/// Applies the first rule whose suffix fits, if the measure of what remains is above 0. Whether one
/// fits, even if it does not apply.
fn replace_first(word: &mut String, rules: &[Rule]) -> bool {
    for (suffix, replacement) in rules {
        if let Some(rest) = word.strip_suffix(suffix) {
            if measure(rest) > 0 {
                word.truncate(rest.len());
                word.push_str(replacement);
            }
            return true;
        }
    }
    false
}

fn is_four_letters(word: &str) -> bool {
    word.chars().count() == 4
}

/// Whether each letter is a consonant: none of a, e, i, o, u, nor a y behind a consonant.
fn consonants(word: &str) -> impl Iterator<Item = bool> {
    let mut before = false;
    word.chars().map(move |letter| {
        before = match letter {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => !before,
            _ => true,
        };
        before
    })
}

/// How often a vowel is followed by a consonant: the m of [C](VC)^m[V].
fn measure(word: &str) -> usize {
    let mut vowel = false;
    let mut count = 0;
    for consonant in consonants(word) {
        count += usize::from(vowel && consonant);
        vowel = !consonant;
    }
    count
}

fn ends_in_double_consonant(word: &str) -> bool {
    let mut letters = word.chars().rev();
    matches!((letters.next(), letters.next()), (Some(last), Some(other)) if last == other)
        && consonants(word).last() == Some(true)
}

/// Consonant, vowel, consonant other than w, x and y; or no more than a vowel and a consonant.
fn ends_in_short_syllable(word: &str) -> bool {
    let mut last = [None; 3];
    for consonant in consonants(word) {
        last = [last[1], last[2], Some(consonant)];
    }
    match last {
        [Some(true), Some(false), Some(true)] => !word.ends_with(['w', 'x', 'y']),
        [None, Some(false), Some(true)] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_those_of_nltk() {
        let table = include_str!("../../../tests/assets/stems.txt");
        let rows: Vec<(&str, &str)> = table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_once(' ').expect("a word and its stem"))
            .collect();
        assert!(rows.len() > 300, "{} words", rows.len());
        for (word, expected) in rows {
            assert_eq!(stem(word), expected, "{word}");
        }
    }

    #[test]
    fn very_long_words_take_no_longer_than_their_length() {
        let start = std::time::Instant::now();
        for letters in ["y", "ational", "é", "ll", "ing"] {
            stem(&letters.repeat(1_000_000));
        }
        assert!(start.elapsed().as_secs() < 5);
    }
}
