// Labels in a table: a column of file names, and others. See `src/data/labels/csv.rs`.

import { cellOf, plain } from "./cells.js";
import { readSheet } from "./csv.js";
import { baseName, stemOf } from "./names.js";

/** @typedef {import("./labels.js").Columns} Columns */

/** What the column of file names is called, the likeliest first; see `plain`. */
const FILE = "file filename file_name image image_name image_id photo path file_path img name id".split(" ");
/** Rows that a warning names. */
const NAMED = 3;

/**
 * Adds a place under a name; null where several have it.
 *
 * @param {Map<string, ?number>} places
 * @param {string} name
 * @param {number} place
 */
const add = (places, name, place) => places.set(name, places.has(name) ? null : place);

/** Finds photos by what a row calls them: a path, a file name, or one without extension. */
class Finder {
  /** @type {Map<string, ?number>} */
  #byPath = new Map();
  /** @type {Map<string, ?number>} */
  #byBase = new Map();
  /** @type {Map<string, ?number>} */
  #byStem = new Map();

  /** @param {string[]} names */
  constructor(names) {
    this.names = names;
    for (const [place, name] of names.entries()) {
      this.#byPath.set(name, place);
      add(this.#byBase, baseName(name), place);
      add(this.#byStem, stemOf(name), place);
    }
  }

  /**
   * The place of a photo; undefined if there is none, null if it could be any of several.
   *
   * @param {string} name
   * @returns {?number | undefined}
   */
  byFile(name) {
    const path = name.trim().replaceAll("\\", "/").replace(/^\.\//, "");
    const found = this.#byPath.get(name) ?? this.#byPath.get(path) ?? this.#byBase.get(baseName(path));
    return typeof found !== "number" || this.#isWithin(path, this.names[found]) ? found : undefined;
  }

  /**
   * The place of the only photo with this name without its extension.
   *
   * @param {string} name
   */
  byStem(name) {
    return this.#byStem.get(name) ?? undefined;
  }

  /**
   * Whether a row that names folders means a photo: the one path ends in the other.
   *
   * @param {string} row
   * @param {string} photo
   */
  #isWithin(row, photo) {
    return `/${row}`.endsWith(`/${photo}`) || `/${photo}`.endsWith(`/${row.replace(/^\//, "")}`);
  }
}

/**
 * The column that names photos: as it is called, or as it does; -1 if none does.
 *
 * @param {import("./csv.js").Sheet} sheet
 * @param {Finder} finder
 */
function keyColumn({ headers, rows }, finder) {
  const named = FILE.map((usual) => headers.findIndex((header) => plain(header) === usual)).filter(
    (at) => at >= 0,
  );
  // Numbers are names without extension where photos are numbered; labels may be so by chance. These count half, and
  // only of a column that is called like one of names if there is such a column.
  const found = headers.map((_, column) =>
    rows.reduce((score, { fields }) => {
      if (finder.byFile(fields[column]) !== undefined) return score + 2;
      const mayBeStems = named.length === 0 || named.includes(column);
      return mayBeStems && finder.byStem(fields[column]) !== undefined ? score + 1 : score;
    }, 0),
  );
  const most = Math.max(...found);
  return most === 0 ? -1 : (named.find((column) => found[column] === most) ?? found.indexOf(most));
}

/**
 * The columns of a table that labels these photos; null if no column names any of them.
 *
 * @param {{ name: string, bytes: Uint8Array }} table
 * @param {string[]} names
 * @returns {?Columns}
 * @throws where the table cannot be read, or two rows name one photo
 */
export function tableColumns({ name: file, bytes }, names) {
  const sheet = readSheet(file, bytes);
  const finder = new Finder(names);
  const key = keyColumn(sheet, finder);
  if (key < 0) return null;
  /** @type {Map<number, { line: number, fields: string[] }>} */
  const rowOf = new Map();
  const missing = [];
  for (const row of sheet.rows) {
    const name = row.fields[key];
    const place = finder.byFile(name) ?? finder.byStem(name);
    const before = place === undefined ? undefined : rowOf.get(place);
    if (before) {
      const twice = `\`${name}\` has a row already, in line ${before.line}; delete one of the two`;
      throw new Error(`${file} line ${row.line}: ${twice}`);
    }
    if (place === undefined) missing.push(`\`${name}\` (line ${row.line})`);
    else rowOf.set(place, row);
  }
  /** @type {Columns} */
  const found = { kept: [], cells: {}, sides: null, skipped: [], warnings: [] };
  const columns = sheet.headers.flatMap((header, column) => (column === key ? [] : [{ header, column }]));
  for (const { header } of columns) found.cells[header] = [];
  for (const [place, name] of names.entries()) {
    const row = rowOf.get(place);
    if (!row) {
      found.skipped.push({ file: name, reason: `${file} has no row for it` });
      continue;
    }
    found.kept.push(place);
    for (const { header, column } of columns) found.cells[header].push(cellOf(row.fields[column]));
  }
  const told = (/** @type {string[]} */ rows) =>
    `${rows.slice(0, NAMED).join(", ")}${rows.length > NAMED ? ", …" : ""}`;
  if (missing.length > 0) {
    found.warnings.push(`${file}: rows that name no photo: ${missing.length}, such as ${told(missing)}`);
  }
  if (sheet.bad.length > 0) {
    const bad = sheet.bad.map(({ line, reason }) => `line ${line}: ${reason}`);
    found.warnings.push(`${file}: rows that cannot be read: ${bad.length}, such as ${told(bad)}`);
  }
  return found;
}
