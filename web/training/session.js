// A training that can be paused, closed and gone on with: it saves itself after every epoch, and every half a minute.

import { endsEarly } from "./rates.js";
import { validationLosses } from "./results.js";
import { formatWeights, formatCheckpoint, parseCheckpoint } from "./state.js";
import { NotSaved } from "./storage.js";
import { parseSafetensors } from "../safetensors.js";

/**
 * @typedef {import("../model.js").TrainingPlan} TrainingPlan
 * @typedef {import("./batches.js").Samples} Samples
 * @typedef {import("./results.js").Epoch} Epoch
 * @typedef {import("./split.js").Split} Split
 * @typedef {import("./storage.js").Checkpoint} Storage
 * @typedef {import("./storage.js").Saved} Saved
 * @typedef {import("./trainer.js").Progress} Progress
 * @typedef {import("./trainer.js").Trainer} Trainer
 *
 * @typedef {object} Facts what is saved besides photos, state and weights
 * @property {number} epochs in all
 * @property {number} patience epochs without a lower validation loss after which it ends; 0: it does not end early
 * @property {number} epoch those that are done
 * @property {number} step steps of the next one that are done
 * @property {Epoch[]} results
 * @property {?number} best the best epoch, from 1
 * @property {string[]} names
 * @property {Float32Array[]} labels
 * @property {Split} split
 * @property {string[]} columns
 * @property {?string} dataPath
 * @property {number} started in milliseconds since 1970
 *
 * @typedef {object} Watcher
 * @property {(epoch: number, progress: Progress) => void} onProgress epochs from 0
 * @property {(epoch: Epoch) => Promise<void> | void} onEpoch called when an epoch is done and before it is saved
 * @property {() => void} onSave called after every attempt to save; `problem` says what went wrong
 */

/** How long a training goes on before it saves itself, in milliseconds. */
const SAVED_EVERY = 30_000;
/** The same after attempts that failed, at most. */
const SAVED_AT_LEAST_EVERY = 20 * 60_000;

const [STATE, BEST] = ["state", "best"];

/** A training and where it is saved. */
export class Session {
  /** Steps of the epoch under way that are done. */
  step = 0;
  /** Why it was not saved the last time; null if it was, or if nothing was to be saved yet. */
  /** @type {?string} */
  problem = null;
  #isRunning = false;
  #isPaused = false;
  #interval = SAVED_EVERY;
  /** @type {?AbortController} */
  #controller = null;

  /**
   * @param {Trainer} trainer
   * @param {?Storage} storage null if the browser stores nothing
   * @param {{ columns: string[], dataPath: ?string, started: number }} about
   */
  constructor(trainer, storage, about) {
    this.trainer = trainer;
    this.storage = storage;
    this.about = about;
  }

  /** Epochs that are done. */
  get epoch() {
    return this.trainer.epochs.length;
  }

  get isDone() {
    return this.epoch >= this.trainer.training.epochs;
  }

  /** Whether it has ended before its last epoch, since the validation loss no longer falls. */
  get hasEndedEarly() {
    const { epochs, training } = this.trainer;
    return !this.isDone && endsEarly(training.patience, validationLosses(epochs));
  }

  /** Trains all epochs from here on, whether the validation loss falls or not. */
  ignorePatience() {
    this.trainer.training = { ...this.trainer.training, patience: 0 };
  }

  /**
   * Goes back to what was saved.
   *
   * @param {Saved} saved
   */
  async restore({ facts, files }) {
    const { results, best, epoch, step } = /** @type {Facts} */ (facts);
    const state = parseCheckpoint(files[STATE]);
    const weights = best === null ? null : { epoch: best, weights: parseSafetensors(files[BEST]) };
    await this.trainer.restore(state, results.slice(0, epoch), weights);
    this.step = step;
  }

  /**
   * Trains until all epochs are done, until it ends early, or until it is paused.
   *
   * @param {Watcher} watcher
   */
  async run({ onProgress, onEpoch, onSave }) {
    if (this.#isRunning) throw new Error("this training is under way");
    this.#isRunning = true;
    this.#isPaused = false;
    try {
      while (!this.isDone && !this.hasEndedEarly && !this.#isPaused) {
        await this.#part(onProgress, onEpoch);
        await this.#save();
        onSave();
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /**
   * Trains until the epoch is done, or until it is time to save.
   *
   * @param {Watcher["onProgress"]} onProgress
   * @param {Watcher["onEpoch"]} onEpoch
   */
  async #part(onProgress, onEpoch) {
    const controller = new AbortController();
    this.#controller = controller;
    const timer = setTimeout(() => controller.abort(), this.#interval);
    const { epoch } = this;
    try {
      const ended = await this.trainer.epoch(epoch, {
        firstStep: this.step,
        onProgress: (progress) => onProgress(epoch, progress),
        signal: controller.signal,
      });
      this.step = "epoch" in ended ? 0 : ended.interrupted;
      if ("epoch" in ended) await onEpoch(ended.epoch);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the run after the step under way. */
  pause() {
    this.#isPaused = true;
    this.saveSoon();
  }

  /** Saves after the step under way. */
  saveSoon() {
    this.#controller?.abort();
  }

  /** Everything of a training that is paused or done. */
  async checkpoint() {
    if (this.#isRunning)
      throw new Error("a training under way is not the same from one moment to the next; pause it");
    return this.#checkpoint();
  }

  async #checkpoint() {
    const { steps } = this.trainer;
    return { tensors: await this.trainer.tensors(), steps, epoch: this.epoch, step: this.step };
  }

  /** Saves, or says in `problem` why it could not. */
  async #save() {
    const { trainer, storage } = this;
    if (!storage) {
      this.problem = "This browser stores nothing for this page: if it is closed, the training is lost.";
      return;
    }
    const { names, photos, labels } = trainer.samples;
    /** @type {Facts} */
    const facts = {
      ...this.about,
      epochs: trainer.training.epochs,
      patience: trainer.training.patience,
      epoch: this.epoch,
      step: this.step,
      results: trainer.epochs,
      best: trainer.best?.epoch ?? null,
      names,
      labels,
      split: trainer.split,
    };
    /** @type {Record<string, Uint8Array>} */
    const files = { [STATE]: formatCheckpoint(await this.#checkpoint()) };
    if (trainer.best) files[BEST] = formatWeights(trainer.best.weights, trainer.best.epoch);
    try {
      await storage.save({ facts, files, photos });
      this.problem = null;
      this.#interval = SAVED_EVERY;
    } catch (error) {
      if (!(error instanceof NotSaved)) throw error;
      this.problem = error.message;
      // Each attempt may write all photos anew.
      this.#interval = Math.min(2 * this.#interval, SAVED_AT_LEAST_EVERY);
    }
  }
}
