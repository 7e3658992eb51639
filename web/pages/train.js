// A page that trains: photos are chosen, and a model learns from them, epoch by epoch.

import { Player } from "../player.js";
import { zipOf } from "../training/archive.js";
import { hashOf } from "../training/copies.js";
import { runFiles } from "../training/run_folder.js";
import { Session } from "../training/session.js";
import { formatWeights } from "../training/state.js";
import { Checkpoint } from "../training/storage.js";
import { Trainer } from "../training/trainer.js";
import { Curves } from "./curves.js";
import { drawPhoto } from "./drawing.js";
import { Pace, shownTime } from "./pace.js";
import {
  create,
  download,
  element,
  embeddedModel,
  openDevice,
  showFacts,
  tellError,
  tellStatus,
} from "./page.js";
import { loadDrawn, loadFiles } from "./photo_set.js";
import { className, predictionOf, shownNumber } from "../targets.js";
import { Photo } from "../photos.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../training/results.js").Epoch} Epoch
 * @typedef {import("../training/session.js").Facts} Facts
 * @typedef {import("../training/storage.js").Saved} Saved
 * @typedef {import("./photo_set.js").Loaded} Loaded
 * @typedef {import("./photo_set.js").PhotoSet} PhotoSet
 */

/** Photos whose predictions are shown after every epoch. */
const SHOWN = 8;
/** Skipped files that are named. */
const NAMED = 200;

/** The page and its training. */
class TrainingPage {
  /** @type {?Session} */
  #session = null;
  /** @type {?PhotoSet} */
  #set = null;
  /** @type {?Saved} what was kept of an earlier visit */
  #kept = null;
  #started = Date.now();
  #pace = new Pace();

