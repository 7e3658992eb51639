// The square that a face is cut out by.

import { Photo, resizeWhole } from "../photos.js";
import { rounded } from "../resize.js";
import { areaOf } from "./boxes.js";

/**
 * @typedef {import("./boxes.js").Face} Face
 * @typedef {import("./boxes.js").Point} Point
 * @typedef {import("../model.js").PhotoInput["crop"]} Crop
 *
 * A square that may be turned and may reach beyond the photo, in pixels of the photo. A face in it stands upright.
 *
 * @typedef {object} Frame
 * @property {Point} middle
 * @property {number} side
 * @property {number} angle how far it is turned, in radians, clockwise as one looks at the photo
 */

/**
 * How much a photo may differ from a frame and still be taken for one that was cut out by it: the ratio of the sides
 * (natural logarithm), the distance of the middles in sides of the frame, and the angle in radians. `src/faces/frame.rs`
 * says how these numbers were measured, and those below.
 */
const MOST_DIFFERENCE = { logRatio: 0.15, away: 0.1, angle: 0.2 };
/** The ratio of a photo's sides above which it was not cut out by a square. */
const MOST_ASPECT = 1.1;
/** Samples of a frame along each axis, at most, as a multiple of the result's longer side. */
const MOST_SAMPLES = 4;

// Rust computes in floats of 32 bits, and rounds after every operation.
const f32 = Math.fround;

/**
 * Where training photos show the landmarks of a face, in units of the photo's side.
 *
 * @type {Point[]}
 */
const LANDMARKS = [
  [f32(0.2896), f32(0.2864)],
  [f32(0.6888), f32(0.2872)],
  [f32(0.4832), f32(0.5185)],
  [f32(0.3157), f32(0.6781)],
  [f32(0.6598), f32(0.6792)],
];
/** The photo's side in units of a face's, which is the square root of the area of its rectangle. */
const SIDE = f32(1.0376);

/**
 * The mean of five landmarks.
 *
 * @param {Point[]} points
 * @returns {Point}
 */
function meanOf(points) {
  const [x, y] = points.reduce((sum, point) => [f32(sum[0] + point[0]), f32(sum[1] + point[1])], [0, 0]);
  return [f32(x / points.length), f32(y / points.length)];
}

/**
 * The frame that shows a face as training photos do. Middle and angle are those of the similarity that takes the mean
 * landmarks of these photos to those of the face with the least squared distance (Umeyama, 1991); the side is the geometric
 * mean of its factor and of what the face's rectangle tells.
 *
 * @param {Face} face
 * @returns {Frame}
 */
export function frameOf({ area, landmarks }) {
  const [from, to] = [meanOf(LANDMARKS), meanOf(landmarks)];
  let [cos, sin, spread] = [0, 0, 0];
  LANDMARKS.forEach((point, index) => {
    const [ax, ay] = [f32(point[0] - from[0]), f32(point[1] - from[1])];
    const [bx, by] = [f32(landmarks[index][0] - to[0]), f32(landmarks[index][1] - to[1])];
    cos = f32(cos + f32(f32(ax * bx) + f32(ay * by)));
    sin = f32(sin + f32(f32(ax * by) - f32(ay * bx)));
    spread = f32(spread + f32(f32(ax * ax) + f32(ay * ay)));
  });
  const byLandmarks = f32(f32(Math.hypot(cos, sin)) / spread);
  const side = f32(Math.sqrt(f32(f32(byLandmarks * SIDE) * f32(Math.sqrt(areaOf(area))))));
  const around = { middle: to, side, angle: f32(Math.atan2(sin, cos)) };
  // The middle of the frame lies from the landmarks' mean as in LANDMARKS.
  const [right, down] = from.map((at) => f32(f32(0.5 - at) * side));
  return { ...around, middle: pointOf(around, [right, down]) };
}

/** @param {Frame} frame */
const turnOf = ({ angle }) => ({ sin: f32(Math.sin(angle)), cos: f32(Math.cos(angle)) });

/**
 * The point of the photo at an offset from the frame's middle, to the right and downwards in the frame's own directions.
 *
 * @param {Frame} frame
 * @param {Point} offset
 * @returns {Point}
 */
