// A page that trains: photos are chosen, and a model learns from them, epoch by epoch.

import { Player } from "../player.js";
import { zipOf } from "../training/archive.js";
import { runFiles } from "../training/run_folder.js";
import { Session } from "../training/session.js";
import { formatWeights } from "../training/state.js";
import { Checkpoint } from "../training/storage.js";
import { Trainer } from "../training/trainer.js";
import { Curves } from "./curves.js";
import { endText, plannedEpochs, plateauText } from "./epochs.js";
import { onFiles } from "./file_drop.js";
import { identity, keptText } from "./kept.js";
import { showLeftOut } from "./left_out.js";
import { Pace } from "./pace.js";
import { download, element, embeddedModel, openDevice, showFacts, tellError, tellStatus } from "./page.js";
import { loadDrawn, loadFiles } from "./photo_set.js";
import { resultsTable } from "./results_table.js";
import { sampleCards } from "./sample_cards.js";
import { counted, shownDigits, shownTime } from "./words.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../training/session.js").Facts} Facts
 * @typedef {import("../training/trainer.js").Progress} Progress
 * @typedef {import("./photo_set.js").Loaded} Loaded
 * @typedef {import("./photo_set.js").PhotoSet} PhotoSet
 *
 * @typedef {"choosing" | "busy" | "ready" | "running" | "lost"} State what the page does: it waits for photos; reads,
 *   compiles or saves; waits for a click, with a training or before one; trains; or has lost its device
 */

/** The page and its training. */
class TrainingPage {
  /** @type {State} */
  #state = "choosing";
  /** @type {?PhotoSet} */
  #set = null;
  /** @type {?Session} */
  #session = null;
  /** @type {?Facts} what is known of a training that is kept and not opened */
  #kept = null;
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
    this.#on("drawn", ["choosing"], () => this.#load((onProgress) => loadDrawn(model, onProgress)));
    this.#on("start", ["ready"], () => this.#start());
    this.#on("pause", ["running"], () => this.#session?.pause());
    this.#on("other", ["ready"], () => this.#chooseOthers());
    this.#on("continue", ["choosing"], () => this.#continue());
    this.#on("forget", ["choosing"], () => this.#forget());
    this.#on("save-weights", ["ready", "running"], () => this.#saveWeights());
    this.#on("save-run", ["ready"], () => this.#saveRun());
    onFiles(element("drop"), [element("files"), element("folder")], (files) => {
      if (this.#state !== "choosing" || files.length === 0) return;
      this.#load((onProgress) => loadFiles(model, files, onProgress)).catch((error) => this.#fail(error));
    });
    this.#watchTab();
    player.device.lost.then(({ reason, message }) => {
      if (reason === "destroyed") return;
      this.#enter("lost");
      this.#fail(new Error(message));
    });
  }

  /** Shows what is kept, and asks for photos. */
  async open() {
    const { targets, training } = this.model;
    element("epochs").value = String(training?.epochs ?? 1);
    element("labels-help").textContent =
      `Labels for ${targets.map(({ name }) => name).join(" and ")} come from the names of the photos ` +
      "(age_gender_race_date, as UTKFace's), from their folders, one for each class, or from a CSV file beside them.";
    try {
      this.#kept = /** @type {?Facts} */ ((await this.storage?.facts()) ?? null);
    } catch (error) {
      tellError(error);
    }
    this.#enter("choosing");
  }

