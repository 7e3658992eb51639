// Width and height of an image by its header, before anything is decoded.

/**
 * @typedef {[number, number]} Size width and height in pixels, as stored: an orientation may swap them
 */

/** @type {Record<string, (view: DataView) => ?Size>} */
const READERS = { JPEG: jpeg, PNG: png, GIF: gif, WebP: webp, BMP: bmp };

/**
 * The size that the header of an image tells; null if it tells none, or if images of this kind are not read.
 *
 * @param {string} kind as `image_kinds.js` has it
 * @param {Uint8Array} bytes of the file: all of a JPEG, of the others the first 30 at least
 * @returns {?Size}
 */
export function sizeOf(kind, bytes) {
  try {
    return READERS[kind]?.(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)) ?? null;
  } catch (error) {
    // The file ends within its header.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * The frame header (ITU-T T.81, B.2.2) is behind any number of other segments.
 *
 * @param {DataView} view
 * @returns {?Size}
 */
function jpeg(view) {
  // The start-of-image marker is known to be there.
  let at = 2;
  for (;;) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)];
    // Bytes of FF may fill the room before a marker.
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
}

/**
 * @param {DataView} view
 * @returns {Size}
 */
function png(view) {
  return [view.getUint32(16), view.getUint32(20)];
}

/**
 * @param {DataView} view
 * @returns {Size}
 */
function gif(view) {
  return [view.getUint16(6, true), view.getUint16(8, true)];
}

/**
 * The three kinds of WebP (RFC 9649): extended, lossless and lossy.
 *
 * @param {DataView} view
 * @returns {?Size}
 */
function webp(view) {
  switch (view.getUint8(15)) {
    case "X".charCodeAt(0):
      return [1 + (view.getUint32(24, true) & 0xffffff), 1 + (view.getUint32(26, true) >>> 8)];
    case "L".charCodeAt(0): {
      const sides = view.getUint32(21, true);
      return [1 + (sides & 0x3fff), 1 + ((sides >>> 14) & 0x3fff)];
    }
    case " ".charCodeAt(0):
      return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
    default:
      return null;
  }
}

/**
 * @param {DataView} view
 * @returns {Size}
 */
function bmp(view) {
  // The first version of the second header has sides of 16 bits. Later ones tell by a negative height that the topmost row
  // comes first.
  if (view.getUint32(14, true) === 12) return [view.getUint16(18, true), view.getUint16(20, true)];
  return [Math.abs(view.getInt32(18, true)), Math.abs(view.getInt32(22, true))];
}
