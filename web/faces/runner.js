// The network that finds faces, on a device.

import { STRIDES } from "./detector.js";
import { prepareWithWeights, runOnce } from "../predictor.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../player.js").Player} Player
 * @typedef {import("../player.js").Prepared} Prepared
 */

/** What each stride has. */
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
    const names = STRIDES.flatMap((stride) => MAPS.map((map) => `${map}_${stride}.output`));
    const maps = await runOnce(this.player, prepared, "photos", rgb, 1, names);
    return Object.fromEntries(names.map((name, place) => [name, maps[place]]));
  }

  /**
   * @param {number} plan
   * @returns {Promise<Prepared>}
   */
  prepare(plan) {
    const { detector, shaders } = this.model;
    const known = this.#prepared.get(plan);
    if (known) return known;
    const prepared = prepareWithWeights(this.player, detector[plan].program, shaders, this.weights);
    this.#prepared.set(plan, prepared);
    return prepared;
  }
}
