// `tests/assets/tiny.toml` as a page holds it, but for the programs, and what the program recorded of it: the files
// beside this one are those of `faceshader export program --model tests/assets/tiny.toml --steps 3 --adapter vulkan`.

import { readFileSync } from "node:fs";
import { parseSafetensors } from "../../../web/safetensors.js";

const glorot = (fan_in, fan_out) => ({ glorot_uniform: { fan_in, fan_out } });
const parameter = (name, shape, init) => ({ name, shape, init });

const target = {
  outputs: 1,
  unit: null,
  range: null,
  classes: [],
  mean_and_deviation: null,
  standardize: false,
  balance: false,
};

export const targets = [
  {
    ...target,
    name: "age",
    branch: "age",
    output: "age.dense2.output",
    bias: "age.dense2.bias",
    kind: "number",
    unit: "years",
    range: [0, 150],
    weight: 1,
    metric_name: "age_mae",
    metric_title: "age MAE",
  },
  {
    ...target,
    name: "gender",
    branch: "gender",
    output: "gender.dense.output",
    bias: "gender.dense.bias",
    kind: "binary",
    classes: ["male", "female"],
    weight: 500,
    metric_name: "gender_accuracy",
    metric_title: "gender accuracy",
  },
];

/** All of its training but the programs and the configuration. */
export const training = {
  epochs: 2,
  seed: "11",
  schedule: "constant",
  warmup_epochs: 0,
  plateau: null,
  patience: 0,
  ema: null,
  betas: [0.9, 0.999],
  augment: { rotation_degrees: 15, zoom: 0.1, shift: 0, flip_probability: 0.5 },
  parameters: [
    parameter("conv1.weight", [5, 3, 3, 3], glorot(27, 45)),
    parameter("conv1.bias", [5], "zeros"),
    parameter("conv2.weight", [5, 5, 3, 3], glorot(45, 45)),
    parameter("conv2.bias", [5], "zeros"),
    parameter("norm.weight", [5], "ones"),
    parameter("norm.bias", [5], "zeros"),
    parameter("norm.running_mean", [5], "zeros"),
    parameter("norm.running_var", [5], "ones"),
    parameter("age.dense1.weight", [9, 125], glorot(125, 9)),
    parameter("age.dense1.bias", [9], "zeros"),
    parameter("age.dense2.weight", [1, 9], glorot(9, 1)),
    parameter("age.dense2.bias", [1], "zeros"),
    parameter("gender.conv3.weight", [3, 5, 2, 3], glorot(30, 18)),
    parameter("gender.conv3.bias", [3], "zeros"),
    parameter("gender.dense.weight", [1, 12], glorot(12, 1)),
    parameter("gender.dense.bias", [1], "zeros"),
  ],
};

/** Samples that it takes at once, and the size of its photos in pixels. */
export const shape = { batch: 6, width: 12, height: 12 };

/**
 * The tensors of a recorded file, each with bytes of its own.
 *
 * @param {string} name
 */
export function recorded(name) {
  const file = readFileSync(new URL(`./${name}.safetensors`, import.meta.url));
  const tensors = [...parseSafetensors(new Uint8Array(file))];
  return new Map(tensors.map(([key, { bytes }]) => [key, Uint8Array.from(bytes)]));
}
