// From the outputs of a model to predictions, as `src/tasks` has them.

/**
 * @typedef {import("./model.js").Target} Target
 *
 * @typedef {object} Prediction
 * @property {?number} number of a target that is a number, in its unit and within its range
 * @property {?number} class the place of the likeliest class
 * @property {?number} probability of that class
 */

/**
 * The probability of each class: of a single output, of the two that it is the logit of.
 *
 * @param {ArrayLike<number>} outputs
 * @returns {number[]}
 */
export function probabilities(outputs) {
  if (outputs.length === 1) {
    const second = 1 / (1 + Math.exp(-outputs[0]));
    return [1 - second, second];
  }
  const values = Array.from(outputs);
  const largest = Math.max(...values);
  const exponentials = values.map((value) => Math.exp(value - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

/**
 * What a model predicts for one sample.
 *
 * @param {Target} target
 * @param {ArrayLike<number>} outputs of its branch
 * @returns {Prediction}
 */
export function predictionOf(target, outputs) {
  if (target.kind === "number") {
    const [mean, deviation] = target.mean_and_deviation ?? [0, 1];
    const label = target.mean_and_deviation
      ? Math.fround(Math.fround(outputs[0] * deviation) + mean)
      : outputs[0];
    const [low, high] = target.range ?? [-Infinity, Infinity];
    return { number: Math.min(Math.max(label, low), high), class: null, probability: null };
  }
  const shares = probabilities(outputs);
  const likeliest = shares.indexOf(Math.max(...shares));
  return { number: null, class: likeliest, probability: shares[likeliest] };
}

/**
 * The name of a class.
 *
 * @param {Target} target
 * @param {number} place
 */
export function className(target, place) {
  return target.classes[place] ?? String(place);
}

/**
 * A number with as many digits as its spread tells, and its unit.
 *
 * @param {Target} target
 * @param {number} number
 */
export function shownNumber(target, number) {
  const [low, high] = target.range ?? [0, 10 * (target.mean_and_deviation?.[1] ?? 1)];
  const digits = Math.min(6, Math.max(0, Math.ceil(1 - Math.log10((high - low) / 10))));
  return target.unit ? `${number.toFixed(digits)} ${target.unit}` : number.toFixed(digits);
}