  /**
   * @param {Model} model
   * @param {Player} player
   * @param {string} adapter
   * @param {?Checkpoint} storage
   */
  constructor(model, player, adapter, storage) {
    this.model = model;
    this.player = player;
    this.adapter = adapter;
    this.storage = storage;
    this.curves = new Curves(element("charts"), model.targets);
    /** @param {string} id @param {() => unknown} action */
    const on = (id, action) =>
      element(id).addEventListener("click", () =>
        Promise.resolve(action()).catch((error) => this.#fail(error)),
      );
    on("drawn", () => this.#load((onProgress) => loadDrawn(model, onProgress)));
    on("start", () => this.#start());
    on("pause", () => this.#session?.pause());
    on("other", () => this.#reset());
    on("continue", () => this.#continue());
    on("forget", () => this.#forget());
    on("save-weights", () => this.#saveWeights());
    on("save-run", () => this.#saveRun());
    for (const id of ["files", "folder"]) {
      element(id).addEventListener("change", (/** @type {{ target: HTMLInputElement }} */ { target }) => {
        this.#choose([...(target.files ?? [])]);
        target.value = "";
      });
    }
    addEventListener("dragover", (event) => {
      event.preventDefault();
      element("drop").classList.add("over");
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) element("drop").classList.remove("over");
    });
    addEventListener("drop", (event) => {
      event.preventDefault();
      element("drop").classList.remove("over");
      if (!element("data").hidden) this.#choose([...(event.dataTransfer?.files ?? [])]);
    });
    // A tab that nobody looks at may be slowed down, or thrown away.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#session?.saveSoon();
    });
    addEventListener("beforeunload", (event) => {
      if (!element("pause").hidden && !this.storage?.isOwn) event.preventDefault();
    });
    player.device.lost.then(({ message }) => this.#fail(new Error(`the device was lost: ${message}`)));
  }

  /** Shows what was kept, or else asks for photos. */
  async open() {
    this.#kept = (await this.storage?.load()) ?? null;
    element("epochs").value = String(this.model.training?.epochs ?? 1);
    element("labels-help").textContent =
      `Labels for ${this.model.targets.map(({ name }) => name).join(" and ")} come from the names of the photos ` +
      "(age_gender_race_date, as UTKFace's), from their folders, one a class, or from a CSV file beside them.";
    if (this.#kept) {
      const { epoch, step, epochs, names } = /** @type {Facts} */ (this.#kept.facts);
      element("kept").hidden = false;
      element("kept-text").textContent =
        `A training on ${names.length} photos is kept in this browser: ${epoch} of ${epochs} epochs are done` +
        (step > 0 ? `, and ${step} steps of the next.` : ".");
    }
    element("data").hidden = false;
  }

  /** @param {unknown} error */
  #fail(error) {
    tellStatus("");
    tellError(error);
    this.#showRunning(false);
    if (String(error).includes("device was lost")) {
      tellError(
        `The graphics device was lost (${error instanceof Error ? error.message : error}). Reload the page: the training ` +
          "goes on from where it was saved last.",
      );
    }
  }

  /** @param {File[]} files */
  async #choose(files) {
    if (files.length === 0) return;
    await this.#load((onProgress) => loadFiles(this.model, files, onProgress));
  }

  /** @param {(onProgress: (done: number, all: number) => void) => Promise<Loaded>} read */
  async #load(read) {
    tellError(null);
    element("data").hidden = true;
    try {
      let last = 0;
      const { set, skipped, warnings } = await read((done, all) => {
        if (performance.now() - last < 200 && done < all) return;
        last = performance.now();
        tellStatus(`Reading photos: ${done} of ${all}`);
      });
      tellStatus("");
      this.#show(set);
      element("skipped").hidden = skipped.length === 0;
      element("skipped").querySelector("summary").textContent = `${skipped.length} files are left out`;
      element("skipped")
        .querySelector("tbody")
        .replaceChildren(
          ...skipped
            .slice(0, NAMED)
            .map(({ file, reason }) =>
              create("tr", {}, [create("td", { text: file }), create("td", { text: reason })]),
            ),
        );
      if (warnings.length > 0) tellStatus(warnings.join(" "));
    } catch (error) {
      tellStatus("");
      tellError(error);
      element("data").hidden = false;
    }
  }

  /** @param {PhotoSet} set */
  #show(set) {
    this.#set = set;
    this.#session = null;
    const { train, validation, test } = set.split;
    element("samples").textContent =
      `${set.samples.names.length} photos: ${train.length} to learn from, ${validation.length} to measure with` +
      (test.length > 0 ? `, ${test.length} for a test that this page does not make.` : ".");
    element("kept").hidden = true;
    element("training").hidden = false;
    element("epochs").disabled = false;
    element("start").textContent = "train";
    element("start").hidden = false;
    element("start").focus();
  }

  /** Lets other photos be chosen. */
  #reset() {
    this.#session = null;
    this.curves.clear();
    element("cards").replaceChildren();
    for (const id of ["training", "table", "downloads", "downloads-help", "running"])
      element(id).hidden = true;
    element("data").hidden = false;
  }

  /**
   * @param {Pick<PhotoSet, "samples" | "split">} set
   * @param {number} epochs
   */
  #trainer({ samples, split }, epochs) {
    const { training } = this.model;
    if (!training) throw new Error("this page does not train");
    const config = training.config.replace(/^epochs = \d+$/m, `epochs = ${epochs}`);
    return new Trainer(
      this.player,
      { ...this.model, training: { ...training, epochs, config } },
      samples,
      split,
    );
  }

  /** Begins a training, or goes on with one that was paused. */
  async #start() {
    tellError(null);
    if (!this.#session) {
      if (!this.#set) return;
      const epochs = Math.round(Number(element("epochs").value));
      if (!(epochs >= 1)) throw new Error("the number of epochs must be 1 or more");
      const { columns, dataPath } = this.#set;
      tellStatus("Compiling the kernels …");
      const trainer = this.#trainer(this.#set, epochs);
      this.#session = new Session(trainer, this.storage, { columns, dataPath, started: Date.now() });
      this.#started = Date.now();
      await trainer.initialise();
      tellStatus("");
    }
    await this.#run(this.#session);
  }

  /** Goes on with what was kept. */
  async #continue() {
    if (!this.#kept) return;
    tellError(null);
    element("data").hidden = true;
    const { names, labels, split, columns, dataPath, epochs, started } = /** @type {Facts} */ (
      this.#kept.facts
    );
    const samples = { names, labels, photos: this.#kept.photos };
    this.#show({ samples, split, columns, dataPath });
    element("epochs").value = String(epochs);
    tellStatus("Compiling the kernels …");
    const session = new Session(this.#trainer({ samples, split }, epochs), this.storage, {
      columns,
      dataPath,
      started,
    });
    await session.restore(this.#kept);
    this.#kept = null;
    this.#session = session;
    this.#started = started;
    tellStatus("");
    this.#showResults(session);
    if (session.isDone) this.#showRunning(false);
    else await this.#run(session);
  }

  async #forget() {
    await this.storage?.remove();
    this.#kept = null;
    element("kept").hidden = true;
  }

  /** @param {boolean} isRunning */
  #showRunning(isRunning) {
    const isDone = this.#session?.isDone ?? false;
    element("pause").hidden = !isRunning;
    element("start").hidden = isRunning || isDone;
    element("start").textContent = this.#session ? "go on" : "train";
    element("other").disabled = isRunning;
    element("epochs").disabled = this.#session !== null;
    element("running").hidden = !isRunning;
    document.title = `Train ${this.model.name}`;
  }

  /** @param {Session} session */
  async #run(session) {
    const { trainer } = session;
    this.#pace = new Pace();
    this.#showRunning(true);
    element("pause").focus();
    const wakeLock = await navigator.wakeLock?.request("screen").catch(() => null);
    try {
      await session.run({
        onProgress: (epoch, progress) => this.#showProgress(session, epoch, progress),
        onEpoch: async () => {
          this.#showResults(session);
          await this.#showCards(session);
        },
        onSave: (problem) => tellStatus(problem ?? ""),
      });
    } finally {
      await wakeLock?.release();
      this.#showRunning(false);
    }
    const { epochs } = trainer.training;
    tellStatus(
      session.isDone ? `${epochs} epochs are done.` : "The training is paused, and kept in this browser.",
    );
    document.body.dataset.trained = String(session.isDone);
  }

