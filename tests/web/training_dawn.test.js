// A whole training by Dawn beside that of the program on the same photos, and the run folder that it leaves: the
// program evaluates it and goes on with it.
//
//   WEBGPU=FOLDER [FACESHADER=PROGRAM] node --test tests/web/training_dawn.test.js
//
// WEBGPU is the folder of the npm package webgpu.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Generator, Stream } from "../../web/philox.js";
import { Player } from "../../web/player.js";
import { listFiles, zipOf } from "../../web/training/archive.js";
import { hashOf } from "../../web/training/copies.js";
import { labelPhotos } from "../../web/training/labels.js";
import { runFiles } from "../../web/training/run_folder.js";
import { splitOf } from "../../web/training/split.js";
import { parseSafetensors } from "../../web/safetensors.js";
import { formatCheckpoint, parseCheckpoint } from "../../web/training/state.js";
import { Trainer } from "../../web/training/trainer.js";
import { pngOf } from "./training_tiny/png.js";
import { RECIPES } from "./training_tiny/recipes.js";
import { shape, targets, training } from "./training_tiny/model.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = resolve(process.env.FACESHADER ?? join(root, "target/release/faceshader"));
const { WEBGPU: webgpu } = process.env;
const EPOCHS = 2;
const PHOTOS = 60;
/** What sums over batches of other sizes may come to. */
const ROUNDING = 1e-5;
/** What the roundings of another device may come to in an epoch: some ReLUs decide otherwise. */
const OTHER_DEVICE = 0.02;

process.env.VK_ICD_FILENAMES ??= "/usr/lib/chromium/vk_swiftshader_icd.json";

const skip = webgpu ? false : "SKIPPED: WEBGPU names no folder of the npm package webgpu";

for (const name of ["plain", "all"]) {
  describe(`a training by Dawn with the recipe "${name}"`, { skip }, () => trainingBy(RECIPES[name]));
}

