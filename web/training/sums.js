// The running sums that programs keep of each branch: losses, metrics and samples since they were last set to zero.

import { resultOf } from "./results.js";

/**
 * @typedef {import("../player.js").Player} Player
 * @typedef {import("../player.js").Prepared} Prepared
 * @typedef {import("./results.js").BranchResult} BranchResult
 * @typedef {import("./targets.js").SettledTarget} SettledTarget
 */

/** @param {SettledTarget} target */
const bufferOf = ({ branch }) => `${branch}.sums`;

/**
 * @param {Player} player
 * @param {Prepared} prepared
 * @param {SettledTarget[]} targets
 */
export function resetSums(player, prepared, targets) {
  for (const name of targets.map(bufferOf)) {
    player.write(prepared, name, new Uint8Array(prepared.buffers.get(name)?.bytes ?? 0));
  }
}

/**
 * @param {Player} player
 * @param {Prepared} prepared
 * @param {SettledTarget[]} targets
 * @returns {Promise<Float32Array[]>} of each target
 */
export async function readSums(player, prepared, targets) {
  const sums = [];
  for (const name of targets.map(bufferOf)) {
    sums.push(new Float32Array((await player.read(prepared, name)).buffer));
  }
  return sums;
}

/**
 * @param {SettledTarget[]} targets
 * @param {Float32Array[]} sums
 * @param {"training" | "validation"} side whose samples they are of
 * @returns {BranchResult[]}
 * @throws where none of the samples has a label for a target
 */
export function resultsOf(targets, sums, side) {
  return targets.map((target, place) => {
    const result = resultOf(target, sums[place]);
    if (Number.isNaN(result.loss)) {
      throw new Error(`none of the ${side} samples has a label for ${target.name}`);
    }
    return result;
  });
}
