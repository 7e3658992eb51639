// What each epoch came to, and the files that tell it. See `src/train/history.rs`.

/**
 * @typedef {import("./targets.js").SettledTarget} SettledTarget
 *
 * @typedef {object} BranchResult one branch's results over a set of samples
 * @property {string} target
 * @property {string} metric_name
 * @property {number} weight what its loss counts in the total
 * @property {number} loss the mean loss
 * @property {number} metric the mean metric: of a number in its unit, or a share of 1
 *
 * @typedef {object} Epoch
 * @property {number} epoch from 1
 * @property {BranchResult[]} train of the training samples, as they were trained on
 * @property {BranchResult[]} validation of the validation samples, after the epoch
 * @property {number} seconds how long training and validation took
 */

/**
 * The results of a branch, by the sums that its program keeps: losses times weights, metrics, samples that count, and
 * weights.
 *
 * @param {SettledTarget} target
 * @param {Float32Array} sums
 * @returns {BranchResult} with losses and metrics that are NaN if no sample counted
 */
export function resultOf({ name, metric_name, weight, mean_and_deviation: standard }, sums) {
  const [loss, metric, counted, weights] = sums;
  const deviation = Math.fround(standard?.[1] ?? 1);
  const means = counted > 0 ? [loss / weights, (metric / counted) * deviation] : [NaN, NaN];
  return { target: name, metric_name, weight, loss: means[0], metric: means[1] };
}

/**
 * The weighted sum of all branches' losses.
 *
 * @param {BranchResult[]} results
 */
export const totalLoss = (results) => results.reduce((sum, { weight, loss }) => sum + weight * loss, 0);

/** @param {Epoch[]} epochs */
export const validationLosses = (epochs) => epochs.map(({ validation }) => totalLoss(validation));

/**
 * The epoch whose validation loss is least, the first of equals.
 *
 * @param {Epoch[]} epochs
 * @returns {Epoch | undefined}
 */
export function bestEpoch(epochs) {
  const losses = validationLosses(epochs);
  return epochs[losses.indexOf(Math.min(...losses))];
}

/**
 * @param {[string, number][][]} rows names and values
 * @returns {string}
 */
function csvOf(rows) {
  if (rows.length === 0) return "";
  const lines = [rows[0].map(([name]) => name), ...rows.map((row) => row.map(([, value]) => String(value)))];
  return lines.map((line) => `${line.join(",")}\n`).join("");
}

/**
 * A row of a value of each branch.
 *
 * @param {Epoch} epoch
 * @param {[string, number][]} first
 * @param {(train: BranchResult, validation: BranchResult) => [string, number][]} ofBranch
 * @returns {[string, number][]}
 */
function rowOf({ epoch, train, validation, seconds }, first, ofBranch) {
  const branches = train.flatMap((result, place) => ofBranch(result, validation[place]));
  return [["epoch", epoch], ...first, ...branches, ["seconds", Math.round(seconds * 1e3) / 1e3]];
}

/**
 * `results.csv`: a line an epoch with total losses and metrics.
 *
 * @param {Epoch[]} epochs
 */
export const resultsCsv = (epochs) =>
  csvOf(
    epochs.map((epoch) =>
      rowOf(
        epoch,
        [
          ["train_loss", totalLoss(epoch.train)],
          ["val_loss", totalLoss(epoch.validation)],
        ],
        (train, validation) => [
          [`train_${train.metric_name}`, train.metric],
          [`val_${train.metric_name}`, validation.metric],
        ],
      ),
    ),
  );

/**
 * `plots/curves.csv`: a line an epoch with each branch's loss and metric.
 *
 * @param {Epoch[]} epochs
 */
export const curvesCsv = (epochs) =>
  csvOf(
    epochs.map((epoch) =>
      rowOf(epoch, [], (train, validation) => [
        [`train_${train.target}_loss`, train.loss],
        [`val_${train.target}_loss`, validation.loss],
        [`train_${train.metric_name}`, train.metric],
        [`val_${train.metric_name}`, validation.metric],
      ]),
    ),
  );
