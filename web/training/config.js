// `config.toml` of a run folder: the model's, with how long it is trained, what the training labels tell, and where the
// photos are.

/**
 * @typedef {import("../model.js").TrainingPlan} TrainingPlan
 * @typedef {import("./targets.js").SettledTarget} SettledTarget
 */

/**
 * A text as TOML has it.
 *
 * @param {string} text
 */
const quoted = (text) => JSON.stringify(text).replaceAll("\u007f", "\\u007f");

/**
 * A float as TOML has it.
 *
 * @param {number} value
 */
const float = (value) => (Number.isInteger(value) ? value.toFixed(1) : String(value));

/**
 * The lines of a target that follow from the data.
 *
 * @param {SettledTarget} target
 * @param {string} column where its labels are from
 * @returns {Map<string, string>} values by their keys
 */
function settledLines({ name, mean_and_deviation: standard, class_weights: weights }, column) {
  const lines = new Map();
  if (column !== name) lines.set("column", quoted(column));
  if (standard) lines.set("mean_and_deviation", `[${standard.map(float).join(", ")}]`);
  if (weights.length > 0) lines.set("class_weights", `[${weights.map(float).join(", ")}]`);
  return lines;
}

/**
 * The lines of how long a model is trained. Without patience there is none for it.
 *
 * @param {Pick<TrainingPlan, "epochs" | "patience">} training
 * @returns {Map<string, ?string>} values by their keys
 */
const plannedLines = ({ epochs, patience }) =>
  new Map([
    ["epochs", String(epochs)],
    ["patience", patience > 0 ? String(patience) : null],
  ]);

/**
 * Writes lines in the place of those with the same keys.
 *
 * @param {string[]} table its lines
 * @param {Map<string, ?string>} lines values by their keys; null leaves a key out
 */
function replaceLines(table, lines) {
  const others = table.filter((line) => line !== "" && !lines.has(line.split(" ")[0]));
  const written = [...lines].filter(([, value]) => value !== null);
  table.splice(0, table.length, ...others, ...written.map(([key, value]) => `${key} = ${value}`), "");
}

/**
 * The tables of a text in TOML as `faceshader` writes it, each with its header.
 *
 * @param {string} config
 * @returns {string[][]} their lines
 */
function tablesOf(config) {
  /** @type {string[][]} */
  const tables = [[]];
  for (const line of config.trimEnd().split("\n")) {
    if (line.startsWith("[")) tables.push([line]);
    else tables[tables.length - 1].push(line);
  }
  return tables;
}

/**
 * Completes the configuration of a training.
 *
 * @param {Pick<TrainingPlan, "config" | "epochs" | "patience">} training
 * @param {SettledTarget[]} targets
 * @param {string[]} columns for each target: where its labels are from
 * @param {?string} dataPath the photos' path; null for the built-in set
 * @returns {string}
 */
export function settledConfig({ config, epochs, patience }, targets, columns, dataPath) {
  const tables = tablesOf(config).filter(([header]) => header !== "[data]");
  for (const table of tables.filter(([header]) => header === "[training]")) {
    replaceLines(table, plannedLines({ epochs, patience }));
  }
  for (const table of tables.filter(([header]) => header === "[[target]]")) {
    const place = targets.findIndex(({ name }) => table.includes(`name = ${quoted(name)}`));
    if (place >= 0) replaceLines(table, settledLines(targets[place], columns[place]));
  }
  if (dataPath !== null) tables.push(["[data]", `path = ${quoted(dataPath)}`]);
  return `${tables.flat().join("\n").trimEnd()}\n`;
}
