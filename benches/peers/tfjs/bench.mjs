// faceshader's page beside TensorFlow.js: the training step of the built-in network `face`, in Chromium on SwiftShader.
//
//   bash tests/web.sh tests/web/faces.test.js          # once: the npm packages of target/peers/web
//   node benches/peers/tfjs/bench.mjs                  # installs TensorFlow.js if it is missing, prints the table
//   node benches/peers/tfjs/bench.mjs --batch 2 --steps 1 --only "TensorFlow.js, webgl"
//
// NODE_PACKAGES names the folder of npm's puppeteer-core (target/peers/web/node_modules), TFJS the folder where
// TensorFlow.js is installed (target/peers/tfjs), FACESHADER the program (target/release/faceshader), CHROMIUM the
// browser (/usr/bin/chromium).
//
// Every contestant has a Chromium of its own, so that one that hangs or loses its device ends alone; idle ones cost
// nothing. After warm-up each trains one step in turn, round by round, on the same batch of random bytes. A step
// uploads the photos and ends when the device is done (TensorFlow.js: when the loss is known). faceshader alone also
// rotates, zooms and flips the photos. TensorFlow.js trains by `trainOnBatch` or by `optimizer.minimize`, whichever was
// faster in the warm-up of three steps. All begin with the same weights: what they predict at first has to agree. One
// that has been measured for --enough seconds (300) leaves the rounds, and one that does not answer for --limit seconds
// (900) fails.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openBrowser } from "../../../tests/web/chromium.js";
import { serve } from "./server.mjs";
import { report } from "./report.mjs";

/**
 * @typedef {object} Contestant what a browser's module opens
 * @property {About} about
 * @property {(loop: string) => Promise<void>} step trains on the batch
 * @property {() => Promise<number[][]>} predict for the batch, without dropout: ages, and logits of being female
 *
 * @typedef {object} About
 * @property {string} adapter what computes
 * @property {number} parameters
 * @property {string} [version]
 * @property {string[]} loops ways to train
 * @property {number} batch
 * @property {Float32Array[]} labels of the batch: ages, genders
 */

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, "../../..");
const TFJS = resolve(process.env.TFJS ?? join(ROOT, "target/peers/tfjs"));
const FACESHADER = resolve(process.env.FACESHADER ?? join(ROOT, "target/release/faceshader"));
const PACKAGES = ["tfjs", "tfjs-backend-webgpu", "tfjs-backend-wasm"].map(
  (name) => `@tensorflow/${name}@4.22.0`,
);
const PARAMETERS = 12_894_242;
/** The share by which the first losses may differ: sums are in other orders. */
const SAME = 1e-4;
/** Steps before those that count: pipelines are compiled in the first one. */
const WARM_UP = 3;

const { values: options } = parseArgs({
  options: {
    batch: { type: "string", default: "20" },
    steps: { type: "string", default: "5" },
    enough: { type: "string", default: "300" },
    limit: { type: "string", default: "900" },
    only: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
  },
});
const { batch, steps, enough, limit } = Object.fromEntries(
  ["batch", "steps", "enough", "limit"].map((name) => [name, Number(options[name])]),
);
const say = (text) => process.stderr.write(`${text}\n`);

/** Title, module, and its options. */
const CONTESTANTS = [
  ...["software", "gpu"].map((kernels) => [`faceshader, ${kernels} kernels`, "faceshader.js", { kernels }]),
  ...["webgpu", "webgl", "wasm", "cpu"].map((backend) => [
    `TensorFlow.js, ${backend}`,
    "tensorflow.js",
    { backend },
  ]),
];

/** The mean loss of the batch, from what was predicted. */
function lossOf([ages, logits], [age, gender]) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const crossEntropy = (z, t) => Math.max(z, 0) - z * t + Math.log1p(Math.exp(-Math.abs(z)));
  return (
    mean(ages.map((y, at) => (y - age[at]) ** 2)) +
    500 * mean(logits.map((z, at) => crossEntropy(z, gender[at])))
  );
}

