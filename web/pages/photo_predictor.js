// From a photo to what the model predicts for each face in it, or for the whole of it.

import { Detector } from "../faces/detector.js";
import { cutFace, findFaces } from "../faces/found.js";
import { DetectorRunner } from "../faces/runner.js";
import { resizeWhole } from "../photos.js";

/**
 * @typedef {import("../faces/boxes.js").Face} Face
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../photos.js").Photo} Photo
 * @typedef {import("../player.js").Player} Player
 * @typedef {import("../predictor.js").Predictor} Predictor
 *
 * @typedef {object} Subject what the model was asked about
 * @property {?Face} face null of a photo that was taken whole
 * @property {Photo} seen what the model saw
 * @property {Float32Array[]} outputs of each branch
 *
 * @typedef {object} PhotoPrediction
 * @property {Subject[]} subjects from left to right
 * @property {number} milliseconds that it took, from pixels to outputs
 */

export class PhotoPredictor {
  /** @type {?Detector} */
  #detector = null;

  /**
   * @param {Player} player
   * @param {Model} model
   * @param {Predictor} predictor
   * @param {?Uint8Array} detectorWeights a safetensors file; null if the model sees whole photos
   */
  constructor(player, model, predictor, detectorWeights) {
    if (!model.photo) throw new Error(`${model.name} does not see photos`);
    this.input = model.photo;
    this.predictor = predictor;
    if (detectorWeights) {
      this.#detector = new Detector(model.detector, new DetectorRunner(player, model, detectorWeights));
    }
  }

  /** Whether the model is asked about the faces in a photo. */
  get looksForFaces() {
    return this.#detector !== null;
  }

  /**
   * @param {Photo} photo
   * @param {boolean} [whole] whether the photo is taken whole, although the model is one for faces
   * @returns {Promise<PhotoPrediction>}
   */
  async predict(photo, whole = false) {
    const start = performance.now();
    /** @type {[?Face, Photo][]} */
    let seen;
    if (this.#detector && !whole) {
      const found = await findFaces(photo, this.#detector);
      seen = found.faces.map((face) => [face, cutFace(found, face, this.input)]);
    } else {
      seen = [[null, resizeWhole(photo, this.input.width, this.input.height)]];
    }
    const branches = await this.predictor.outputsOfAll(
      "photos",
      seen.map(([, { rgb }]) => rgb),
    );
    const subjects = seen.map(([face, cut], place) => {
      return { face, seen: cut, outputs: branches.map((outputs) => outputs[place]) };
    });
    return { subjects, milliseconds: performance.now() - start };
  }
}
