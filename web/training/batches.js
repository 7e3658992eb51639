// From samples to what the host writes before every step: the same bytes as the program writes. See
// `src/data/batches.rs` and `write_batch` of `src/train/trainer.rs`.

import { TRANSFORM, batchWords, identityTransforms } from "../host_inputs.js";
import { Generator, Stream, key } from "../philox.js";
import { drawTransform } from "./augment.js";
import { labelWeight, toOutput } from "./targets.js";

/**
 * @typedef {import("../model.js").TrainingPlan} TrainingPlan
 * @typedef {import("./targets.js").SettledTarget} SettledTarget
 *
 * @typedef {object} Samples photos with their labels, numbered from 0 in the order of their names
 * @property {string[]} names
 * @property {Uint8Array[]} photos height x width x 3 bytes each, RGB interleaved
 * @property {Float32Array[]} labels of each target: the label of each sample, NaN where unknown; of classes, their places
 *
 * @typedef {object} Shape what a program takes at once
 * @property {number} batch samples
 * @property {number} width of photos, in pixels
 * @property {number} height in pixels
 *
 * @typedef {object} Variation how the samples of a training step are varied
 * @property {TrainingPlan["augment"]} augment by how much at most
 * @property {string} seed
 * @property {number} epoch from 0
 */

/**
 * The order of an epoch's samples.
 *
 * @param {number[]} samples
 * @param {string} seed
 * @param {number} epoch from 0
 * @returns {number[]}
 */
export function orderOf(samples, seed, epoch) {
  const order = [...samples];
  new Generator(seed, epoch, 0, Stream.ORDER).shuffle(order);
  return order;
}

/** @param {{ buffer: ArrayBuffer }} array */
const bytesOf = ({ buffer }) => new Uint8Array(buffer);

/**
 * The inputs of one run. A batch of fewer samples than the program takes is filled up, and its first word says how many
 * are real.
 *
 * @param {Samples} samples
 * @param {SettledTarget[]} targets
 * @param {number[]} chosen at most as many as a batch has
 * @param {Shape} shape
 * @param {?Variation} variation of a training step; other runs see the samples as they are
 * @param {import("../host_inputs.js").Rates} [rates] of a training step
 * @returns {Record<string, Uint8Array<ArrayBuffer>>} bytes by the names of the program's buffers
 */
export function inputsOf(samples, targets, chosen, { batch, width, height }, variation, rates) {
  const pixels = width * height * 3;
  const photos = new Uint8Array(batch * pixels);
  const transforms = identityTransforms(batch);
  const numbers = new Uint32Array(batch);
  numbers.set(chosen);
  for (const [place, index] of chosen.entries()) {
    photos.set(samples.photos[index], place * pixels);
    if (variation) {
      const { augment, seed, epoch } = variation;
      transforms.set(drawTransform(augment, seed, epoch, index, width, height), place * TRANSFORM);
    }
  }
  const varied = variation ? { epoch: variation.epoch, key: key(variation.seed) } : undefined;
  /** @type {Record<string, Uint8Array<ArrayBuffer>>} */
  const inputs = {
    photos,
    transform: bytesOf(transforms),
    sample: bytesOf(numbers),
    batch: bytesOf(batchWords(chosen.length, varied, rates)),
  };
  for (const [place, target] of targets.entries()) {
    const labels = new Float32Array(batch);
    const weights = new Float32Array(batch);
    for (const [row, index] of chosen.entries()) {
      const label = samples.labels[place][index];
      labels[row] = Number.isNaN(label) ? 0 : label;
      weights[row] = labelWeight(target, label);
    }
    inputs[`${target.branch}.sample_weight`] = bytesOf(weights);
    inputs[`${target.branch}.targets`] = bytesOf(
      target.kind === "classes" ? Uint32Array.from(labels) : labels.map((label) => toOutput(target, label)),
    );
  }
  return inputs;
}
