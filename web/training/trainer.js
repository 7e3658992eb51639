// The training loop over a device: epochs of steps, each followed by a validation. See `src/train/trainer.rs`.

import { inputsOf, orderOf } from "./batches.js";
import { InFlight } from "./in_flight.js";
import { initialValues } from "./initial.js";
import { withRanges } from "./ranges.js";
import { correctionsOf, emaShare, rateFactor, reducedTo } from "./rates.js";
import { bestEpoch, validationLosses } from "./results.js";
import {
  areFinite,
  averageNames,
  clearBuffers,
  lastingBuffers,
  persistentBuffers,
  readTensors,
  renamed,
  weightNames,
  writeTensors,
} from "./state.js";
import { readSums, resetSums, resultsOf } from "./sums.js";
import { firstBias, knownLabels, settle } from "./targets.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../model.js").TrainingPlan} TrainingPlan
 * @typedef {import("../player.js").Player} Player
 * @typedef {import("../player.js").Prepared} Prepared
 * @typedef {import("../player.js").Program} Program
 * @typedef {import("../safetensors.js").Tensor} Tensor
 * @typedef {import("./batches.js").Samples} Samples
 * @typedef {import("./results.js").Epoch} Epoch
 * @typedef {import("./split.js").Split} Split
 *
 * @typedef {object} Progress
 * @property {"training" | "validation"} phase
 * @property {number} done steps or batches that the device has finished
 * @property {number} all steps or batches in all
 *
 * @typedef {object} EpochOptions
 * @property {number} [firstStep] steps of the epoch that are done already
 * @property {(progress: Progress) => void} [onProgress]
 * @property {AbortSignal} [signal] to pause
 *
 * @typedef {{ epoch: Epoch } | { interrupted: number }} Ended its results, or the steps of the epoch that are done
 *
 * @typedef {object} Best what was validated of the best epoch
 * @property {number} epoch from 1
 * @property {Map<string, Tensor>} weights
 */

/** Steps after which the losses so far have to be numbers. */
const WATCHED_STEPS = 50;

/** Training ran away. */
export class Diverged extends Error {
  /** @param {number} epoch from 1 */
  constructor(epoch) {
    super(`training ran away in epoch ${epoch}: losses or weights are no longer numbers`);
  }
}

/** A model in training. */
export class Trainer {
  /** @type {Epoch[]} those that are done */
  epochs = [];
  /** @type {?Best} */
  best = null;
  /** Batches that the model has been trained on so far. */
  steps = 0;
  /** @type {?Prepared} */
  #step = null;
  /** @type {?Prepared} */
  #evaluation = null;
  /** Milliseconds that the epoch under way took before it was interrupted. */
  #spent = 0;

  /**
   * @param {Player} player
   * @param {Model} model of a page that trains
   * @param {Samples} samples with labels for the model's targets
   * @param {Split} split
   */
  constructor(player, model, samples, split) {
    if (!model.training || !model.photo)
      throw new Error(`${model.name} is not there to be trained on photos`);
    this.player = player;
    this.shaders = model.shaders;
    this.photo = model.photo;
    this.samples = samples;
    this.split = split;
    this.targets = model.targets.map((target, place) =>
      settle(target, knownLabels(samples.labels[place], split.train)),
    );
    /** @type {TrainingPlan} */
    this.training = {
      ...model.training,
      step: withRanges(model.training.step, this.targets),
      evaluation: withRanges(model.training.evaluation, this.targets),
    };
  }

