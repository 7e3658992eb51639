// From a text to the stems that a model sees.

import { stem } from "./stemmer.js";
import { tokens } from "./tokens.js";

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
 * @param {string} text
 * @param {{ tokens: import("../model.js").TextInput["tokens"], keep_negations: boolean }} rules
 * @param {Set<string>} stopWords
 * @returns {Generator<Word>}
 */
export function* words(text, { tokens: rule, keep_negations: keepNegations }, stopWords) {
  const rest = tokens(text, rule);
  const take = () => rest.next().value ?? null;
  let next = take();
  while (next) {
    const token = next;
    next = take();
    const { start, end } = token;
    if (keepNegations) {
      const negating = negation(token.text);
      if (negating !== null) {
        yield { stem: negating, start, end };
        continue;
      }
      const isVerb = token.isWord && token.text.endsWith("n");
      if (next?.text === "t" && (isHalf(token.text, stopWords) || (next.afterApostrophe && isVerb))) {
        yield { stem: `${token.text}'t`, start, end: next.end };
        next = take();
        continue;
      }
    }
    if (token.isWord && !stopWords.has(token.text)) yield { stem: stem(token.text), start, end };
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
