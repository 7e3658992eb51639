// Resizes pixels, with the same bytes as the crate image 0.25 gives in the program.

/**
 * @typedef {object} Pixels
 * @property {number} width in pixels
 * @property {number} height in pixels
 * @property {Uint8Array} rgb height x width x 3 bytes
 */

// Rust computes in floats of 32 bits, and rounds after every operation.
const f32 = Math.fround;

/**
 * The weights of a triangle filter along one axis: `weights[t * taps + k]` is that of source pixel `first[t] + k` for
 * target pixel t. Pixels further away have the weight 0.
 *
 * @typedef {object} Filter
 * @property {number} taps weights a target pixel
 * @property {Uint32Array} first source pixel of each target pixel
 * @property {Float32Array} weights target pixels x taps
 */

/**
 * @param {number} from extent of the source, in pixels
 * @param {number} to extent of the target, in pixels
 * @returns {Filter}
 */
function triangleFilter(from, to) {
  const ratio = f32(from / to);
  const support = Math.max(1, ratio);
  const taps = Math.min(from, Math.ceil(2 * support) + 2);
  const first = new Uint32Array(to);
  const weights = new Float32Array(to * taps);
  for (let target = 0; target < to; target += 1) {
    const middle = f32((target + 0.5) * ratio);
    const left = Math.min(Math.max(Math.floor(f32(middle - support)), 0), from - 1);
    const right = Math.min(Math.max(Math.ceil(f32(middle + support)), left + 1), from);
    // All taps lie within the source, those behind `right` with the weight 0.
    first[target] = Math.min(left, from - taps);
    const begin = target * taps - first[target];
    let sum = 0;
    for (let source = left; source < right; source += 1) {
      const distance = Math.abs(f32(f32(source - f32(middle - 0.5)) / support));
      const weight = distance < 1 ? f32(1 - distance) : 0;
      weights[begin + source] = weight;
      sum = f32(sum + weight);
    }
    for (let source = left; source < right; source += 1) weights[begin + source] /= sum;
  }
  return { taps, first, weights };
}

/**
 * Resizes by a triangle filter, first along y, then along x. This does not keep the aspect ratio.
 *
 * @param {Pixels} pixels at least one
 * @param {number} width of the target, in pixels
 * @param {number} height of the target, in pixels
 * @returns {Uint8Array} height x width x 3 bytes
 */
export function resize(pixels, width, height) {
  if (pixels.width === width && pixels.height === height) return pixels.rgb.slice();
  const rows = triangleFilter(pixels.height, height);
  const columns = triangleFilter(pixels.width, width);
  const rgb = new Uint8Array(height * width * 3);
  const row = new Float32Array(pixels.width * 3);
  for (let y = 0; y < height; y += 1) {
    sumRows(pixels, rows, y, row);
    sumColumns(row, columns, rgb.subarray(y * width * 3, (y + 1) * width * 3));
  }
  return rgb;
}

/**
 * One row of the target, still as wide as the source.
 *
 * @param {Pixels} pixels
 * @param {Filter} filter along y
 * @param {number} y row of the target
 * @param {Float32Array} row width x 3 sums
 */
function sumRows({ rgb }, { taps, first, weights }, y, row) {
  const length = row.length;
  row.fill(0);
  // Two source rows at a time, which halves the traffic of the sums; they are added one after the other as in Rust.
  for (let tap = 0; tap < taps; tap += 2) {
    const upper = weights[y * taps + tap];
    const lower = tap + 1 < taps ? weights[y * taps + tap + 1] : 0;
    if (upper === 0 && lower === 0) continue;
    const begin = (first[y] + tap) * length;
    const below = lower === 0 ? begin : begin + length;
    for (let at = 0; at < length; at += 1) {
      const sum = f32(row[at] + f32(rgb[begin + at] * upper));
      row[at] = f32(sum + f32(rgb[below + at] * lower));
    }
  }
}

/**
 * Narrows or widens a row to the target's width.
 *
 * @param {Float32Array} row source width x 3
 * @param {Filter} filter along x
 * @param {Uint8Array} rgb target width x 3
 */
function sumColumns(row, { taps, first, weights }, rgb) {
  for (let x = 0; x < first.length; x += 1) {
    let [red, green, blue] = [0, 0, 0];
    for (let tap = 0; tap < taps; tap += 1) {
      const weight = weights[x * taps + tap];
      const at = (first[x] + tap) * 3;
      red = f32(red + f32(row[at] * weight));
      green = f32(green + f32(row[at + 1] * weight));
      blue = f32(blue + f32(row[at + 2] * weight));
    }
    rgb[3 * x] = rounded(red);
    rgb[3 * x + 1] = rounded(green);
    rgb[3 * x + 2] = rounded(blue);
  }
}

/**
 * A value that is not negative as a byte, halves upwards.
 *
 * @param {number} value
 */
export function rounded(value) {
  return Math.min(255, Math.floor(value + 0.5));
}

/**
 * The source pixels that the target pixels of a smaller photo are the means of, along one axis.
 *
 * @typedef {object} Spans
 * @property {Uint32Array} first source pixel of each target pixel
 * @property {Uint32Array} end the source pixel behind the last one
 */

/**
 * @param {number} from extent of the source, in pixels
 * @param {number} to extent of the target, at most as large
 * @returns {Spans}
 */
export function spans(from, to) {
  const ratio = f32(from / to);
  const [first, end] = [new Uint32Array(to), new Uint32Array(to)];
  for (let target = 0; target < to; target += 1) {
    const begin = f32(target * ratio);
    first[target] = Math.min(Math.ceil(begin), from - 1);
    end[target] = Math.min(Math.max(Math.ceil(f32(begin + ratio)), first[target] + 1), from);
  }
  return { first, end };
}

/**
 * Computes a row of a smaller photo as means of rectangles of source pixels: faster than a filter, and good enough for
 * very large photos.
 *
 * @param {Uint8ClampedArray} rgba rows of the source, from `top` on
 * @param {number} top
 * @param {Spans} rows
 * @param {number} y row of the target
 * @param {Spans} columns
 * @param {number} sourceWidth
 * @param {Uint8Array} rgb target width x 3
 */
export function averageRow(rgba, top, rows, y, columns, sourceWidth, rgb) {
  const [first, end] = [rows.first[y] - top, rows.end[y] - top];
  for (let x = 0; x < columns.first.length; x += 1) {
    const [left, right] = [columns.first[x], columns.end[x]];
    let [red, green, blue] = [0, 0, 0];
    for (let row = first; row < end; row += 1) {
      for (let at = 4 * (row * sourceWidth + left); at < 4 * (row * sourceWidth + right); at += 4) {
        red += rgba[at];
        green += rgba[at + 1];
        blue += rgba[at + 2];
      }
    }
    const count = (right - left) * (end - first);
    const half = Math.floor(count / 2);
    rgb[3 * x] = (red + half) / count;
    rgb[3 * x + 1] = (green + half) / count;
    rgb[3 * x + 2] = (blue + half) / count;
  }
}