  /** Steps of an epoch. */
  get stepsPerEpoch() {
    return Math.ceil(this.split.train.length / this.#shape(this.training.step).batch);
  }

  /** Begins anew: with weights that are drawn from the seed, and with first biases from the training labels. */
  async initialise() {
    const step = await this.#prepare();
    // Another training may have been there before.
    clearBuffers(this.player, step, persistentBuffers(this.training.step));
    for (const [name, values] of initialValues(this.training)) this.#write(step, { [name]: values });
    for (const [place, target] of this.targets.entries()) {
      const labels = knownLabels(this.samples.labels[place], this.split.train);
      const bias = target.bias ? firstBias(target, labels) : null;
      if (bias !== null) this.#write(step, { [target.bias]: Float32Array.of(bias) });
    }
    Object.assign(this, { steps: 0, epochs: [], best: null });
    await this.player.wait();
  }

  /**
   * Goes back to a saved state.
   *
   * @param {Pick<import("./state.js").Checkpoint, "tensors" | "steps">} checkpoint
   * @param {Epoch[]} epochs those that are done
   * @param {?Best} best
   */
  async restore({ tensors, steps }, epochs, best) {
    const step = await this.#prepare();
    writeTensors(this.player, step, lastingBuffers(this.training.step), tensors);
    Object.assign(this, { steps, epochs: [...epochs], best });
    await this.player.wait();
  }

  /** Everything that lives from step to step. */
  async tensors() {
    const tensors = await readTensors(this.player, this.#ready(), lastingBuffers(this.training.step));
    if (!areFinite(tensors)) throw new Diverged(this.epochs.length + 1);
    return tensors;
  }

  /**
   * What a validation measures, under PyTorch's names and in its layouts: the moving averages of the weights if there are
   * any, or else the weights.
   */
  async #validated() {
    const { ema, parameters, step } = this.training;
    const names = ema === null ? weightNames(parameters) : averageNames(parameters);
    const buffers = lastingBuffers(step).filter(({ name }) => names.has(name));
    return renamed(await readTensors(this.player, this.#ready(), buffers), names);
  }

  /**
   * Trains one epoch and validates.
   *
   * @param {number} epoch from 0
   * @param {EpochOptions} [options]
   * @returns {Promise<Ended>}
   * @throws {Diverged}
   */
  async epoch(epoch, { firstStep = 0, onProgress = () => {}, signal } = {}) {
    const start = performance.now() - (firstStep > 0 ? this.#spent : 0);
    this.#spent = 0;
    const { player, targets } = this;
    if (firstStep === 0) resetSums(player, this.#ready(), targets);
    const order = orderOf(this.split.train, this.training.seed, epoch);
    const runs = new InFlight(player);
    const all = this.stepsPerEpoch;
    const reduced = reducedTo(this.training.plateau, validationLosses(this.epochs));
    for (let step = firstStep; step < all; step += 1) {
      this.#trainStep(order, epoch, step, reduced);
      await runs.add(() => onProgress({ phase: "training", done: step + 1, all }));
      if ((step + 1) % WATCHED_STEPS === 0) await this.#readFiniteSums(epoch);
      if (signal?.aborted && step + 1 < all) {
        await runs.drain();
        this.#spent = performance.now() - start;
        return { interrupted: step + 1 };
      }
    }
    await runs.drain();
    const train = resultsOf(targets, await this.#readFiniteSums(epoch), "training");
    await this.#validate((done, batches) => onProgress({ phase: "validation", done, all: batches }));
    const validation = resultsOf(targets, await this.#readFiniteSums(epoch), "validation");
    const results = { epoch: epoch + 1, train, validation, seconds: (performance.now() - start) / 1e3 };
    this.epochs.push(results);
    if (bestEpoch(this.epochs) === results)
      this.best = { epoch: epoch + 1, weights: await this.#validated() };
    return { epoch: results };
  }

  /**
   * Trains on one batch. It returns before the device is done.
   *
   * @param {number[]} order of the epoch's samples
   * @param {number} epoch from 0
   * @param {number} step from 0
   * @param {number} reduced what the learning rate is multiplied by besides the schedule's factor
   */
  #trainStep(order, epoch, step, reduced) {
    const { betas, ema, augment, seed } = this.training;
    const shape = this.#shape(this.training.step);
    const chosen = order.slice(step * shape.batch, (step + 1) * shape.batch);
    this.steps += 1;
    const rates = {
      factor: rateFactor(this.training, epoch + step / this.stepsPerEpoch) * reduced,
      corrections: correctionsOf(betas, this.steps),
      emaShare: emaShare(ema, this.steps),
    };
    const inputs = inputsOf(this.samples, this.targets, chosen, shape, { augment, seed, epoch }, rates);
    const prepared = this.#ready();
    this.#write(prepared, inputs);
    this.player.run(prepared);
  }

  /**
   * What the model predicts for samples as they are, by the weights that are validated: of each branch, the outputs of
   * each sample.
   *
   * @param {number[]} chosen
   * @returns {Promise<Float32Array[][]>}
   */
  async predict(chosen) {
    const evaluation = this.#ready(this.#evaluation);
    const shape = this.#shape(this.training.evaluation);
    /** @type {Float32Array[][]} */
    const all = this.targets.map(() => []);
    for (let first = 0; first < chosen.length; first += shape.batch) {
      const part = chosen.slice(first, first + shape.batch);
      this.#write(evaluation, inputsOf(this.samples, this.targets, part, shape, null));
      this.player.run(evaluation);
      // All are copied before another run can overwrite them.
      const read = await Promise.all(this.targets.map(({ output }) => this.player.read(evaluation, output)));
      for (const [place, { outputs }] of this.targets.entries()) {
        const values = new Float32Array(read[place].buffer);
        all[place].push(...part.map((_, row) => values.subarray(row * outputs, (row + 1) * outputs)));
      }
    }
    return all;
  }

  /** @param {(done: number, all: number) => void} onProgress */
  async #validate(onProgress) {
    const evaluation = this.#ready(this.#evaluation);
    const shape = this.#shape(this.training.evaluation);
    const { validation } = this.split;
    const all = Math.ceil(validation.length / shape.batch);
    const runs = new InFlight(this.player);
    resetSums(this.player, this.#ready(), this.targets);
    for (let index = 0; index < all; index += 1) {
      const chosen = validation.slice(index * shape.batch, (index + 1) * shape.batch);
      this.#write(evaluation, inputsOf(this.samples, this.targets, chosen, shape, null));
      this.player.run(evaluation);
      await runs.add(() => onProgress(index + 1, all));
    }
    await runs.drain();
  }

  /** Gives back the memory of the device that only this training has. */
  release() {
    for (const prepared of [this.#step, this.#evaluation]) if (prepared) this.player.release(prepared);
    this.#step = this.#evaluation = null;
  }

  /** Compiles the programs, once. */
  async #prepare() {
    const readText = async (/** @type {string} */ path) => this.shaders[path];
    this.#step ??= await this.player.prepare(this.training.step, readText);
    this.#evaluation ??= await this.player.prepare(this.training.evaluation, readText);
    return this.#step;
  }

  #ready(prepared = this.#step) {
    if (!prepared) throw new Error("a training begins with initialise or restore");
    return prepared;
  }

  /**
   * Writes the buffers that a program has; one without dropout, say, does not ask for the samples' numbers.
   *
   * @param {Prepared} prepared
   * @param {Record<string, Uint8Array | Float32Array>} inputs
   */
  #write(prepared, inputs) {
    for (const [name, { buffer, byteOffset, byteLength }] of Object.entries(inputs)) {
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      if (prepared.buffers.has(name)) this.player.write(prepared, name, bytes);
    }
  }

  /**
   * The running sums of each branch.
   *
   * @param {number} epoch from 0
   * @throws {Diverged} where they are no numbers
   */
  async #readFiniteSums(epoch) {
    const sums = await readSums(this.player, this.#ready(), this.targets);
    if (!sums.every((values) => values.every(Number.isFinite))) throw new Diverged(epoch + 1);
    return sums;
  }

  /** @param {Program} program */
  #shape(program) {
    return { batch: program.batch, width: this.photo.width, height: this.photo.height };
  }
}
