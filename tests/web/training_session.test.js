// A training with a recipe, over a device that counts: rates, averages, and sessions that end early.

import assert from "node:assert/strict";
import { test } from "node:test";
import { endText, plateauText } from "../../web/pages/epochs.js";
import { Session } from "../../web/training/session.js";
import { formatCheckpoint, parseCheckpoint } from "../../web/training/state.js";
import { Counter, trainerOn } from "./training_tiny/counter.js";

/** Steps of an epoch of 13 samples. */
const STEPS = 3;

/** A device whose validation losses are these, epoch by epoch. */
function falling(losses) {
  const player = new Counter(({ name }) => {
    const epochs = player.runs.filter((run) => run.name === "step").length / STEPS;
    return name === "evaluation" ? losses[epochs - 1] : 1;
  });
  return player;
}

/** A session that remembers what it saved last. */
async function sessionOn(player, more) {
  const trainer = trainerOn(player, more);
  await trainer.initialise();
  const storage = { save: async (saved) => (storage.saved = saved) };
  return new Session(trainer, storage, { columns: [], dataPath: null, started: 0 });
}

const watcher = (onEpoch = () => {}) => ({ onProgress: () => {}, onEpoch, onSave: () => {} });
const stepsOf = ({ runs }) => runs.filter(({ name }) => name === "step");

test("warm-up, schedule and plateau multiply, and the words of an evaluation are those of none", async () => {
  const player = falling([1, 2, 2, 2, 2]);
  const plateau = { patience: 2, factor: 0.5 };
  const session = await sessionOn(player, { epochs: 5, warmup_epochs: 1, plateau, ema: 0.75 });
  const told = [];
  await session.run(watcher(() => told.push(plateauText(session))));
  const rising = [0.01, 0.01 + 0.99 / 3, 0.01 + (0.99 * 2) / 3];
  const factors = [...rising, ...Array(6).fill(1), ...Array(6).fill(0.5)];
  assert.deepEqual(
    stepsOf(player).map(({ factor }) => factor),
    factors.map(Math.fround),
  );
  const shares = Array.from({ length: 15 }, (_, step) => Math.fround(Math.max(9 / (step + 9), 0.25)));
  assert.deepEqual(
    stepsOf(player).map(({ share }) => share),
    shares,
  );
  const evaluations = player.runs.filter(({ name }) => name === "evaluation");
  assert.ok(evaluations.every(({ factor, share }) => factor === 1 && share === 0));
  const words = (rate) => `The validation loss no longer falls: the learning rate is ${rate} of what it was.`;
  assert.deepEqual(told, [null, null, words(0.5), null, words(0.25)]);
});

test("the best weights are the averages, under the names of the weights", async () => {
  const player = falling([3, 1, 2]);
  const session = await sessionOn(player, { epochs: 3, ema: 0.75 });
  await session.run(watcher());
  const { best } = session.trainer;
  let average = 0;
  for (let step = 1; step <= 2 * STEPS; step += 1) {
    const share = Math.fround(Math.max(9 / (step + 8), 0.25));
    average = Math.fround(average + (step - average) * share);
  }
  assert.equal(best.epoch, 2);
  assert.equal(new Float32Array(best.weights.get("conv1.bias").bytes.buffer)[0], average);
  assert.ok([...best.weights.keys()].every((name) => !name.endsWith(".ema")));
  const { tensors } = await session.checkpoint();
  assert.equal(new Float32Array(tensors.get("conv1.bias").bytes.buffer)[0], 3 * STEPS);
  assert.ok(tensors.has("conv1.bias.ema"));
});

test("a restored training goes on with its averages and its plateau", async () => {
  const plan = { epochs: 3, ema: 0.75, plateau: { patience: 1, factor: 0.5 } };
  const losses = [1, 1, 1];
  const whole = await sessionOn(falling(losses), plan);
  await whole.run(watcher());
  const first = await sessionOn(falling(losses), plan);
  await first.run(watcher(() => first.epoch === 2 && first.pause()));
  const { facts, files } = first.storage.saved;
  const second = await sessionOn(falling(losses.slice(2)), plan);
  await second.restore({ facts, files: { ...files, state: formatCheckpoint(parseCheckpoint(files.state)) } });
  await second.run(watcher());
  const [player, others] = [second.trainer.player, whole.trainer.player];
  assert.deepEqual(
    stepsOf(player),
    stepsOf(others).filter(({ epoch }) => epoch === 2),
  );
  for (const name of ["conv1.bias", "conv1.bias.ema"]) {
    assert.deepEqual(player.memory.get(name), others.memory.get(name), name);
  }
});

test("a training ends early, says so, and trains on where it is told to", async () => {
  const player = falling([3, 2, 2, 2.5, 1]);
  const session = await sessionOn(player, { epochs: 5, patience: 2 });
  await session.run(watcher());
  assert.deepEqual([session.epoch, session.isDone, session.hasEndedEarly], [4, false, true]);
  assert.equal(
    endText(session),
    "Training ends after epoch 4 of 5: the validation loss has not fallen below that of epoch 2 for 2 epochs; " +
      '"train on" trains the epochs that are left.',
  );
  await session.run(watcher());
  assert.equal(session.epoch, 4, "it stays where it ended");
  session.ignorePatience();
  await session.run(watcher());
  assert.deepEqual([session.isDone, session.hasEndedEarly], [true, false]);
  assert.equal(endText(session), "5 epochs done.");
  assert.equal(session.storage.saved.facts.patience, 0, "a page that is opened later trains on, too");
});

test("the last epoch is no early end", async () => {
  const session = await sessionOn(falling([1, 1, 1]), { epochs: 3, patience: 2 });
  await session.run(watcher());
  assert.deepEqual([session.isDone, session.hasEndedEarly], [true, false]);
});
