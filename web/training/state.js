// Everything of a training that lives from step to step: read from a device and written back, and as the files that
// `faceshader` has of it. See `src/train/trainer/state.rs` and `src/train/checkpoint.rs`.

import { formatSafetensors, parseMetadata, parseSafetensors } from "../safetensors.js";

/**
 * @typedef {import("../player.js").Player} Player
 * @typedef {import("../player.js").Prepared} Prepared
 * @typedef {import("../player.js").Program} Program
 * @typedef {import("../safetensors.js").Tensor} Tensor
 * @typedef {import("../model.js").Parameter} Parameter
 *
 * @typedef {object} BufferFacts what a program says of a buffer besides where it lies
 * @property {number[]} shape
 * @property {"f32" | "u32" | "u8"} dtype
 * @property {"input" | "persistent" | "output" | "transient"} kind
 * @property {?{ whole: number }} part_of the buffer that it lies in, as an index into the program's buffers
 *
 * @typedef {import("../player.js").NamedBuffer & BufferFacts} Buffer
 *
 * @typedef {object} Checkpoint
 * @property {Map<string, Tensor>} tensors by the names of their buffers
 * @property {number} steps batches that the model has been trained on
 * @property {number} epoch epochs that are done
 * @property {number} step steps of the next one that are done
 */

/** The tensor that holds the number of steps. */
const STEPS = "optimizer.step";
/** The name under which the metadata of a file hold its notes, as JSON. */
const NOTES = "faceshader";
/** What the name of a moving average has behind that of its parameter. */
const AVERAGE = ".ema";
/** The bits of a float's exponent: all of them are set in infinities and in what is no number. */
const EXPONENT = 0x7f800000;

/**
 * The buffers that live from run to run.
 *
 * @param {Program} program
 * @returns {Buffer[]}
 */
export const persistentBuffers = ({ buffers }) =>
  /** @type {Buffer[]} */ (buffers).filter(({ kind }) => kind === "persistent");

/**
 * Those of them that are to be saved: not those that only hold others.
 *
 * @param {Program} program
 * @returns {Buffer[]}
 */
export function lastingBuffers(program) {
  const parts = /** @type {Buffer[]} */ (program.buffers).flatMap(({ part_of: part }) => part ?? []);
  const wholes = new Set(parts.map(({ whole }) => program.buffers[whole]));
  return persistentBuffers(program).filter((buffer) => !wholes.has(buffer));
}

/**
 * Sets buffers to zero.
 *
 * @param {Player} player
 * @param {Prepared} prepared
 * @param {Buffer[]} buffers
 */
export function clearBuffers({ device }, { slots }, buffers) {
  const encoder = device.createCommandEncoder();
  for (const { slot, offset_bytes: offset, bytes } of buffers)
    encoder.clearBuffer(slots[slot], offset, bytes);
  device.queue.submit([encoder.finish()]);
}

/**
 * Reads tensors, one after the other: all at once would need as much memory again.
 *
 * @param {Player} player
 * @param {Prepared} prepared
 * @param {Buffer[]} buffers
 * @returns {Promise<Map<string, Tensor>>}
 */
export async function readTensors(player, prepared, buffers) {
  const tensors = new Map();
  for (const { name, shape, dtype } of buffers) {
    tensors.set(name, { dtype: dtype.toUpperCase(), shape, bytes: await player.read(prepared, name) });
  }
  return tensors;
}

/**
 * Writes tensors back.
 *
 * @param {Player} player
 * @param {Prepared} prepared
 * @param {Buffer[]} buffers
 * @param {Map<string, Tensor>} tensors one for each of the buffers; others are left alone
 * @throws where one is missing or does not fit; nothing is written then
 */
export function writeTensors(player, prepared, buffers, tensors) {
  const fitting = buffers.map(({ name, shape, dtype }) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`the saved training has no ${name}; it is of another model`);
    if (String(tensor.shape) !== String(shape) || tensor.dtype !== dtype.toUpperCase()) {
      throw new Error(`${name} of the saved training is ${tensor.shape}, but ${shape} is needed`);
    }
    return { name, bytes: tensor.bytes };
  });
  for (const { name, bytes } of fitting) player.write(prepared, name, bytes);
}

/**
 * Whether all floats are numbers, and none is infinite.
 *
 * @param {Map<string, Tensor>} tensors
 */
export function areFinite(tensors) {
  for (const { dtype, bytes } of tensors.values()) {
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2);
    if (dtype === "F32" && words.some((word) => (word & EXPONENT) === EXPONENT)) return false;
  }
  return true;
}

/**
 * The names of the tensors that are weights, each with the name under which files have it.
 *
 * @param {Parameter[]} parameters
 */
export const weightNames = (parameters) => new Map(parameters.map(({ name }) => [name, name]));

/**
 * The names of the tensors that are moving averages of weights, if the model has any, each with the name of its weight.
 *
 * @param {Parameter[]} parameters
 */
export const averageNames = (parameters) => new Map(parameters.map(({ name }) => [name + AVERAGE, name]));

/**
 * Those of the tensors that are named, under their names in files.
 *
 * @param {Map<string, Tensor>} tensors
 * @param {Map<string, string>} names
 * @returns {Map<string, Tensor>}
 */
export function renamed(tensors, names) {
  const found = new Map();
  for (const [name, tensor] of tensors) if (names.has(name)) found.set(names.get(name), tensor);
  return found;
}

/** @param {Record<string, number>} notes */
const metadataOf = (notes) => ({
  [NOTES]: JSON.stringify(
    Object.fromEntries(Object.entries(notes).map(([name, value]) => [name, String(value)])),
  ),
});

/**
 * `checkpoint.safetensors`.
 *
 * @param {Checkpoint} checkpoint
 */
export function formatCheckpoint({ tensors, steps, epoch, step }) {
  const number = { dtype: "U32", shape: [1], bytes: new Uint8Array(Uint32Array.of(steps).buffer) };
  return formatSafetensors(new Map([...tensors, [STEPS, number]]), metadataOf({ epoch, step }));
}

/**
 * @param {Uint8Array} file a `checkpoint.safetensors`
 * @returns {Checkpoint} its tensors' bytes are the file's
 */
export function parseCheckpoint(file) {
  const tensors = parseSafetensors(file);
  const notes = JSON.parse(parseMetadata(file)[NOTES] ?? "{}");
  const number = tensors.get(STEPS)?.bytes;
  const [epoch, step] = [notes.epoch, notes.step].map(Number);
  if (!number || !Number.isInteger(epoch) || !Number.isInteger(step)) {
    throw new Error("the file does not say where the training was");
  }
  tensors.delete(STEPS);
  const steps = new DataView(number.buffer, number.byteOffset).getUint32(0, true);
  return { tensors, steps, epoch, step };
}

/**
 * `weights/*.safetensors`.
 *
 * @param {Map<string, Tensor>} weights
 * @param {number} epoch how many they were trained for
 */
export const formatWeights = (weights, epoch) => formatSafetensors(weights, metadataOf({ epoch }));
