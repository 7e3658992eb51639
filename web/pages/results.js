// Predictions as people read them: a line and bars for each target, and as rows of CSV.

import { className, predictionOf, probabilities, shownNumber } from "../targets.js";
import { create } from "./page.js";

/** @typedef {import("../model.js").Target} Target */

/** Classes that have a bar, at most. */
const SHOWN_CLASSES = 3;

/**
 * A target's prediction: its name, what it is, and a bar; of classes, a bar for each of the likeliest.
 *
 * @param {Target} target
 * @param {ArrayLike<number>} outputs
 * @returns {HTMLElement}
 */
export function targetElement(target, outputs) {
  const { number } = predictionOf(target, outputs);
  if (number !== null) {
    const [low, high] = target.range ?? [0, 0];
    const bar = high > low ? [barElement((number - low) / (high - low))] : [];
    return create("div", { class: "target" }, [
      labelElement(target.name, shownNumber(target, number)),
      ...bar,
    ]);
  }
  const shares = probabilities(outputs);
  const order = shares.map((_, place) => place).sort((a, b) => shares[b] - shares[a]);
  const shown = order.slice(0, shares.length > 2 ? SHOWN_CLASSES : 1);
  const lines = shown.flatMap((place, rank) => {
    const name = className(target, place);
    const share = `${(100 * shares[place]).toFixed(1)}\u00a0%`;
    return [labelElement(rank === 0 ? target.name : "", `${name}, ${share}`), barElement(shares[place])];
  });
  return create("div", { class: "target" }, lines);
}

/**
 * A prediction in few words, for a line in a picture.
 *
 * @param {Target} target
 * @param {ArrayLike<number>} outputs
 */
export function shortText(target, outputs) {
  const { number, class: place } = predictionOf(target, outputs);
  return number !== null ? number.toFixed(0) : className(target, place ?? 0);
}

/**
 * @param {string} name
 * @param {string} value
 */
function labelElement(name, value) {
  return create("div", { class: "label" }, [create("span", { text: name }), create("b", { text: value })]);
}

/** @param {number} share 0 to 1 */
function barElement(share) {
  const filled = create("i", { style: `width:${(100 * Math.min(Math.max(share, 0), 1)).toFixed(1)}%` });
  return create("div", { class: "bar", "aria-hidden": "true" }, [filled]);
}

/**
 * The columns of targets in CSV: as `faceshader predict` has them.
 *
 * @param {Target[]} targets
 */
export function columnsOf(targets) {
  const isSingle = targets.filter(({ kind }) => kind !== "number").length === 1;
  return targets.flatMap(({ kind, name }) =>
    kind === "number" ? [name] : [name, isSingle ? "probability" : `${name}_probability`],
  );
}

/**
 * @param {Target} target
 * @param {ArrayLike<number>} outputs
 * @returns {string[]}
 */
export function cellsOf(target, outputs) {
  const { number, class: place, probability } = predictionOf(target, outputs);
  if (number !== null) return [number.toFixed(2)];
  return [className(target, place ?? 0), (probability ?? 0).toFixed(4)];
}

/**
 * A line of CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP
 * recommends; numbers stay as they are.
 *
 * @param {string[]} cells
 */
export function csvLine(cells) {
  const quoted = cells.map((cell) => {
    const text = /^[=+\-@\t\r\n]/.test(cell) && Number.isNaN(Number(cell)) ? `'${cell}` : cell;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${quoted.join(",")}\r\n`;
}
