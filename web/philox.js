// The one source of randomness: the counter-based generator Philox 4x32-10, as `src/rng.rs` has it (Salmon, Moraes,
// Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11). The same seed draws the same numbers in the
// program, in its shaders and here.

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** What a draw is for. Streams never share numbers. */
export const Stream = Object.freeze({
  /** The order of the samples within an epoch. */
  ORDER: 0,
  /** Which samples are for training and which for validation. */
  SPLIT: 1,
  /** Rotation, zoom, flip and shift of a photo. */
  AUGMENT: 2,
  /** Initial weights; the parameter's number takes the place of the sample. */
  INIT: 3,
});

/**
 * The upper 32 bits of the product of two words. A product of 64 bits does not fit into a double, so that it is made
 * of halves.
 *
 * @param {number} a
 * @param {number} b
 * @returns {number} as a signed integer
 */
function upperHalf(a, b) {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const carried = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carried >>> 16)) | 0;
}

/**
 * Four random words from a counter and a key.
 *
 * @param {ArrayLike<number>} counter 4 words
 * @param {ArrayLike<number>} key 2 words
 * @param {Uint32Array} words where the 4 results go
 */
export function philox4x32(counter, key, words) {
  let [c0, c1, c2, c3] = [counter[0] | 0, counter[1] | 0, counter[2] | 0, counter[3] | 0];
  let [k0, k1] = [key[0] | 0, key[1] | 0];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [high0, low0] = [upperHalf(MULTIPLIER_0, c0), Math.imul(MULTIPLIER_0, c0)];
    const [high1, low1] = [upperHalf(MULTIPLIER_1, c2), Math.imul(MULTIPLIER_1, c2)];
    [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0];
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/**
 * Splits a 64-bit seed into Philox's key.
 *
 * @param {bigint | string} seed a string is a decimal number
 * @returns {[number, number]} lower half, upper half
 */
export function key(seed) {
  const bits = BigInt.asUintN(64, BigInt(seed));
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}

/** Draws one number after the other from the sequence of (seed, epoch, sample, stream). */
export class Generator {
  #key;
  #counter;
  #words = new Uint32Array(4);
  #lane = 0;

  /**
   * @param {bigint | string} seed a string is a decimal number
   * @param {number} epoch
   * @param {number} sample
   * @param {number} stream one of {@link Stream}
   */
  constructor(seed, epoch, sample, stream) {
    this.#key = Uint32Array.from(key(seed));
    this.#counter = Uint32Array.of(0, sample, epoch, stream);
  }

  /** 32 random bits. */
  nextU32() {
    if (this.#lane === 0) {
      philox4x32(this.#counter, this.#key, this.#words);
      this.#counter[0] += 1;
    }
    const word = this.#words[this.#lane];
    this.#lane = (this.#lane + 1) & 3;
    return word;
  }

  /** Uniform in [0, 1), a multiple of 2^-24: a float of 32 bits. */
  unit() {
    return (this.nextU32() >>> 8) / 0x1000000;
  }

  /**
   * Uniform in [low, high), in arithmetic of 32 bits.
   *
   * @param {number} low a float of 32 bits
   * @param {number} high likewise
   */
  uniform(low, high) {
    return Math.fround(low + Math.fround(Math.fround(high - low) * this.unit()));
  }

  /**
   * Uniform among 0, 1, … bound - 1.
   *
   * @param {number} bound from 1 to 2^32 - 1
   */
  below(bound) {
    return upperHalf(this.nextU32(), bound) >>> 0;
  }

  /**
   * Puts items into random order (Fisher and Yates).
   *
   * @param {{ length: number, [index: number]: any }} items
   */
  shuffle(items) {
    for (let last = items.length - 1; last > 0; last -= 1) {
      const other = this.below(last + 1);
      [items[last], items[other]] = [items[other], items[last]];
    }
  }
}