export function pointOf(frame, [right, down]) {
  const { sin, cos } = turnOf(frame);
  const [x, y] = frame.middle;
  return [f32(f32(x + f32(cos * right)) - f32(sin * down)), f32(f32(y + f32(sin * right)) + f32(cos * down))];
}

/**
 * The frame that also shows the face's surroundings, as a model sees them.
 *
 * @param {Frame} frame
 * @param {Crop} crop
 * @returns {Frame}
 */
export function withSurroundings(frame, crop) {
  const [right, down, side] = [crop.right, crop.down, crop.side].map((share) => f32(f32(share) * frame.side));
  return { ...frame, middle: pointOf(frame, [right, down]), side };
}

/**
 * Whether a photo of this size was cut out by this frame.
 *
 * @param {Frame} frame
 * @param {number} width in pixels
 * @param {number} height in pixels
 */
export function isWhole({ middle: [x, y], side, angle }, width, height) {
  const logRatio = Math.abs(Math.log(Math.sqrt(width * height) / side));
  const away = Math.hypot(x - width / 2, y - height / 2) / side;
  return (
    logRatio <= MOST_DIFFERENCE.logRatio &&
    away <= MOST_DIFFERENCE.away &&
    Math.abs(angle) <= MOST_DIFFERENCE.angle &&
    Math.max(width / height, height / width) <= MOST_ASPECT
  );
}

/**
 * The pixels of a frame, resized to `width` x `height`. Beyond the photo they are black.
 *
 * The frame is cut out in the photo's own resolution, between its pixels (bilinear), and then resized as whole photos
 * are. A frame much larger than the result is sampled at fewer places.
 *
 * @param {Photo} photo
 * @param {Frame} frame
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {Photo}
 */
export function cut(photo, frame, width, height) {
  const samples = Math.min(Math.max(Math.round(frame.side), 1), MOST_SAMPLES * Math.max(width, height));
  const step = f32(frame.side / samples);
  const half = f32(frame.side / 2);
  const { sin, cos } = turnOf(frame);
  const [middleX, middleY] = frame.middle;
  const square = new Photo(samples, samples);
  for (let row = 0; row < samples; row += 1) {
    const v = f32(f32((row + 0.5) * step) - half);
    for (let column = 0; column < samples; column += 1) {
      const u = f32(f32((column + 0.5) * step) - half);
      const x = f32(f32(f32(middleX + f32(cos * u)) - f32(sin * v)) - 0.5);
      const y = f32(f32(f32(middleY + f32(sin * u)) + f32(cos * v)) - 0.5);
      sampleBetween(photo, x, y, square.rgb, 3 * (row * samples + column));
    }
  }
  return resizeWhole(square, width, height);
}

/**
 * The photo between four pixels; pixel (x, y) lies at (x, y), and what is beyond the border is black.
 *
 * @param {Photo} photo
 * @param {number} x
 * @param {number} y
 * @param {Uint8Array} rgb takes the three bytes
 * @param {number} at where in `rgb`
 */
function sampleBetween(photo, x, y, rgb, at) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [rightShare, bottomShare] = [f32(x - left), f32(y - top)];
  let [red, green, blue] = [0, 0, 0];
  for (let down = 0; down < 2; down += 1) {
    const row = top + down;
    if (!(row >= 0 && row < photo.height)) continue;
    const rowShare = down === 0 ? f32(1 - bottomShare) : bottomShare;
    for (let right = 0; right < 2; right += 1) {
      const column = left + right;
      if (!(column >= 0 && column < photo.width)) continue;
      const share = f32(rowShare * (right === 0 ? f32(1 - rightShare) : rightShare));
      const pixel = 3 * (row * photo.width + column);
      red = f32(red + f32(share * photo.rgb[pixel]));
      green = f32(green + f32(share * photo.rgb[pixel + 1]));
      blue = f32(blue + f32(share * photo.rgb[pixel + 2]));
    }
  }
  rgb[at] = rounded(red);
  rgb[at + 1] = rounded(green);
  rgb[at + 2] = rounded(blue);
}
