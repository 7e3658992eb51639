// The training that is kept in this browser: what it is called, and what is said of it.

import { hashOf } from "../training/copies.js";
import { counted } from "./words.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../training/session.js").Facts} Facts
 */

/** @param {Facts} kept */
export function keptText({ epoch, step, epochs, names }) {
  const more = step > 0 ? `, and ${counted(step, "step")} of the next` : "";
  return `A training on ${counted(names.length, "photo")} is kept in this browser: ${epoch} of ${epochs} epochs are done${more}.`;
}

/**
 * A name that no other model, training and version of the program have.
 *
 * @param {Model} model
 */
export function identity({ name, version, training }) {
  const config = (training?.config ?? "").replace(/^epochs = \d+$/m, "");
  return `${name} ${version} ${hashOf(new TextEncoder().encode(config))}`;
}
