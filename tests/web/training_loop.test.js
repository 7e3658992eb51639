// The training loop, over a device that counts instead of computing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCheckpoint, formatCheckpoint } from "../../web/training/state.js";
import { Diverged, Trainer } from "../../web/training/trainer.js";
import { Counter, programOf, samples, split, trainerOn } from "./training_tiny/counter.js";
import { shape, targets, training } from "./training_tiny/model.js";

test("an epoch trains on each sample once, in its own order, and validates", async () => {
  const player = new Counter();
  const trainer = trainerOn(player, { schedule: "cosine" });
  await trainer.initialise();
  assert.ok(player.cleared);
  const seen = [];
  const { epoch } = await trainer.epoch(0, {
    onProgress: ({ phase, done, all }) => seen.push(`${phase} ${done}/${all}`),
  });
  const steps = player.runs.filter(({ name }) => name === "step");
  assert.deepEqual(
    steps.map((run) => run.samples.length),
    [6, 6, 1],
  );
  assert.deepEqual(
    steps.flatMap((run) => run.samples).sort((a, b) => a - b),
    split.train,
  );
  const evaluations = player.runs.filter(({ name }) => name === "evaluation");
  assert.deepEqual(
    evaluations.map((run) => run.samples),
    [[13, 14], [15]],
  );
  assert.deepEqual(seen, [
    "training 1/3",
    "training 2/3",
    "training 3/3",
    "validation 1/2",
    "validation 2/2",
  ]);
  assert.deepEqual(
    epoch.train.map(({ loss, metric }) => [loss, metric]),
    [
      [1, 1],
      [1, 1],
    ],
  );
  assert.deepEqual(
    steps.map(({ factor }) => factor),
    [0, 1, 2].map((step) => Math.fround((1 + Math.cos((Math.PI * step) / 6)) / 2)),
  );
  assert.ok(Math.abs(steps[1].correction - 1 / (1 - 0.9 ** 2)) < 1e-6);
  assert.ok(evaluations.every(({ factor, correction }) => factor === 1 && correction === 1));
  await trainer.epoch(1);
  const second = player.runs.filter((run) => run.name === "step" && run.epoch === 1);
  assert.notDeepEqual(
    second.flatMap((run) => run.samples),
    steps.flatMap((run) => run.samples),
  );
});

test("never more than a few runs are in flight", async () => {
  const player = new Counter();
  const trainer = trainerOn(player, { step: programOf("step", 1) });
  await trainer.initialise();
  await trainer.epoch(0);
  assert.ok(player.mostInFlight > 1 && player.mostInFlight <= 5, `${player.mostInFlight}`);
});

test("a paused epoch goes on where it stopped, and a restored one too", async () => {
  const lossOf = (_, run) => run;
  const whole = new Counter(lossOf);
  const never = trainerOn(whole);
  await never.initialise();
  const { epoch: want } = await never.epoch(0);
  const player = new Counter(lossOf);
  const trainer = trainerOn(player);
  await trainer.initialise();
  const { interrupted } = await trainer.epoch(0, { signal: AbortSignal.abort() });
  assert.equal(interrupted, 1);
  const file = formatCheckpoint({
    tensors: await trainer.tensors(),
    steps: trainer.steps,
    epoch: 0,
    step: 1,
  });
  const after = await trainer.epoch(0, { firstStep: 1 });
  assert.deepEqual(player.runs, whole.runs);
  assert.deepEqual(after.epoch.train, want.train);

  const other = new Counter(lossOf);
  const again = trainerOn(other);
  const saved = parseCheckpoint(file);
  await again.restore(saved, [], null);
  await again.epoch(saved.epoch, { firstStep: saved.step });
  assert.deepEqual([...player.runs.slice(0, 1), ...other.runs], whole.runs);
  assert.deepEqual(other.memory.get("conv1.bias"), whole.memory.get("conv1.bias"));
});

test("the weights of the best epoch are kept", async () => {
  const losses = [3, 1, 1, 2];
  const trainer = trainerOn(
    new Counter(({ name }) => (name === "evaluation" ? losses[trainer.epochs.length] : 1)),
  );
  await trainer.initialise();
  const bests = [];
  for (const epoch of losses.keys()) {
    await trainer.epoch(epoch);
    bests.push(trainer.best.epoch);
  }
  assert.deepEqual(bests, [1, 2, 2, 2]);
  assert.equal(new Float32Array(trainer.best.weights.get("conv1.bias").bytes.buffer)[0], 6);
  assert.ok(!trainer.best.weights.has("age.sums"));
});

test("a training that runs away fails, at the latest after 50 steps", async () => {
  const player = new Counter((_, run) => (run === 3 ? NaN : 1));
  const trainer = trainerOn(player);
  await trainer.initialise();
  await assert.rejects(
    trainer.epoch(0),
    (error) => error instanceof Diverged && /epoch 1/.test(error.message),
  );
  const many = { train: Array(500).fill(0), validation: [1], test: [] };
  const long = new Counter((_, run) => (run === 3 ? Infinity : 1));
  const plan = {
    ...training,
    step: programOf("step", 1),
    evaluation: programOf("evaluation", 2),
    config: "",
  };
  const other = new Trainer(
    long,
    { name: "tiny", photo: shape, targets, shaders: {}, training: plan },
    samples,
    many,
  );
  await other.initialise();
  await assert.rejects(other.epoch(0), Diverged);
  assert.equal(long.runs.length, 50);
});

test("a failure of the device is told", async () => {
  const player = new Counter();
  const trainer = trainerOn(player);
  await trainer.initialise();
  player.wait = async () => {
    throw new Error("the device was lost");
  };
  await assert.rejects(trainer.epoch(0), /the device was lost/);
});

test("a branch without a label on a side cannot be measured", async () => {
  const trainer = trainerOn(new Counter());
  await trainer.initialise();
  trainer.split = { ...split, validation: [] };
  await assert.rejects(trainer.epoch(0), /none of the validation samples has a label for age/);
});
