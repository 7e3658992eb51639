// From a detector's maps to faces: each place of a map may have seen one face, and several see the same one.
//
// The maps are those of YuNet (Wu, Peng and Yu, 2023, "YuNet: A Tiny Millisecond-level Face Detector"). A map of stride s
// has a place for each s x s pixels of the photo. For place (row, column), with the values of its maps:
//
//   score     = sqrt(sigmoid(cls) * sigmoid(obj))
//   centre    = ((column + box[0]) * s, (row + box[1]) * s)
//   width     = exp(box[2]) * s
//   height    = exp(box[3]) * s
//   landmark  = ((column + kps[2k]) * s, (row + kps[2k + 1]) * s), for k from 0 to 4

/**
 * A rectangle in pixels of a photo; it may reach beyond the photo.
 *
 * @typedef {object} Rectangle
 * @property {number} x of its left edge
 * @property {number} y of its upper edge
 * @property {number} width
 * @property {number} height
 *
 * @typedef {[number, number]} Point x and y
 *
 * A face that was found, in pixels of its photo.
 *
 * @typedef {object} Face
 * @property {Rectangle} area from the forehead to the chin
 * @property {Point[]} landmarks the person's right eye, left eye, tip of the nose, right and left corner of the mouth
 * @property {number} score how sure the detector is, 0 to 1
 *
 * The maps of one stride: planes of rows x `columns` values, one after the other.
 *
 * @typedef {object} Maps
 * @property {number} stride pixels of the photo a place, along each axis
 * @property {number} columns places along x
 * @property {Float32Array} cls whether there is a face, before the sigmoid: 1 plane
 * @property {Float32Array} obj whether there is anything, before the sigmoid: 1 plane
 * @property {Float32Array} area centre and size: 4 planes
 * @property {Float32Array} landmarks 10 planes
 */

/** How many times as wide as its map a face is at most. */
const MOST_PLACES = 4;

// Rust computes in floats of 32 bits, and rounds after every operation.
const f32 = Math.fround;

/** @param {number} value */
const sigmoid = (value) => f32(1 / f32(1 + f32(Math.exp(-value))));

/**
 * The faces of all places with a score of at least `leastScore`.
 *
 * @param {Maps} maps
 * @param {number} leastScore
 * @returns {Face[]}
 */
export function facesOfMaps({ stride, columns, cls, obj, area, landmarks }, leastScore) {
  const places = cls.length;
  const faces = [];
  for (let place = 0; place < places; place += 1) {
    const score = f32(Math.sqrt(f32(sigmoid(cls[place]) * sigmoid(obj[place]))));
    // Not a number is no score.
    if (!(score >= leastScore)) continue;
    const column = place % columns;
    const row = (place - column) / columns;
    /** @type {(planes: Float32Array, plane: number) => Point} */
    const at = (planes, plane) => [
      f32(column + planes[plane * places + place]) * stride,
      f32(row + planes[(plane + 1) * places + place]) * stride,
    ];
    const [width, height] = [2, 3].map((plane) => f32(Math.exp(area[plane * places + place])) * stride);
    const [x, y] = at(area, 0);
    /** @type {Face} */
    const face = {
      area: { x: f32(x - width / 2), y: f32(y - height / 2), width, height },
      landmarks: [0, 1, 2, 3, 4].map((point) => at(landmarks, 2 * point)),
      score,
    };
    if (isFiniteFace(face) && Math.max(width, height) < MOST_PLACES * stride * columns) faces.push(face);
  }
  return faces;
}

/** @param {Face} face */
function isFiniteFace({ area: { x, y, width, height }, landmarks }) {
  return [x, y, width, height, ...landmarks.flat()].every(Number.isFinite);
}

/**
 * Non-maximum suppression: where faces overlap by more than `mostOverlap` (intersection over union), only the one with
 * the highest score stays. In descending order of the scores.
 *
 * @param {Face[]} faces
 * @param {number} mostOverlap
 * @returns {Face[]}
 */
export function nonMaximumSuppression(faces, mostOverlap) {
  /** @type {Face[]} */
  const kept = [];
  for (const face of faces.toSorted((a, b) => b.score - a.score)) {
    if (kept.every((other) => iou(other.area, face.area) <= mostOverlap)) kept.push(face);
  }
  return kept;
}

/**
 * Intersection over union: 0 where rectangles do not meet, 1 where they are the same.
 *
 * @param {Rectangle} a
 * @param {Rectangle} b
 */
export function iou(a, b) {
  const common = (/** @type {number} */ from, /** @type {number} */ to) => Math.max(to - from, 0);
  const both =
    common(Math.max(a.x, b.x), Math.min(a.x + a.width, b.x + b.width)) *
    common(Math.max(a.y, b.y), Math.min(a.y + a.height, b.y + b.height));
  const either = areaOf(a) + areaOf(b) - both;
  return either > 0 ? both / either : 0;
}

/**
 * In square pixels.
 *
 * @param {Rectangle} rectangle
 */
export function areaOf({ width, height }) {
  return f32(width * height);
}

/**
 * The same face, moved by `right` and `down` pixels.
 *
 * @param {Face} face
 * @param {number} right
 * @param {number} down
 * @returns {Face}
 */
export function moved({ area, landmarks, score }, right, down) {
  return {
    area: { ...area, x: f32(area.x + right), y: f32(area.y + down) },
    landmarks: landmarks.map(([x, y]) => [f32(x + right), f32(y + down)]),
    score,
  };
}

/**
 * The same face in a photo that is `factor` times as large.
 *
 * @param {Face} face
 * @param {number} factor
 * @returns {Face}
 */
export function scaled({ area: { x, y, width, height }, landmarks, score }, factor) {
  const by = (/** @type {number} */ value) => f32(value * factor);
  return {
    area: { x: by(x), y: by(y), width: by(width), height: by(height) },
    landmarks: landmarks.map(([x, y]) => [by(x), by(y)]),
    score,
  };
}
