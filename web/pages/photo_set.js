// The photos that a training learns from: those that people choose, or the drawn faces that travel in the page.

import { decode, resizeWhole } from "../photos.js";
import { listFiles } from "../training/archive.js";
import { hashOf } from "../training/copies.js";
import { labelPhotos } from "../training/labels.js";
import { splitOf } from "../training/split.js";
import { embedded } from "./page.js";
import { counted } from "./words.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../training/batches.js").Samples} Samples
 * @typedef {import("../training/labels.js").Skipped} Skipped
 * @typedef {import("../training/split.js").Split} Split
 *
 * @typedef {object} PhotoSet
 * @property {Samples} samples
 * @property {Split} split
 * @property {string[]} columns for each target: where its labels are from
 * @property {?string} dataPath what was chosen, as people know it; null of the drawn faces
 *
 * @typedef {{ set: PhotoSet, skipped: Skipped[], ignored: number, warnings: string[] }} Loaded with the photos that are
 *   left out, and how many files are neither photos nor tables
 */

/** Bytes that the photos may take, at most: browsers give a tab a few gigabytes. */
const MOST_BYTES = 1.5e9;

/**
 * The photos in files: labelled, decoded, and on their sides.
 *
 * @param {Model} model of a page that trains
 * @param {File[]} files
 * @param {(done: number, all: number) => void} onProgress
 * @returns {Promise<Loaded>}
 * @throws where there are no labels, or too few photos
 */
export async function loadFiles(model, files, onProgress) {
  const { photos, tables, skipped, ignored } = await listFiles(files);
  if (photos.length === 0) {
    throw new Error(
      `there is no photo in what was chosen${ignored > 0 ? `, and ${counted(ignored, "other file")}` : ""}`,
    );
  }
  const sheets = await Promise.all(
    tables.map(async ({ name, blob }) => ({
      name,
      bytes: new Uint8Array(await (await blob()).arrayBuffer()),
    })),
  );
  const labelled = labelPhotos(
    photos.map(({ name }) => name),
    model.targets,
    sheets,
  );
  const loaded = await load(model, photos, labelled, onProgress);
  // A folder's files name it; of single files there is nothing that could be named.
  const [first] = files;
  const path = first.webkitRelativePath ? first.webkitRelativePath.split("/")[0] : first.name;
  loaded.set.dataPath = files.length === 1 || first.webkitRelativePath ? path : "photos";
  loaded.skipped.push(...skipped, ...labelled.skipped);
  return { ...loaded, ignored, warnings: labelled.warnings };
}

/**
 * The drawn faces that travel in the page.
 *
 * @param {Model} model of a page that trains
 * @param {(done: number, all: number) => void} onProgress
 * @returns {Promise<Loaded>}
 */
export async function loadDrawn(model, onProgress) {
  const bytes = await embedded("photos");
  const view = new DataView(bytes.buffer);
  const parts = [];
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at, true);
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  const photos = [];
  for (let place = 0; place + 1 < parts.length; place += 2) {
    const [name, jpeg] = [new TextDecoder().decode(parts[place]), parts[place + 1]];
    photos.push({ name, blob: async () => new Blob([jpeg], { type: "image/jpeg" }) });
  }
  const labelled = labelPhotos(
    photos.map(({ name }) => name),
    model.targets,
  );
  return { ...(await load(model, photos, labelled, onProgress)), ignored: 0, warnings: labelled.warnings };
}

/**
 * @param {Model} model
 * @param {{ name: string, blob: () => Promise<Blob> }[]} all photos, of which some have labels
 * @param {import("../training/labels.js").Labelled} labelled
 * @param {(done: number, all: number) => void} onProgress
 */
async function load({ photo: input, training }, all, { kept: names, labels, sides, columns }, onProgress) {
  if (!input || !training) throw new Error("this page does not train on photos");
  const { width, height } = input;
  const blobs = new Map(all.map(({ name, blob }) => [name, blob]));
  if (names.length * width * height * 3 > MOST_BYTES) {
    const most = Math.floor(MOST_BYTES / (width * height * 3));
    throw new Error(
      `${names.length} photos are too many for a browser's tab; choose at most ${most}, or train by the program`,
    );
  }
  /** @type {Skipped[]} */
  const skipped = [];
  /** @type {number[]} */
  const kept = [];
  /** @type {Uint8Array[]} */
  const photos = [];
  for (const [place, name] of names.entries()) {
    try {
      const blob = await blobs.get(name)?.();
      if (!blob) throw new Error("it is gone");
      photos.push(resizeWhole(await decode(blob), width, height).rgb);
      kept.push(place);
    } catch (error) {
      skipped.push({ file: name, reason: error instanceof Error ? error.message : String(error) });
    }
    onProgress(place + 1, names.length);
  }
  const split = splitOf(names, sides, kept, photos.map(hashOf), training.seed);
  if (split.train.length === 0 || split.validation.length === 0) {
    throw new Error(
      "there must be at least two photos with a label: one to learn from, and one to measure with",
    );
  }
  /** @type {Samples} */
  const samples = {
    names: kept.map((place) => names[place]),
    photos,
    labels: labels.map((ofTarget) => Float32Array.from(kept, (place) => ofTarget[place])),
  };
  return { set: { samples, split, columns, dataPath: /** @type {?string} */ (null) }, skipped };
}
