// faceshader's contestant, in the browser: the training of an exported page, one step at a time.

import { modelOf, parametersOf, samplesOf } from "./samples.js";
import { openDevice } from "/web/pages/page.js";
import { Player } from "/web/player.js";
import { Trainer } from "/web/training/trainer.js";

/** @typedef {import("./bench.mjs").Contestant} Contestant */

/**
 * @param {{ pageUrl: string, steps: number }} options the exported page; steps at most
 * @returns {Promise<Contestant>}
 */
export async function open({ pageUrl, steps }) {
  const model = await modelOf(pageUrl);
  const samples = samplesOf(model);
  const batch = samples.names.length;
  const { device, about } = await openDevice();
  // An epoch that does not end: the same photos in every step.
  const train = Array.from({ length: batch * (steps + 1) }, (_, place) => place % batch);
  const trainer = new Trainer(new Player(device), model, samples, { train, validation: [] });
  await trainer.initialise();
  let done = 0;
  return {
    about: {
      adapter: about,
      parameters: parametersOf(model),
      loops: ["step"],
      batch,
      labels: samples.labels,
    },
    /** Draws the augmentation, uploads photos, trains, and waits for the device. */
    async step() {
      await trainer.epoch(0, { firstStep: done, signal: AbortSignal.abort() });
      done += 1;
    },
    async predict() {
      const outputs = await trainer.predict([...Array(batch).keys()]);
      return outputs.map((rows) => rows.map(([value]) => value));
    },
  };
}
