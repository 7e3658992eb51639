// What a training leaves: its state, its results, and the files of a run folder.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSafetensors, parseMetadata, parseSafetensors } from "../../web/safetensors.js";
import { settledConfig } from "../../web/training/config.js";
import { guessesOf } from "../../web/training/guessing.js";
import { withRanges } from "../../web/training/ranges.js";
import { bestEpoch, curvesCsv, resultOf, resultsCsv, totalLoss } from "../../web/training/results.js";
import { runFiles, splitCsv } from "../../web/training/run_folder.js";
import {
  areFinite,
  formatCheckpoint,
  lastingBuffers,
  parseCheckpoint,
  writeTensors,
} from "../../web/training/state.js";
import { targets, training } from "./training_tiny/model.js";

const floats = (...values) => new Uint8Array(Float32Array.from(values).buffer);
const tensor = (...values) => ({ dtype: "F32", shape: [values.length], bytes: floats(...values) });
const settled = targets.map((target) => ({ ...target, mean_and_deviation: null, class_weights: [] }));
const CONFIG = `name = "tiny"

[training]
epochs = 2
warmup_epochs = 0.5
patience = 3
seed = 11

[training.plateau]
patience = 4

[data]

[[layer]]
name = "age"

[[target]]
name = "age"
kind = "number"
standardize = true
mean_and_deviation = [1.0, 2.0]

[[target]]
name = "gender"
classes = ["male", "female"]

[[branch]]
name = "age"
`;

function epoch(number, validationLoss) {
  const results = (loss) => [
    { target: "age", metric_name: "age_mae", weight: 1, loss, metric: 8.25 },
    { target: "gender", metric_name: "gender_accuracy", weight: 500, loss: 0.5, metric: 0.75 },
  ];
  return { epoch: number, train: results(100.5), validation: results(validationLoss), seconds: 1.50049 };
}

test("tensors and metadata are read back as written, wide elements first and aligned", () => {
  const tensors = new Map([
    ["a.photos", { dtype: "U8", shape: [3], bytes: Uint8Array.of(1, 2, 3) }],
    ["b", tensor(1.5, -2)],
    ["c", { dtype: "U32", shape: [1], bytes: Uint8Array.of(9, 0, 0, 0) }],
  ]);
  const file = formatSafetensors(tensors, { note: "grün" });
  const read = parseSafetensors(file);
  assert.deepEqual([...read.keys()], ["b", "c", "a.photos"]);
  assert.deepEqual(
    new Map([...read].map(([name, one]) => [name, { ...one, bytes: one.bytes.slice() }])),
    tensors,
  );
  assert.ok([...read.values()].slice(0, 2).every(({ bytes }) => bytes.byteOffset % 4 === 0));
  assert.deepEqual(parseMetadata(file), { note: "grün" });
  assert.deepEqual(parseMetadata(formatSafetensors(tensors)), {});
  assert.throws(() => parseSafetensors(file.subarray(0, file.length - 1)), /ends before the end of a.photos/);
  assert.throws(() => parseSafetensors(file.subarray(0, 20)), /no safetensors/);
});

test("a checkpoint says where the training was", () => {
  const checkpoint = { tensors: new Map([["a", tensor(1)]]), steps: 3_000_000_000, epoch: 2, step: 5 };
  const file = formatCheckpoint(checkpoint);
  assert.deepEqual(JSON.parse(parseMetadata(file).faceshader), { epoch: "2", step: "5" });
  const { tensors, ...rest } = parseCheckpoint(file);
  assert.deepEqual(rest, { steps: 3_000_000_000, epoch: 2, step: 5 });
  assert.deepEqual([...tensors.keys()], ["a"]);
  assert.throws(() => parseCheckpoint(formatSafetensors(new Map([["a", tensor(1)]]))), /does not say where/);
});

test("buffers that hold others are not saved, and what does not fit is not written", () => {
  const buffer = (name, kind, part_of = null) => ({ name, kind, part_of, dtype: "f32", shape: [2] });
  const buffers = [
    buffer("a.weight", "persistent", { whole: 2 }),
    buffer("a.output", "transient"),
    buffer("optimizer.param", "persistent"),
    buffer("a.sums", "persistent"),
  ];
  const lasting = lastingBuffers({ buffers });
  assert.deepEqual(
    lasting.map(({ name }) => name),
    ["a.weight", "a.sums"],
  );
  const written = [];
  const player = { write: (_, name) => written.push(name) };
  const good = new Map([
    ["a.weight", tensor(1, 2)],
    ["a.sums", tensor(3, 4)],
    ["other", tensor(5)],
  ]);
  writeTensors(player, {}, lasting, good);
  assert.deepEqual(written, ["a.weight", "a.sums"]);
  for (const [wrong, message] of [
    [tensor(1), /a.sums .* is 1, but 2 is needed/],
    [{ ...tensor(1, 2), dtype: "U32" }, /a.sums/],
    [undefined, /has no a.sums/],
  ]) {
    const tensors = new Map(good);
    if (wrong) tensors.set("a.sums", wrong);
    else tensors.delete("a.sums");
    assert.throws(() => writeTensors(player, {}, lasting, tensors), message);
  }
  assert.equal(written.length, 2);
});

