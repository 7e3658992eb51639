// How long a training takes: the number of epochs that is asked for, and what is said when it ends or slows down.

import { reducedTo } from "../training/rates.js";
import { validationLosses } from "../training/results.js";
import { counted } from "./words.js";

/**
 * @typedef {import("../model.js").TrainingPlan} TrainingPlan
 * @typedef {import("../training/session.js").Session} Session
 */

/**
 * The number of epochs in a text.
 *
 * @param {string} text
 * @param {Pick<TrainingPlan, "warmup_epochs">} training
 * @throws where a training cannot have so many
 */
export function plannedEpochs(text, { warmup_epochs: warmup }) {
  const epochs = Math.round(Number(text));
  if (!(epochs >= 1)) throw new Error("the number of epochs must be 1 or more");
  if (warmup > epochs / 2) {
    throw new Error(`warmup_epochs is ${warmup}; it must be from 0 to half of the ${epochs} epochs`);
  }
  return epochs;
}

/**
 * Why a training does not run at the moment.
 *
 * @param {Session} session
 */
export function endText({ trainer, epoch, isDone, hasEndedEarly, problem }) {
  const { epochs, patience } = trainer.training;
  if (isDone) return `${counted(epochs, "epoch")} done.`;
  if (hasEndedEarly) {
    return (
      `Training ends after epoch ${epoch} of ${epochs}: the validation loss has not fallen below that of epoch ` +
      `${trainer.best?.epoch ?? epoch} for ${counted(patience, "epoch")}; "train on" trains the epochs that are left.`
    );
  }
  return `The training is paused${problem === null ? ", and kept in this browser" : ""}.`;
}

/**
 * What a plateau does to the learning rate after the last epoch; null if nothing.
 *
 * @param {Session} session
 */
export function plateauText({ trainer: { training, epochs } }) {
  const losses = validationLosses(epochs);
  const [before, after] = [losses.slice(0, -1), losses].map((some) => reducedTo(training.plateau, some));
  if (after === before) return null;
  return `The validation loss no longer falls: the learning rate is ${Number(after.toPrecision(6))} of what it was.`;
}