/** The tests of a recipe. */
function trainingBy({ toml, plan }) {
  const folder = mkdtempSync(join(tmpdir(), "faceshader-web-"));
  const inFolder = (...parts) => join(folder, ...parts);
  const faceshader = (...command) =>
    execFileSync(program, command, { cwd: folder, encoding: "utf8", stdio: "pipe" });
  const curvesOf = (run) =>
    readFileSync(inFolder(run, "plots/curves.csv"), "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(",").map(Number));
  /** Everything that this training knows. */
  const known = {};

  before(async () => {
    const photos = await drawPhotos(inFolder("photos.zip"));
    writeFileSync(inFolder("tiny.toml"), toml);
    faceshader("export", "program", "--model", "tiny.toml", "--out", "program", "--kernels", "gpu");
    // The same kernels on the same driver: the same bits.
    const device = ["--adapter", "vulkan", "--kernels", "gpu", "--no-verify"];
    faceshader("train", "--model", "tiny.toml", "--data", "photos.zip", "--out", "ours", ...device);
    const { create, globals } = await import(pathToFileURL(resolve(webgpu, "index.js")).href);
    Object.assign(globalThis, globals);
    // The device lives no longer than this.
    known.gpu = create(["backend=vulkan"]);
    const adapter = await known.gpu.requestAdapter();
    known.device = await adapter.requestDevice();
    known.player = new Player(known.device);
    known.model = modelOf(inFolder("program"), inFolder("ours"), plan);
    Object.assign(known, await samplesOf(inFolder("photos.zip"), photos));
    known.trainer = new Trainer(known.player, known.model, known.samples, known.split);
    await known.trainer.initialise();
  });

  after(() => {
    known.device?.destroy();
    rmSync(folder, { recursive: true });
  });

  test("epochs come to the program's losses and metrics, also after a pause", async () => {
    const { trainer } = known;
    const seen = [];
    assert.ok((await trainer.epoch(0, { onProgress: (progress) => seen.push(progress) })).epoch);
    assert.equal(trainer.stepsPerEpoch, 8);
    const wanted = [...Array(8).keys()].map((step) => ({ phase: "training", done: step + 1, all: 8 }));
    assert.deepEqual(seen, [...wanted, ...[1, 2].map((done) => ({ phase: "validation", done, all: 2 }))]);
    known.first = { tensors: await trainer.tensors(), steps: trainer.steps, epoch: 1, step: 0 };
    const pause = new AbortController();
    const onProgress = ({ done }) => done === 2 && pause.abort();
    const { interrupted } = await trainer.epoch(1, { onProgress, signal: pause.signal });
    assert.ok(interrupted >= 2 && interrupted < 8, `${interrupted}`);
    const paused = { tensors: await trainer.tensors(), steps: trainer.steps, epoch: 1, step: interrupted };
    known.paused = parseCheckpoint(formatCheckpoint(paused));
    await trainer.epoch(1, { firstStep: interrupted });
    const want = curvesOf("ours");
    const got = trainer.epochs.map(({ epoch, train, validation }) => [
      epoch,
      ...train.flatMap((result, place) => [
        result.loss,
        validation[place].loss,
        result.metric,
        validation[place].metric,
      ]),
    ]);
    assert.equal(got.length, EPOCHS);
    for (const [row, values] of got.entries()) {
      for (const [place, value] of values.entries()) {
        const error = Math.abs(value / want[row][place] - 1);
        assert.ok(error <= ROUNDING, `epoch ${row + 1}, column ${place}: ${value}, not ${want[row][place]}`);
      }
    }
    const saved = parseCheckpoint(new Uint8Array(readFileSync(inFolder("ours/checkpoint.safetensors"))));
    assert.equal(trainer.steps, saved.steps);
    for (const [name, { bytes }] of await trainer.tensors()) {
      // Sums are over batches of other sizes.
      if (!name.endsWith(".sums"))
        assert.deepEqual(bytes, Uint8Array.from(saved.tensors.get(name).bytes), name);
    }
    const best = parseSafetensors(new Uint8Array(readFileSync(inFolder("ours/weights/best.safetensors"))));
    assert.deepEqual([...trainer.best.weights.keys()].sort(), [...best.keys()].sort());
    for (const [name, { bytes }] of best) {
      assert.deepEqual(trainer.best.weights.get(name).bytes, Uint8Array.from(bytes), `best ${name}`);
    }
    assert.equal(trainer.best.epoch, 1 + Number(total(trainer.epochs[1]) < total(trainer.epochs[0])));
  });

  test("a training that goes on from a saved state has the bits of one that was never stopped", async () => {
    const want = await known.trainer.tensors();
    const { first, paused, trainer } = known;
    for (const { tensors, steps, epoch, step } of [first, paused]) {
      const again = new Trainer(known.player, known.model, known.samples, known.split);
      await again.restore({ tensors, steps }, trainer.epochs.slice(0, 1), trainer.best);
      await again.epoch(epoch, { firstStep: step });
      assert.equal(again.steps, 16);
      for (const [name, { bytes }] of await again.tensors())
        assert.deepEqual(bytes, want.get(name).bytes, name);
    }
  });

  test("the program evaluates its run folder, predicts by it, and goes on with it", async () => {
    const { trainer, names, labels, split, columns } = known;
    const run = {
      training: known.model.training,
      targets: trainer.targets,
      columns,
      names,
      labels,
      split,
      machine: { adapter: "Dawn", driver: "" },
      started: 0,
      dataPath: "photos.zip",
    };
    const write = (name, more) => {
      for (const { name: path, bytes } of runFiles({ ...run, ...more }, name)) {
        mkdirSync(dirname(inFolder(path)), { recursive: true });
        writeFileSync(inFolder(path), bytes);
      }
    };
    const checkpoint = { tensors: await trainer.tensors(), steps: trainer.steps, epoch: EPOCHS, step: 0 };
    write("whole", { epochs: trainer.epochs, best: trainer.best, checkpoint });
    assert.equal(
      readFileSync(inFolder("whole/split.csv"), "utf8"),
      readFileSync(inFolder("ours/split.csv"), "utf8"),
    );
    assert.deepEqual(
      JSON.parse(readFileSync(inFolder("whole/guessing.json"))),
      JSON.parse(readFileSync(inFolder("ours/guessing.json"))),
    );
    // What was validated.
    const weights = plan.ema ? "ema" : "last";
    const told = JSON.parse(
      faceshader("eval", "whole", "--weights", weights, "--json", "--no-verify", "--adapter", "cpu"),
    );
    const [age, gender] = trainer.epochs[1].validation;
    assert.equal(told.photos, split.validation.length);
    assert.ok(Math.abs(told.age_loss / age.loss - 1) <= OTHER_DEVICE, `${told.age_loss}, not ${age.loss}`);
    assert.equal(told.gender_accuracy, gender.metric);
    assert.equal(
      JSON.parse(
        faceshader("eval", "whole", "--data", "photos.zip", "--json", "--no-verify", "--adapter", "cpu"),
      ).photos,
      PHOTOS,
    );
    faceshader("predict", "whole", "photos.zip", "--no-verify", "--adapter", "cpu");

    for (const [name, more] of [
      ["first", known.first],
      ["paused", known.paused],
    ]) {
      write(name, {
        epochs: trainer.epochs.slice(0, 1),
        best: { ...trainer.best, epoch: 1 },
        checkpoint: more,
      });
      faceshader("train", "--resume", name, "--adapter", "cpu", "--no-verify");
      const [want, got] = [curvesOf("ours"), curvesOf(name)].map((rows) => rows[1].slice(1, -1));
      for (const [place, value] of got.entries()) {
        assert.ok(Math.abs(value / want[place] - 1) <= OTHER_DEVICE, `${name}: ${value}, not ${want[place]}`);
      }
    }
  });
}

const total = ({ validation }) => validation.reduce((sum, { weight, loss }) => sum + weight * loss, 0);

/**
 * Makes an archive of photos with names that tell ages and genders. Their pixels, by name.
 *
 * @param {string} path
 */
async function drawPhotos(path) {
  const generator = new Generator("1", 0, 0, Stream.SPLIT);
  const photos = new Map();
  for (let index = 0; index < PHOTOS; index += 1) {
    const [age, gender] = [generator.below(90), generator.below(2)];
    const rgb = Uint8Array.from(
      { length: 3 * shape.width * shape.height },
      () => generator.below(128) + age + 30 * gender,
    );
    photos.set(`faces/${age}_${gender}_0_${index}.png`, rgb);
  }
  // The second of two copies comes to the side of the first.
  const [one, other] = photos.keys();
  photos.set(one, photos.get(other));
  const files = [...photos].map(([name, rgb]) => ({ name, bytes: pngOf(rgb, shape.width, shape.height) }));
  writeFileSync(path, new Uint8Array(await zipOf(files).arrayBuffer()));
  return photos;
}

/**
 * The model of a page, from what `export program` and a training wrote.
 *
 * @param {string} exported
 * @param {string} run
 * @param {object} plan what its training says besides that of the plain model
 */
function modelOf(exported, run, plan) {
  const read = (name) => readFileSync(join(exported, name), "utf8");
  const shaders = readdirSync(join(exported, "shaders")).map((file) => [
    `shaders/${file}`,
    read(`shaders/${file}`),
  ]);
  const [step, evaluation] = ["training.json", "evaluation.json"].map((name) => JSON.parse(read(name)));
  const written = readFileSync(join(run, "config.toml"), "utf8");
  const config = written.replace(/^#.*\n/gm, "").replace(/\[data\]\npath = .*\n\n/, "");
  return {
    name: "tiny",
    photo: { width: shape.width, height: shape.height },
    targets,
    shaders: Object.fromEntries(shaders),
    training: { ...training, ...plan, step, evaluation, config },
  };
}

/**
 * The samples of an archive, as a page reads them.
 *
 * @param {string} path
 * @param {Map<string, Uint8Array>} photos the pixels, by name
 */
async function samplesOf(path, photos) {
  const listing = await listFiles([new File([readFileSync(path)], "photos.zip")]);
  const {
    kept: names,
    labels,
    sides,
    columns,
  } = labelPhotos(
    listing.photos.map(({ name }) => name),
    targets,
  );
  const pixels = names.map((name) => photos.get(name));
  const split = splitOf(names, sides, [...names.keys()], pixels.map(hashOf), training.seed);
  return { names, labels, columns, split, samples: { names, photos: pixels, labels } };
}
