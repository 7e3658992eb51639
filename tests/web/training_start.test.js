// A training begins and goes on here as it does in the program: the same initial values, the same inputs, bit for bit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Generator, Stream, key, philox4x32 } from "../../web/philox.js";
import { drawTransform } from "../../web/training/augment.js";
import { inputsOf, orderOf } from "../../web/training/batches.js";
import { draw, initialValues } from "../../web/training/initial.js";
import { correctionsOf, emaShare } from "../../web/training/rates.js";
import {
  balancedWeights,
  firstBias,
  knownLabels,
  labelWeight,
  meanAndDeviation,
  settle,
  toOutput,
} from "../../web/training/targets.js";
import { recorded, shape, targets, training } from "./training_tiny/model.js";

const STEPS = 3;

/** The samples that the program trained on when it was recorded. */
function recordedSamples() {
  const photos = [];
  const labels = [[], []];
  const pixels = 3 * shape.width * shape.height;
  for (let step = 0; step < STEPS; step += 1) {
    const inputs = recorded(`step-${step}`);
    for (let row = 0; row < shape.batch; row += 1) {
      photos.push(inputs.get("photos").subarray(row * pixels, (row + 1) * pixels));
    }
    labels[0].push(...new Float32Array(inputs.get("age.targets").buffer));
    labels[1].push(...new Float32Array(inputs.get("gender.targets").buffer));
  }
  return { names: photos.map(String), photos, labels: labels.map((values) => Float32Array.from(values)) };
}

const samples = recordedSamples();
const all = [...samples.photos.keys()];
const settled = targets.map((target, place) => settle(target, knownLabels(samples.labels[place], all)));

