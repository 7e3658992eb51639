// Reads and writes safetensors: the length of a header as 64 bits, the header as JSON, and the tensors one after the
// other.

/**
 * @typedef {object} Tensor
 * @property {string} dtype "F32", "U32" or "U8"
 * @property {number[]} shape the extent of every axis
 * @property {Uint8Array} bytes the elements, row-major, little-endian
 *
 * @typedef {{ dtype: string, shape: number[], data_offsets: [number, number] }} Entry
 */

/** The key of the header that holds the metadata. */
const METADATA = "__metadata__";
/** Headers are padded to a multiple of this many bytes, so that all tensors are aligned. */
const ALIGNMENT = 8;

/** @type {Record<string, number>} */
const ELEMENT_BYTES = { F32: 4, U32: 4, U8: 1 };

/**
 * The header of a file, and where the tensors begin.
 *
 * @param {Uint8Array} file
 * @returns {{ entries: Map<string, Entry>, metadata: Record<string, string>, begin: number }}
 */
function readHeader(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const begin = file.length < 8 ? Infinity : 8 + Number(view.getBigUint64(0, true));
  if (begin > file.length) throw new Error("this is no safetensors file, or only the beginning of one");
  const { [METADATA]: metadata = {}, ...entries } = JSON.parse(
    new TextDecoder().decode(file.subarray(8, begin)),
  );
  return { entries: new Map(Object.entries(entries)), metadata, begin };
}

/**
 * The tensors of a file by their names. Their bytes are the file's, not a copy.
 *
 * @param {Uint8Array} file
 * @returns {Map<string, Tensor>}
 */
export function parseSafetensors(file) {
  const { entries, begin } = readHeader(file);
  const tensors = new Map();
  for (const [name, { dtype, shape, data_offsets: offsets }] of entries) {
    const [first, end] = offsets.map((offset) => begin + offset);
    if (end > file.length) throw new Error(`the safetensors file ends before the end of ${name}`);
    tensors.set(name, { dtype, shape, bytes: file.subarray(first, end) });
  }
  return tensors;
}

/**
 * The texts that a file has beside its tensors.
 *
 * @param {Uint8Array} file
 * @returns {Record<string, string>}
 */
export const parseMetadata = (file) => readHeader(file).metadata;

/**
 * A file of tensors: those of larger elements first, and by their names.
 *
 * @param {Map<string, Tensor>} tensors
 * @param {Record<string, string>} [metadata]
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function formatSafetensors(tensors, metadata = {}) {
  const sorted = [...tensors].sort(
    ([a, { dtype: aType }], [b, { dtype: bType }]) =>
      ELEMENT_BYTES[bType] - ELEMENT_BYTES[aType] || (a < b ? -1 : Number(a > b)),
  );
  /** @type {Record<string, Entry | Record<string, string>>} */
  const header = Object.keys(metadata).length > 0 ? { [METADATA]: metadata } : {};
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of sorted) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const begin = 8 + Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(begin + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(begin - 8), true);
  file.fill(" ".charCodeAt(0), 8, begin);
  file.set(text, 8);
  for (const [name, { bytes }] of sorted) {
    const { data_offsets: offsets } = /** @type {Entry} */ (header[name]);
    file.set(bytes, begin + offsets[0]);
  }
  return file;
}
