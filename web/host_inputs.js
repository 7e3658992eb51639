// What the host writes before every run besides samples and labels: the words of `batch`, and the transforms of photos.

/** Words of `batch`; `BATCH_MEANINGS` of `src/ops/batch.rs` tells what they are. */
const BATCH_WORDS = 8;
/** Numbers of a transform: two rows of three, from a pixel of the varied photo to where it is read in the original. */
export const TRANSFORM = 6;
/** The transform that leaves a photo as it is, in signed 16.16 fixed point. */
const IDENTITY = [1 << 16, 0, 0, 0, 1 << 16, 0];

/**
 * @typedef {object} Rates
 * @property {number} factor what the learning rate is multiplied by
 * @property {number[]} corrections what Adam corrects its two moments by
 * @property {number} emaShare how far the moving average of the weights moves towards them, 0 to 1
 */

/**
 * The words of `batch`. Without more than a count they are those of a run that varies and updates nothing.
 *
 * @param {number} count real samples
 * @param {{ epoch: number, key: number[] }} [variation] the epoch, from 0, and the seed as two words
 * @param {Rates} [rates]
 * @returns {Uint32Array<ArrayBuffer>}
 */
export function batchWords(
  count,
  { epoch, key } = { epoch: 0, key: [0, 0] },
  { factor, corrections, emaShare } = { factor: 1, corrections: [1, 1], emaShare: 0 },
) {
  const words = new Uint32Array(BATCH_WORDS);
  words.set([count, epoch, ...key]);
  new Float32Array(words.buffer).set([factor, ...corrections, emaShare], 4);
  return words;
}

/**
 * The transforms of so many photos that are left as they are.
 *
 * @param {number} photos
 * @returns {Int32Array<ArrayBuffer>}
 */
export const identityTransforms = (photos) =>
  Int32Array.from({ length: photos * TRANSFORM }, (_, place) => IDENTITY[place % TRANSFORM]);
