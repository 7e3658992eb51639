// Which samples are for training, which for validation, and which for a test at the end: the same as the program's for
// the same names and seed. See `src/data/split.rs`.

import { Generator, Stream } from "../philox.js";
import { keepCopiesTogether } from "./copies.js";
import { sortedPlaces } from "./names.js";
import { SIDES } from "./sides.js";

/**
 * @typedef {import("./sides.js").Side} Side
 *
 * @typedef {object} Split indices of samples, each list in ascending order
 * @property {number[]} train what the model learns from
 * @property {number[]} validation what it is measured on after every epoch
 * @property {number[]} test what it is measured on once, at the end; most splits have none
 */

/** What the generator's sample number tells apart within the stream of splits. */
const SPLIT = 0;

/**
 * 80 % for training, 20 % for validation, and at least one each of two samples or more.
 *
 * Names count only through their order: any set of as many gives the same split of its sorted names. A single sample
 * is for training.
 *
 * @param {string[]} names
 * @param {bigint | string} seed
 * @returns {Split}
 */
export function splitByNames(names, seed) {
  const order = sortedPlaces(names);
  new Generator(seed, 0, SPLIT, Stream.SPLIT).shuffle(order);
  const count = names.length;
  const fifth = Math.floor((count + 2) / 5);
  const held = count < 2 ? 0 : Math.min(Math.max(fifth, 1), count - 1);
  const ascending = (/** @type {number[]} */ places) => places.sort((a, b) => a - b);
  return { train: ascending(order.slice(held)), validation: ascending(order.slice(0, held)), test: [] };
}

/**
 * As the source has its samples on sides. Where there is none to validate with, those for the test are.
 *
 * @param {Side[]} sides of each sample
 * @returns {Split}
 */
export function splitOfSides(sides) {
  const [train, validation, test] = SIDES.map((side) =>
    [...sides.keys()].filter((index) => sides[index] === side),
  );
  return validation.length > 0 ? { train, validation, test } : { train, validation: test, test: [] };
}

/**
 * The split of those samples that are left, renumbered from 0. Photos that cannot be decoded are on no side.
 *
 * @param {Split} split
 * @param {number[]} kept their places among all, in ascending order
 * @returns {Split}
 */
export function splitWithin(split, kept) {
  const places = new Map(kept.map((place, index) => [place, index]));
  const moved = (/** @type {Side} */ side) => split[side].flatMap((place) => places.get(place) ?? []);
  return { train: moved("train"), validation: moved("validation"), test: moved("test") };
}

/**
 * The split of labelled photos, as the program makes it: by the names of all that have a label; then those that cannot
 * be decoded are left out, and copies of one photo come to one side, unless folders say the sides.
 *
 * @param {string[]} names of all that have a label
 * @param {?Side[]} sides of each, where folders say them
 * @param {number[]} kept places of those that were decoded, in ascending order
 * @param {string[]} hashes of the pixels of those; see `hashOf`
 * @param {string} seed
 * @returns {Split} of those that were decoded
 */
export function splitOf(names, sides, kept, hashes, seed) {
  if (sides) return splitWithin(splitOfSides(sides), kept);
  const split = splitWithin(splitByNames(names, seed), kept);
  return keepCopiesTogether(
    split,
    kept.map((place) => names[place]),
    hashes,
  );
}
