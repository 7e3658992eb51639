// The labels of photos for a model's targets: by a table among the files, by UTKFace's names, or by one folder a class.
// See `src/data/labels` and `Records::answer` of `src/data/records.rs`.

import { labelOf, plain } from "./cells.js";
import { CLASS, areInFolders, folderColumns } from "./folders.js";
import { compareNames } from "./names.js";
import { tableColumns } from "./table.js";
import { areUtkface, utkfaceColumns } from "./utkface.js";

/**
 * @typedef {import("../model.js").Target} Target
 *
 * @typedef {{ file: string, reason: string }} Skipped a file that is left out, and why
 *
 * @typedef {object} Columns what is known of photos before it is known what a model asks
 * @property {number[]} kept their places among the names, in ascending order
 * @property {Record<string, (?string)[]>} cells of each column: of each of these photos, null where one is missing
 * @property {?import("./sides.js").Side[]} sides of each of these photos, where folders say them
 * @property {Skipped[]} skipped the other photos
 * @property {string[]} warnings what people should know
 *
 * @typedef {object} Labelled
 * @property {string[]} kept the names of the photos that have a label, sorted
 * @property {Float32Array[]} labels for each target: the label of each of them, NaN where unknown; of classes, their
 *   places among the target's
 * @property {?import("./sides.js").Side[]} sides of each of them, where folders say them
 * @property {string[]} columns for each target: where its labels are from
 * @property {Skipped[]} skipped photos without a label, and labels that cannot be read
 * @property {string[]} warnings what people should know
 */

/**
 * The column that holds a target's labels.
 *
 * @param {Target} target
 * @param {Record<string, unknown>} cells of each column
 * @returns {string | undefined}
 */
function columnOf({ name }, cells) {
  const columns = Object.keys(cells);
  const found =
    columns.find((column) => column === name) ?? columns.find((column) => plain(column) === plain(name));
  // A target that is called `class` is whatever label there is.
  return found ?? (name === CLASS && columns.length === 1 ? columns[0] : undefined);
}

/**
 * The first table that labels the photos for these targets.
 *
 * @param {string[]} names
 * @param {Target[]} targets
 * @param {{ name: string, bytes: Uint8Array }[]} tables
 * @returns {?Columns}
 */
function columnsOfTables(names, targets, tables) {
  for (const table of tables) {
    const found = tableColumns(table, names);
    if (found && targets.every((target) => columnOf(target, found.cells))) return found;
  }
  return null;
}

/**
 * What the photos' names tell.
 *
 * @param {string[]} names
 * @param {Target[]} targets
 * @returns {?Columns}
 */
function columnsOfNames(names, targets) {
  const asksUtkface = targets.every(({ name }) => ["age", "gender", "race"].includes(name));
  if (asksUtkface && areUtkface(names)) return utkfaceColumns(names);
  if (targets.length === 1 && targets[0].kind !== "number" && areInFolders(names))
    return folderColumns(names);
  // A few of many.
  const found = asksUtkface ? utkfaceColumns(names) : null;
  return found && found.kept.length > 0 ? found : null;
}

/**
 * Reads a target's labels; those that cannot be read count as missing.
 *
 * @param {Target} target
 * @param {(?string)[]} cells
 * @returns {{ labels: Float32Array, bad: [number, string][] }} with the samples whose cell is bad, and why
 * @throws where most cells cannot be read
 */
function readLabels(target, cells) {
  /** @type {[number, string][]} */
  const bad = [];
  const labels = Float32Array.from(cells, (cell, sample) => {
    const label = cell === null ? NaN : labelOf(target, cell);
    if (typeof label === "number") return label;
    bad.push([sample, label]);
    return NaN;
  });
  const present = cells.filter((cell) => cell !== null).length;
  if (2 * bad.length > present) {
    const others = `nor can ${bad.length - 1} others of the ${present} labels be read`;
    throw new Error(`${target.name}: ${bad[0][1]}, ${others}`);
  }
  return { labels, bad };
}

/**
 * Labels photos.
 *
 * @param {string[]} names of all photos
 * @param {Target[]} targets
 * @param {{ name: string, bytes: Uint8Array }[]} [tables] CSV and TSV files that are there as well
 * @returns {Labelled}
 * @throws where nothing tells labels for the targets, or most cannot be read
 */
export function labelPhotos(names, targets, tables = []) {
  const sorted = [...names].sort(compareNames);
  const found = columnsOfTables(sorted, targets, tables) ?? columnsOfNames(sorted, targets);
  if (!found) {
    const wanted = targets.map(({ name }) => name).join(" and ");
    throw new Error(
      `nothing tells the labels for ${wanted}: neither the names of the photos (age_gender_race_date), nor their ` +
        `folders, one a class, nor a CSV file with a column of file names and columns for ${wanted}`,
    );
  }
  const columns = targets.map(
    (target) => columnOf(target, found.cells) ?? /* of folders, for a target of any name */ CLASS,
  );
  const read = targets.map((target, place) => readLabels(target, found.cells[columns[place]]));
  const skipped = [...found.skipped];
  const told = new Set();
  for (const [place, { bad }] of read.entries()) {
    for (const [sample, reason] of bad) {
      told.add(sample);
      skipped.push({ file: sorted[found.kept[sample]], reason: `${reason} (${columns[place]})` });
    }
  }
  const known = found.kept.map((_, sample) => read.some(({ labels }) => !Number.isNaN(labels[sample])));
  const isKnown = (/** @type {unknown} */ _, /** @type {number} */ sample) => known[sample];
  for (const [sample, place] of found.kept.entries()) {
    if (!known[sample] && !told.has(sample))
      skipped.push({ file: sorted[place], reason: "the label is empty" });
  }
  return {
    kept: found.kept.filter(isKnown).map((place) => sorted[place]),
    labels: read.map(({ labels }) => labels.filter(isKnown)),
    sides: found.sides && found.sides.filter(isKnown),
    columns,
    skipped: skipped.sort((a, b) => compareNames(a.file, b.file)),
    warnings: found.warnings,
  };
}
