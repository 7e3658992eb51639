// The detector's looks at a photo, with a network that sees the faces it is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Detector } from "../../web/faces/detector.js";
import { cut, frameOf } from "../../web/faces/frame.js";
import { Photo } from "../../web/photos.js";
import { faceIn, picture } from "./pictures.js";

/**
 * @typedef {import("../../web/faces/boxes.js").Face} Face
 * @typedef {import("../../web/faces/frame.js").Frame} Frame
 */

const PLANS = [
  [160, 160],
  [320, 320],
  [640, 480],
  [480, 640],
  [640, 640],
].map(([width, height]) => ({ width, height, program: /** @type {any} */ (null) }));

/**
 * A runner that sees these faces in one look after the other, and keeps what it was shown.
 *
 * @param {Face[][]} looks faces in pixels of the photo that the network sees
 */
function seeing(looks) {
  /** @type {{ plan: number, rgb: Uint8Array }[]} */
  const shown = [];
  const run = async (/** @type {number} */ plan, /** @type {Uint8Array} */ rgb) => {
    const faces = looks[shown.length];
    shown.push({ plan, rgb });
    /** @type {Record<string, Float32Array>} */
    const maps = {};
    for (const stride of [8, 16, 32]) {
      const [columns, rows] = [PLANS[plan].width / stride, PLANS[plan].height / stride];
      const places = columns * rows;
      const cls = new Float32Array(places).fill(-20);
      const area = new Float32Array(4 * places);
      const kps = new Float32Array(10 * places);
      // Each face is seen by the place of the coarsest map that it has the middle in.
      for (const face of stride === 32 ? faces : []) {
        const { x, y, width, height } = face.area;
        const [centreX, centreY] = [(x + width / 2) / stride, (y + height / 2) / stride];
        const [column, row] = [Math.floor(centreX), Math.floor(centreY)];
        const place = row * columns + column;
        cls[place] = Math.log(face.score ** 2 / (1 - face.score ** 2));
        [centreX - column, centreY - row, Math.log(width / stride), Math.log(height / stride)].forEach(
          (value, plane) => (area[plane * places + place] = value),
        );
        face.landmarks.flat().forEach((at, plane) => {
          kps[plane * places + place] = at / stride - (plane % 2 === 0 ? column : row);
        });
      }
      const obj = new Float32Array(places).fill(40);
      const values = { cls, obj, bbox: area, kps };
      for (const [name, map] of Object.entries(values)) maps[`${name}_${stride}.output`] = map;
    }
    return maps;
  };
  return { run, shown };
}

/** @type {(frame: Frame, score?: number) => Face} */
const seen = (frame, score = 0.9) => ({ ...faceIn(frame), score });

/** @type {(got: Face, frame: Frame, by: number) => void} */
function assertFramed(got, frame, by) {
  const { middle, side, angle } = frameOf(got);
  const differences = [
    middle[0] - frame.middle[0],
    middle[1] - frame.middle[1],
    side - frame.side,
    angle - frame.angle,
  ];
  assert.ok(
    differences.every((difference) => Math.abs(difference) < by),
    `${differences}`,
  );
}

test("an upright face is looked at twice, in the first plan that its photo fits into and closely", async () => {
  const frame = /** @type {Frame} */ ({ middle: [200, 180], side: 100, angle: 0 });
  // In a square of 160 pixels around it, shown with 320.
  const closer = /** @type {Frame} */ ({ middle: [164, 160], side: 210, angle: 0 });
  const runner = seeing([[seen(frame)], [seen(closer)]]);
  const faces = await new Detector(PLANS, runner).detect(picture(500, 400));
  assert.deepEqual(
    runner.shown.map(({ plan }) => plan),
    [2, 1],
  );
  assert.equal(faces.length, 1);
  assertFramed(faces[0], { middle: [202, 180], side: 105, angle: 0 }, 1e-2);
});

