// The files of a run folder, which `faceshader eval`, `predict` and `train --resume` open. See `src/train/run.rs`.

import { settledConfig } from "./config.js";
import { guessesOf } from "./guessing.js";
import { curvesCsv, resultsCsv } from "./results.js";
import { SIDES } from "./sides.js";
import { averageNames, formatCheckpoint, formatWeights, renamed, weightNames } from "./state.js";

/**
 * @typedef {import("../safetensors.js").Tensor} Tensor
 * @typedef {import("./split.js").Split} Split
 *
 * @typedef {object} Run a training as it is at one moment
 * @property {import("../model.js").TrainingPlan} training
 * @property {import("./targets.js").SettledTarget[]} targets
 * @property {string[]} columns for each target: where its labels are from
 * @property {string[]} names of the samples
 * @property {Float32Array[]} labels of each target, of all samples
 * @property {Split} split
 * @property {import("./results.js").Epoch[]} epochs those that are done
 * @property {?import("./trainer.js").Best} best
 * @property {import("./state.js").Checkpoint} checkpoint
 * @property {?string} dataPath the photos' path, as people know it; null for the built-in set
 * @property {{ adapter: string, driver: string }} machine what computed it
 * @property {number} started when, in milliseconds since 1970
 */

/** @param {string} text */
const bytesOf = (text) => new TextEncoder().encode(text);

/**
 * `split.csv`: rows of `file,split`.
 *
 * @param {string[]} names
 * @param {Split} split
 */
export function splitCsv(names, split) {
  const words = { train: "train", validation: split.test.length > 0 ? "val" : "test", test: "test" };
  const rows = SIDES.flatMap((side) => split[side].map((index) => ({ index, word: words[side] })));
  rows.sort((a, b) => a.index - b.index);
  const cell = (/** @type {string} */ name) =>
    /[,"\n\r]/.test(name) || name.trim() !== name ? `"${name.replaceAll('"', '""')}"` : name;
  return ["file,split", ...rows.map(({ index, word }) => `${cell(names[index])},${word}`), ""].join("\n");
}

/**
 * `env.json`: on what it was trained.
 *
 * @param {Run} run
 */
const environment = ({ machine: { adapter, driver }, started }) => [
  {
    command: ["faceshader", "export", "page"],
    started_unix_secs: Math.floor(started / 1e3),
    backend: "webgpu",
    adapter,
    driver,
    kernels: {},
  },
];

/**
 * The files of a run folder.
 *
 * @param {Run} run
 * @param {string} folder the folder's name, such as `face-plus-web`
 * @returns {{ name: string, bytes: Uint8Array<ArrayBuffer> }[]}
 */
export function runFiles(run, folder) {
  const { training, targets, columns, names, labels, split, epochs, best, checkpoint, dataPath } = run;
  const last = renamed(checkpoint.tensors, weightNames(training.parameters));
  const averages = renamed(checkpoint.tensors, averageNames(training.parameters));
  /** @type {[string, Uint8Array<ArrayBuffer>][]} */
  const files = [
    ["config.toml", bytesOf(settledConfig(training, targets, columns, dataPath))],
    ["split.csv", bytesOf(splitCsv(names, split))],
    ["results.csv", bytesOf(resultsCsv(epochs))],
    ["plots/curves.csv", bytesOf(curvesCsv(epochs))],
    ["guessing.json", bytesOf(`${JSON.stringify(guessesOf(targets, labels, split.train))}\n`)],
    ["env.json", bytesOf(`${JSON.stringify(environment(run), null, 2)}\n`)],
    ["checkpoint.safetensors", formatCheckpoint(checkpoint)],
    ["weights/last.safetensors", formatWeights(last, checkpoint.epoch)],
  ];
  if (averages.size > 0) {
    files.push(["weights/ema.safetensors", formatWeights(averages, checkpoint.epoch)]);
  }
  if (best) files.push(["weights/best.safetensors", formatWeights(best.weights, best.epoch)]);
  return files.map(([name, bytes]) => ({ name: `${folder}/${name}`, bytes }));
}