test("philox gives the published answers", () => {
  const words = new Uint32Array(4);
  philox4x32([0, 0, 0, 0], [0, 0], words);
  assert.deepEqual([...words], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  philox4x32([0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], words);
  assert.deepEqual([...words], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], words);
  assert.deepEqual([...words], [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
});

test("a seed is 64 bits, and streams, samples, epochs and seeds differ", () => {
  assert.deepEqual(key("18446744073709551614"), [0xfffffffe, 0xffffffff]);
  assert.deepEqual(key(1n << 32n), [0, 1]);
  const firsts = [
    ["1", 1, 1, Stream.ORDER],
    ["4294967297", 1, 1, Stream.ORDER],
    ["1", 2, 1, Stream.ORDER],
    ["1", 1, 2, Stream.ORDER],
    ["1", 1, 1, Stream.SPLIT],
  ].map((sequence) => new Generator(...sequence).nextU32());
  assert.equal(new Set(firsts).size, firsts.length);
});

test("a number below a bound is uniform, for large bounds too", () => {
  const generator = new Generator("7", 0, 0, Stream.ORDER);
  const twin = new Generator("7", 0, 0, Stream.ORDER);
  for (const bound of [1, 2, 10, 0x7fffffff, 0xffffffff]) {
    const want = Number((BigInt(twin.nextU32()) * BigInt(bound)) >> 32n);
    assert.equal(generator.below(bound), want);
  }
});

test("initial values have the program's bits", () => {
  const values = new Map(initialValues(training));
  for (const [place, target] of settled.entries()) {
    values.get(target.bias)[0] = firstBias(target, knownLabels(samples.labels[place], all));
  }
  const initial = recorded("initial");
  assert.deepEqual([...values.keys()].sort(), [...initial.keys()].sort());
  for (const [name, bytes] of initial) {
    assert.deepEqual(new Uint8Array(values.get(name).buffer), bytes, name);
  }
});

test("the inputs of every step have the program's bits", () => {
  const variation = { augment: training.augment, seed: training.seed, epoch: 0 };
  for (let step = 0; step < STEPS; step += 1) {
    const chosen = all.slice(step * shape.batch, (step + 1) * shape.batch);
    const rates = {
      factor: 1,
      corrections: correctionsOf(training.betas, step + 1),
      emaShare: emaShare(training.ema, step + 1),
    };
    const inputs = inputsOf(samples, settled, chosen, shape, variation, rates);
    const want = recorded(`step-${step}`);
    assert.deepEqual(Object.keys(inputs).sort(), [...want.keys()].sort());
    for (const [name, bytes] of want) assert.deepEqual(inputs[name], bytes, `step ${step}, ${name}`);
  }
});

test("a short batch is filled up and says so", () => {
  const inputs = inputsOf(samples, settled, [3, 2], shape, null);
  const words = new Uint32Array(inputs.batch.buffer);
  assert.deepEqual([...words], [2, 0, 0, 0, 0x3f800000, 0x3f800000, 0x3f800000, 0]);
  assert.deepEqual([...new Uint32Array(inputs.sample.buffer)], [3, 2, 0, 0, 0, 0]);
  assert.deepEqual([...new Float32Array(inputs["age.sample_weight"].buffer)], [1, 1, 0, 0, 0, 0]);
  assert.deepEqual([...new Int32Array(inputs.transform.buffer).slice(-6)], [65536, 0, 0, 0, 65536, 0]);
  assert.ok(inputs.photos.subarray(2 * 432).every((byte) => byte === 0));
});

test("a sample without a label counts nothing, and classes are numbers of their places", () => {
  const kinds = { ...targets[1], kind: "classes", classes: ["a", "b", "c"], balance: true };
  const labels = Float32Array.of(2, NaN, 0, 0, 0);
  const target = settle(kinds, knownLabels(labels, [0, 1, 2, 3, 4]));
  const set = { names: [], photos: samples.photos.slice(0, 5), labels: [labels] };
  const inputs = inputsOf(set, [target], [0, 1, 2], shape, null);
  assert.deepEqual([...new Uint32Array(inputs["gender.targets"].buffer)], [2, 0, 0, 0, 0, 0]);
  const weights = [...new Float32Array(inputs["gender.sample_weight"].buffer)];
  assert.deepEqual(weights, [2, 0, Math.fround(2 / 3), 0, 0, 0]);
  const numbers = inputsOf({ ...set, labels: [labels] }, [settled[0]], [0, 1, 2], shape, null);
  assert.deepEqual([...new Float32Array(numbers["age.targets"].buffer)], [2, 0, 0, 0, 0, 0]);
});

test("balanced weights have the mean 1 and the same sum for each class", () => {
  const weights = balancedWeights(Float32Array.of(0, 0, 0, 2), 3);
  assert.deepEqual(weights, [Math.fround(2 / 3), 1, 2]);
  assert.equal(labelWeight({ class_weights: weights }, 2), 2);
  assert.equal(labelWeight({ class_weights: [] }, 2), 1);
});

test("a standardized number is learned less its mean and over its deviation", () => {
  const labels = Float32Array.of(10, 30, 50, 30);
  const target = settle({ ...targets[0], standardize: true }, labels);
  assert.deepEqual(target.mean_and_deviation, [30, Math.fround(Math.sqrt(200))]);
  assert.equal(toOutput(target, 30), 0);
  assert.equal(firstBias(target, labels), 0);
  assert.deepEqual(meanAndDeviation(Float32Array.of(7, 7)), [7, 1]);
  const known = settle({ ...target, mean_and_deviation: [1, 2] }, labels);
  assert.deepEqual(known.mean_and_deviation, [1, 2], "what the model brings stays");
});

test("first biases are the mean, the logit of a share that is no certainty, or none", () => {
  assert.equal(firstBias(settled[0], Float32Array.of(1, 2, 6)), 3);
  assert.equal(firstBias(settled[1], Float32Array.of(1, 1, 1)), Math.fround(Math.log(99)));
  assert.equal(firstBias({ ...settled[1], kind: "classes" }, Float32Array.of(1)), null);
});

test("the row of an embedding that stands for no token is zero", () => {
  const rows = draw({ rows: { rows: 3, width: 2 } }, 6, new Generator("1", 0, 0, Stream.INIT));
  assert.deepEqual([...rows.subarray(0, 2)], [0, 0]);
  assert.ok(rows.subarray(2).every((value) => value !== 0 && Math.abs(value) < Math.sqrt(6 / 5)));
});

test("every epoch has its own order of the same samples", () => {
  const many = [...Array(100).keys()];
  const [first, second] = [orderOf(many, "5", 0), orderOf(many, "5", 1)];
  assert.notDeepEqual(first, second);
  assert.deepEqual(orderOf(many, "5", 0), first);
  assert.deepEqual(
    second.sort((a, b) => a - b),
    many,
  );
});

test("shifts are shares of each side and change nothing else", () => {
  const most = [0, 0];
  for (let sample = 0; sample < 200; sample += 1) {
    const plain = drawTransform(training.augment, "1", 0, sample, 100, 50);
    const moved = drawTransform({ ...training.augment, shift: 0.1 }, "1", 0, sample, 100, 50);
    const by = moved.map((value, place) => (value - plain[place]) / 65536);
    assert.deepEqual([by[0], by[1], by[3], by[4]], [0, 0, 0, 0]);
    for (const axis of [0, 1]) most[axis] = Math.max(most[axis], Math.abs(by[3 * axis + 2]));
  }
  assert.ok(most[0] > 9.5 && most[0] < 10.01 && most[1] > 4.7 && most[1] < 5.01, `${most}`);
});

test("photos are mirrored as often as asked", () => {
  const mirrored = (flip_probability) => {
    const augment = { ...training.augment, flip_probability };
    return [...Array(100).keys()].filter((sample) => drawTransform(augment, "1", 0, sample, 12, 12)[0] < 0)
      .length;
  };
  assert.deepEqual([mirrored(0), mirrored(1)], [0, 100]);
  assert.ok(mirrored(0.1) > 0 && mirrored(0.1) < 30);
});
