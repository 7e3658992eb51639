//! How texts become token ids, for other programs: the vocabulary, and the rules by which words are found in a text.

use crate::data::reviews::words::stop_words;
use crate::data::reviews::{TextOptions, Vocabulary};
use crate::spec::Tokens;
use serde_json::{Value, json};

/// The version of the file, which grows when the meaning of a key changes.
const FORMAT: u32 = 1;

/// Texts whose token ids are told, for whoever follows the rules to check the result.
const EXAMPLES: [&str; 6] = [
    "A splendid car, and I'm not sorry that I bought it!",
    "Don't buy it. The engine died twice; I couldn’t drive home.",
    "Well-built<br />and &quot;roomy&quot;: 19mpg, 5 seats.",
    "cars car CARS car's",
    "Not very reliable, but never a problem without warning",
    "",
];

/// The file beside a model that reads texts.
pub fn rules(vocabulary: &Vocabulary) -> Value {
    let options = vocabulary.options();
    let ids: serde_json::Map<String, Value> =
        vocabulary.stems().iter().cloned().zip((1..).map(|id: u32| id.into())).collect();
    let example = |text: &str| {
        let encoded = vocabulary.encode(text);
        json!({ "text": text, "tokens": encoded.tokens[..encoded.places.len()] })
    };
    json!({
        "format": FORMAT,
        "length": options.length,
        "padding": crate::data::reviews::vocabulary::PADDING,
        "tokens": options.tokens,
        "lower_case": true,
        "keep_negations": options.keep_negations,
        "negation_window": options.negation_window,
        "stop_words": stop_words().collect::<Vec<_>>(),
        "stemmer": "Porter, with the changes of NLTK's PorterStemmer in its default mode NLTK_EXTENSIONS",
        "distinct": options.distinct,
        "min_count": options.min_count,
        "rules": sentences(&options),
        "examples": EXAMPLES.map(example),
        "ids": ids,
    })
}

/// The steps from a text to its token ids, in their order.
fn sentences(options: &TextOptions) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let mut step = |text: &str| steps.push(text.into());
    match options.tokens {
        Tokens::WhiteSpace => {
            step("Cut the text at white space.");
            step("Bring each token to lower case.");
        }
        Tokens::UnicodeWords => {
            step(
                "Cut the text at HTML tags (`<br />`; with attributes only where one has a `=`) and entities (`&quot;`).",
            );
            step("Cut each part into the words of Unicode's UAX 29.");
            step(
                "Cut words that hold a letter once more at apostrophes (' ’ ‘ ʼ ＇), `.`, `:`, `_` and their wide forms; \
                 drop these.",
            );
            step("Bring each token to lower case and drop soft hyphens (U+00AD) in it.");
        }
    }
    if options.keep_negations {
        step(
            "Before all that follows: `no`, `not` and `nor` are stems of their own. So is a token of letters that ends in \
             `n't` or `n’t`, as `…n't`. Two tokens `X`, `t` are the one stem `X't` where `X` is `can` or `X't` is a stop \
             word with `X` ending in `n`, or where only an apostrophe parts them and `X` is a word that ends in `n`.",
        );
    }
    step(match options.tokens {
        Tokens::WhiteSpace => "Drop tokens that hold anything but letters.",
        Tokens::UnicodeWords => "Drop tokens that hold no letter, or a digit.",
    });
    step("Drop stop words (`stop_words`).");
    step("Replace each token by its stem (`stemmer`).");
    if options.negation_window > 0 {
        step(&format!(
            "Stems of the {} tokens behind a negation begin with `not_`; tokens that are dropped count. A negation is a stem \
             of its own as above, and the tokens `never`, `without` and `hardly`; it is not marked itself and counts anew.",
            options.negation_window
        ));
    }
    step(&format!(
        "Replace each stem by its id (`ids`); drop stems without one, which occurred less than {} times in the training \
         texts.",
        options.min_count
    ));
    if options.distinct {
        step("Drop ids that stand earlier in the text.");
    }
    step(&format!(
        "Keep the first {} ids, and fill up with {} behind them.",
        options.length,
        crate::data::reviews::vocabulary::PADDING
    ));
    steps
}