test("infinities and NaN are noticed wherever they lie, and integers are none", () => {
  const words = { dtype: "U32", shape: [1], bytes: new Uint8Array(Uint32Array.of(0x7f800000).buffer) };
  assert.ok(
    areFinite(
      new Map([
        ["a", tensor(1, -3e38)],
        ["b", words],
      ]),
    ),
  );
  for (const value of [NaN, Infinity, -Infinity]) assert.ok(!areFinite(new Map([["a", tensor(1, value)]])));
  const odd = { ...tensor(1), bytes: Uint8Array.of(0, ...floats(NaN)).subarray(1) };
  assert.ok(!areFinite(new Map([["a", odd]])));
});

test("the loss is a weighted mean and the metric a plain one, in the label's unit", () => {
  const [age] = settled;
  const { loss, metric } = resultOf(age, Float32Array.of(5, 9, 3, 0.5));
  assert.deepEqual([loss, metric], [10, 3]);
  assert.equal(resultOf({ ...age, mean_and_deviation: [1, 5] }, Float32Array.of(30, 9, 3, 3)).metric, 15);
  assert.ok(Number.isNaN(resultOf(age, new Float32Array(4)).loss));
});

test("the best epoch is the first of those whose validation loss is least", () => {
  const epochs = [epoch(1, 3), epoch(2, 2), epoch(3, 2)];
  assert.equal(bestEpoch(epochs).epoch, 2);
  assert.equal(totalLoss(epochs[1].validation), 252);
  assert.equal(bestEpoch([]), undefined);
});

test("results and curves have the program's columns", () => {
  const names =
    "epoch,train_loss,val_loss,train_age_mae,val_age_mae,train_gender_accuracy,val_gender_accuracy,seconds";
  assert.equal(resultsCsv([epoch(1, 1 / 3)]), `${names}\n1,350.5,${250 + 1 / 3},8.25,8.25,0.75,0.75,1.5\n`);
  const [header, row] = curvesCsv([epoch(1, 1 / 3)]).split("\n");
  assert.equal(
    header,
    "epoch,train_age_loss,val_age_loss,train_age_mae,val_age_mae,train_gender_loss,val_gender_loss,train_gender_accuracy,val_gender_accuracy,seconds",
  );
  assert.equal(row, `1,100.5,${1 / 3},8.25,8.25,0.5,0.5,0.75,0.75,1.5`);
  assert.equal(resultsCsv([]), "");
});

test("a configuration is completed by what the training labels tell", () => {
  const told = [
    { ...settled[0], mean_and_deviation: [30, Math.fround(0.1)] },
    { ...settled[1], class_weights: [0.75, 1.5] },
  ];
  const plan = { config: CONFIG, epochs: 7, patience: 3 };
  const config = settledConfig(plan, told, ["age", "class"], 'C:\\my "photos".zip');
  assert.match(
    config,
    /name = "age"\nkind = "number"\nstandardize = true\nmean_and_deviation = \[30\.0, 0\.10000000149011612\]\n\n/,
  );
  assert.match(
    config,
    /name = "gender"\nclasses = \["male", "female"\]\ncolumn = "class"\nclass_weights = \[0\.75, 1\.5\]\n\n/,
  );
  assert.ok(config.endsWith('[[branch]]\nname = "age"\n[data]\npath = "C:\\\\my \\"photos\\".zip"\n'));
  assert.equal(config.match(/\[data\]/g).length, 1);
  assert.equal(config.match(/mean_and_deviation/g).length, 1);
  assert.ok(config.includes("\n[training]\nwarmup_epochs = 0.5\nseed = 11\nepochs = 7\npatience = 3\n\n"));
  const other = settledConfig({ ...plan, patience: 0 }, settled, ["age", "gender"], null);
  assert.ok(!other.includes("[data]"));
  assert.ok(
    other.includes("\n[training]\nwarmup_epochs = 0.5\nseed = 11\nepochs = 7\n\n"),
    "it never ends early",
  );
  assert.ok(other.includes("\n[training.plateau]\npatience = 4\n"), "a plateau has a patience of its own");
});

test("guesses are of the training labels only", () => {
  const labels = [Float32Array.of(9, 1, 2, NaN, 500), Float32Array.of(1, 0, 1, 1, 0)];
  assert.deepEqual(guessesOf(targets, labels, [0, 1, 2, 3]), [
    ["age", { number: { mean: 4, median: 2 } }],
    ["gender", { classes: [1, 3] }],
  ]);
  assert.deepEqual(guessesOf(targets, labels, [3]), [["gender", { classes: [0, 1] }]]);
});

