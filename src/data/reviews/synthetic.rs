//! The built-in set: short reviews of cars, put together by the program.
//!
//! A review is three to five opinions and some talk that tells nothing. An opinion says a good word
//! plainly, or denies a bad one ("the brakes are anything but weak"), or the other way about, so that
//! to count words is not enough: a word means something only beside its neighbours. What denies (never,
//! hardly, lacks, without, …) is no stop word and is said as often of good words as of bad ones. There
//! is no punctuation, as in the reviews that the reference trains on.

use crate::data::records::{Key, Records};
use crate::data::table::{Column, Table};
use crate::rng::{Generator, Stream};
use crate::tasks::{PLAIN_NAME, Target};

/// Reviews of the built-in set. Of the 300 that it has not seen, the reference's network gets 92 % to
/// 100 % right after four epochs (six seeds); counted words alone, by logistic regression, 83 %.
pub const COUNT: u32 = 1_500;

/// The names of the two classes.
pub const CLASSES: [&str; 2] = ["negative", "positive"];

/// What is denied, of a hundred opinions.
const DENIED_PERCENT: u32 = 30;

/// Words that fit into the same sentences: bad ones and good ones, and these sentences, plain and
/// denying. `*` is the word, `#` a part of the car, `@` the car.
struct Manner {
    words: [&'static [&'static str]; 2],
    plain: &'static [&'static str],
    denying: &'static [&'static str],
}

const MANNERS: [Manner; 3] = [
    Manner {
        words: [
            &["noisy", "weak", "cramped", "sluggish", "flimsy", "harsh", "clumsy", "crude", "shaky", "dull"],
            &[
                "quiet", "strong", "roomy", "nimble", "solid", "smooth", "precise", "refined", "steady",
                "bright",
            ],
        ],
        plain: &[
            "the # is *",
            "the # feels *",
            "I find the # *",
            "the # was * from the first day",
            "on long trips the # stays *",
            "what a * # this is",
            "my wife calls the # *",
        ],
        denying: &[
            "the # is never *",
            "the # is hardly *",
            "the # is anything but *",
            "the # seems far from being *",
            "nobody would call the # *",
            "the # was rarely * even when new",
            "I never once found the # *",
        ],
    },
    Manner {
        words: [
            &["rattles", "leaks", "faults", "squeaks", "rust", "trouble"],
            &["power", "charm", "comfort", "grip", "space", "style"],
        ],
        plain: &[
            "it has * and more *",
            "there is * everywhere",
            "the # has plenty of *",
            "I noticed the * right away",
        ],
        denying: &["it lacks *", "the # is without *", "you get zero * here", "the # lacks any kind of *"],
    },
    Manner {
        words: [&["regret", "hate", "dread"], &["enjoy", "love", "praise"]],
        plain: &["I * driving this @", "we * the # every day", "people who know cars * this @"],
        denying: &["I never * driving this @", "we hardly ever * the #", "few owners could * this @"],
    },
];

const PARTS: [&str; 16] = [
    "engine",
    "ride",
    "steering",
    "gearbox",
    "suspension",
    "clutch",
    "heater",
    "stereo",
    "cabin",
    "dashboard",
    "seat",
    "door",
    "trunk",
    "exhaust",
    "bumper",
    "interior",
];

const CARS: [&str; 6] = ["car", "sedan", "wagon", "coupe", "van", "truck"];

const TALK: [&str; 10] = [
    "I bought this @ in spring",
    "we drive to the lake each weekend",
    "my brother owns the same @",
    "ours is the blue one",
    "it replaced an old @",
    "the dealer sits across town",
    "it has three doors and a radio",
    "I had it for two years now",
    "the kids sit in the back",
    "I commute about an hour",
];

/// Puts together review `index` of the set that belongs to `seed`: its class and its text of 8 to 60
/// words. Even indices are negative, odd ones positive.
///
/// The review depends on nothing but `seed` and `index`.
pub fn draw(seed: u64, index: u32) -> (usize, String) {
    let mut random = Generator::new(seed, 0, index, Stream::SyntheticReviews);
    let class = (index % 2) as usize;
    let opinions = 3 + random.below(3);
    let mut sentences: Vec<String> = (0..opinions).map(|_| opinion(class, &mut random)).collect();
    let talk = random.below(3);
    sentences.extend((0..talk).map(|_| filled(pick(&TALK, &mut random), "", &mut random)));
    random.shuffle(&mut sentences);
    (class, sentences.join(" "))
}

/// The texts of the first `count` reviews of the set that belongs to `seed`, and their rows with the column class.
pub fn reviews(seed: u64, count: u32) -> (Vec<String>, Records) {
    let classes = CLASSES.map(str::to_owned).to_vec();
    let mut column = Column::known(Target { classes, ..Target::new(PLAIN_NAME, "binary") });
    let mut texts = Vec::new();
    for index in 0..count {
        let (class, text) = draw(seed, index);
        texts.push(text);
        column.push(Some(CLASSES[class]));
    }
    let names = (0..count).map(|index| index.to_string()).collect();
    let table = Table { columns: vec![column], label: Some(0), ..Table::default() };
    (texts, Records { table, ..Records::unlabelled(Key::Row, names) })
}

fn opinion(class: usize, random: &mut Generator) -> String {
    let manner = &MANNERS[[0, 0, 1, 2][random.below(4) as usize]];
    let (sentences, kind) =
        if chance(DENIED_PERCENT, random) { (manner.denying, 1 - class) } else { (manner.plain, class) };
    let word = pick(manner.words[kind], random);
    filled(pick(sentences, random), word, random)
}

/// The sentence with its gaps filled, and a capital at its beginning.
fn filled(sentence: &str, word: &str, random: &mut Generator) -> String {
    let part = pick(&PARTS, random);
    let car = pick(&CARS, random);
    let text = sentence.replace('*', word).replace('#', part).replace('@', car);
    text[..1].to_uppercase() + &text[1..]
}

fn pick(choices: &[&'static str], random: &mut Generator) -> &'static str {
    choices[random.below(choices.len() as u32) as usize]
}

fn chance(percent: u32, random: &mut Generator) -> bool {
    random.below(100) < percent
}
