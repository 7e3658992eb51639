// A device that counts instead of computing, and a trainer of the tiny model on it.

import assert from "node:assert/strict";
import { Trainer } from "../../../web/training/trainer.js";
import { shape, targets, training } from "./model.js";

const SAMPLES = 16;
const PIXELS = 3 * shape.width * shape.height;

/** The buffers of a program that a trainer asks for, with moving averages of the weights or without. */
export function programOf(name, batch, hasAverages = false) {
  const buffer = (of, kind, bytes) => ({
    name: of,
    kind,
    part_of: null,
    dtype: "f32",
    shape: [bytes / 4],
    slot: 0,
    offset_bytes: 0,
    bytes,
  });
  const of = training.parameters.flatMap(({ name: parameter, shape }) =>
    [parameter, ...(hasAverages ? [`${parameter}.ema`] : [])].map((one) =>
      buffer(one, "persistent", 4 * shape.reduce((a, b) => a * b)),
    ),
  );
  const sums = targets.map(({ branch }) => buffer(`${branch}.sums`, "persistent", 16));
  const inputs = [
    buffer("batch", "input", 32),
    buffer("sample", "input", 4 * batch),
    buffer("age.targets", "input", 4 * batch),
  ];
  return {
    name,
    batch,
    buffers: [...of, ...sums, buffer("conv1.weight.m", "persistent", 540), ...inputs],
    pipelines: [],
    dispatches: [],
  };
}

/**
 * A device whose loss is `lossOf(run)` for every sample. Of its weights one grows by 1 a step, and its average moves.
 */
export class Counter {
  memory = new Map();
  /** The samples and the words of every run. */
  runs = [];
  inFlight = 0;
  mostInFlight = 0;
  device = {
    createCommandEncoder: () => ({ clearBuffer: () => (this.cleared = true), finish: () => {} }),
    queue: { submit: () => {} },
  };

  constructor(lossOf = () => 1) {
    this.lossOf = lossOf;
  }

  async prepare({ name, buffers }) {
    for (const { name: of, bytes } of buffers)
      if (!this.memory.has(of)) this.memory.set(of, new Uint8Array(bytes));
    return { name, buffers: new Map(buffers.map((buffer) => [buffer.name, buffer])), slots: [] };
  }

  write(prepared, name, bytes) {
    assert.ok(bytes.length <= prepared.buffers.get(name).bytes, name);
    this.memory.set(name, Uint8Array.from(bytes));
  }

  run({ name }) {
    const words = new Uint32Array(this.memory.get("batch").buffer);
    const rates = new Float32Array(this.memory.get("batch").buffer, 16);
    const samples = [...new Uint32Array(this.memory.get("sample").buffer)].slice(0, words[0]);
    const run = { name, samples, epoch: words[1], factor: rates[0], correction: rates[1], share: rates[3] };
    this.runs.push(run);
    for (const { branch } of targets) {
      const sums = new Float32Array(this.memory.get(`${branch}.sums`).buffer);
      const loss = this.lossOf(run, this.runs.length);
      sums.set([
        sums[0] + loss * samples.length,
        sums[1] + samples.length,
        sums[2] + samples.length,
        sums[3] + samples.length,
      ]);
    }
    if (name === "step") {
      const [weight, average] = ["conv1.bias", "conv1.bias.ema"].map(
        (of) => new Float32Array(this.memory.get(of)?.buffer ?? new ArrayBuffer(4)),
      );
      weight[0] += 1;
      average[0] += (weight[0] - average[0]) * run.share;
    }
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
  }

  async read(prepared, name) {
    return Uint8Array.from(this.memory.get(name));
  }

  async wait() {
    const before = this.inFlight;
    await new Promise(setImmediate);
    this.inFlight = Math.max(this.inFlight - before, 0);
  }
}

export const samples = {
  names: Array.from({ length: SAMPLES }, (_, n) => `${n}.jpg`),
  photos: Array.from({ length: SAMPLES }, (_, n) => new Uint8Array(PIXELS).fill(n)),
  labels: [
    Float32Array.from({ length: SAMPLES }, (_, n) => n),
    Float32Array.from({ length: SAMPLES }, (_, n) => n % 2),
  ],
};
/** 13 to learn from, 3 to measure with. */
export const split = { train: [...Array(13).keys()], validation: [13, 14, 15], test: [] };

/**
 * A trainer of the tiny model.
 *
 * @param {Counter} player
 * @param {object} more of its training
 */
export function trainerOn(player, more = {}) {
  const hasAverages = (more.ema ?? null) !== null;
  const plan = {
    ...training,
    step: programOf("step", 6, hasAverages),
    evaluation: programOf("evaluation", 2, hasAverages),
    config: "",
    ...more,
  };
  return new Trainer(
    player,
    { name: "tiny", photo: shape, targets, shaders: {}, training: plan },
    samples,
    split,
  );
}
