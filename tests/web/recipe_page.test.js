// The page that trains, with a recipe, in Chromium on its software driver: schedules, moving averages and early ends are
// those of `faceshader train` on the same driver.
//
//   NODE_PACKAGES=FOLDER [FACESHADER=PROGRAM] node --test tests/web/recipe_page.test.js

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { unzipSync } from "../../web/vendor/fflate.js";
import { parseSafetensors } from "../../web/safetensors.js";
import { click, download, openBrowser, openPage, textOf, until } from "./chromium.js";
import { inEpoch, noisePhotos, openTraining } from "./training_tiny/page.js";
import { RECIPES } from "./training_tiny/recipes.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = resolve(process.env.FACESHADER ?? join(root, "target/release/faceshader"));
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";
/** What sums over batches of other sizes may come to. */
const ROUNDING = 1e-5;
const DEVICE = ["--adapter", "swiftshader", "--kernels", "software", "--no-verify"];
const WEIGHTS = ["last", "ema", "best"];

const folder = mkdtempSync(join(tmpdir(), "faceshader-recipes-"));
const inFolder = (...parts) => join(folder, ...parts);

/** Runs the program. */
function faceshader(...command) {
  const env = { ...process.env, VK_ICD_FILENAMES: SWIFTSHADER };
  const { status, stdout, stderr } = spawnSync(program, command, { cwd: folder, encoding: "utf8", env });
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

/** Trains a recipe by the program, and makes the page that trains it. */
function begin(name) {
  writeFileSync(inFolder(`${name}.toml`), RECIPES[name].toml);
  const data = ["--data", "photos.zip", "--faces", "whole"];
  const told = faceshader("train", "--model", `${name}.toml`, ...data, "--out", name, ...DEVICE);
  const page = ["--train", `${name}.toml`, "--kernels", "software"];
  faceshader("export", "page", ...page, "--out", `${name}.html`);
  return told;
}

/** The run that a page offers, in a folder of this name. */
async function saveRun(page, name) {
  const zip = unzipSync(new Uint8Array(await download(page, "save-run", folder, "tiny-web.zip")));
  for (const [path, bytes] of Object.entries(zip)) {
    const file = inFolder(path.replace("tiny-web", name));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
}

const tensorsOf = (run, file) =>
  parseSafetensors(new Uint8Array(readFileSync(inFolder(run, `${file}.safetensors`))));

/** Requires that two runs have the same bits in their weights, and whatever else a training goes on with. */
function requireSame(got, want) {
  for (const file of [...WEIGHTS.map((name) => `weights/${name}`), "checkpoint"]) {
    const [ours, theirs] = [got, want].map((run) => tensorsOf(run, file));
    assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort());
    for (const [name, { bytes }] of theirs) {
      // Sums are over batches of other sizes.
      if (name.endsWith(".sums")) continue;
      assert.deepEqual(Buffer.from(ours.get(name).bytes), Buffer.from(bytes), `${got}, ${file}: ${name}`);
    }
  }
}

/** The validation losses of all epochs. */
function lossesOf(run) {
  const [header, ...rows] = readFileSync(inFolder(run, "results.csv"), "utf8").trim().split("\n");
  const column = header.split(",").indexOf("val_loss");
  return rows.map((row) => Number(row.split(",")[column]));
}

describe("the page that trains, with a recipe", () => {
  let browser;

  before(async () => {
    browser = await openBrowser();
    writeFileSync(inFolder("photos.zip"), await noisePhotos());
  });

  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("rates, clipping, groups, smoothed labels and averages come to the program's bits", async () => {
    begin("all");
    let page = await openTraining(browser, inFolder("all.html"), inFolder("photos.zip"));
    await inEpoch(page, 2, "document.getElementById('pause').click()");
    await click(page, "start");
    await until(page, "status", "The training is paused, and kept in this browser.");
    await saveRun(page, "paused");
    await page.close();
    page = await openPage(browser, inFolder("all.html"));
    await click(page, "continue");
    await until(page, "status", "2 epochs done.");
    await saveRun(page, "whole");
    await page.close();
    requireSame("whole", "all");
    const best = tensorsOf("whole", "weights/best");
    assert.notDeepEqual(best.get("conv1.weight"), tensorsOf("whole", "weights/last").get("conv1.weight"));
    // The program evaluates the averages as they are.
    const { stdout } = faceshader("eval", "whole", "--json", ...DEVICE);
    const lowest = Math.min(...lossesOf("whole"));
    assert.ok(Math.abs(JSON.parse(stdout).loss / lowest - 1) < ROUNDING, `${stdout}, not ${lowest}`);
    // It goes on in the middle of an epoch, with the averages that the page had.
    faceshader("train", "--resume", "paused", ...DEVICE);
    requireSame("paused", "all");
  });

  test("a training ends early in the program's words, and trains on as the program does", async () => {
    const { stderr } = begin("early");
    const [told] = stderr.match(/training ends after epoch 3 of 5: [^;]*/);
    const page = await openTraining(browser, inFolder("early.html"), inFolder("photos.zip"));
    await page.evaluate(() => {
      const status = document.getElementById("status");
      const seen = (document.body.seen = []);
      new MutationObserver(() => seen.push(status.textContent)).observe(status, { childList: true });
    });
    await click(page, "start");
    const goOn = '; "train on" trains the epochs that are left.';
    await until(page, "status", told.replace("training", "Training") + goOn);
    const reduced = "he validation loss no longer falls: the learning rate is 0.5 of what it was";
    assert.ok(stderr.includes(`t${reduced}`), stderr);
    assert.ok((await page.evaluate(() => document.body.seen)).includes(`T${reduced}.`));
    await saveRun(page, "ended");
    requireSame("ended", "early");
    assert.match(readFileSync(inFolder("ended/config.toml"), "utf8"), /^patience = 2$/m);

    faceshader("train", "--resume", "early", "--patience", "0", ...DEVICE);
    assert.equal(await textOf(page, "start"), "train on");
    await click(page, "start");
    await until(page, "status", "5 epochs done.");
    await saveRun(page, "on");
    await page.close();
    requireSame("on", "early");
    assert.doesNotMatch(readFileSync(inFolder("on/config.toml"), "utf8"), /^patience = 2$/m);
    // Without another word, the program ends there, too.
    const again = faceshader("train", "--resume", "ended", ...DEVICE);
    assert.ok(again.stderr.includes(told), again.stderr);
  });

  test("a training that ended early and was closed trains on", async () => {
    const page = await openPage(browser, inFolder("early.html"));
    await click(page, "forget");
    await (await page.$("#files")).uploadFile(inFolder("photos.zip"));
    await page.waitForFunction(() => !document.getElementById("training").hidden);
    await page.$eval("#epochs", (input) => (input.value = "1"));
    await click(page, "start");
    await until(page, "error", "warmup_epochs is 1; it must be from 0 to half of the 1 epochs");
    await page.$eval("#epochs", (input) => (input.value = "4"));
    await click(page, "start");
    await page.waitForFunction(() => document.getElementById("start").textContent === "train on");
    await page.close();
    const later = await openPage(browser, inFolder("early.html"));
    await click(later, "continue");
    await later.waitForFunction(() => document.getElementById("start").textContent === "train on");
    assert.match(await textOf(later, "status"), /^Training ends after epoch 3 of 4: /);
    await click(later, "start");
    await until(later, "status", "4 epochs done.");
    await later.close();
  });
});
