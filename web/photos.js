// From the bytes of an image file to RGB pixels, by the browser's own decoders.

import { HEAD_BYTES, isWholeJpeg, kindOf } from "./image_kinds.js";
import { sizeOf } from "./image_sizes.js";
import { averageRow, resize, spans } from "./resize.js";

/** The shorter side, in pixels, below which a photo cannot show a face. */
const MIN_SIDE = 8;
/** The longer side, in pixels, above which a photo is taken for a decompression bomb. */
const MAX_SIDE = 16_384;
/** Width times height above which a photo is taken for a decompression bomb. */
const MAX_PIXELS = 128 * 2 ** 20;
/** The longer side of a decoded photo, in pixels, at most. */
const MAX_WHOLE_SIDE = 3000;
/** Pixels that are read from the browser's bitmap at a time: some browsers have no larger canvas. */
const STRIP_PIXELS = 2 ** 22;

/** Pixels, RGB. */
export class Photo {
  /**
   * @param {number} width in pixels
   * @param {number} height in pixels
   * @param {Uint8Array} [rgb] height x width x 3 bytes; black if not given
   * @param {[number, number]} [size] width and height that it had, in pixels, if it was made smaller
   */
  constructor(width, height, rgb = new Uint8Array(height * width * 3), size = [width, height]) {
    this.width = width;
    this.height = height;
    this.rgb = rgb;
    this.size = size;
  }
}

/** A file is no photo or cannot be decoded; the message says why, and what to do where something can be done. */
export class PhotoError extends Error {}

/**
 * Decodes a photo. The EXIF orientation is applied, transparent pixels are shown over black, colour profiles are ignored,
 * and of an animation the first frame counts. A photo with a side of more than 3,000 pixels is reduced to that.
 *
 * @param {Blob} blob a file, or part of an archive
 * @returns {Promise<Photo>}
 * @throws {PhotoError}
 */
export async function decode(blob) {
  let bytes = new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer());
  const { image, type, problem } = kindOf(bytes);
  if (image === null) throw new PhotoError(problem);
  if (image === "JPEG") {
    bytes = new Uint8Array(await blob.arrayBuffer());
    if (!isWholeJpeg(bytes)) throw new PhotoError("the JPEG is cut short");
  }
  // A browser takes the memory for all pixels at once, also if the file is small.
  const size = sizeOf(image, bytes);
  if (size) checkSize(...size);
  const bitmap = await toBitmap(blob.slice(0, blob.size, type), image);
  try {
    return read(bitmap);
  } finally {
    bitmap.close();
  }
}

/**
 * @param {Blob} blob of the type that its content has
 * @param {string} kind of image
 */
async function toBitmap(blob, kind) {
  try {
    return await createImageBitmap(blob, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    if (["HEIC", "AVIF", "TIFF"].includes(kind)) {
      throw new PhotoError(`this browser does not read ${kind} images; convert it to JPEG or PNG`);
    }
    throw new PhotoError(
      `a damaged ${kind}, or one that this browser cannot read or hold; save it anew as JPEG or PNG`,
    );
  }
}

/**
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @throws {PhotoError}
 */
function checkSize(width, height) {
  const size = `${width}x${height} pixels`;
  if (Math.min(width, height) < MIN_SIDE) throw new PhotoError(`${size}: too small to show a face`);
  if (Math.max(width, height) > MAX_SIDE || width * height > MAX_PIXELS) {
    throw new PhotoError(`${size}: too big; make it smaller`);
  }
}

/**
 * @param {ImageBitmap} bitmap
 * @returns {Photo}
 */
function read(bitmap) {
  // Some kinds of images tell no size before they are decoded.
  checkSize(bitmap.width, bitmap.height);
  const [width, height] = wholeSize(bitmap.width, bitmap.height);
  const [columns, rows] = [spans(bitmap.width, width), spans(bitmap.height, height)];
  const photo = new Photo(width, height, undefined, [bitmap.width, bitmap.height]);
  const stripRows = Math.max(1, Math.floor(STRIP_PIXELS / bitmap.width));
  for (let y = 0; y < height;) {
    const top = rows.first[y];
    let end = y + 1;
    while (end < height && rows.end[end] - top <= stripRows) end += 1;
    const strip = readRows(bitmap, top, rows.end[end - 1]);
    for (; y < end; y += 1) {
      const rgb = photo.rgb.subarray(y * width * 3, (y + 1) * width * 3);
      averageRow(strip, top, rows, y, columns, bitmap.width, rgb);
    }
  }
  return photo;
}

/**
 * @param {ImageBitmap} bitmap
 * @param {number} top
 * @param {number} end the row behind the last one
 * @returns {Uint8ClampedArray} RGBA, over black
 */
function readRows(bitmap, top, end) {
  const canvas = new OffscreenCanvas(bitmap.width, end - top);
  // Without an alpha channel it begins as black.
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  if (!context)
    throw new PhotoError("the browser has no memory for it; close other tabs, or make it smaller");
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, -top);
  return context.getImageData(0, 0, canvas.width, canvas.height).data;
}

/**
 * Width and height, in pixels, that a photo of this size is decoded to.
 *
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {[number, number]}
 */
export function wholeSize(width, height) {
  const shrink = Math.min(1, MAX_WHOLE_SIDE / Math.max(width, height));
  return [Math.round(width * shrink), Math.round(height * shrink)];
}

/**
 * The whole photo, resized to `width` x `height`. This does not keep the aspect ratio.
 *
 * @param {Photo} photo
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {Photo}
 */
export function resizeWhole(photo, width, height) {
  return new Photo(width, height, resize(photo, width, height));
}
