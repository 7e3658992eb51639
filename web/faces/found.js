// A photo with its faces, and how each becomes what a model takes.

import { Photo, resizeWhole } from "../photos.js";
import { areaOf } from "./boxes.js";
import { cut, frameOf, isWhole, withSurroundings } from "./frame.js";

/**
 * @typedef {import("./boxes.js").Face} Face
 * @typedef {import("../model.js").PhotoInput} PhotoInput
 *
 * @typedef {object} Found
 * @property {Photo} photo
 * @property {Face[]} faces in pixels of `photo`, from left to right
 */

/**
 * Looks for the faces of a photo.
 *
 * @param {Photo} photo
 * @param {{ detect: (photo: Photo) => Promise<Face[]> }} detector
 * @returns {Promise<Found>}
 */
export async function findFaces(photo, detector) {
  const faces = await detector.detect(photo);
  return { photo, faces: faces.toSorted((a, b) => a.area.x - b.area.x) };
}

/**
 * Whether the photo shows one face, with as much of its surroundings as the model sees.
 *
 * @param {Found} found
 * @param {PhotoInput["crop"]} crop
 */
export function isCropped({ photo, faces }, crop) {
  return faces.length === 1 && isWhole(withSurroundings(frameOf(faces[0]), crop), photo.width, photo.height);
}

/**
 * A face as a model takes it: cut out as the photos are that it was trained on. A photo that is such a one is taken whole.
 *
 * @param {Found} found
 * @param {Face} face one of its faces
 * @param {PhotoInput} input
 * @returns {Photo}
 */
export function cutFace(found, face, { width, height, crop }) {
  if (isCropped(found, crop)) return resizeWhole(found.photo, width, height);
  return cut(found.photo, withSurroundings(frameOf(face), crop), width, height);
}

/**
 * The largest face; null if there is none.
 *
 * @param {Found} found
 * @returns {?Face}
 */
export function largestFace({ faces }) {
  return faces.toSorted((a, b) => areaOf(b.area) - areaOf(a.area))[0] ?? null;
}
