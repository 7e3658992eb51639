// The rates of a step: the numbers are those of `TrainingSpec` and `Plateau` in `src/spec/training.rs`, printed by Rust.

import assert from "node:assert/strict";
import { test } from "node:test";
import { correctionsOf, emaShare, endsEarly, rateFactor, reducedTo } from "../../web/training/rates.js";
import { plannedEpochs } from "../../web/pages/epochs.js";
import { training } from "./training_tiny/model.js";

const EPOCHS = 5;
const STEPS = 3;

/** `TrainingSpec::rate_factor` for the steps of all epochs, and in the middle of the second epoch after the last one. */
const FACTORS = [
  [
    { schedule: "cosine", warmup_epochs: 0 },
    [1.0, 0.9890738003669028, 0.9567727288213004],
    [0.9045084971874737, 0.8345653031794291, 0.75],
    [0.6545084971874737, 0.5522642316338268, 0.44773576836617335],
    [0.34549150281252633, 0.2499999999999999, 0.16543469682057105],
    [0.09549150281252633, 0.04322727117869962, 0.010926199633097156],
    [0],
  ],
  [
    { schedule: "one_cycle", warmup_epochs: 0 },
    [0.040000000000000036, 0.15229866730289066, 0.43664887471987346],
    [0.7600000000000001, 0.971052457977236, 0.9944154354509117],
    [0.9504846320134737, 0.8665264698111694, 0.750001],
    [0.6112620219362893, 0.46263710266697483, 0.31733221849885124],
    [0.18825834605023697, 0.08688426531955129, 0.02221750825254118],
    [4e-6],
  ],
  [
    { schedule: "constant", warmup_epochs: 1.5 },
    [0.01, 0.22999999999999998, 0.44999999999999996],
    [0.67, 0.8899999999999999, 1],
    [1, 1, 1],
    [1, 1, 1],
    [1, 1, 1],
    [1],
  ],
  [
    { schedule: "cosine", warmup_epochs: 1.5 },
    [0.01, 0.22999999999999998, 0.44999999999999996],
    [0.67, 0.8899999999999999, 0.9944154131125642],
    [0.9504844339512095, 0.8665259359149131, 0.75],
    [0.6112604669781572, 0.4626349532067879, 0.3173294878168027],
    [0.18825509907063326, 0.08688061284200266, 0.022213597106929606],
    [0],
  ],
];

const LOSSES = [3, 2, 2, 2.5, 2.1, 2.2, 1, 1, 1.5];
/** What `of` gives after none, one, two and so on of the losses. */
const afterEach = (of) => [0, ...LOSSES.keys()].map((_, done) => of(LOSSES.slice(0, done)));

test("the learning rate follows the schedule with the program's bits", () => {
  for (const [plan, ...want] of FACTORS) {
    for (const [place, factor] of want.flat().entries()) {
      const done = place < EPOCHS * STEPS ? Math.floor(place / STEPS) + (place % STEPS) / STEPS : 6.5;
      const got = rateFactor({ ...plan, epochs: EPOCHS }, done);
      // A device sees 32 bits of it.
      assert.equal(Math.fround(got), Math.fround(factor), `${JSON.stringify(plan)} after ${done} epochs`);
    }
  }
});

test("a plateau reduces the learning rate and counts anew", () => {
  const plateau = { patience: 2, factor: 0.3 };
  assert.deepEqual(
    afterEach((losses) => reducedTo(plateau, losses)),
    [1, 1, 1, 1, 0.3, 0.3, 0.09, 0.09, 0.09, 0.027],
  );
  assert.equal(reducedTo(null, LOSSES), 1);
});

test("training ends after epochs whose validation loss is not below the lowest one before them", () => {
  assert.deepEqual(
    afterEach((losses) => endsEarly(2, losses)),
    [false, false, false, false, true, true, true, false, false, true],
  );
  assert.ok(!endsEarly(0, LOSSES), "without patience it never does");
});

test("an average begins with the weights and then moves by its decay", () => {
  const shares = [1, 2, 3, 10, 81, 82, 83, 1000, 2 ** 32 - 1].map((step) => Math.fround(emaShare(0.9, step)));
  assert.deepEqual(shares, [1, 0.9, 0.8181818, 0.5, 0.101123594, 0.1, 0.1, 0.1, 0.1].map(Math.fround));
  assert.equal(emaShare(null, 1), 0);
});

test("Adam's corrections undo that moments begin at zero", () => {
  assert.deepEqual(correctionsOf(null, 7), [1, 1]);
  for (const step of [1, 2, 3, 1000, 2 ** 32 - 1]) {
    for (const [place, beta] of training.betas.entries()) {
      const correction = correctionsOf(training.betas, step)[place];
      assert.ok(Math.abs(correction * (1 - beta ** step) - 1) < 1e-9, `${beta} ${step}`);
    }
  }
});

test("a warm-up may take half of the epochs that are asked for, and no more", () => {
  assert.equal(plannedEpochs("5", { warmup_epochs: 2.5 }), 5);
  assert.throws(
    () => plannedEpochs("4", { warmup_epochs: 2.5 }),
    /warmup_epochs is 2.5; .* half of the 4 epochs/,
  );
  for (const text of ["", "0", "many"]) {
    assert.throws(() => plannedEpochs(text, { warmup_epochs: 0 }), /must be 1 or more/);
  }
});
