// The chosen files that a training does not learn from, with the reasons.

import { create, element } from "./page.js";
import { counted } from "./words.js";

/** Files that are named. */
const NAMED = 200;

/**
 * @param {import("../training/labels.js").Skipped[]} skipped
 * @param {number} ignored files that are neither photos nor tables
 */
export function showLeftOut(skipped, ignored) {
  const left =
    ignored > 0 ? `; ${counted(ignored, "file")} ${ignored === 1 ? "is no photo" : "are no photos"}` : "";
  element("skipped").hidden = skipped.length === 0 && ignored === 0;
  element("skipped").querySelector("summary").textContent =
    `${counted(skipped.length, "photo")} left out${left}`;
  const rows = skipped
    .slice(0, NAMED)
    .map(({ file, reason }) =>
      create("tr", {}, [create("td", { text: file }), create("td", { text: reason })]),
    );
  element("skipped")
    .querySelector("tbody")
    .replaceChildren(...rows);
}
