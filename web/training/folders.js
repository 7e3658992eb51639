// One folder a class, with folders `train`, `val` and `test` above them or not. See `src/data/labels/folders.rs`.

import { sideNamed } from "./sides.js";

/** The column that the names of folders make. */
export const CLASS = "class";

/**
 * Where photos lie below the folders that all have in common.
 *
 * @param {string[]} names
 * @returns {{ side?: import("./sides.js").Side, folder?: string }[]}
 */
function placesOf(names) {
  const folders = names.map((name) => name.split("/").slice(0, -1));
  const first = folders[0] ?? [];
  // What an archive holds lies in a folder of its own, most often.
  const differs = first.findIndex((folder, depth) => folders.some((parts) => parts[depth] !== folder));
  const common = differs < 0 ? first.length : differs;
  const below = (/** @type {string[]} */ parts) => sideNamed(parts[common] ?? "");
  // Of sides that hold classes, there are two or more; one folder `train` may as well be a class, of railways.
  const holding = folders.filter((parts) => parts.length > common + 1).flatMap((parts) => below(parts) ?? []);
  const hasSides = new Set(holding).size > 1 || folders.every((parts) => below(parts));
  return folders.map((parts) => {
    if (!hasSides) return { folder: parts[common] };
    const side = below(parts);
    return { side, folder: side && parts[common + 1] };
  });
}

/**
 * Whether photos lie in two class folders or more.
 *
 * @param {string[]} names
 */
export const areInFolders = (names) =>
  new Set(placesOf(names).flatMap(({ folder }) => folder ?? [])).size > 1;

/**
 * The column of the folders' names; photos that lie in no folder of a class are skipped.
 *
 * @param {string[]} names
 * @returns {import("./labels.js").Columns}
 */
export function folderColumns(names) {
  /** @type {import("./labels.js").Columns} */
  const found = { kept: [], cells: { [CLASS]: [] }, sides: null, skipped: [], warnings: [] };
  /** @type {import("./sides.js").Side[]} */
  const sides = [];
  for (const [place, { side, folder }] of placesOf(names).entries()) {
    if (folder === undefined) {
      found.skipped.push({ file: names[place], reason: "it lies in no folder of a class" });
      continue;
    }
    found.kept.push(place);
    found.cells[CLASS].push(folder);
    if (side) sides.push(side);
  }
  if (sides.length > 0 && sides.length === found.kept.length) found.sides = sides;
  return found;
}
