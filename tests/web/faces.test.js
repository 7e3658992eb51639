// Faces from maps, frames and cuts, compared with `src/faces`.
//
// faces.json holds what `Frame::cut`, `Frame::of`, `Maps::faces` and `non_maximum_suppression` give in Rust; a face is
// [x, y, width, height, 5 x (x, y), score].
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { areaOf, facesOfMaps, iou, moved, nonMaximumSuppression, scaled } from "../../web/faces/boxes.js";
import { cutFace, findFaces, isCropped, largestFace } from "../../web/faces/found.js";
import { cut, frameOf, isWhole, withSurroundings } from "../../web/faces/frame.js";
import { Photo } from "../../web/photos.js";
import { checksum, faceIn, hex, picture } from "./pictures.js";

/**
 * @typedef {import("../../web/faces/boxes.js").Face} Face
 * @typedef {import("../../web/faces/frame.js").Frame} Frame
 */

const fixtures = JSON.parse(readFileSync(new URL("faces.json", import.meta.url), "utf8"));
const f32 = Math.fround;

/** @type {(face: Face) => number[]} */
const flat = ({ area: { x, y, width, height }, landmarks, score }) => [
  ...[x, y, width, height, ...landmarks.flat(), score],
];

/** @type {(numbers: number[]) => Face} */
function faceOf(numbers) {
  const [x, y, width, height, ...rest] = numbers.map(f32);
  return {
    area: { x, y, width, height },
    landmarks: [0, 1, 2, 3, 4].map((point) => [rest[2 * point], rest[2 * point + 1]]),
    score: rest[10],
  };
}

/** @type {(x: number, side: number, score: number) => Face} */
const square = (x, side, score) => faceOf([x, 0, side, side, ...Array(10).fill(0), score]);

test("overlap is the common area by that of both", () => {
  const [one, half] = [square(0, 2, 1).area, square(1, 2, 1).area];
  assert.equal(iou(one, one), 1);
  assert.equal(iou(one, half), 2 / 6);
  assert.equal(iou(one, square(2, 2, 1).area), 0);
  assert.equal(iou(square(0, 0, 1).area, square(0, 0, 1).area), 0);
});

test("of faces that overlap the surest stays", () => {
  const kept = nonMaximumSuppression([square(0, 10, 0.7), square(1, 10, 0.9), square(30, 10, 0.6)], 0.3);
  assert.deepEqual(
    kept.map(({ score }) => score),
    [f32(0.9), f32(0.6)],
  );
});

/**
 * Maps of rows x columns places, of which one has seen a face.
 *
 * @param {{ stride: number, columns: number, rows: number, place: number, area: number[], kps?: number[] }} told
 */
function mapsWith({ stride, columns, rows, place, area, kps = Array(10).fill(0) }) {
  const places = columns * rows;
  /** @type {(values: number[]) => Float32Array} */
  const planes = (values) => {
    const map = new Float32Array(values.length * places);
    values.forEach((value, plane) => (map[plane * places + place] = value));
    return map;
  };
  const cls = new Float32Array(places).fill(-20);
  if (place >= 0) cls[place] = 20;
  const obj = new Float32Array(places).fill(20);
  return { stride, columns, cls, obj, area: planes(area), landmarks: planes(kps) };
}

test("a place tells a face in pixels", () => {
  // Two rows of three places; half a place to the right of its corner, a quarter below it; 4 places wide and 2 high.
  const told = { stride: 8, columns: 3, rows: 2, place: 5, kps: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] };
  const area = [0.5, 0.25, Math.log(4), Math.log(2)];
  const [face, ...others] = facesOfMaps(mapsWith({ ...told, area }), 0.5);
  assert.equal(others.length, 0);
  const near = (/** @type {number} */ a, /** @type {number} */ b) =>
    assert.ok(Math.abs(a - b) < 1e-4, `${a} ${b}`);
  near(face.area.x, 2.5 * 8 - 16);
  near(face.area.y, 1.25 * 8 - 8);
  near(face.area.width, 32);
  near(face.area.height, 16);
  assert.deepEqual(face.landmarks[0], [24, 8]);
  near(face.score, 1);
  near(areaOf(scaled(face, 2).area), 4 * 32 * 16);
  assert.deepEqual(moved(face, 1, -2).landmarks[0], [25, 6]);
  // What is no number, or larger than anything that fits, is no face.
  for (const wrong of [
    [0.5, 0.25, Infinity, 1],
    [0.5, 0.25, 20, 1],
    [NaN, 0.25, 1, 1],
  ]) {
    assert.equal(facesOfMaps(mapsWith({ ...told, area: wrong }), 0.5).length, 0, `${wrong}`);
  }
  const unsure = { ...mapsWith({ ...told, area }), cls: new Float32Array(6).fill(NaN) };
  assert.equal(facesOfMaps(unsure, 0.5).length, 0);
});

/** A number from -1 to 1 by a counter. */
function number(/** @type {number} */ counter) {
  const mixed = Math.imul(counter ^ (counter >>> 7), 2654435761);
  return (Math.imul(mixed ^ (mixed >>> 15), 2246822519) >>> 16) / 32768 - 1;
}