test("a large photo is made smaller for the first look only, and faces are told in its own pixels", async () => {
  const photo = picture(1280, 960);
  const runner = seeing([
    [seen({ middle: [200, 180], side: 50, angle: 0 })],
    [seen({ middle: [160, 160], side: 200, angle: 0 })],
  ]);
  const [face] = await new Detector(PLANS, runner).detect(photo);
  assertFramed(face, { middle: [400, 360], side: 100, angle: 0 }, 1e-2);
  const square = cut(photo, { middle: [400, 360], side: 160, angle: 0 }, 320, 320);
  const most = runner.shown[1].rgb.reduce(
    (most, value, at) => Math.max(most, Math.abs(value - square.rgb[at])),
    0,
  );
  assert.ok(most <= 2, `${most}`);
});

test("a small photo lies at the upper left of a black one", async () => {
  const photo = picture(100, 20);
  const runner = seeing([[]]);
  assert.deepEqual(await new Detector(PLANS, runner).detect(photo), []);
  const [{ plan, rgb }] = runner.shown;
  assert.equal(plan, 0);
  assert.deepEqual(rgb.subarray(3 * 160, 3 * 260), photo.rgb.subarray(3 * 100, 3 * 200));
  assert.ok(rgb.subarray(3 * 260, 3 * 320).every((value) => value === 0));
  assert.ok(rgb.subarray(3 * 160 * 20).every((value) => value === 0));
});

test("a photo is shown to the first plan that it fits into", async () => {
  for (const [width, height, plan] of [
    [160, 160, 0],
    [150, 161, 1],
    [640, 480, 2],
    [321, 500, 3],
    [500, 481, 4],
    [640, 641, 4],
  ]) {
    const runner = seeing([[]]);
    await new Detector(PLANS, runner).detect(new Photo(width, height));
    assert.equal(runner.shown[0].plan, plan, `${width}x${height}`);
  }
});

test("a face that a closer look does not find there is none", async () => {
  const frame = /** @type {Frame} */ ({ middle: [200, 180], side: 100, angle: 0 });
  for (const closer of [
    [],
    [seen({ middle: [40, 40], side: 60, angle: 0 })],
    [seen({ middle: [160, 160], side: 200, angle: 0 }, 0.6)],
  ]) {
    const faces = await new Detector(PLANS, seeing([[seen(frame)], closer])).detect(picture(500, 400));
    assert.deepEqual(faces, []);
  }
});

test("a tilted face is looked at once more, upright, and has the landmarks that are seen there", async () => {
  const frame = /** @type {Frame} */ ({ middle: [200, 180], side: 100, angle: 0.3 });
  const closer = seen({ middle: [160, 160], side: 200, angle: 0.3 });
  const upright = seen({ middle: [160, 160], side: 200, angle: 0.1 });
  const runner = seeing([[seen(frame)], [closer], [upright]]);
  const photo = picture(500, 400);
  const [face] = await new Detector(PLANS, runner).detect(photo);
  const shown = [0, 0.3].map((angle) => cut(photo, { middle: frame.middle, side: 160, angle }, 320, 320));
  assert.equal(runner.shown.length, 3);
  shown.forEach(({ rgb }, place) => {
    const differences = rgb.map((value, at) => Math.abs(value - runner.shown[place + 1].rgb[at]));
    assert.ok(
      differences.reduce((sum, difference) => sum + difference, 0) / rgb.length < 0.5,
      `look ${place + 1}`,
    );
  });
  assertFramed(face, { ...frame, angle: 0.4 }, 1e-2);
  // One that lies elsewhere is another face.
  const beside = seen({ middle: [230, 160], side: 200, angle: 0.1 });
  const [kept] = await new Detector(PLANS, seeing([[seen(frame)], [closer], [beside]])).detect(
    picture(500, 400),
  );
  assertFramed(kept, frame, 1e-2);
});

test("a detector without the square of a closer look is refused", () => {
  assert.throws(() => new Detector([PLANS[0], PLANS[4]], seeing([])), /320 and 640 pixels/);
});
