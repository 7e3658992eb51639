// What all contestants train on, in the browser: the model of an exported page, and one batch of random photos.

import { Generator, Stream } from "/web/philox.js";

/**
 * @typedef {import("../../../web/model.js").Model} Model
 * @typedef {import("../../../web/training/batches.js").Samples} Samples
 */

/**
 * The model that `faceshader export page --train` packed into a page.
 *
 * @param {string} url of the page
 * @returns {Promise<Model>}
 */
export async function modelOf(url) {
  const page = new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
  const packed = await fetch(
    `data:application/gzip;base64,${page.getElementById("model").textContent.trim()}`,
  );
  return new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).json();
}

/**
 * Random photos of the model's size; ages from 1 to 99, and genders. They are the same in every browser.
 *
 * @param {Model} model with the targets age and gender
 * @returns {Samples} as many as a training step takes
 */
export function samplesOf({ photo, training }) {
  const random = new Generator("0", 0, 0, Stream.ORDER);
  const numbers = [...Array(training.step.batch).keys()];
  const bytes = photo.width * photo.height * 3;
  return {
    names: numbers.map((number) => `${number}.png`),
    photos: numbers.map(() => Uint8Array.from({ length: bytes }, () => random.below(256))),
    labels: [
      Float32Array.from(numbers, () => 1 + random.below(99)),
      Float32Array.from(numbers, () => random.below(2)),
    ],
  };
}

/**
 * The number of a model's parameters.
 *
 * @param {Model} model
 */
export const parametersOf = ({ training }) =>
  training.parameters.reduce(
    (sum, { shape }) => sum + shape.reduce((product, extent) => product * extent),
    0,
  );
