// Photos on canvases, with boxes around faces.

/**
 * @typedef {import("../photos.js").Photo} Photo
 * @typedef {import("../faces/boxes.js").Face} Face
 */

/** The longer side of a photo that is shown, in pixels, at most: about twice the width of a card. */
const SHOWN_SIDE = 640;

/**
 * A photo as RGBA.
 *
 * @param {Photo} photo
 */
export function imageData({ width, height, rgb }) {
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from];
    rgba[to + 1] = rgb[from + 1];
    rgba[to + 2] = rgb[from + 2];
  }
  return new ImageData(rgba, width, height);
}

/**
 * Draws a photo as it is.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Photo} photo
 */
export function drawPhoto(canvas, photo) {
  canvas.width = photo.width;
  canvas.height = photo.height;
  canvas.getContext("2d")?.putImageData(imageData(photo), 0, 0);
}

/**
 * Draws a photo, not larger than it is shown, with a box and a text for each face.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Photo} photo
 * @param {{ face: ?Face, text: string }[]} marks
 */
export async function drawMarked(canvas, photo, marks) {
  const bitmap = await createImageBitmap(imageData(photo));
  const factor = Math.min(1, SHOWN_SIDE / Math.max(photo.width, photo.height));
  canvas.width = Math.max(1, Math.round(photo.width * factor));
  canvas.height = Math.max(1, Math.round(photo.height * factor));
  const context = canvas.getContext("2d");
  if (!context) return;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const line = Math.max(2, canvas.width / 250);
  const letters = Math.max(13, canvas.width / 32);
  context.font = `600 ${letters}px system-ui, sans-serif`;
  context.textBaseline = "top";
  for (const { face, text } of marks) {
    if (!face) continue;
    const [x, y, width, height] = [face.area.x, face.area.y, face.area.width, face.area.height].map(
      (value) => value * factor,
    );
    context.lineWidth = 2 * line;
    context.strokeStyle = "rgb(0 0 0 / 0.55)";
    context.strokeRect(x, y, width, height);
    context.lineWidth = line;
    context.strokeStyle = "#56b4e9";
    context.strokeRect(x, y, width, height);
    // Below the face if there is no room above it.
    const room = letters * 1.35;
    const textWidth = context.measureText(text).width + letters * 0.6;
    const left = Math.min(Math.max(x - line, 0), Math.max(0, canvas.width - textWidth));
    const top = y > room ? y - room : Math.min(y + height, canvas.height - room);
    context.fillStyle = "rgb(0 0 0 / 0.72)";
    context.fillRect(left, top, textWidth, room);
    context.fillStyle = "#fff";
    context.fillText(text, left + letters * 0.3, top + letters * 0.2);
  }
}

/**
 * What a canvas shows, as a compressed image: a page holds thousands of these, but not thousands of canvases.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
export function compressed(canvas) {
  return new Promise((finish, fail) => {
    const take = (/** @type {?Blob} */ blob) =>
      blob ? finish(blob) : fail(new Error("the browser has no memory for the picture"));
    canvas.toBlob(take, "image/jpeg", 0.9);
  });
}
