// From a text to the stems that a model sees.

import { stem } from "./stemmer.js";
import { tokens } from "./tokens.js";

/** What stems of negated words begin with. */
const NEGATED = "not_";
/** Words that negate and are no stop words. */
const NEGATING = ["never", "without", "hardly"];

/**
 * @typedef {object} Word a stem and where it comes from
 * @property {string} stem
 * @property {number} start the UTF-16 unit of the text where it begins
 * @property {number} end the one behind it
 */

/**
 * The stems of a text, in its order: of the tokens that are words, without stop words.
 *
 * With `keep_negations`, `no`, `not` and `nor` stay although they are stop words, and so does a word that ends in `n't`,
 * as it is but for a curly apostrophe, which becomes a straight one. Where a text has lost its apostrophes, `don t` is
 * read as `don't`; so are the halves of the other stop words in `n't`, and of `can't`.
 *
 * Stems of the `negation_window` tokens behind a negation begin with `not_`. Stop words count as tokens. `never`, `without`
 * and `hardly` negate as well.
 *
 * @param {string} text
 * @param {{ tokens: import("../model.js").TextInput["tokens"], keep_negations: boolean, negation_window?: number }} rules
 * @param {Set<string>} stopWords
 * @returns {Generator<Word>}
 */
export function* words(
  text,
  { tokens: rule, keep_negations: keepNegations, negation_window: negationWindow = 0 },
  stopWords,
) {
  const rest = tokens(text, rule);
  const take = () => rest.next().value ?? null;
  let next = take();
  // Tokens that are negated from here on.
  let negated = 0;
  while (next) {
    const token = next;
    next = take();
    let mark = negated > 0 ? NEGATED : "";
    negated = Math.max(negated - 1, 0);
    const { start, end } = token;
    if (keepNegations) {
      const negating = negation(token.text);
      if (negating !== null) {
        negated = negationWindow;
        yield { stem: negating, start, end };
        continue;
      }
      const isVerb = token.isWord && token.text.endsWith("n");
      if (next?.text === "t" && (isHalf(token.text, stopWords) || (next.afterApostrophe && isVerb))) {
        negated = negationWindow;
        yield { stem: `${token.text}'t`, start, end: next.end };
        next = take();
        continue;
      }
      if (NEGATING.includes(token.text)) {
        mark = "";
        negated = negationWindow;
      }
    }
    if (token.isWord && !stopWords.has(token.text)) yield { stem: mark + stem(token.text), start, end };
  }
}

/**
 * The stem of a word that negates.
 *
 * @param {string} token
 * @returns {?string}
 */
function negation(token) {
  if (token === "no" || token === "not" || token === "nor") return token;
  return /^\p{Alphabetic}+n['’]t$/u.test(token) ? token.replace("’", "'") : null;
}

/**
 * Whether a `t` behind this word is what remains of `'t`.
 *
 * @param {string} token
 * @param {Set<string>} stopWords
 */
function isHalf(token, stopWords) {
  return token === "can" || (token.endsWith("n") && stopWords.has(`${token}'t`));
}
