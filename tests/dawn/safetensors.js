// Reads safetensors: the length of a header as 64 bits, the header as JSON, and the tensors one after the other.

/**
 * @typedef {object} Tensor
 * @property {string} dtype "F32", "U32" or "U8"
 * @property {number[]} shape the extent of every axis
 * @property {Uint8Array} bytes the elements, row-major, little-endian
 */

/**
 * The tensors of a file by their names.
 *
 * @param {Uint8Array} file
 * @returns {Map<string, Tensor>}
 */
export function parseSafetensors(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const begin = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, begin)));
  const tensors = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return new Map(
    tensors.map(([name, { dtype, shape, data_offsets: [first, end] }]) => [
      name,
      { dtype, shape, bytes: file.subarray(begin + first, begin + end) },
    ]),
  );
}