test("a split is written in the order of the names, quoted where it has to be", () => {
  const names = ["b.jpg", 'a, "quoted".jpg', "left out.jpg", " c.jpg"];
  const text = splitCsv(names, { train: [1, 3], validation: [0], test: [] });
  assert.equal(text, 'file,split\nb.jpg,test\n"a, ""quoted"".jpg",train\n" c.jpg",train\n');
  assert.match(
    splitCsv(names, { train: [1], validation: [0], test: [2] }),
    /b.jpg,val\n.*\nleft out.jpg,test\n/,
  );
});

test("a run folder holds the files that the program opens, with weights of the model only", () => {
  const tensors = new Map([
    ...training.parameters.map(({ name }) => [name, tensor(1)]),
    ["age.sums", tensor(7)],
  ]);
  const best = { epoch: 1, weights: new Map([["conv1.weight", tensor(2)]]) };
  const run = {
    training: { ...training, config: CONFIG },
    targets: settled,
    columns: ["age", "gender"],
    names: ["a.jpg", "b.jpg"],
    labels: [Float32Array.of(1, 2), Float32Array.of(0, 1)],
    split: { train: [0], validation: [1], test: [] },
    epochs: [epoch(1, 3)],
    best,
    checkpoint: { tensors, steps: 8, epoch: 1, step: 0 },
    dataPath: "photos.zip",
    machine: { adapter: "a GPU", driver: "" },
    started: 5_500,
  };
  const files = new Map(
    runFiles(run, "tiny-web").map(({ name, bytes }) => [name.replace("tiny-web/", ""), bytes]),
  );
  assert.deepEqual([...files.keys()].sort(), [
    "checkpoint.safetensors",
    "config.toml",
    "env.json",
    "guessing.json",
    "plots/curves.csv",
    "results.csv",
    "split.csv",
    "weights/best.safetensors",
    "weights/last.safetensors",
  ]);
  assert.ok(!parseSafetensors(files.get("weights/last.safetensors")).has("age.sums"));
  assert.ok(parseSafetensors(files.get("checkpoint.safetensors")).has("age.sums"));
  assert.deepEqual(JSON.parse(parseMetadata(files.get("weights/best.safetensors")).faceshader), {
    epoch: "1",
  });
  assert.equal(JSON.parse(new TextDecoder().decode(files.get("env.json")))[0].started_unix_secs, 5);
  assert.equal(runFiles({ ...run, best: null }, "x").length, 8);
  const averages = new Map([...tensors, ["conv1.weight.ema", tensor(3)]]);
  const averaged = runFiles({ ...run, checkpoint: { ...run.checkpoint, tensors: averages } }, "x");
  const file = averaged.find(({ name }) => name === "x/weights/ema.safetensors")?.bytes;
  const read = [...parseSafetensors(file)].map(([name, { bytes }]) => [name, Uint8Array.from(bytes)]);
  assert.deepEqual(read, [["conv1.weight", floats(3)]]);
  assert.deepEqual(parseMetadata(file), { faceshader: '{"epoch":"1"}' });
});

test("programs learn the range of a standardized number, and nothing else changes", () => {
  const pipeline = (constants) => ({ wgsl: "w", entry_point: "e", constants });
  const dispatch = (index, slot) => ({
    pipeline: index,
    bindings: [{ slot, offset_bytes: 0 }],
    workgroups: [1, 1, 1],
  });
  const program = {
    buffers: [
      { name: "age.sums", slot: 4, offset_bytes: 0 },
      { name: "gender.sums", slot: 5, offset_bytes: 0 },
    ],
    pipelines: [pipeline({ METRIC: 0, LOW: 0, HIGH: 150 }), pipeline({ LOW: 0, HIGH: 1 })],
    dispatches: [dispatch(1, 4), dispatch(0, 4), dispatch(0, 5)],
  };
  const changed = withRanges(program, [{ ...settled[0], mean_and_deviation: [30, 20] }, settled[1]]);
  const constants = changed.dispatches.map((one) => changed.pipelines[one.pipeline].constants);
  assert.deepEqual(constants, [
    { LOW: 0, HIGH: 1 },
    { METRIC: 0, LOW: -1.5, HIGH: 6 },
    { METRIC: 0, LOW: 0, HIGH: 150 },
  ]);
  const alone = withRanges({ ...program, dispatches: program.dispatches.slice(0, 2) }, [
    { ...settled[0], mean_and_deviation: [30, 20] },
  ]);
  assert.equal(alone.pipelines.length, 2);
  const same = withRanges(program, settled);
  assert.deepEqual(
    same.dispatches.map((one) => same.pipelines[one.pipeline]),
    program.dispatches.map((one) => program.pipelines[one.pipeline]),
  );
});
