// The network that finds faces, on a device.

import { prepareWithWeights, writeCount } from "../predictor.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../player.js").Player} Player
 * @typedef {import("../player.js").Prepared} Prepared
 */

/** Strides of the maps, in pixels, and what each stride has. */
const STRIDES = [8, 16, 32];
const MAPS = ["cls", "obj", "bbox", "kps"];

/** Runs the detector's programs. Each is prepared when it is first needed: a browser compiles for a second or so. */
export class DetectorRunner {
  /** @type {Map<number, Promise<Prepared>>} */
  #prepared = new Map();

  /**
   * @param {Player} player
   * @param {Model} model
   * @param {Uint8Array} weights a safetensors file
   */
  constructor(player, model, weights) {
    this.player = player;
    this.model = model;
    this.weights = weights;
  }

  /**
   * @param {number} plan
   * @param {Uint8Array} rgb height x width x 3 bytes
   * @returns {Promise<Record<string, Float32Array>>}
   */
  async run(plan, rgb) {
    const prepared = await this.prepare(plan);
    this.player.write(prepared, "photos", rgb);
    this.player.run(prepared);
    const names = STRIDES.flatMap((stride) => MAPS.map((map) => `${map}_${stride}.output`));
    const maps = await Promise.all(
      names.map(async (name) => {
        const bytes = await this.player.read(prepared, name);
        return [name, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
      }),
    );
    return Object.fromEntries(maps);
  }

  /**
   * @param {number} plan
   * @returns {Promise<Prepared>}
   */
  prepare(plan) {
    const { detector, shaders } = this.model;
    const known = this.#prepared.get(plan);
    if (known) return known;
    const prepared = prepareWithWeights(this.player, detector[plan].program, shaders, this.weights).then(
      (made) => {
        writeCount(this.player, made, 1);
        return made;
      },
    );
    this.#prepared.set(plan, prepared);
    return prepared;
  }
}
