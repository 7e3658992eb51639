// From stems to token ids: the part of a model of texts that is no weight.

import { words } from "./words.js";

/** @typedef {import("../model.js").TextInput} TextInput */

/**
 * @typedef {object} Encoded a text as the model sees it
 * @property {Uint32Array} tokens `length` ids
 * @property {[number, number][]} places the UTF-16 units of the text, [start, end), that each of the first ids stands
 *   for; the other ids are padding
 */

export class Vocabulary {
  /** @type {TextInput} */
  #rules;
  /** @type {Map<string, number>} */
  #ids;
  /** @type {Set<string>} */
  #stopWords;

  /** @param {TextInput} textInput */
  constructor(textInput) {
    this.#rules = textInput;
    this.#ids = new Map(Object.entries(textInput.ids));
    this.#stopWords = new Set(textInput.stop_words);
  }

  /** Token ids a text. */
  get length() {
    return this.#rules.length;
  }

  /** The id that pads. */
  get padding() {
    return this.#rules.padding;
  }

  /**
   * The ids of a text's stems; stems without one are left out first.
   *
   * @param {string} text
   * @returns {Encoded}
   */
  encode(text) {
    const { length, padding, distinct } = this.#rules;
    const tokens = new Uint32Array(length).fill(padding);
    /** @type {[number, number][]} */
    const places = [];
    /** @type {Set<number>} */
    const seen = new Set();
    for (const { stem, start, end } of words(text, this.#rules, this.#stopWords)) {
      if (places.length === length) break;
      const id = this.#ids.get(stem);
      if (id === undefined || (distinct && seen.has(id))) continue;
      seen.add(id);
      tokens[places.length] = id;
      places.push([start, end]);
    }
    return { tokens, places };
  }
}
