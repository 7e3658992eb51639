// A trained model: from photos or token ids to the outputs of its branches.

import { batchWords, identityTransforms } from "./host_inputs.js";
import { parseSafetensors } from "./safetensors.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./player.js").Player} Player
 * @typedef {import("./player.js").Prepared} Prepared
 * @typedef {import("./player.js").Program} Program
 */

/**
 * Makes a program ready to run: its weights are written, and photos are not transformed.
 *
 * @param {Player} player
 * @param {Program} program
 * @param {Record<string, string>} shaders WGSL by the path that programs name
 * @param {Uint8Array} weights a safetensors file
 * @returns {Promise<Prepared>}
 */
export async function prepareWithWeights(player, program, shaders, weights) {
  const prepared = await player.prepare(program, async (path) => shaders[path]);
  for (const [name, tensor] of parseSafetensors(weights)) {
    if (prepared.buffers.has(name)) player.write(prepared, name, tensor.bytes);
  }
  if (prepared.buffers.has("transform")) {
    player.write(prepared, "transform", new Uint8Array(identityTransforms(program.batch).buffer));
  }
  return prepared;
}

/**
 * Runs a program on an input, and reads buffers. Several callers may do so at the same time, without waiting for each
 * other: everything is in the device's queue, in this order, before this returns, so that no other caller's input can come
 * in between. It must not become `async` with an `await` before the last read.
 *
 * @param {Player} player
 * @param {Prepared} prepared
 * @param {"photos" | "tokens"} input
 * @param {Uint8Array} bytes of the input
 * @param {number} count samples that are real
 * @param {string[]} names of buffers
 * @returns {Promise<Float32Array[]>} what the buffers hold after the run
 */
export function runOnce(player, prepared, input, bytes, count, names) {
  player.write(prepared, input, bytes);
  if (prepared.buffers.has("batch"))
    player.write(prepared, "batch", new Uint8Array(batchWords(count).buffer));
  player.run(prepared);
  const reads = names.map((name) => player.read(prepared, name));
  return Promise.all(
    reads.map(async (read) => {
      const { buffer, byteOffset, byteLength } = await read;
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    }),
  );
}

/** A model that is asked for predictions. */
export class Predictor {
  /**
   * @param {Player} player
   * @param {Model} model
   * @param {Prepared} prepared
   */
  constructor(player, model, prepared) {
    this.player = player;
    this.model = model;
    this.prepared = prepared;
  }

  /**
   * @param {Player} player
   * @param {Model} model of a page that predicts
   * @param {Uint8Array} weights a safetensors file
   */
  static async create(player, model, weights) {
    if (!model.prediction) throw new Error(`${model.name} is not there to predict`);
    const prepared = await prepareWithWeights(player, model.prediction, model.shaders, weights);
    return new Predictor(player, model, prepared);
  }

  /** Samples that are predicted at once. */
  get batch() {
    return this.model.prediction?.batch ?? 1;
  }

  /**
   * The outputs of samples, at most a batch: of each branch, those of each sample.
   *
   * @param {"photos" | "tokens"} input
   * @param {(Uint8Array | Uint32Array)[]} samples height x width x 3 bytes, or token ids
   * @returns {Promise<Float32Array[][]>}
   */
  async outputs(input, samples) {
    const each = new Uint8Array(samples[0].buffer, samples[0].byteOffset, samples[0].byteLength).length;
    const bytes = new Uint8Array(each * this.batch);
    samples.forEach((sample, place) => {
      bytes.set(new Uint8Array(sample.buffer, sample.byteOffset, sample.byteLength), place * each);
    });
    const names = this.model.targets.map(({ output }) => output);
    const branches = await runOnce(this.player, this.prepared, input, bytes, samples.length, names);
    return branches.map((values, branch) => {
      const { outputs } = this.model.targets[branch];
      return samples.map((_, place) => values.subarray(place * outputs, (place + 1) * outputs));
    });
  }

  /**
   * The outputs of any number of samples: of each branch, those of each sample.
   *
   * @param {"photos" | "tokens"} input
   * @param {(Uint8Array | Uint32Array)[]} samples
   * @returns {Promise<Float32Array[][]>}
   */
  async outputsOfAll(input, samples) {
    /** @type {Float32Array[][]} */
    const all = this.model.targets.map(() => []);
    for (let first = 0; first < samples.length; first += this.batch) {
      const outputs = await this.outputs(input, samples.slice(first, first + this.batch));
      outputs.forEach((ofBranch, place) => all[place].push(...ofBranch));
    }
    return all;
  }
}
