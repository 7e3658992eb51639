// Pictures by a formula, which a program in Rust can draw as well, checksums of them, and made-up faces.
import { pointOf } from "../../web/faces/frame.js";
import { Photo } from "../../web/photos.js";

/** @type {(at: number) => number} */
const wave = (at) => Math.min(at % 192, 191 - (at % 192));

/**
 * Noise on waves: of channel c of pixel (x, y), in wrapping integers of 32 bits,
 * `wave(3x + y) + wave(x + 2y + 40c) + (2654435761 (73856093x ^ 19349663y ^ 83492791(c + 1)) >> 26)`.
 *
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {Photo}
 */
export function picture(width, height) {
  const photo = new Photo(width, height);
  photo.rgb.forEach((_, at) => {
    const channel = at % 3;
    const x = ((at - channel) / 3) % width;
    const y = Math.floor(at / 3 / width);
    const mixed = Math.imul(x, 73856093) ^ Math.imul(y, 19349663) ^ Math.imul(channel + 1, 83492791);
    photo.rgb[at] = wave(3 * x + y) + wave(x + 2 * y + 40 * channel) + (Math.imul(mixed, 2654435761) >>> 26);
  });
  return photo;
}

/**
 * FNV-1a of 32 bits.
 *
 * @param {Uint8Array} bytes
 */
export function checksum(bytes) {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 16777619), 2166136261) >>> 0;
}

/** @type {(bytes: Uint8Array) => string} */
export const hex = (bytes) => Buffer.from(bytes).toString("hex");

/** The mean landmarks that `web/faces/frame.js` has. */
const MEAN = [
  [0.2896, 0.2864],
  [0.6888, 0.2872],
  [0.4832, 0.5185],
  [0.3157, 0.6781],
  [0.6598, 0.6792],
];

/**
 * A face whose landmarks a frame shows as training photos do.
 *
 * @param {import("../../web/faces/frame.js").Frame} frame
 * @returns {import("../../web/faces/boxes.js").Face}
 */
export function faceIn(frame) {
  const side = frame.side / 1.0376;
  const [x, y] = frame.middle.map((middle) => middle - side / 2);
  return {
    area: { x, y, width: side, height: side },
    landmarks: MEAN.map(([u, v]) => pointOf(frame, [(u - 0.5) * frame.side, (v - 0.5) * frame.side])),
    score: 1,
  };
}
