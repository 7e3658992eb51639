// The range of a standardized number in the programs of a page: it is known once the training labels are.

import { toOutput } from "./targets.js";

/**
 * @typedef {import("../player.js").Program} Program
 * @typedef {import("./targets.js").SettledTarget} SettledTarget
 */

/**
 * A program whose metrics know the ranges of standardized numbers: between which two outputs all labels lie.
 *
 * @param {Program} program
 * @param {SettledTarget[]} targets
 * @returns {Program} the same where there is nothing to change
 */
export function withRanges(program, targets) {
  const pipelines = [...program.pipelines];
  const dispatches = [...program.dispatches];
  for (const target of targets) {
    const { branch, range } = target;
    const sums = program.buffers.find(({ name }) => name === `${branch}.sums`);
    if (!range || !target.mean_and_deviation || !sums) continue;
    const [LOW, HIGH] = range.map((label) => toOutput(target, label));
    for (const [place, dispatch] of program.dispatches.entries()) {
      const { constants } = program.pipelines[dispatch.pipeline];
      const isOfBranch = dispatch.bindings.some(
        ({ slot, offset_bytes: offset }) => slot === sums.slot && offset === sums.offset_bytes,
      );
      if (!isOfBranch || !("METRIC" in constants)) continue;
      dispatches[place] = { ...dispatch, pipeline: pipelines.length };
      pipelines.push({
        ...program.pipelines[dispatch.pipeline],
        constants: { ...constants, LOW, HIGH },
      });
    }
  }
  // A pipeline that no dispatch has any more would be compiled for nothing.
  const used = [...new Set(dispatches.map(({ pipeline }) => pipeline))];
  return {
    ...program,
    pipelines: used.map((place) => pipelines[place]),
    dispatches: dispatches.map((dispatch) => ({ ...dispatch, pipeline: used.indexOf(dispatch.pipeline) })),
  };
}
