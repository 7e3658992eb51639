// Where a text is cut into tokens, and which of them are words.

import { betweenMarkup } from "./markup.js";
import { unicodeWords } from "./unicode_words.js";

/**
 * @typedef {object} Token a piece of a text
 * @property {string} text in lower case, without soft hyphens
 * @property {number} start the UTF-16 unit of the whole text where it begins
 * @property {number} end the one behind it
 * @property {boolean} isWord whether it can be in a vocabulary: it holds letters, and no digit; if cut at white space,
 *   nothing but letters
 * @property {boolean} afterApostrophe whether nothing but an apostrophe parts it from the token before
 */

// Typewriter's, typographer's of both sides, the letter, and the wide one.
const APOSTROPHES = "'\u2019\u2018\u02bc\uff07";
// What UAX 29 leaves within words besides letters, digits and marks.
const JOINT = new RegExp(`[${APOSTROPHES}.:_\u2024\uff0e\uff1a\uff3f]`);
const ALPHABETIC = /\p{Alphabetic}/u;
const ALL_ALPHABETIC = /^\p{Alphabetic}+$/u;
const NUMERIC = /\p{N}/u;

/**
 * The tokens of a text, in its order. `unicode_words` are those of UAX 29, cut once more where a word holds an
 * apostrophe, a full stop, a colon or an underscore. Tags and entities are no words and part those beside them.
 *
 * @param {string} text
 * @param {import("../model.js").TextInput["tokens"]} rule
 * @returns {Generator<Token>}
 */
export function* tokens(text, rule) {
  if (rule === "white_space") {
    for (const { 0: piece, index } of text.matchAll(/\P{White_Space}+/gu)) {
      const lower = piece.toLowerCase();
      yield token(piece, index, lower, ALL_ALPHABETIC.test(lower), false);
    }
    return;
  }
  for (const part of betweenMarkup(text)) {
    for (const word of unicodeWords(part.text)) {
      for (const { text: piece, start, afterApostrophe } of parts(word.text)) {
        const lower = piece.toLowerCase().replaceAll("\u00ad", "");
        const isWord = ALPHABETIC.test(lower) && !NUMERIC.test(lower);
        yield token(piece, part.start + word.start + start, lower, isWord, afterApostrophe);
      }
    }
  }
}

/**
 * @param {string} piece
 * @param {number} start
 * @param {string} text
 * @param {boolean} isWord
 * @param {boolean} afterApostrophe
 * @returns {Token}
 */
function token(piece, start, text, isWord, afterApostrophe) {
  return { text, start, end: start + piece.length, isWord, afterApostrophe };
}

/**
 * The parts of a word between its joints, and whether an apostrophe is right before each. Numbers stay whole: `3.5`.
 *
 * @param {string} word
 */
function parts(word) {
  if (!ALPHABETIC.test(word) || !JOINT.test(word)) return [{ text: word, start: 0, afterApostrophe: false }];
  let start = 0;
  return word
    .split(JOINT)
    .map((text) => {
      const part = { text, start, afterApostrophe: start > 0 && APOSTROPHES.includes(word[start - 1]) };
      // All joints have one UTF-16 unit.
      start += text.length + 1;
      return part;
    })
    .filter(({ text }) => text !== "");
}
