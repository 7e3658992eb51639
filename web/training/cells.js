// Labels as they are written, and as numbers. See `src/tasks` and `src/data/table.rs`.

/** @typedef {import("../model.js").Target} Target */

/** What spreadsheets and data frames write where there is nothing. */
const MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL"];
/** Classes that a message names. */
const NAMED = 10;

/**
 * A cell without white space around it; null if there is nothing in it.
 *
 * @param {string} cell
 * @returns {?string}
 */
export const cellOf = (cell) => (MISSING.includes(cell.trim()) ? null : cell.trim());

/**
 * A header without capitals and signs.
 *
 * @param {string} header
 */
export const plain = (header) => header.trim().toLowerCase().replace(/[ -]/g, "_");

/**
 * A finite number, as a cell writes it; NaN for anything else.
 *
 * @param {string} cell
 */
function numberOf(cell) {
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? Number(cell) : NaN;
  return Number.isFinite(number) ? number : NaN;
}

/**
 * A cell as a number: of a class, its place among the target's.
 *
 * @param {Target} target
 * @param {string} cell
 * @returns {number | string} a float of 32 bits, or what is wrong with the cell
 */
export function labelOf({ kind, classes, range }, cell) {
  if (kind === "number") {
    const number = Math.fround(numberOf(cell));
    if (!Number.isFinite(number)) return `\`${cell}\` is no number`;
    const within = !range || (number >= range[0] && number <= range[1]);
    return within ? number : `${number} is not between ${range[0]} and ${range[1]}`;
  }
  // Spreadsheets write what they like.
  const rules = [
    (/** @type {string} */ name) => name === cell,
    (/** @type {string} */ name) => lowerAscii(name) === lowerAscii(cell),
    (/** @type {string} */ name) => numberOf(name) === numberOf(cell),
  ];
  const place = rules.map((rule) => classes.findIndex(rule)).find((found) => found >= 0);
  const more = classes.length > NAMED ? ", …" : "";
  return (
    place ?? `the label \`${cell}\` is none of the model's: ${classes.slice(0, NAMED).join(", ")}${more}`
  );
}

/** @param {string} text */
const lowerAscii = (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
