// The best answers that do not look at the sample, taken from the training labels: `guessing.json` of a run folder. A
// model that does no better has learned nothing. See `src/train/guess.rs`.

import { knownLabels } from "./targets.js";

/**
 * @typedef {import("../model.js").Target} Target
 * @typedef {{ number: { mean: number, median: number } } | { classes: number[] }} Guess
 */

/**
 * Of numbers mean and median, the upper one of two; of classes how many labels are of each.
 *
 * @param {Target} target
 * @param {Float32Array} labels of the training samples that have one, at least one
 * @returns {Guess}
 */
function guessOf({ kind }, labels) {
  const sorted = labels.slice().sort();
  if (kind === "number") {
    const mean = sorted.reduce((sum, label) => sum + label, 0) / sorted.length;
    return { number: { mean, median: sorted[sorted.length >> 1] } };
  }
  const counts = new Array(Math.max(sorted[sorted.length - 1], 1) + 1).fill(0);
  for (const label of sorted) counts[label] += 1;
  return { classes: counts };
}

/**
 * The guesses of all targets that have training labels.
 *
 * @param {Target[]} targets
 * @param {Float32Array[]} labels of each target, of all samples
 * @param {number[]} train the training samples
 * @returns {[string, Guess][]} with the targets' names
 */
export function guessesOf(targets, labels, train) {
  return targets.flatMap((target, place) => {
    const known = knownLabels(labels[place], train);
    /** @type {[string, Guess][]} */
    const found = known.length > 0 ? [[target.name, guessOf(target, known)]] : [];
    return found;
  });
}
