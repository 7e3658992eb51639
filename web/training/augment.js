// How photos are varied from epoch to epoch: the numbers that the shader `augment` reads, as `src/data/photos.rs` draws
// them.

import { Generator, Stream } from "../philox.js";

/** @typedef {import("../model.js").TrainingPlan["augment"]} Augment */

const RADIANS = Math.PI / 180;
const [LEAST, GREATEST] = [-(2 ** 31), 2 ** 31 - 1];

/**
 * To the nearest in signed 16.16 fixed point, halves away from zero.
 *
 * @param {number} value
 */
function fixedPoint(value) {
  const scaled = value * 65_536;
  return Math.min(Math.max(Math.sign(scaled) * Math.round(Math.abs(scaled)), LEAST), GREATEST);
}

/**
 * Rotates, zooms and flips about the middle of a photo, and shifts.
 *
 * @param {Augment} augment
 * @param {string} seed
 * @param {number} epoch from 0
 * @param {number} sample its number in its set
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {number[]} 6 integers
 */
export function drawTransform(augment, seed, epoch, sample, width, height) {
  const generator = new Generator(seed, epoch, sample, Stream.AUGMENT);
  const within = (/** @type {number} */ reach) => reach * (2 * generator.unit() - 1);
  const angle = within(augment.rotation_degrees) * RADIANS;
  const zoom = [1 + within(augment.zoom), 1 + within(augment.zoom)];
  const mirrored = generator.unit() < augment.flip_probability ? -1 : 1;
  const shift = [width, height].map((side) => within(augment.shift) * side);
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const rows = [
    [cos * zoom[0] * mirrored, -sin * zoom[1]],
    [sin * zoom[0] * mirrored, cos * zoom[1]],
  ];
  const middle = [(width - 1) / 2, (height - 1) / 2];
  return rows.flatMap(([x, y], axis) => {
    const first = middle[axis] - x * middle[0] - y * middle[1] + shift[axis];
    return [x, y, first].map(fixedPoint);
  });
}
