// The sides of a split, and the words for them.

/** @typedef {"train" | "validation" | "test"} Side to learn from, to choose by, and to measure with at the end */

/** @type {Side[]} */
export const SIDES = ["train", "validation", "test"];

/** @type {Map<string, Side>} */
const WORDS = new Map([
  ["train", "train"],
  ["training", "train"],
  ["val", "validation"],
  ["valid", "validation"],
  ["validation", "validation"],
  ["dev", "validation"],
  ["test", "test"],
  ["testing", "test"],
]);

/**
 * The side that a word, in any case, is used for.
 *
 * @param {string} word
 * @returns {Side | undefined}
 */
export const sideNamed = (word) => WORDS.get(word.toLowerCase());
