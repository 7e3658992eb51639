// Finds faces in photos, by YuNet as a program for WebGPU.

import { Photo, resizeWhole } from "../photos.js";
import { facesOfMaps, iou, moved, nonMaximumSuppression, scaled } from "./boxes.js";
import { cut, frameOf, pointOf } from "./frame.js";

/**
 * @typedef {import("../model.js").DetectorPlan} DetectorPlan
 * @typedef {import("./boxes.js").Face} Face
 *
 * What computes the network.
 *
 * @typedef {object} Runner
 * @property {(plan: number, rgb: Uint8Array) => Promise<Record<string, Float32Array>>} run runs the program of a plan, by
 *   its place among the plans, with height x width x 3 bytes as its photo; returns its maps by the names of their
 *   buffers: `cls_S.output` (rows x columns), `obj_S.output` (rows x columns), `bbox_S.output` (4 x rows x columns) and
 *   `kps_S.output` (10 x rows x columns) for the strides S of 8, 16 and 32
 */

/** Strides of the maps, in pixels. */
export const STRIDES = [8, 16, 32];
/** The least score at first sight: other faces are not looked at closer. */
const LEAST_SCORE_AT_FIRST = 0.5;
/** The least score in a closer look. */
const LEAST_SCORE = Math.fround(0.7);
/** A face found in a closer look is the same face if the overlap of both (intersection over union) is larger. */
const LEAST_AGREEMENT = 0.3;
/**
 * How large the square of a closer look is, compared with the frame of the face. The frame is 200 pixels wide there: the
 * network turns the landmarks of a face along with the face only where it is large.
 */
const CLOSER = Math.fround(1.6);
/** The side of the photo that a closer look shows to the network, in pixels. */
const CLOSER_SIDE = 320;
/** A face that is tilted by less, in radians, is upright. */
const LEAST_TILT = 0.12;
/** Where faces overlap by more (intersection over union), one stays. */
const MOST_OVERLAP = 0.3;
/** The longer side of a photo as the network sees it, in pixels, at most. */
const LONGER_SIDE = 640;

const f32 = Math.fround;

/** Finds faces in photos. */
export class Detector {
  #plans;
  #runner;
  #closerPlan;

