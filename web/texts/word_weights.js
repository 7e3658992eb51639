// How much each word of a text matters for a model's prediction.

import { predictionOf, probabilities } from "../targets.js";

/**
 * @typedef {import("../model.js").Target} Target
 * @typedef {import("./vocabulary.js").Vocabulary} Vocabulary
 *
 * @typedef {object} WordWeight
 * @property {string} word in lower case, as it stands first in the text
 * @property {number} weight by how much the first target's prediction falls without it: in probability of the predicted
 *   class, or in the unit of a number
 * @property {[number, number][]} places where its stem stands in the text, [start, end) in UTF-16 units
 *
 * @typedef {object} TextPrediction
 * @property {Float32Array[]} outputs of the text, of each branch
 * @property {WordWeight[]} words the weightiest first; none if the model knows no word of the text
 */

/** Words named for a prediction. */
const NAMED_WORDS = 5;

/**
 * Asks a model for a text, and for the text without each of its words.
 *
 * @param {string} text
 * @param {Vocabulary} vocabulary
 * @param {Target} target of the first branch
 * @param {(rows: Uint32Array[]) => Promise<Float32Array[][]>} predict for each branch, the outputs of each row of token
 *   ids
 * @param {number} most words that are named
 * @returns {Promise<TextPrediction>}
 */
export async function weighWords(text, vocabulary, target, predict, most = NAMED_WORDS) {
  const { tokens, places } = vocabulary.encode(text);
  /** @type {Map<number, [number, number][]>} */
  const placesOf = new Map();
  places.forEach((place, position) => {
    const id = tokens[position];
    placesOf.set(id, [...(placesOf.get(id) ?? []), place]);
  });
  // By their ids, as the program does: the order of words that weigh the same.
  const ids = [...placesOf.keys()].sort((a, b) => a - b);
  const rows = ids.map((id) => without(tokens, id, vocabulary.padding));
  const branches = await predict([tokens, ...rows]);

  const [whole, ...parts] = branches[0];
  const { class: predicted } = predictionOf(target, whole);
  /** @param {Float32Array} outputs */
  const strength = (outputs) =>
    predicted == null ? (predictionOf(target, outputs).number ?? 0) : probabilities(outputs)[predicted];
  const words = ids.map((id, index) => {
    const own = /** @type {[number, number][]} */ (placesOf.get(id));
    const word = text.slice(...own[0]).toLowerCase();
    return { word, weight: strength(whole) - strength(parts[index]), places: own };
  });
  words.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  return { outputs: branches.map((outputs) => outputs[0]), words: words.slice(0, most) };
}

/**
 * A row of token ids without one of them: those behind move up.
 *
 * @param {Uint32Array} tokens
 * @param {number} leftOut
 * @param {number} padding
 */
function without(tokens, leftOut, padding) {
  const row = new Uint32Array(tokens.length).fill(padding);
  row.set(tokens.filter((id) => id !== leftOut));
  return row;
}