  /**
   * @param {Session} session
   * @param {number} epoch from 0
   * @param {import("../training/trainer.js").Progress} progress
   */
  #showProgress({ trainer }, epoch, { phase, done, all }) {
    const { training, evaluation, epochs } = { ...trainer.training, training: trainer.training.step };
    const { train, validation } = trainer.split;
    const batch = phase === "training" ? training.batch : evaluation.batch;
    const ofPhase = phase === "training" ? train.length : validation.length;
    const photos = Math.min(batch, ofPhase - (done - 1) * batch);
    this.#pace.add(photos);
    element("progress").value = done / all;
    const { rate } = this.#pace;
    const each = train.length + validation.length;
    const before = phase === "training" ? 0 : train.length;
    const left = (epochs - epoch) * each - before - Math.min(done * batch, ofPhase);
    const speed = Number.isFinite(rate)
      ? `, ${rate.toPrecision(3)} photos a second, ${shownTime(left / rate)} left`
      : "";
    const what = phase === "training" ? `step ${done} of ${all}` : "measuring";
    element("pace").textContent = `epoch ${epoch + 1} of ${epochs}, ${what}${speed}`;
    const share = 1 - left / (epochs * each);
    document.title = `${(100 * share).toFixed(0)} % of ${this.model.name}`;
  }

  /** @param {Session} session */
  #showResults({ trainer }) {
    const { epochs, best } = trainer;
    this.curves.show(epochs);
    if (epochs.length === 0) return;
    const shown = (
      /** @type {import("../training/results.js").BranchResult} */ { metric },
      /** @type {number} */ place,
    ) => (this.model.targets[place].kind === "number" ? metric.toFixed(2) : `${(100 * metric).toFixed(1)} %`);
    const total = (/** @type {Epoch["train"]} */ side) =>
      side.reduce((sum, { weight, loss }) => sum + weight * loss, 0).toPrecision(5);
    const titles = this.model.targets.flatMap(({ metric_title: title }) => [
      `train ${title}`,
      `val ${title}`,
    ]);
    const header = ["epoch", "train loss", "val loss", ...titles, "seconds"];
    const rows = epochs.map(({ epoch, train, validation, seconds }) => [
      epoch === best?.epoch ? `${epoch} (best)` : String(epoch),
      total(train),
      total(validation),
      ...train.flatMap((result, place) => [shown(result, place), shown(validation[place], place)]),
      seconds.toFixed(1),
    ]);
    element("table").hidden = false;
    element("table").replaceChildren(
      create("table", {}, [
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
          rows.map((cells) =>
            create(
              "tr",
              {},
              cells.map((text) => create("td", { text })),
            ),
          ),
        ),
      ]),
    );
    element("downloads").hidden = false;
    element("downloads-help").hidden = false;
  }

  /**
   * A few photos that the model does not learn from, with its predictions.
   *
   * @param {Session} session
   */
  async #showCards({ trainer }) {
    const { samples, split, photo } = trainer;
    const chosen = split.validation.slice(0, SHOWN);
    const outputs = await trainer.predict(chosen);
    const cards = chosen.map((sample, place) => {
      const canvas = create("canvas", { role: "img", "aria-label": `The photo ${samples.names[sample]}` });
      drawPhoto(canvas, new Photo(photo.width, photo.height, samples.photos[sample]));
      const lines = trainer.targets.map((target, branch) => {
        const label = samples.labels[branch][sample];
        const { number, class: likeliest } = predictionOf(target, outputs[branch][place]);
        const words = (/** @type {?number} */ value) =>
          target.kind === "number" ? shownNumber(target, value ?? 0) : className(target, value ?? 0);
        const truth = Number.isNaN(label) ? "" : ` (${words(label)})`;
        return create("div", { class: "target" }, [
          create("div", { class: "label" }, [
            create("span", { text: target.name }),
            create("b", { text: `${words(number ?? likeliest)}${truth}` }),
          ]),
        ]);
      });
      return create("li", { class: "card" }, [canvas, create("div", { class: "body" }, lines)]);
    });
    element("cards").replaceChildren(...cards);
  }

  #saveWeights() {
    const best = this.#session?.trainer.best;
    if (!best) return;
    const name = `${this.model.name}-epoch-${best.epoch}.safetensors`;
    download(name, /** @type {any} */ (formatWeights(best.weights, best.epoch)), "application/octet-stream");
  }

  async #saveRun() {
    const session = this.#session;
    if (!session) return;
    const { trainer, about } = session;
    const { names, labels } = trainer.samples;
    const folder = `${this.model.name}-web`;
    const files = runFiles(
      {
        training: trainer.training,
        targets: trainer.targets,
        columns: about.columns,
        names,
        labels,
        split: trainer.split,
        epochs: trainer.epochs,
        best: trainer.best,
        checkpoint: await session.checkpoint(),
        dataPath: about.dataPath,
        machine: { adapter: this.adapter, driver: navigator.userAgent },
        started: this.#started,
      },
      folder,
    );
    download(`${folder}.zip`, /** @type {any} */ (await zipOf(files)), "application/zip");
  }
}

/**
 * A name that no other model and training have.
 *
 * @param {Model} model
 */
function identity({ name, training }) {
  const config = (training?.config ?? "").replace(/^epochs = \d+$/m, "");
  return `${name} ${hashOf(new TextEncoder().encode(config))}`;
}

async function start() {
  const model = await embeddedModel();
  const names = model.targets.map(({ name }) => name).join(" and ");
  element("about").textContent =
    `${model.name} learns to predict ${names} from photos that you choose, in this browser.`;
  showFacts(model.facts);
  const { device, about: adapter } = await openDevice();
  const storage = await Checkpoint.open(identity(model)).catch(() => null);
  const page = new TrainingPage(model, new Player(device), adapter, storage);
  showFacts([...model.facts, ["computed by", adapter]]);
  tellStatus(
    storage && !storage.isOwn ? "Another tab of this page trains this model: this one saves nothing." : "",
  );
  await page.open();
  document.body.dataset.ready = "true";
}

start().catch((error) => {
  tellStatus("");
  tellError(error);
  document.body.dataset.failed = "true";
});
