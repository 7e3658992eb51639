// `tests/assets/tiny.toml` with more to say of how it is trained.

import { readFileSync } from "node:fs";

const TINY = readFileSync(new URL("../../assets/tiny.toml", import.meta.url), "utf8");

/**
 * @param {string} text
 * @param {string} old
 * @param {string} fresh
 */
function replaced(text, old, fresh) {
  if (!text.includes(old)) throw new Error(`tests/assets/tiny.toml does not say ${old}`);
  return text.replace(old, () => fresh);
}

/** Of each recipe: its model, and what the page's description of its training says besides that of the plain model. */
export const RECIPES = {
  plain: { toml: TINY, plan: {} },
  /** Whatever changes the numbers of every step. */
  all: {
    toml: [
      ["[training]\n", '[training]\nschedule = "one_cycle"\nema = 0.9\nclip_norm = 3.0\n'],
      ["weight = 500.0 }", "weight = 500.0, label_smoothing = 0.1 }"],
      [
        "[[branch]]\n",
        '[[group]]\nlayers = ["age.*"]\nlearning_rate = 0.001\nweight_decay = 0.01\n\n[[branch]]\n',
      ],
    ].reduce((text, [old, fresh]) => replaced(text, old, fresh), TINY),
    plan: { schedule: "one_cycle", ema: 0.9 },
  },
  /** Its learning rate is too high: the validation loss rises from the second epoch on. */
  early: {
    toml: [
      [
        "epochs = 2\n",
        "epochs = 5\nwarmup_epochs = 1.0\nplateau = { patience = 1, factor = 0.5 }\npatience = 2\nema = 0.5\n",
      ],
      ["learning_rate = 0.003", "learning_rate = 0.03"],
    ].reduce((text, [old, fresh]) => replaced(text, old, fresh), TINY),
    plan: {},
  },
};