  /**
   * @param {DetectorPlan[]} plans in ascending order of their work; a photo lies at the upper left of the first that it
   *   fits into
   * @param {Runner} runner
   */
  constructor(plans, runner) {
    this.#plans = plans;
    this.#runner = runner;
    this.#closerPlan = plans.findIndex(
      ({ width, height }) => width === CLOSER_SIDE && height === CLOSER_SIDE,
    );
    const isLargest = plans.some(({ width, height }) => width === LONGER_SIDE && height === LONGER_SIDE);
    if (this.#closerPlan < 0 || !isLargest) {
      throw new Error("the network that finds faces is not there for squares of 320 and 640 pixels");
    }
  }

  /**
   * The faces of a photo, in its pixels, in descending order of their scores. Each is looked at twice: as part of the
   * photo, and closely, as large as training photos show faces; tilted ones once more, upright. Faces of about 2 % of the
   * photo's longer side are the smallest that are found.
   *
   * @param {Photo} photo
   * @returns {Promise<Face[]>}
   */
  async detect(photo) {
    const faces = [];
    for (const face of await this.look(photo)) {
      const closer = await this.#lookCloser(photo, face);
      if (closer) faces.push(await this.#lookUpright(photo, closer));
    }
    return nonMaximumSuppression(faces, MOST_OVERLAP);
  }

  /**
   * The faces of a photo at first sight, also those that a closer look would not find.
   *
   * @param {Photo} photo
   * @returns {Promise<Face[]>}
   */
  async look(photo) {
    const shrink = Math.min(f32(LONGER_SIDE / Math.max(photo.width, photo.height)), 1);
    const [width, height] = [photo.width, photo.height].map((side) =>
      Math.max(Math.round(f32(side * shrink)), 1),
    );
    const plan = this.#plans.findIndex((plan) => width <= plan.width && height <= plan.height);
    const seen = resizeWhole(photo, width, height);
    const faces = await this.#faces(plan, placed(seen, this.#plans[plan]), LEAST_SCORE_AT_FIRST);
    return faces.map((face) => scaled(face, f32(1 / shrink)));
  }

  /**
   * Finds a face again in a square around it; null if there is none.
   *
   * @param {Photo} photo
   * @param {Face} face
   * @returns {Promise<?Face>}
   */
  async #lookCloser(photo, face) {
    const frame = frameOf(face);
    const square = { ...frame, side: f32(CLOSER * frame.side), angle: 0 };
    const seen = cut(photo, square, CLOSER_SIDE, CLOSER_SIDE);
    const [left, top] = square.middle.map((middle) => f32(middle - square.side / 2));
    let best = null;
    let most = LEAST_AGREEMENT;
    for (const found of await this.#faces(this.#closerPlan, seen, LEAST_SCORE)) {
      const closer = moved(scaled(found, f32(square.side / CLOSER_SIDE)), left, top);
      const agreement = iou(closer.area, face.area);
      if (agreement > most) {
        best = closer;
        most = agreement;
      }
    }
    return best;
  }

  /**
   * Takes the landmarks of a tilted face from the photo turned upright: the network does not turn landmarks as far as the
   * face.
   *
   * @param {Photo} photo
   * @param {Face} face
   * @returns {Promise<Face>}
   */
  async #lookUpright(photo, face) {
    const frame = frameOf(face);
    if (Math.abs(frame.angle) < LEAST_TILT) return face;
    const square = { ...frame, side: f32(CLOSER * frame.side) };
    const seen = cut(photo, square, CLOSER_SIDE, CLOSER_SIDE);
    // The face is the one in the middle.
    let nearest = null;
    let least = CLOSER_SIDE / 8;
    for (const found of await this.#faces(this.#closerPlan, seen, LEAST_SCORE)) {
      const { x, y, width, height } = found.area;
      const away = Math.hypot(x + (width - CLOSER_SIDE) / 2, y + (height - CLOSER_SIDE) / 2);
      if (away < least) {
        nearest = found;
        least = away;
      }
    }
    if (!nearest) return face;
    const offset = (/** @type {number} */ at) =>
      f32(f32(f32(at - CLOSER_SIDE / 2) * square.side) / CLOSER_SIDE);
    return { ...face, landmarks: nearest.landmarks.map(([x, y]) => pointOf(square, [offset(x), offset(y)])) };
  }

  /**
   * The faces of a photo of a plan's size.
   *
   * @param {number} plan
   * @param {Photo} photo
   * @param {number} leastScore
   * @returns {Promise<Face[]>}
   */
  async #faces(plan, photo, leastScore) {
    const maps = await this.#runner.run(plan, photo.rgb);
    const faces = STRIDES.flatMap((stride) =>
      facesOfMaps(
        {
          stride,
          columns: photo.width / stride,
          cls: maps[`cls_${stride}.output`],
          obj: maps[`obj_${stride}.output`],
          area: maps[`bbox_${stride}.output`],
          landmarks: maps[`kps_${stride}.output`],
        },
        leastScore,
      ),
    );
    return nonMaximumSuppression(faces, MOST_OVERLAP);
  }
}

/**
 * A photo at the upper left of a black one.
 *
 * @param {Photo} photo
 * @param {{ width: number, height: number }} size of the larger one
 */
function placed(photo, { width, height }) {
  const canvas = new Photo(width, height);
  for (let row = 0; row < photo.height; row += 1) {
    const pixels = photo.rgb.subarray(row * photo.width * 3, (row + 1) * photo.width * 3);
    canvas.rgb.set(pixels, row * width * 3);
  }
  return canvas;
}
