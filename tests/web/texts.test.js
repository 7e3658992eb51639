// Texts: token ids and the weights of words, compared with the program's.
//
// texts.json says where its numbers come from. `tests/assets/stems.txt` holds stems of NLTK.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { stem } from "../../web/texts/stemmer.js";
import { tokens } from "../../web/texts/tokens.js";
import { unicodeWords } from "../../web/texts/unicode_words.js";
import { Vocabulary } from "../../web/texts/vocabulary.js";
import { weighWords } from "../../web/texts/word_weights.js";
import { words } from "../../web/texts/words.js";

/**
 * @typedef {import("../../web/model.js").Target} Target
 * @typedef {import("../../web/model.js").TextInput} TextInput
 *
 * @typedef {object} Known a text that the program was asked about
 * @property {string} text
 * @property {number[]} tokens without padding
 * @property {[string, number][]} [words] and their weights
 * @property {[string, number]} [class] and its probability
 */

const fixtures = JSON.parse(readFileSync(new URL("texts.json", import.meta.url), "utf8"));

/** @type {(name: "number" | "binary") => { rules: TextInput, texts: Known[] }} */
const fixture = (name) => {
  const { rules, texts } = fixtures[name];
  return { rules: { ...rules, stop_words: fixtures.stop_words, examples: [] }, texts };
};

/** @type {(text: string, tokens: TextInput["tokens"], keep_negations: boolean, negation_window?: number) => string[]} */
const stems = (text, tokens, keep_negations, negation_window = 0) =>
  [...words(text, { tokens, keep_negations, negation_window }, new Set(fixtures.stop_words))].map(
    (word) => word.stem,
  );

/** @type {(text: string) => string[]} */
const cut = (text) => [...tokens(text, "unicode_words")].map(({ start, end }) => text.slice(start, end));

for (const name of /** @type {const} */ (["number", "binary"])) {
  test(`token_ids_of_the_${name}_model_are_those_of_the_program`, () => {
    const { rules, texts } = fixture(name);
    const vocabulary = new Vocabulary(rules);
    for (const { text, tokens } of texts) {
      const encoded = vocabulary.encode(text);
      const padded = Uint32Array.from({ length: rules.length }, (_, place) => tokens[place] ?? 0);
      assert.deepEqual(encoded.tokens, padded, text);
      assert.equal(encoded.places.length, tokens.length, text);
    }
    assert.deepEqual(vocabulary.encode(""), { tokens: new Uint32Array(rules.length), places: [] });
  });
}

test("places_are_those_of_the_original_words", () => {
  const vocabulary = new Vocabulary(fixture("number").rules);
  const placed = (/** @type {string} */ text) =>
    vocabulary.encode(text).places.map(([start, end]) => text.slice(start, end));
  const text = "👍🏽 The<br/>CARS &amp; SEATS didn t HOPping; Couldn’t ex\u00adcel İSTANBUL 汽车 't";
  const expected = ["CARS", "SEATS", "didn t", "HOPping", "Couldn’t", "ex\u00adcel", "İSTANBUL", "汽", "车"];
  assert.deepEqual(placed(text), expected);
});

test("texts_are_cut_at_the_length_of_the_model", () => {
  const vocabulary = new Vocabulary({ ...fixture("number").rules, length: 3, padding: 99 });
  const { tokens, places } = vocabulary.encode("car unknown seat car home");
  assert.ok(!tokens.includes(99));
  assert.deepEqual(places.at(-1), [17, 20]);
  assert.deepEqual([...vocabulary.encode("").tokens], [99, 99, 99]);
});

test("stems_without_an_id_are_left_out", () => {
  const vocabulary = new Vocabulary({ ...fixture("number").rules, length: 2, ids: { car: 1 } });
  assert.deepEqual(vocabulary.encode("constructor cars"), {
    tokens: Uint32Array.of(1, 0),
    places: [[12, 16]],
  });
});

test("words_of_letters_are_lowered_and_stemmed_and_the_rest_is_dropped", () => {
  const text = "  The CARS\twere\nnoisy, at 70mph it's 1 problem\u00a0Überholte ";
  assert.deepEqual(stems(text, "white_space", false), ["car", "problem", "überholt"]);
  assert.deepEqual(stems(text, "unicode_words", false), ["car", "noisi", "problem", "überholt"]);
  assert.deepEqual(stems("it's I'll don't can't they've he'd 3.5 19mpg", "unicode_words", false), []);
});

