// The results of each epoch as a table.

import { totalLoss } from "../training/results.js";
import { create } from "./page.js";
import { shownDigits } from "./words.js";

/**
 * @typedef {import("../model.js").Target} Target
 * @typedef {import("../training/results.js").Epoch} Epoch
 */

/**
 * @param {Target[]} targets
 * @param {Epoch[]} epochs those that are done
 * @param {?number} best the epoch with the least validation loss, from 1
 * @returns {HTMLElement}
 */
export function resultsTable(targets, epochs, best) {
  /**
   * @param {Target} target
   * @param {number} metric
   */
  const shown = ({ kind }, metric) =>
    kind === "number" ? shownDigits(metric, 4) : `${(100 * metric).toFixed(1)} %`;
  const titles = targets.flatMap(({ metric_title: title }) => [`train ${title}`, `val ${title}`]);
  const header = ["epoch", "train loss", "val loss", ...titles, "seconds"];
  const rows = epochs.map(({ epoch, train, validation, seconds }) => [
    epoch === best ? `${epoch} (best)` : String(epoch),
    shownDigits(totalLoss(train), 5),
    shownDigits(totalLoss(validation), 5),
    ...targets.flatMap((target, place) => [
      shown(target, train[place].metric),
      shown(target, validation[place].metric),
    ]),
    seconds.toFixed(1),
  ]);
  const cells = (/** @type {string[]} */ texts) => texts.map((text) => create("td", { text }));
  return create("table", {}, [
    create("thead", {}, [
      create(
        "tr",
        {},
        header.map((text) => create("th", { scope: "col", text })),
      ),
    ]),
    create(
      "tbody",
      {},
      rows.map((row) => create("tr", {}, cells(row))),
    ),
  ]);
}
