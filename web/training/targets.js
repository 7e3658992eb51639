// What follows from the kind of a target and from the labels of the training samples: how labels are learned, what they
// weigh, and the bias that training begins with. See `src/tasks` and `src/data/records/settle.rs`.

/**
 * @typedef {import("../model.js").Target} Target
 *
 * @typedef {object} Settled what is known of a target once its training labels are
 * @property {?[number, number]} mean_and_deviation by which a number is standardized, floats of 32 bits
 * @property {number[]} class_weights what a label of each class weighs in the loss; empty if all weigh 1
 *
 * @typedef {Target & Settled} SettledTarget
 */

const { fround } = Math;
/** The least and the greatest share of a class that a first bias is made of: a set of one class is no certainty. */
const SHARES = [0.01, 0.99];
const LEAST_NORMAL = 2 ** -126;

/**
 * The labels of some samples that have one.
 *
 * @param {Float32Array} labels of all samples, NaN where unknown
 * @param {ArrayLike<number>} samples
 * @returns {Float32Array}
 */
export const knownLabels = (labels, samples) =>
  Float32Array.from(samples, (sample) => labels[sample]).filter((label) => !Number.isNaN(label));

/** @param {ArrayLike<number>} labels */
function mean(labels) {
  let sum = 0;
  for (let index = 0; index < labels.length; index += 1) sum += labels[index];
  return sum / Math.max(labels.length, 1);
}

/**
 * The mean and the standard deviation, 1 where all are the same.
 *
 * @param {Float32Array} labels
 * @returns {[number, number]} floats of 32 bits
 */
export function meanAndDeviation(labels) {
  const middle = mean(labels);
  const squares = Float64Array.from(labels, (label) => (label - middle) ** 2);
  const deviation = fround(Math.sqrt(mean(squares)));
  return [fround(middle), deviation >= LEAST_NORMAL && deviation < Infinity ? deviation : 1];
}

/**
 * What a label of each class weighs if all classes that occur are to count the same, and the mean weight is 1; 1 for
 * those that do not occur.
 *
 * @param {Float32Array} labels
 * @param {number} classes
 * @returns {number[]} floats of 32 bits
 */
export function balancedWeights(labels, classes) {
  const counts = new Array(classes).fill(0);
  for (const label of labels) if (label < classes) counts[label] += 1;
  const occurring = counts.filter((count) => count > 0).length;
  return counts.map((count) => (count === 0 ? 1 : fround(labels.length / fround(occurring * count))));
}

/**
 * Fills in what follows from the training labels of a target.
 *
 * @param {Target & Partial<Settled>} target
 * @param {Float32Array} labels of the training samples that have one
 * @returns {SettledTarget}
 */
export function settle(target, labels) {
  const { mean_and_deviation: known, class_weights: weights = [] } = target;
  return {
    ...target,
    mean_and_deviation: known ?? (target.standardize ? meanAndDeviation(labels) : null),
    class_weights:
      target.balance && weights.length === 0 ? balancedWeights(labels, target.classes.length) : weights,
  };
}

/**
 * What a label of this value is learned as.
 *
 * @param {SettledTarget} target
 * @param {number} label
 * @returns {number} a float of 32 bits
 */
export function toOutput({ mean_and_deviation: standard }, label) {
  return standard ? fround(fround(label - fround(standard[0])) / fround(standard[1])) : fround(label);
}

/**
 * What a sample counts in the loss.
 *
 * @param {SettledTarget} target
 * @param {number} label NaN if unknown
 */
export const labelWeight = ({ class_weights: weights }, label) =>
  Number.isNaN(label) ? 0 : (weights[label] ?? 1);

/**
 * The bias that a branch's last layer begins with, where the training labels tell a better one than 0: the mean of a
 * number, or the logit of the share of the second of two classes. Without it the first epochs push all weights of the
 * last layer up to reach the mean, and predictions come out too low.
 *
 * @param {SettledTarget} target
 * @param {Float32Array} labels of the training samples that have one
 * @returns {?number} a float of 32 bits
 */
export function firstBias(target, labels) {
  if (target.kind === "number") return toOutput(target, fround(mean(labels)));
  if (target.kind === "classes") return null;
  const share = Math.min(Math.max(mean(labels), SHARES[0]), SHARES[1]);
  return fround(Math.log(share / (1 - share)));
}
