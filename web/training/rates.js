// What changes from step to step and is the same for all samples, and when a training ends early: the numbers of
// `src/spec/training.rs`, and Adam's corrections as `src/ops/adam.rs` has them.

/**
 * @typedef {import("../model.js").TrainingPlan} TrainingPlan
 * @typedef {import("../model.js").Plateau} Plateau
 */

/** The share of the learning rate that a warm-up begins with. */
const COLD = 0.01;
/** The share of the training in which one cycle rises. */
const RISE = 0.3;
/** The shares of the learning rate that one cycle begins and ends with. */
const [FIRST, LAST] = [1 / 25, 1 / 25 / 1e4];

/**
 * From `from` to `to` along half a cosine.
 *
 * @param {number} from
 * @param {number} to
 * @param {number} done the share that lies behind, 0 to 1
 */
const halfCosine = (from, to, done) => to + ((from - to) * (1 + Math.cos(Math.PI * done))) / 2;

/**
 * @param {TrainingPlan["schedule"]} schedule
 * @param {number} done the share of the schedule that lies behind, 0 to 1
 */
function scheduled(schedule, done) {
  if (schedule === "constant") return 1;
  if (schedule === "cosine") return (1 + Math.cos(Math.PI * done)) / 2;
  return done < RISE ? halfCosine(FIRST, 1, done / RISE) : halfCosine(1, LAST, (done - RISE) / (1 - RISE));
}

/**
 * The share of the learning rate that a step uses, unless a plateau reduces it.
 *
 * @param {Pick<TrainingPlan, "epochs" | "schedule" | "warmup_epochs">} training
 * @param {number} done epochs that lie behind, with parts of one
 */
export function rateFactor({ epochs, schedule, warmup_epochs: warmup }, done) {
  if (done < warmup) return COLD + ((1 - COLD) * done) / warmup;
  return scheduled(schedule, Math.min((done - warmup) / (epochs - warmup), 1));
}

/**
 * What a plateau multiplies the learning rate by.
 *
 * @param {?Plateau} plateau
 * @param {number[]} losses the validation loss of each epoch so far
 */
export function reducedTo(plateau, losses) {
  if (!plateau) return 1;
  let [factor, lowest, waited] = [1, Infinity, 0];
  for (const loss of losses) {
    waited += 1;
    if (loss < lowest) {
      [lowest, waited] = [loss, 0];
    } else if (waited >= plateau.patience) {
      [factor, waited] = [factor * plateau.factor, 0];
    }
  }
  return factor;
}

/**
 * Whether training ends before its last epoch.
 *
 * @param {number} patience epochs without a lower validation loss; 0: it does not end early
 * @param {number[]} losses the validation loss of each epoch so far
 */
export function endsEarly(patience, losses) {
  const lowest = losses.indexOf(Math.min(...losses));
  return patience > 0 && losses.length - 1 - lowest >= patience;
}

/**
 * How far the moving average of the weights moves towards them: all the way in the first step, and far in those after
 * it, so that it forgets the first weights soon.
 *
 * @param {?number} ema its decay; null without one
 * @param {number} step from 1, over the whole training
 */
export const emaShare = (ema, step) => (ema === null ? 0 : Math.max(9 / (step + 8), 1 - ema));

/**
 * `1 - beta^step`, by repeated squaring of pairs `(beta^k, 1 - beta^k)`: nothing is subtracted.
 *
 * @param {number} beta
 * @param {number} step from 1
 */
function oneMinusPower(beta, step) {
  let square = [beta, 1 - beta];
  let result = [1, 0];
  for (let rest = step; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = [result[0] * square[0], result[1] + result[0] * square[1]];
    square = [square[0] * square[0], square[1] + square[0] * square[1]];
  }
  return result[1];
}

/**
 * What Adam's moments are multiplied by, since they begin at zero; 1 for other optimisers.
 *
 * @param {?[number, number]} betas of Adam
 * @param {number} step from 1, over the whole training
 * @returns {number[]}
 */
export const correctionsOf = (betas, step) => betas?.map((beta) => 1 / oneMinusPower(beta, step)) ?? [1, 1];
