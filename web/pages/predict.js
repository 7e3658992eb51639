// A page that predicts: photos that are chosen, dropped, pasted or taken by the camera, or a text.

import { Player } from "../player.js";
import { Predictor } from "../predictor.js";
import { Camera } from "./camera.js";
import { drawMarked } from "./drawing.js";
import { onFiles } from "./file_drop.js";
import {
  create,
  download,
  element,
  embedded,
  embeddedModel,
  openDevice,
  showFacts,
  tellError,
  tellStatus,
} from "./page.js";
import { PhotoCards } from "./photo_cards.js";
import { PhotoPredictor } from "./photo_predictor.js";
import { shortText } from "./results.js";
import { startTextForm } from "./text_form.js";
import { counted } from "./words.js";

/** @typedef {import("../model.js").Model} Model */

/** @param {Model} model */
function about({ name, targets, text, photo }) {
  const names = targets.map((target) => target.name).join(" and ");
  const from = text ? "a text" : photo?.faces && photo.faces !== "whole" ? "the faces in photos" : "photos";
  return `${name} predicts ${names} from ${from}, in this browser.`;
}

/**
 * Everything that photos can come by.
 *
 * @param {Model} model
 * @param {PhotoPredictor} predictor
 */
function startPhotos(model, predictor) {
  element("photos").hidden = false;
  const cards = new PhotoCards(element("cards"), model, predictor, () => {
    const { photos, waiting } = cards.counts;
    const all = counted(photos, "photo");
    element("tools").hidden = photos === 0;
    element("count").textContent = waiting > 0 ? `${photos - waiting} of ${all}` : all;
    // Screen readers speak this, and should not do so for every photo.
    element("done").textContent = waiting === 0 && photos > 0 ? `Predictions for ${all} are there.` : "";
  });
  /** @param {Iterable<File>} files */
  const addAll = (files) => {
    for (const file of files) cards.add(file.name, file);
  };
  onFiles(element("drop"), [element("files")], addAll);
  addEventListener("paste", (event) => addAll(event.clipboardData?.files ?? []));
  element("clear").addEventListener("click", () => {
    cards.clear();
    // The button is hidden now.
    element("files").focus();
  });
  element("csv").addEventListener("click", () => download(`${model.name}.csv`, cards.csv(), "text/csv"));

  const canvas = create("canvas", { class: "live" });
  new Camera(
    (name, blob) => cards.add(name, blob),
    async (photo) => {
      const { subjects, milliseconds } = await predictor.predict(photo);
      const marks = subjects.map(({ face, outputs }) => {
        return {
          face,
          text: model.targets.map((target, place) => shortText(target, outputs[place])).join(", "),
        };
      });
      await drawMarked(canvas, photo, marks);
      const whole = marks.filter(({ face }) => !face).map(({ text }) => text);
      const found = subjects.length === 0 ? "no face" : whole.join("; ");
      const text = [found, `${milliseconds.toFixed(0)} ms`].filter(Boolean).join(", ");
      return [canvas, create("p", { class: "quiet small", text })];
    },
  );
}

async function start() {
  const model = await embeddedModel();
  element("about").textContent = about(model);
  showFacts(model.facts);
  const { device, about: adapter } = await openDevice();
  tellStatus(`Preparing the model on ${adapter} …`);
  const player = new Player(device);
  const predictor = await Predictor.create(player, model, await embedded("weights"));
  device.lost.then(({ message }) => {
    tellError(`The graphics device was lost (${message || "it gave no reason"}). Reload the page to go on.`);
  });
  if (model.text) {
    element("texts").hidden = false;
    startTextForm(model, predictor);
  } else {
    const weights = model.detector.length > 0 ? await embedded("detector-weights") : null;
    startPhotos(model, new PhotoPredictor(player, model, predictor, weights));
  }
  tellStatus("");
  showFacts([...model.facts, ["computed by", adapter]]);
  document.body.dataset.ready = "true";
}

start().catch((error) => {
  tellStatus("");
  tellError(error);
  document.body.dataset.failed = "true";
});