  /**
   * Calls an action at a click, in these states only.
   *
   * @param {string} id
   * @param {State[]} states
   * @param {() => unknown} action
   */
  #on(id, states, action) {
    element(id).addEventListener("click", async () => {
      if (!states.includes(this.#state)) return;
      try {
        await action();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  /** @param {State} state */
  #enter(state) {
    if (this.#state === "lost") return;
    this.#state = state;
    const session = this.#session;
    const is = (/** @type {State[]} */ ...states) => states.includes(state);
    element("data").hidden = !is("choosing");
    element("kept").hidden = !is("choosing") || this.#kept === null;
    if (this.#kept) element("kept-text").textContent = keptText(this.#kept);
    element("training").hidden = this.#set === null;
    element("start").hidden = is("running", "lost") || (session?.isDone ?? false);
    element("start").disabled = !is("ready");
    element("start").textContent = session?.hasEndedEarly ? "train on" : session ? "resume" : "train";
    element("epochs").disabled = !is("ready") || session !== null;
    element("pause").hidden = !is("running");
    element("other").disabled = !is("ready");
    element("running").hidden = !is("running");
    const hasResults = session !== null && session.epoch > 0;
    element("downloads").hidden = !hasResults || is("lost");
    element("downloads-help").hidden = element("downloads").hidden;
    element("save-run").disabled = !is("ready");
    element("unsaved").textContent = session?.problem ?? "";
    if (!is("running")) document.title = `Train ${this.model.name}`;
  }

  /** @param {unknown} error */
  #fail(error) {
    tellStatus("");
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#state === "lost") {
      const isKept = this.#session !== null && this.#session.problem === null && this.storage !== null;
      const advice = isKept ? ": the training goes on from where it was saved last" : "";
      tellError(`The graphics device was lost (${reason}). Reload the page${advice}.`);
      return;
    }
    tellError(reason);
    this.#enter(this.#set === null ? "choosing" : "ready");
  }

  /** @param {(onProgress: (done: number, all: number) => void) => Promise<Loaded>} read */
  async #load(read) {
    tellError(null);
    this.#enter("busy");
    let last = 0;
    const { set, skipped, ignored, warnings } = await read((done, all) => {
      if (performance.now() - last < 200 && done < all) return;
      last = performance.now();
      tellStatus(`Reading photos: ${done} of ${all}`);
    });
    tellStatus(warnings.join(" "));
    this.#show(set);
    showLeftOut(skipped, ignored);
    this.#enter("ready");
    element("start").focus();
  }

  /** @param {PhotoSet} set */
  #show(set) {
    this.#set = set;
    const { train, validation, test } = set.split;
    const ofTest = test.length > 0 ? `, ${test.length} for a test, which this page does not make` : "";
    element("samples").textContent =
      `${counted(set.samples.names.length, "photo")}: ${train.length} for training, ${validation.length} for validation` +
      `${ofTest}.`;
  }

  /** Lets other photos be chosen. */
  async #chooseOthers() {
    this.#session?.trainer.release();
    if (this.#session && this.storage) this.#kept = /** @type {?Facts} */ (await this.storage.facts());
    this.#session = null;
    this.#set = null;
    this.curves.clear();
    element("cards").replaceChildren();
    element("table").hidden = true;
    element("skipped").hidden = true;
    tellStatus("");
    this.#enter("choosing");
    element("files").focus();
  }

  /**
   * @param {Pick<PhotoSet, "samples" | "split">} set
   * @param {{ epochs: number, patience: number }} plan how long it is trained
   */
  #trainer({ samples, split }, plan) {
    return new Trainer(this.player, { ...this.model, training: { ...this.#plan, ...plan } }, samples, split);
  }

  /** How the model is trained, unless people say otherwise. */
  get #plan() {
    const { training } = this.model;
    if (!training) throw new Error("this page does not train");
    return training;
  }

  /** Begins a training, or goes on with one that was paused. */
  async #start() {
    tellError(null);
    if (this.#session) {
      if (this.#session.hasEndedEarly) this.#session.ignorePatience();
      return this.#run(this.#session);
    }
    if (!this.#set) return;
    const epochs = plannedEpochs(element("epochs").value, this.#plan);
    const question = "The training that is kept in this browser will be replaced. Train anew?";
    if (this.#kept && !confirm(`${keptText(this.#kept)} ${question}`)) return;
    this.#enter("busy");
    // The browser may keep what is stored, whether it asks or not.
    navigator.storage?.persist?.().catch(() => {});
    tellStatus("Compiling the kernels …");
    if (this.#kept) await this.storage?.remove();
    this.#kept = null;
    const { columns, dataPath } = this.#set;
    const trainer = this.#trainer(this.#set, { epochs, patience: this.#plan.patience });
    const session = new Session(trainer, this.storage, { columns, dataPath, started: Date.now() });
    await trainer.initialise();
    this.#session = session;
    tellStatus("");
    await this.#run(session);
  }

  /** Goes on with what is kept. */
  async #continue() {
    tellError(null);
    this.#enter("busy");
    tellStatus("Reading what is kept …");
    const saved = await this.storage?.load();
    if (!saved) throw new Error("what was kept is gone");
    const facts = /** @type {Facts} */ (saved.facts);
    const { names, labels, split, columns, dataPath, epochs, patience, started } = facts;
    const samples = { names, labels, photos: saved.photos };
    tellStatus("Compiling the kernels …");
    const trainer = this.#trainer({ samples, split }, { epochs, patience });
    const session = new Session(trainer, this.storage, { columns, dataPath, started });
    await session.restore(saved);
    this.#show({ samples, split, columns, dataPath });
    element("epochs").value = String(epochs);
    this.#kept = null;
    this.#session = session;
    tellStatus("");
    this.#showResults(session);
    await this.#run(session);
  }

  async #forget() {
    await this.storage?.remove();
    this.#kept = null;
    tellError(null);
    this.#enter("choosing");
    element("files").focus();
  }

  /** @param {Session} session */
  async #run(session) {
    this.#pace = new Pace();
    this.#enter("running");
    const lock = navigator.wakeLock?.request("screen").catch(() => null);
    try {
      await session.run({
        onProgress: (epoch, progress) => this.#showProgress(session, epoch, progress),
        onEpoch: async () => {
          this.#showResults(session);
          const reduced = plateauText(session);
          if (reduced) tellStatus(reduced);
          element("cards").replaceChildren(...(await sampleCards(session.trainer)));
        },
        onSave: () => this.#enter("running"),
      });
    } finally {
      lock?.then((held) => held?.release()).catch(() => {});
    }
    this.#enter("ready");
    tellStatus(endText(session));
    element(session.isDone || session.hasEndedEarly ? "save-run" : "start").focus();
    document.body.dataset.trained = String(session.isDone);
  }

  /**
   * @param {Session} session
   * @param {number} epoch from 0
   * @param {Progress} progress
   */
  #showProgress({ trainer }, epoch, { phase, done, all }) {
    const { step, evaluation, epochs } = trainer.training;
    const { train, validation } = trainer.split;
    const [batch, ofPhase] =
      phase === "training" ? [step.batch, train.length] : [evaluation.batch, validation.length];
    this.#pace.add(Math.min(batch, ofPhase - (done - 1) * batch));
    element("progress").value = done / all;
    const each = train.length + validation.length;
    const before = phase === "training" ? 0 : train.length;
    const left = (epochs - epoch) * each - before - Math.min(done * batch, ofPhase);
    const { rate } = this.#pace;
    const speed = Number.isFinite(rate)
      ? `, ${shownDigits(rate, 3)} photos a second, ${shownTime(left / rate)} left`
      : "";
    const what = phase === "training" ? `step ${done} of ${all}` : "validation";
    element("pace").textContent = `epoch ${epoch + 1} of ${epochs}, ${what}${speed}`;
    document.title = `${Math.floor(100 * (1 - left / (epochs * each)))} % of ${this.model.name}`;
  }

  /** @param {Session} session */
  #showResults({ trainer: { epochs, best } }) {
    this.curves.show(epochs);
    if (epochs.length === 0) return;
    element("table").hidden = false;
    element("table").replaceChildren(resultsTable(this.model.targets, epochs, best?.epoch ?? null));
  }

  /** Saves when nobody looks any more, and warns of what would be lost. */
  #watchTab() {
    let hiddenAt = 0;
    document.addEventListener("visibilitychange", () => {
      if (this.#state !== "running") return;
      if (document.hidden) {
        hiddenAt = Date.now();
        // A tab that nobody looks at may be thrown away.
        this.#session?.saveSoon();
      } else if (hiddenAt > 0) {
        const time = shownTime((Date.now() - hiddenAt) / 1e3);
        tellStatus(
          `This tab was hidden for ${time}. Browsers slow hidden tabs down: keep it in sight to train fast.`,
        );
      }
    });
    addEventListener("beforeunload", (event) => {
      const isUnsaved = this.#state === "running" && !this.storage?.isOwn;
      if (this.#session && (isUnsaved || this.#session.problem !== null)) event.preventDefault();
    });
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
    this.#enter("busy");
    const { trainer, about } = session;
    const { names, labels } = trainer.samples;
    const folder = `${this.model.name}-web`;
    const run = {
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
      started: about.started,
    };
    download(`${folder}.zip`, /** @type {any} */ (await zipOf(runFiles(run, folder))), "application/zip");
    this.#enter("ready");
  }
}

async function start() {
  const model = await embeddedModel();
  const names = model.targets.map(({ name }) => name).join(" and ");
  element("about").textContent =
    `${model.name} learns to predict ${names} from photos that you choose, in this browser.`;
  showFacts(model.facts);
  element("drawn").hidden = !model.training?.has_photos;
  const { device, about: adapter } = await openDevice();
  const storage = await Checkpoint.open(identity(model)).catch(() => null);
  const isOwn = storage?.isOwn ?? false;
  const page = new TrainingPage(model, new Player(device), adapter, isOwn ? storage : null);
  showFacts([...model.facts, ["computed by", adapter]]);
  tellStatus(storage && !isOwn ? "Another tab trains this model: what this one trains is not saved." : "");
  await page.open();
  document.body.dataset.ready = "true";
}

start().catch((error) => {
  tellStatus("");
  tellError(error);
  document.body.dataset.failed = "true";
});
