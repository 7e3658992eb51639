// A card for each photo that was chosen: the photo with its faces, and what the model predicts for them.

import { decode } from "../photos.js";
import { compressed, drawMarked, drawPhoto } from "./drawing.js";
import { create } from "./page.js";
import { cellsOf, columnsOf, csvLine, shortText, targetElement } from "./results.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("./photo_predictor.js").PhotoPredictor} PhotoPredictor
 * @typedef {import("./photo_predictor.js").PhotoPrediction} PhotoPrediction
 * @typedef {import("../photos.js").Photo} Photo
 *
 * @typedef {object} Card
 * @property {string} name of the photo
 * @property {Blob} blob the file: pixels are decoded anew when they are needed again
 * @property {HTMLElement} element
 * @property {HTMLElement} results
 * @property {string[]} urls of the pictures that it shows
 * @property {string[][]} rows of CSV; none until it is predicted
 * @property {boolean} isDone
 */

/** Cards of photos, which are predicted one after the other. */
export class PhotoCards {
  /** In the order of the page. A card that is not here any more was removed, also if it is being predicted. */
  /** @type {Set<Card>} */
  #cards = new Set();
  /** @type {Promise<void>} */
  #last = Promise.resolve();
  /** @type {HTMLCanvasElement} */
  #sketch = create("canvas");

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
    const waiting = [...this.#cards].filter(({ isDone }) => !isDone).length;
    return { photos: this.#cards.size, waiting };
  }

  /**
   * Adds a photo; its prediction comes after those of the photos before it.
   *
   * @param {string} name
   * @param {Blob} blob
   */
  add(name, blob) {
    const results = create("div", { text: "waiting …", class: "quiet" });
    const body = create("div", { class: "body" }, [create("p", { class: "name", text: name }), results]);
    const element = create("li", { class: "card", tabindex: "-1" }, [body]);
    /** @type {Card} */
    const card = { name, blob, element, results, urls: [], rows: [], isDone: false };
    this.list.append(element);
    this.#cards.add(card);
    this.#enqueue(card, false);
  }

  /** Removes all cards; photos that wait are not predicted. */
  clear() {
    for (const { urls } of this.#cards) urls.forEach((url) => URL.revokeObjectURL(url));
    this.#cards.clear();
    this.list.replaceChildren();
    this.onChange();
  }

  /** All predictions so far as CSV. */
  csv() {
    const face = this.predictor.looksForFaces ? ["face", "x", "y", "width", "height"] : [];
    const header = ["file", ...face, ...columnsOf(this.model.targets), "error"];
    return [header, ...[...this.#cards].flatMap(({ rows }) => rows)].map(csvLine).join("");
  }

  /**
   * @param {Card} card
   * @param {boolean} whole whether the photo is taken whole, although the model is one for faces
   */
  #enqueue(card, whole) {
    card.isDone = false;
    card.element.setAttribute("aria-busy", "true");
    this.onChange();
    this.#last = this.#last.then(async () => {
      if (!this.#cards.has(card)) return;
      try {
        await this.#predict(card, whole);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        card.results.replaceChildren(reason);
        card.rows = [this.#rowWithout(card, reason)];
      }
      if (!this.#cards.has(card)) return;
      card.isDone = true;
      card.element.removeAttribute("aria-busy");
      this.onChange();
    });
  }

  /**
   * @param {Card} card
   * @param {boolean} whole
   */
  async #predict(card, whole) {
    const photo = await decode(card.blob);
    if (!this.#cards.has(card)) return;
    const prediction = await this.predictor.predict(photo, whole);
    if (!this.#cards.has(card)) return;
    const pictures = await this.#pictures(photo, prediction);
    if (!this.#cards.has(card)) return;
    this.#show(card, prediction, pictures);
    const rows = this.#rows(card, photo, prediction);
    card.rows = rows.length > 0 ? rows : [this.#rowWithout(card, "no face was found")];
  }

  /**
   * The photo with its faces marked, and each face as the model saw it.
   *
   * @param {Photo} photo
   * @param {PhotoPrediction} prediction
   * @returns {Promise<Blob[]>}
   */
  async #pictures(photo, { subjects }) {
    const { targets } = this.model;
    const marks = subjects.map(({ face, outputs }) => {
      return { face, text: targets.map((target, place) => shortText(target, outputs[place])).join(", ") };
    });
    await drawMarked(this.#sketch, photo, marks);
    const pictures = [await compressed(this.#sketch)];
    for (const { face, seen } of subjects) {
      if (!face) continue;
      drawPhoto(this.#sketch, seen);
      pictures.push(await compressed(this.#sketch));
    }
    return pictures;
  }

  /**
   * @param {Card} card
   * @param {PhotoPrediction} prediction
   * @param {Blob[]} pictures
   */
  #show(card, { subjects, milliseconds }, [marked, ...faces]) {
    const { targets } = this.model;
    card.urls.forEach((url) => URL.revokeObjectURL(url));
    card.urls = [marked, ...faces].map((picture) => URL.createObjectURL(picture));
    const [photoUrl, ...faceUrls] = card.urls;
    const elements = subjects.map(({ face, outputs }, place) => {
      const lines = targets.map((target, branch) => targetElement(target, outputs[branch]));
      if (!face) return create("div", {}, lines);
      const cut = create("img", { src: faceUrls[place], alt: "" });
      return create("div", { class: "face" }, [cut, create("div", {}, lines)]);
    });
    if (subjects.length === 0) {
      const again = create("button", { type: "button", text: "take the whole photo" });
      again.addEventListener("click", () => {
        again.disabled = true;
        this.#enqueue(card, true);
        // The button goes away with the results that it is part of.
        card.element.focus();
      });
      elements.push(create("p", { text: "No face was found." }), create("p", {}, [again]));
    }
    const time = create("div", { class: "quiet small", text: `${milliseconds.toFixed(0)} ms` });
    card.results.className = "";
    card.results.replaceChildren(...elements, time);
    card.element.querySelector(":scope > img")?.remove();
    card.element.prepend(create("img", { src: photoUrl, alt: `The photo ${card.name}` }));
  }

  /**
   * @param {Card} card
   * @param {Photo} photo
   * @param {PhotoPrediction} prediction
   */
  #rows({ name }, photo, { subjects }) {
    const scale = photo.size[0] / photo.width;
    return subjects.map(({ face, outputs }, place) => {
      const box = face
        ? [face.area.x, face.area.y, face.area.width, face.area.height].map((v) => v * scale)
        : [];
      const cells = this.model.targets.flatMap((target, branch) => cellsOf(target, outputs[branch]));
      const faceCells = face ? [String(place + 1), ...box.map((value) => value.toFixed(1))] : this.#noFace();
      return [name, ...faceCells, ...cells, ""];
    });
  }

  /**
   * The row of a photo without a prediction.
   *
   * @param {Card} card
   * @param {string} reason
   */
  #rowWithout({ name }, reason) {
    return [name, ...this.#noFace(), ...columnsOf(this.model.targets).map(() => ""), reason];
  }

  #noFace() {
    return this.predictor.looksForFaces ? Array(5).fill("") : [];
  }
}
