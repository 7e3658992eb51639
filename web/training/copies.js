// Copies of one photo, which must not be on two sides of a split: what is learnt by heart would be measured. See
// `src/data/split/copies.rs`.

import { sortedPlaces } from "./names.js";
import { SIDES } from "./sides.js";

/**
 * @typedef {import("./sides.js").Side} Side
 * @typedef {import("./split.js").Split} Split
 */

/**
 * A hash of 64 bits: two lanes of 32, which mix every word as MurmurHash3 does. It tells equal photos; it is no
 * protection against photos that are made to collide.
 *
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function hashOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length & ~3;
  let [first, second] = [bytes.length | 0, 0x9747b28c | 0];
  const add = (/** @type {number} */ word) => {
    const a = Math.imul(word, 0xcc9e2d51);
    first ^= Math.imul((a << 15) | (a >>> 17), 0x1b873593);
    first = (Math.imul((first << 13) | (first >>> 19), 5) + 0xe6546b64) | 0;
    const b = Math.imul(word, 0x239b961b);
    second ^= Math.imul((b << 16) | (b >>> 16), 0xab0e9789);
    second = (Math.imul((second << 17) | (second >>> 15), 5) + 0x561ccd1b) | 0;
  };
  for (let place = 0; place < whole; place += 4) add(view.getInt32(place, true));
  let rest = 0;
  for (let place = whole; place < bytes.length; place += 1) rest = (rest << 8) | bytes[place];
  add(rest);
  return [finish(first), finish(second)].map((half) => half.toString(16).padStart(8, "0")).join("");
}

/** @param {number} hash */
function finish(hash) {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/**
 * Puts copies on the side of the first of them by name. A side that would have no sample left gets the smallest group
 * of copies, if there are two different samples at all.
 *
 * @param {Split} split
 * @param {string[]} names
 * @param {string[]} hashes of the samples' contents: copies have the same
 * @returns {Split}
 */
export function keepCopiesTogether(split, names, hashes) {
  const distinct = new Map();
  for (const index of sortedPlaces(names)) {
    distinct.set(hashes[index], [...(distinct.get(hashes[index]) ?? []), index]);
  }
  /** @type {number[][]} */
  const groups = [...distinct.values()].filter((group) => group.length > 1);
  /** @type {(Side | undefined)[]} */
  const sides = new Array(names.length);
  for (const side of SIDES) for (const index of split[side]) sides[index] = side;
  const put = (/** @type {number[]} */ group, /** @type {Side} */ side) => {
    for (const index of group) if (sides[index]) sides[index] = side;
  };
  for (const group of groups) {
    const first = group.find((index) => sides[index]);
    if (first !== undefined) put(group, /** @type {Side} */ (sides[first]));
  }
  for (const side of SIDES.filter((side) => split[side].length > 0)) {
    if (!sides.includes(side) && distinct.size > 1) {
      // Of the smallest, the last: the others stay where they are with the first of them.
      const size = Math.min(...groups.map((group) => group.length));
      put(groups.findLast((group) => group.length === size) ?? [], side);
    }
  }
  const [train, validation, test] = SIDES.map((side) =>
    [...sides.keys()].filter((index) => sides[index] === side),
  );
  return { train, validation, test };
}