test("words_behind_a_negation_are_other_words", () => {
  const text = "This car is not very reliable, but cheap.";
  const marked = (/** @type {string} */ written, /** @type {number} */ window) =>
    stems(written, "unicode_words", true, window);
  assert.deepEqual(marked(text, 0), ["car", "not", "reliabl", "cheap"]);
  assert.deepEqual(marked(text, 3), ["car", "not", "not_reliabl", "cheap"]);
  assert.deepEqual(marked(text, 4), ["car", "not", "not_reliabl", "not_cheap"]);
  assert.deepEqual(marked("I can t complain", 1), ["can't", "not_complain"]);
  const others = ["never", "not_buy", "without", "not_troubl"];
  assert.deepEqual(marked("never buy; without trouble", 1), others);
  assert.deepEqual(marked("not no good car", 2), ["not", "no", "not_good", "not_car"]);
  assert.deepEqual(stems("never good", "unicode_words", false, 3), ["never", "good"]);
});

test("negations_stay_on_demand", () => {
  const text = "I do not like it nor don't I DIDN’T won t can t no sedan t none n't x1n't don";
  assert.deepEqual(stems(text, "white_space", false), ["like", "sedan", "none"]);
  const kept = ["not", "like", "nor", "don't", "didn't", "won't", "can't", "no", "sedan", "none"];
  assert.deepEqual(stems(text, "white_space", true), kept);
  // By the other rule `n't` and `x1n't` are two tokens each, of which `n` is a verb and `x1n` is not.
  const cutOnce = [...kept, "n't"];
  assert.deepEqual(stems(text, "unicode_words", true), cutOnce);
  assert.deepEqual(stems("open t open't opens't", "unicode_words", true), ["open", "open't", "open"]);
});

test("punctuation_dashes_and_markup_part_words", () => {
  assert.deepEqual(cut('"Excellent!", he said...so-so—really\u2013(no)'), [
    "Excellent",
    "he",
    "said",
    "so",
    "so",
    "really",
    "no",
  ]);
  assert.deepEqual(cut("great.But: it's _old_ e.g."), ["great", "But", "it", "s", "old", "e", "g"]);
  assert.deepEqual(cut('bad<br /><br/>good</p><a href="x">link</a>'), ["bad", "good", "link"]);
  assert.deepEqual(cut("a <b and c> d <3 < & <"), ["a", "b", "and", "c", "d", "3"]);
  assert.deepEqual(cut("<é> <p &; &x é; <\u212a>"), ["é", "p", "x", "é", "\u212a"]);
  assert.deepEqual(cut("<BR / > <br/x> <//p> <p class>"), ["br", "x", "p", "p", "class"]);
  assert.deepEqual(cut("&#123456789; &#1234567890; &abcdefghij; &abcdefghijk; &a;"), [
    "1234567890",
    "abcdefghijk",
    "a",
  ]);
  assert.deepEqual(cut("3.5 1,000 19mpg V6's"), ["3.5", "1,000", "19mpg", "V6", "s"]);
});

test("tags_of_more_than_1000_bytes_are_text", () => {
  const tag = (/** @type {number} */ letters) => `<a x="${"é".repeat(letters)}&amp;">`;
  assert.equal(new TextEncoder().encode(tag(493)).length, 999);
  assert.deepEqual(cut(tag(493)), []);
  assert.deepEqual(cut(tag(494)), ["a", "x", "é".repeat(494)]);
});

test("boundaries_of_words_are_those_of_uax_29", () => {
  // Each text is one word up to the bar, by the rule of that number.
  for (const text of [
    "a\u0301b\u200d\u00ad🏽b|/", // WB4, WB5
    "a·b|·", // WB6, WB7
    "ש'|2", // WB7a
    'ש"ש|"a', // WB7b, WB7c
    "1;2|;a", // WB8, WB11, WB12
    "カー゛|ひ", // WB13
    "カ\u203fカ\u203f1|漢", // WB13a, WB13b
    "漢|字", // WB999
    "ひ|ら", // WB999
    "ไ|ท", // WB999
    "漢\u200d☺|a", // WB3c
    "\u2003\u2003\u093e|a", // WB3d
    "🇩🇪\u093e|🇫", // WB15
  ]) {
    const word = text.slice(0, text.indexOf("|"));
    assert.equal(unicodeWords(text.replace("|", "")).next().value?.text, word, text);
  }
});

