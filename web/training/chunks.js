// Photos and files in chunks, as they lie in the database of a browser.

/**
 * @typedef {object} Row what the database knows of a training
 * @property {number} revision grows with every save
 * @property {unknown} facts
 * @property {Record<string, number>} files chunks of each
 * @property {{ set: string, count: number, bytes: number, chunks: number }} photos bytes of each
 *
 * @typedef {[training: string, group: string, place: number]} ChunkKey
 */

/** Browsers clone what they store, some of them within limits. */
export const CHUNK_BYTES = 16 << 20;

/**
 * The keys of a group's chunks.
 *
 * @param {string} training
 * @param {string} group
 * @param {number} count
 * @returns {ChunkKey[]}
 */
export const keysOf = (training, group, count) =>
  Array.from({ length: count }, (_, place) => [training, group, place]);

/**
 * The group of a file.
 *
 * @param {string} name
 */
export const groupOf = (name) => `file ${name}`;

/**
 * The keys of all chunks of a training.
 *
 * @param {string} training
 * @param {Row} row
 * @returns {ChunkKey[]}
 */
export const chunksOf = (training, { files, photos }) => [
  ...keysOf(training, photos.set, photos.chunks),
  ...Object.entries(files).flatMap(([name, count]) => keysOf(training, groupOf(name), count)),
];

/**
 * Chunks as one array.
 *
 * @param {Uint8Array[]} chunks
 * @returns {Uint8Array}
 */
export function joined(chunks) {
  const whole = new Uint8Array(chunks.reduce((bytes, chunk) => bytes + chunk.length, 0));
  let place = 0;
  for (const chunk of chunks) {
    whole.set(chunk, place);
    place += chunk.length;
  }
  return whole;
}