test("maps full of values give Rust's faces in Rust's order", () => {
  let counter = 0;
  const faces = [8, 16, 32].flatMap((stride) => {
    const [columns, rows] = [160 / stride, 96 / stride];
    const planes = (/** @type {number} */ count, /** @type {number} */ scale, /** @type {number} */ add) =>
      Float32Array.from(
        { length: count * columns * rows },
        () => f32(scale * number((counter += 1))) + f32(add),
      );
    const [cls, obj] = [planes(1, 6, 0), planes(1, 3, 2)];
    const [area, landmarks] = [planes(4, 1, 0.3), planes(10, 2, 0)];
    return facesOfMaps({ stride, columns, cls, obj, area, landmarks }, f32(0.9));
  });
  const found = nonMaximumSuppression(faces, 0.3);
  assert.equal(found.length, fixtures.found.length);
  found.forEach((face, place) =>
    assert.deepEqual(flat(face), fixtures.found[place].map(f32), `face ${place}`),
  );
});

/**
 * Equal but for the last bit: a C library's atan2 of 32 bits is not always the nearest float.
 *
 * @param {Frame} got
 * @param {Frame} want
 */
function assertSame(got, want) {
  const numbers = (/** @type {Frame} */ { middle, side, angle }) => [...middle, side, angle];
  numbers(want).forEach((value, place) => {
    const difference = Math.abs(numbers(got)[place] - value);
    assert.ok(difference <= 2 ** -23 * Math.abs(value), `${JSON.stringify(got)} ${JSON.stringify(want)}`);
  });
}

test("a face has Rust's frame, with and without surroundings", () => {
  for (const { face, frame, around } of fixtures.frames) {
    const found = frameOf(faceOf(face));
    assertSame(found, frame);
    assertSame(withSurroundings(found, { side: 1.4, right: 0.1, down: -0.05 }), around);
  }
});

test("a frame is cut to the bytes that Rust gives", () => {
  for (const { from, frame, to, sum, middle } of fixtures.cut) {
    const rounded = { middle: frame.middle.map(f32), side: f32(frame.side), angle: f32(frame.angle) };
    const photo = cut(picture(from[0], from[1]), rounded, to[0], to[1]);
    const at = 3 * Math.floor(photo.rgb.length / 2 / 3);
    const told = JSON.stringify(frame);
    assert.equal(hex(photo.rgb.subarray(at, at + middle.length / 2)), middle, told);
    assert.equal(checksum(photo.rgb), sum, told);
  }
});

test("a frame is black beyond the photo", () => {
  const photo = new Photo(40, 30, new Uint8Array(40 * 30 * 3).fill(200));
  const beyond = cut(photo, { middle: [0, 0], side: 20, angle: 0 }, 20, 20);
  assert.deepEqual([beyond.rgb[3 * (20 * 15 + 9)], beyond.rgb[3 * (20 * 15 + 12)]], [0, 200]);
  // A frame far larger than memory.
  assert.equal(cut(photo, { middle: [20, 15], side: 1e9, angle: 0 }, 8, 8).rgb.length, 8 * 8 * 3);
});

test("a photo is taken whole only if it was cut so", () => {
  const frame = { middle: /** @type {[number, number]} */ ([50, 50]), side: 100, angle: 0 };
  assert.ok(isWhole(frame, 100, 100) && isWhole(frame, 104, 96));
  assert.ok(!isWhole(frame, 120, 100) && !isWhole(frame, 130, 130));
  assert.ok(!isWhole({ ...frame, side: 80 }, 100, 100));
  assert.ok(!isWhole({ ...frame, middle: [50, 62] }, 100, 100));
  assert.ok(!isWhole({ ...frame, angle: -0.3 }, 100, 100));
});

const INPUT = {
  width: 32,
  height: 32,
  faces: /** @type {"cropped"} */ ("cropped"),
  crop: { side: 1, right: 0, down: 0 },
};

test("faces come from left to right", async () => {
  const faces = [square(30, 10, 0.9), square(0, 20, 0.7)];
  const found = await findFaces(picture(60, 40), { detect: async () => faces });
  assert.deepEqual(found.faces, [faces[1], faces[0]]);
  assert.equal(largestFace(found), faces[1]);
  assert.equal(largestFace({ ...found, faces: [] }), null);
});

test("a face that was cropped before is taken whole, another is cut out", () => {
  const photo = picture(100, 100);
  const whole = faceIn({ middle: [51, 50], side: 104, angle: 0.05 });
  assert.ok(isCropped({ photo, faces: [whole] }, INPUT.crop));
  assert.ok(!isCropped({ photo, faces: [whole, whole] }, INPUT.crop));
  assert.ok(!isCropped({ photo, faces: [whole] }, { side: 1.4, right: 0, down: 0 }));
  const crop = cutFace({ photo, faces: [whole] }, whole, { ...INPUT, width: 100, height: 100 });
  assert.deepEqual(crop.rgb, photo.rgb);
  const small = faceIn({ middle: [40, 60], side: 50, angle: 0.2 });
  const expected = cut(photo, frameOf(small), 32, 32);
  assert.deepEqual(cutFace({ photo, faces: [small] }, small, INPUT).rgb, expected.rgb);
});