/** Waits no longer than the limit. */
function within(promise, doing) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${doing} took more than ${limit} s`)), limit * 1e3);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Opens a browser with a contestant, and warms up. */
async function enter([title, module, { kernels = "gpu", backend }], url) {
  const row = { title, seconds: [], failed: null };
  say(`${title} ...`);
  row.browser = await openBrowser();
  row.chromium = await row.browser.version();
  await attempt(row, async () => {
    row.page = await row.browser.newPage();
    row.page.on("console", (message) => message.type() === "error" && say(`  ${title}: ${message.text()}`));
    await row.page.goto(url);
    const given = { pageUrl: `/pages/${kernels}-${batch}.html`, backend, steps: steps + WARM_UP };
    const opening = row.page.evaluate(
      async (path, chosen) => {
        const { open } = await import(path);
        window.contestant = await open(chosen);
        const { labels, ...about } = window.contestant.about;
        return { ...about, labels: labels.map((of) => [...of]) };
      },
      `/bench/${module}`,
      given,
    );
    Object.assign(row, await within(opening, "to open"));
    if (row.parameters !== PARAMETERS) throw new Error(`${row.parameters} parameters, not ${PARAMETERS}`);
    row.before = await predictedLoss(row);
    say(`  ${row.adapter}; loss ${row.before.toFixed(3)}`);
    await warmUp(row);
  });
  return row;
}

/** Trains a few steps, and finds the fastest way to train. */
async function warmUp(row) {
  const times = [];
  for (let step = 0; step < WARM_UP; step += 1) {
    const loop = row.loops[step % row.loops.length];
    const seconds = await timedStep(row, loop);
    if (step > 0) times.push({ loop, seconds });
    say(`  ${loop}: ${seconds.toFixed(2)} s`);
  }
  row.loop = times.reduce((best, other) => (other.seconds < best.seconds ? other : best)).loop;
}

/** @returns {Promise<number>} the loss of a contestant's predictions for the batch */
async function predictedLoss(row) {
  const outputs = await within(
    row.page.evaluate(() => window.contestant.predict()),
    "to predict",
  );
  return lossOf(outputs, row.labels);
}

/** @returns {Promise<number>} seconds, by the browser's clock */
const timedStep = (row, loop) =>
  within(
    row.page.evaluate(async (chosen) => {
      const start = performance.now();
      await window.contestant.step(chosen);
      return (performance.now() - start) / 1e3;
    }, loop),
    "a step",
  );

/** Does something with a contestant; a failure ends it and becomes what its row says. */
async function attempt(row, action) {
  try {
    await action();
  } catch (error) {
    row.failed = error.message.split("\n")[0];
    say(`  ${row.title}: ${row.failed}`);
    row.browser.process()?.kill("SIGKILL");
  }
}

function install() {
  if (!existsSync(join(TFJS, "node_modules/@tensorflow/tfjs-backend-wasm"))) {
    mkdirSync(TFJS, { recursive: true });
    const flags = ["--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix", TFJS];
    execFileSync("npm", ["install", ...flags, ...PACKAGES], { stdio: "inherit" });
  }
  const pages = join(TFJS, "pages");
  // Written anew: the program may be another one by now.
  rmSync(pages, { recursive: true, force: true });
  mkdirSync(pages);
  for (const kernels of ["software", "gpu"]) {
    const file = join(pages, `${kernels}-${batch}.html`);
    const chosen = ["--train", "face", "--kernels", kernels, "--batch", String(batch), "--out", file];
    execFileSync(FACESHADER, ["export", "page", ...chosen], { stdio: ["ignore", "ignore", "inherit"] });
  }
  return pages;
}

// Puppeteer closes its browsers at this signal, and the rest would look like failures.
process.once("SIGTERM", () => process.exit(143));
const pages = install();
const { url, close } = await serve({
  bench: HERE,
  pages,
  tfjs: join(TFJS, "node_modules/@tensorflow"),
  web: join(ROOT, "web"),
});
const load = loadavg()[0];
const rows = [];
try {
  const chosen = CONTESTANTS.filter(
    ([title]) => !options.only.length || options.only.some((of) => title.startsWith(of)),
  );
  for (const contestant of chosen) rows.push(await enter(contestant, url));
  const first = rows.find(({ failed }) => !failed);
  for (const row of rows.filter(
    ({ failed, before }) => !failed && !(Math.abs(before / first.before - 1) <= SAME),
  ))
    await attempt(row, () => {
      throw new Error(
        `another network: its first loss is ${row.before}, that of ${first.title} ${first.before}`,
      );
    });
  for (let round = 0; round < steps; round += 1) {
    const measured = ({ seconds }) => seconds.reduce((sum, value) => sum + value, 0);
    for (const row of rows.filter((of) => !of.failed && measured(of) < enough)) {
      await attempt(row, async () => row.seconds.push(await timedStep(row, row.loop)));
    }
    say(`round ${round + 1}: ${rows.map(({ seconds }) => seconds[round]?.toFixed(2) ?? "-").join(", ")} s`);
  }
  for (const row of rows.filter(({ failed }) => !failed)) {
    await attempt(row, async () => Object.assign(row, { after: await predictedLoss(row) }));
  }
  const machine = { cpu: cpus()[0].model.trim(), cores: cpus().length, memory: totalmem(), load };
  const chromium = rows[0]?.chromium;
  const describe = ["describe", "--always", "--dirty", "--abbrev=7"];
  const commit = execFileSync("git", describe, { cwd: ROOT, encoding: "utf8" }).trim();
  for (const row of rows) delete row.labels;
  const results = rows.map(({ browser, page, ...row }) => row);
  if (options.json) console.log(JSON.stringify({ machine, chromium, commit, batch, rows: results }));
  else console.log(report(results, { machine, chromium, commit, batch }));
} finally {
  for (const { browser } of rows) browser.process()?.kill("SIGKILL");
  close();
}