test("apostrophes_of_every_kind_cut_and_are_remembered", () => {
  for (const apostrophe of ["'", "\u2019", "\u2018", "\u02bc", "\uff07"]) {
    const told = [...tokens(`do Didn${apostrophe}t`, "unicode_words")].map((token) => [
      token.text,
      token.afterApostrophe,
    ]);
    assert.deepEqual(told, [
      ["do", false],
      ["didn", false],
      ["t", true],
    ]);
  }
});

test("stems_are_those_of_nltk", () => {
  const table = readFileSync(new URL("../assets/stems.txt", import.meta.url), "utf8");
  const rows = table.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assert.ok(rows.length > 300, `${rows.length} words`);
  for (const [word, expected] of rows.map((row) => row.split(" "))) assert.equal(stem(word), expected, word);
  assert.deepEqual(["geology", "dyed", "exeed"].map(stem), ["geolog", "dy", "exe"]);
  assert.equal(stem("𐐨a𐐨𐐨ing"), "𐐨a𐐨");
  assert.equal(stem("𐐨s"), "𐐨s");
});

test("long_texts_take_no_longer_than_their_length", () => {
  const start = performance.now();
  for (const text of [
    "a",
    "a.",
    "a_",
    "ש'",
    "カ\u203f",
    "<a ",
    "&amp",
    "<a x='&amp;=",
    "<",
    "1,",
    "a\u0301",
  ]) {
    for (const _ of tokens(text.repeat(20_000), "unicode_words"));
  }
  for (const letters of ["y", "ational", "é", "ll", "ing"]) stem(letters.repeat(50_000));
  assert.ok(performance.now() - start < 5000);
});

/**
 * A model of texts.json: outputs of its first branch, and of another that nobody weighs.
 *
 * @type {(logit: (row: Uint32Array) => number) => (rows: Uint32Array[]) => Promise<Float32Array[][]>}
 */
const model = (logit) => async (rows) => [
  rows.map((row) => Float32Array.of(logit(row))),
  rows.map((row) => Float32Array.from(row)),
];

/** @type {(words: { word: string, weight: number }[], expected: [string, number][] | undefined, text: string) => void} */
const assertWords = (words, expected = [], text) => {
  assert.deepEqual(
    words.map(({ word }) => word),
    expected.map(([word]) => word),
    text,
  );
  words.forEach(({ weight }, place) => assert.ok(Math.abs(weight - expected[place][1]) <= 1e-12, text));
};

test("words_of_a_number_weigh_as_in_the_program", async () => {
  const { rules, texts } = fixture("number");
  const target = /** @type {Target} */ ({ kind: "number" });
  const predict = model((row) => row[0]);
  for (const { text, tokens, words: expected } of texts) {
    const { outputs, words } = await weighWords(text, new Vocabulary(rules), target, predict);
    assertWords(words, expected, text);
    assert.equal(outputs[0][0], tokens[0] ?? 0);
    assert.deepEqual([...outputs[1]].slice(0, tokens.length), tokens);
  }
});

test("words_of_a_class_weigh_as_in_the_program", async () => {
  const { rules, texts } = fixture("binary");
  const target = /** @type {Target} */ ({ kind: "binary", classes: ["bad", "good"] });
  const predict = model((row) => row.reduce((sum, id, place) => sum + (((5 * place) % 7) - 3) * id, 0) / 256);
  for (const { text, words: expected } of texts) {
    const { words } = await weighWords(text, new Vocabulary(rules), target, predict);
    assertWords(words, expected, text);
  }
});

test("a_word_that_stands_twice_is_left_out_twice", async () => {
  const { rules } = fixture("number");
  const vocabulary = new Vocabulary(rules);
  const target = /** @type {Target} */ ({ kind: "number" });
  const text = "A seat, a car and SEATS";
  const { words } = await weighWords(
    text,
    vocabulary,
    target,
    model((row) => row.indexOf(0)),
    1,
  );
  assert.deepEqual(words, [
    {
      word: "seat",
      weight: 2,
      places: [
        [2, 6],
        [18, 23],
      ],
    },
  ]);
});
