// A few photos that a model does not learn from, with its predictions and their labels.

import { Photo } from "../photos.js";
import { className, predictionOf, shownNumber } from "../targets.js";
import { drawPhoto } from "./drawing.js";
import { create } from "./page.js";

/**
 * @typedef {import("../training/trainer.js").Trainer} Trainer
 * @typedef {import("../model.js").Target} Target
 */

/** Photos that are shown. */
const SHOWN = 8;

/**
 * @param {Trainer} trainer that does not train at the moment
 * @returns {Promise<HTMLElement[]>}
 */
export async function sampleCards(trainer) {
  const { samples, split, photo, targets } = trainer;
  const chosen = split.validation.slice(0, SHOWN);
  const outputs = await trainer.predict(chosen);
  return chosen.map((sample, place) => {
    const canvas = create("canvas", { role: "img", "aria-label": `The photo ${samples.names[sample]}` });
    drawPhoto(canvas, new Photo(photo.width, photo.height, samples.photos[sample]));
    const lines = targets.map((target, branch) => {
      const { number, class: likeliest } = predictionOf(target, outputs[branch][place]);
      const label = samples.labels[branch][sample];
      return create("div", { class: "target" }, [
        create("div", { class: "label" }, [
          create("span", { text: target.name }),
          create("b", { text: words(target, number ?? likeliest ?? NaN) }),
        ]),
        create("div", { class: "label quiet" }, [
          create("span", { text: "label" }),
          create("span", { text: words(target, label) }),
        ]),
      ]);
    });
    return create("li", { class: "card" }, [canvas, create("div", { class: "body" }, lines)]);
  });
}

/**
 * @param {Target} target
 * @param {number} value a number, or the place of a class; NaN where it is unknown
 */
function words(target, value) {
  if (Number.isNaN(value)) return "unknown";
  return target.kind === "number" ? shownNumber(target, value) : className(target, value);
}
