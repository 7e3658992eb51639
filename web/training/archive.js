// The photos that people choose: in zip archives, as single files, or in a folder. Nothing is read before it is asked
// for, but for the archives' tables of contents.

import { cleanPath, compareNames, isHidden, kindOf } from "./names.js";
import { zipEntries } from "./zip.js";

export { zipOf } from "./zip.js";

/**
 * @typedef {import("./labels.js").Skipped} Skipped
 *
 * @typedef {object} Source a file that can be read
 * @property {string} name its path within what was chosen, with `/` between folders
 * @property {() => Promise<Blob>} blob its contents
 *
 * @typedef {object} Listing
 * @property {Source[]} photos sorted by name, no two of the same
 * @property {Source[]} tables CSV and TSV files, sorted by name
 * @property {Skipped[]} skipped files that should be photos and cannot be used
 * @property {number} ignored files that are neither photos nor tables
 */

/**
 * What lies in the chosen files.
 *
 * A single archive's photos have the names that they have in it; those of several begin with the name of theirs. The
 * photos of a folder have their paths below it.
 *
 * @param {File[]} files
 * @returns {Promise<Listing>}
 * @throws where a zip archive is none
 */
export async function listFiles(files) {
  /** @type {(Source & { refused: ?string, isImage?: boolean })[]} */
  const found = [];
  for (const file of files) {
    const isInFolder = Boolean(file.webkitRelativePath);
    const path = isInFolder ? cleanPath(file.webkitRelativePath).replace(/^[^/]*\//, "") : file.name;
    if (isHidden(path)) continue;
    if (!isInFolder && kindOf(path) === "archive") {
      const prefix = files.length > 1 ? `${path}/` : "";
      const entries = await zipEntries(file, path);
      found.push(...entries.map((entry) => ({ ...entry, name: `${prefix}${entry.name}` })));
    } else {
      const isImage = file.type.startsWith("image/");
      found.push({ name: path, refused: null, isImage, blob: async () => file });
    }
  }
  return sorted(found);
}

/**
 * @param {(Source & { refused: ?string, isImage?: boolean })[]} found
 * @returns {Listing}
 */
function sorted(found) {
  /** @type {Listing} */
  const listing = { photos: [], tables: [], skipped: [], ignored: 0 };
  const names = new Set();
  for (const { name, refused, isImage, blob } of found.sort((a, b) => compareNames(a.name, b.name))) {
    const kind = kindOf(name);
    const isPhoto = kind === "photo" || (kind === "other" && isImage);
    const isTwice = names.has(name);
    names.add(name);
    if (kind === "unread photo") {
      listing.skipped.push({ file: name, reason: "browsers do not show it; convert it to JPEG or PNG" });
    } else if (isPhoto && (refused || isTwice)) {
      const twice = "there are two of this name; the first is used";
      listing.skipped.push({ file: name, reason: refused ?? twice });
    } else if (isPhoto) {
      listing.photos.push({ name, blob });
    } else if (kind === "table" && !refused) {
      listing.tables.push({ name, blob });
    } else {
      listing.ignored += 1;
    }
  }
  return listing;
}
