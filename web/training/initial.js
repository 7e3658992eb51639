// The values that the parameters of a model begin with, drawn from its seed as `src/ops/parameter.rs` does: the same
// bits as in the program.

import { Generator, Stream } from "../philox.js";

/**
 * @typedef {import("../model.js").Init} Init
 * @typedef {import("../model.js").TrainingPlan} TrainingPlan
 */

/**
 * Draws a parameter.
 *
 * @param {Init} init
 * @param {number} elements
 * @param {Generator} generator
 * @returns {Float32Array}
 */
export function draw(init, elements, generator) {
  const values = new Float32Array(elements);
  if (init === "zeros") return values;
  if (init === "ones") return values.fill(1);
  if ("glorot_uniform" in init) {
    const { fan_in: fanIn, fan_out: fanOut } = init.glorot_uniform;
    return drawUniform(values, fanIn + fanOut, generator);
  }
  // The table of an embedding: its first row, which stands for no token, is zero.
  const { rows, width } = init.rows;
  return drawUniform(values, rows + width, generator).fill(0, 0, width);
}

/**
 * Uniform within `sqrt(6 / fans)` (Glorot and Bengio, 2010).
 *
 * @param {Float32Array} values
 * @param {number} fans inputs that one output sees and outputs that one input reaches
 * @param {Generator} generator
 */
function drawUniform(values, fans, generator) {
  const limit = Math.fround(Math.sqrt(6 / Math.max(fans, 1)));
  for (let index = 0; index < values.length; index += 1) values[index] = generator.uniform(-limit, limit);
  return values;
}

/**
 * The names of all parameters with their values, one at a time.
 *
 * @param {Pick<TrainingPlan, "parameters" | "seed">} training
 * @returns {IterableIterator<[string, Float32Array]>}
 */
export function* initialValues({ parameters, seed }) {
  for (const [number, { name, shape, init }] of parameters.entries()) {
    const elements = shape.reduce((product, extent) => product * extent, 1);
    yield [name, draw(init, elements, new Generator(seed, 0, number, Stream.INIT))];
  }
}
