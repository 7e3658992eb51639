// A card for each photo that was chosen: the photo with its faces, and what the model predicts for them.

import { decode } from "../photos.js";
import { drawMarked, drawPhoto } from "./drawing.js";
import { create } from "./page.js";
import { cellsOf, columnsOf, csvLine, shortText, targetElement } from "./results.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("./photo_predictor.js").PhotoPredictor} PhotoPredictor
 * @typedef {import("./photo_predictor.js").PhotoPrediction} PhotoPrediction
 * @typedef {import("../photos.js").Photo} Photo
 */

/** Cards of photos, which are predicted one after the other. */
export class PhotoCards {
  /** Rows of CSV, in the order of the cards. */
  /** @type {Map<HTMLElement, string[][]>} */
  #rows = new Map();
  /** @type {Promise<void>} */
  #last = Promise.resolve();
  #waiting = 0;

  /**
   * @param {HTMLElement} list
   * @param {Model} model
   * @param {PhotoPredictor} predictor
   * @param {() => void} onChange called when a photo was added, predicted or removed
   */
  constructor(list, model, predictor, onChange) {
    this.list = list;
    this.model = model;
    this.predictor = predictor;
    this.onChange = onChange;
  }

  /** Photos so far, and how many of them wait. */
  get counts() {
    return { photos: this.#rows.size, waiting: this.#waiting };
  }

  /**
   * Adds a photo; its prediction comes after those of the photos before it.
   *
   * @param {string} name
   * @param {Blob} blob
   * @returns {Promise<void>} when it is predicted
   */
  add(name, blob) {
    const canvas = create("canvas", { role: "img", "aria-label": `The photo ${name}` });
    const results = create("div", { text: "waiting …", class: "quiet" });
    const body = create("div", { class: "body" }, [create("p", { class: "name", text: name }), results]);
    const card = create("li", { class: "card", "aria-busy": "true" }, [canvas, body]);
    canvas.hidden = true;
    this.list.append(card);
    this.#rows.set(card, []);
    this.#waiting += 1;
    this.onChange();
    this.#last = this.#last.then(async () => {
      if (!this.#rows.has(card)) return;
      try {
        const photo = await decode(blob);
        await this.#predict(card, canvas, results, name, photo, false);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        results.replaceChildren(reason);
        this.#rows.set(card, [[name, ...this.#noFace(), ...this.#empty(), reason]]);
      } finally {
        card.removeAttribute("aria-busy");
        this.#waiting -= 1;
        this.onChange();
      }
    });
    return this.#last;
  }

  /** Removes all cards; photos that wait are not predicted. */
  clear() {
    this.#rows.clear();
    this.list.replaceChildren();
    this.onChange();
  }

  /** All predictions so far as CSV. */
  csv() {
    const face = this.predictor.looksForFaces ? ["face", "x", "y", "width", "height"] : [];
    const header = ["file", ...face, ...columnsOf(this.model.targets), "error"];
    return [header, ...[...this.#rows.values()].flat()].map(csvLine).join("");
  }

  /**
   * @param {HTMLElement} card
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} results
   * @param {string} name
   * @param {Photo} photo
   * @param {boolean} whole
   */
  async #predict(card, canvas, results, name, photo, whole) {
    const { subjects, milliseconds } = await this.predictor.predict(photo, whole);
    const { targets } = this.model;
    const marks = subjects.map(({ face, outputs }) => {
      return { face, text: targets.map((target, place) => shortText(target, outputs[place])).join(", ") };
    });
    await drawMarked(canvas, photo, marks);
    canvas.hidden = false;
    const elements = subjects.map(({ face, seen, outputs }) => {
      const lines = targets.map((target, place) => targetElement(target, outputs[place]));
      if (!face) return create("div", {}, lines);
      const cut = create("canvas", { "aria-hidden": "true" });
      drawPhoto(cut, seen);
      return create("div", { class: "face" }, [cut, create("div", {}, lines)]);
    });
    if (subjects.length === 0) {
      const again = create("button", { type: "button", text: "take the whole photo" });
      again.addEventListener("click", async () => {
        again.disabled = true;
        await this.#predict(card, canvas, results, name, photo, true);
        this.onChange();
      });
      elements.push(create("p", { text: "No face was found." }), again);
    }
    const time = create("div", { class: "quiet small", text: `${milliseconds.toFixed(0)} ms` });
    results.className = "";
    results.replaceChildren(...elements, time);
    const scale = photo.size[0] / photo.width;
    const rows = subjects.map(({ face, outputs }, place) => {
      const box = face
        ? [face.area.x, face.area.y, face.area.width, face.area.height].map((v) => v * scale)
        : [];
      const cells = targets.flatMap((target, branch) => cellsOf(target, outputs[branch]));
      const faceCells = face ? [String(place + 1), ...box.map((value) => value.toFixed(1))] : this.#noFace();
      return [name, ...faceCells, ...cells, ""];
    });
    const none = [[name, ...this.#noFace(), ...this.#empty(), "no face was found"]];
    this.#rows.set(card, rows.length > 0 ? rows : none);
  }

  #noFace() {
    return this.predictor.looksForFaces ? Array(5).fill("") : [];
  }

  #empty() {
    return columnsOf(this.model.targets).map(() => "");
  }
}
