// The pages in Chromium, on its software driver: predictions are those of `faceshader predict`, and a training that was
// closed in the middle ends in the weights of one that was not, which are those of `faceshader train` on the same driver.
//
//   NODE_PACKAGES=FOLDER [FACESHADER=PROGRAM] node --test tests/web/pages.test.js
//
// NODE_PACKAGES is the folder node_modules that holds puppeteer-core.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { unzipSync } from "../../web/vendor/fflate.js";
import { parseSafetensors } from "../../web/safetensors.js";
import { click, download, openBrowser, openPage, pngOfJpeg, textOf, until } from "./chromium.js";
import { inEpoch, noisePhotos, openTraining } from "./training_tiny/page.js";
import { pngOf } from "./training_tiny/png.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = resolve(process.env.FACESHADER ?? join(root, "target/release/faceshader"));
const TINY = join(root, "tests/assets/tiny.toml");
/** Faces by the edge in pixels: one photo of one person. */
const ASTRONAUT = join(root, "tests/assets/astronaut.jpg");
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";

const folder = mkdtempSync(join(tmpdir(), "faceshader-pages-"));
const inFolder = (...parts) => join(folder, ...parts);
const faceshader = (...command) =>
  execFileSync(program, command, {
    cwd: folder,
    encoding: "utf8",
    stdio: "pipe",
    env: { ...process.env, VK_ICD_FILENAMES: SWIFTSHADER },
  });

describe("pages", () => {
  let browser;

  before(async () => {
    browser = await openBrowser();
    writeFileSync(inFolder("photos.zip"), await noisePhotos());
    const device = ["--adapter", "vulkan", "--kernels", "gpu", "--no-verify"];
    faceshader(
      "train",
      "--model",
      TINY,
      "--data",
      "photos.zip",
      "--faces",
      "whole",
      "--out",
      "run",
      ...device,
    );
  });

  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a page finds the faces that the program finds, and predicts what it predicts", async () => {
    // It sees more of a face's surroundings than usual, and not the same on all sides.
    const crop = '\nfaces = "cropped"\ncrop = { side = 1.4, right = 0.2, down = -0.1 }\n';
    writeFileSync(
      inFolder("cropped.toml"),
      readFileSync(TINY, "utf8").replace("\nheight = 12\n", `\nheight = 12${crop}`),
    );
    const train = [
      "train",
      "--model",
      "cropped.toml",
      "--data",
      "photos.zip",
      "--epochs",
      "1",
      "--adapter",
      "cpu",
    ];
    faceshader(...train, "--out", "cropped");
    faceshader("export", "page", "cropped", "--out", "predict.html");
    const page = await openPage(browser, inFolder("predict.html"));
    // The browser's JPEG decoder differs from ours in the last bits.
    writeFileSync(inFolder("astronaut.png"), await pngOfJpeg(page, readFileSync(ASTRONAUT)));
    writeFileSync(inFolder("noise.png"), pngOf(new Uint8Array(64 * 48 * 3).fill(90), 64, 48));
    writeFileSync(inFolder("broken.jpg"), readFileSync(ASTRONAUT).subarray(0, 5000));
    const names = ["astronaut.png", "noise.png", "broken.jpg"];
    await (await page.$("#files")).uploadFile(...names.map((name) => inFolder(name)));
    await until(page, "count", "3 photos");
    const csv = (await download(page, "csv", folder, "tiny.csv")).toString("utf8");
    const rows = csv
      .trim()
      .split("\r\n")
      .map((line) => line.split(","));
    const columns = ["file", "face", "x", "y", "width", "height", "age", "gender", "probability", "error"];
    assert.deepEqual(rows[0], columns);
    assert.deepEqual(
      rows.slice(1).map(([file]) => file),
      names,
    );
    assert.equal(rows[2].at(-1), "no face was found");
    assert.equal(rows[3].at(-1), "the JPEG is cut short");
    const predicted = faceshader("predict", "cropped", "astronaut.png", "--adapter", "cpu", "--json");
    const want = predicted
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.equal(want.length, 1);
    const [, face, x, y, width, height, age, gender, probability] = rows[1];
    const got = [face, x, y, width, height, age, probability].map(Number);
    const { box } = want[0];
    const wanted = [1, box.x, box.y, box.width, box.height, want[0].age, want[0].probability];
    // Both sides are rounded to 0.1 pixels, 0.01 years and 0.0001 of the probability.
    const bounds = [0, 0.2, 0.2, 0.2, 0.2, 0.01, 0.0002];
    got.forEach((value, place) => {
      const error = Math.abs(value - wanted[place]);
      assert.ok(error <= bounds[place], `${columns[place + 1]}: ${value}, not ${wanted[place]}`);
    });
    assert.equal(gender, want[0].gender);
    await page.close();
  });

  test("a page of a model for texts says what the program says, and which words weigh", async () => {
    const [run, text] = ["texts", "A splendid car, and I'm not sorry that I bought it!"];
    faceshader(
      "train",
      "--model",
      "review",
      "--adapter",
      "cpu",
      "--out",
      run,
      "--limit",
      "200",
      "--epochs",
      "1",
    );
    faceshader("export", "page", run, "--out", "texts.html");
    const page = await openPage(browser, inFolder("texts.html"));
    await page.$eval("#text", (element, value) => (element.value = value), text);
    await click(page, "ask");
    await page.waitForFunction(() => document.getElementById("text-result").childElementCount > 0);
    const shown = await textOf(page, "text-result");
    const want = JSON.parse(faceshader("predict", run, text, "--adapter", "cpu", "--json"));
    const percent = `${(100 * want.probability).toFixed(1)}\u00a0%`;
    assert.ok(
      shown.includes(want.label) && shown.includes(percent),
      `${shown}: not ${want.label}, ${percent}`,
    );
    for (const { word, weight } of want.words) {
      const size = `${weight < 0 ? "−" : "+"}${(100 * Math.abs(weight)).toFixed(1)} %`;
      assert.match(shown, new RegExp(`${word}\\s+[${size[0]}]${size.slice(1)}`), `${word} ${size}`);
    }
    await page.close();
  });

  const openWithPhotos = () => openTraining(browser, inFolder("train.html"), inFolder("photos.zip"));

  /** Calls an action in the page as soon as a step of the second epoch is done. */
  const inSecondEpoch = (page, action) => inEpoch(page, 2, action);

  /** Requires that a run folder's weights are those of the program. */
  function requireProgramsWeights(zip) {
    for (const name of ["last", "best"]) {
      const file = `weights/${name}.safetensors`;
      const [got, want] = [zip[`tiny-web/${file}`], new Uint8Array(readFileSync(inFolder("run", file)))].map(
        parseSafetensors,
      );
      assert.deepEqual([...got.keys()].sort(), [...want.keys()].sort());
      for (const [tensor, { bytes }] of want) {
        assert.deepEqual(Buffer.from(got.get(tensor).bytes), Buffer.from(bytes), `${name}: ${tensor}`);
      }
    }
  }

  const downloadRun = async (page) =>
    unzipSync(new Uint8Array(await download(page, "save-run", folder, "tiny-web.zip")));

  test("a training that is paused and closed goes on, and ends in the program's weights", async () => {
    faceshader("export", "page", "--train", TINY, "--out", "train.html");
    let page = await openWithPhotos();
    assert.match(await textOf(page, "samples"), /60 photos: 48 for training, 12 for validation/);
    await inSecondEpoch(page, "document.getElementById('pause').click()");
    await click(page, "start");
    await until(page, "status", "The training is paused, and kept in this browser.");
    await page.close();
    page = await openPage(browser, inFolder("train.html"));
    const kept = /on 60 photos is kept .* 1 of 2 epochs are done, and \d steps? of the next/;
    assert.match(await textOf(page, "kept-text"), kept);
    await click(page, "continue");
    // What is clicked too often does nothing.
    for (const id of ["continue", "start", "drawn", "other", "forget"]) await click(page, id);
    await until(page, "status", "2 epochs done.");
    assert.equal(await textOf(page, "error"), "");
    const zip = await downloadRun(page);
    await page.close();
    requireProgramsWeights(zip);
    // The program takes it over.
    for (const [name, bytes] of Object.entries(zip)) {
      mkdirSync(join(inFolder(name), ".."), { recursive: true });
      writeFileSync(inFolder(name), bytes);
    }
    const loss = (run) => JSON.parse(faceshader("eval", run, "--adapter", "cpu", "--json")).loss;
    assert.equal(loss("tiny-web"), loss("run"));
    const resumed = faceshader(
      "train",
      "--resume",
      "tiny-web",
      "--epochs",
      "3",
      "--adapter",
      "cpu",
      "--json",
    );
    assert.match(resumed, /"epoch":3/);
  });

  test("a tab that is closed while it trains, and a lost device, lose no more than an epoch", async () => {
    let page = await openPage(browser, inFolder("train.html"));
    await click(page, "forget");
    await page.close();
    page = await openWithPhotos();
    const closed = inSecondEpoch(page, "document.body.dataset.second = 'true'");
    await click(page, "start");
    await click(page, "start");
    await closed;
    await page.waitForFunction(() => document.body.dataset.second);
    assert.equal(await page.$eval("#save-run", (button) => button.disabled), true, "while it trains");
    await page.close();
    page = await openPage(browser, inFolder("train.html"));
    await inSecondEpoch(page, "document.body.dataset.second = 'true'");
    await click(page, "continue");
    await page.waitForFunction(() => document.body.dataset.second);
    const session = await (await browser.target()).createCDPSession();
    session.send("Browser.crashGpuProcess").catch(() => {});
    await page.waitForFunction(() =>
      document.getElementById("error").textContent.startsWith("The graphics device was lost"),
    );
    assert.match(
      await textOf(page, "error"),
      /Reload the page: the training goes on from where it was saved last/,
    );
    assert.ok(await page.$eval("#start", (button) => button.hidden));
    await page.close();
    page = await openPage(browser, inFolder("train.html"));
    await click(page, "continue");
    await until(page, "status", "2 epochs done.");
    requireProgramsWeights(await downloadRun(page));
    await page.close();
  });

  test("a full disk is told, and the training goes on", async () => {
    let page = await openPage(browser, inFolder("train.html"));
    await click(page, "forget");
    await page.evaluate(() => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException("full", "QuotaExceededError");
      };
    });
    await (await page.$("#files")).uploadFile(inFolder("photos.zip"));
    await page.waitForFunction(() => !document.getElementById("training").hidden);
    await inSecondEpoch(page, "document.getElementById('pause').click()");
    await click(page, "start");
    await until(page, "status", "The training is paused.");
    assert.match(await textOf(page, "unsaved"), /not saved: there is no room left/);
    await click(page, "start");
    await until(page, "status", "2 epochs done.");
    requireProgramsWeights(await downloadRun(page));
    // The page asks before it is closed; the test does not.
    await page.close({ runBeforeUnload: false });
    page = await openPage(browser, inFolder("train.html"));
    assert.ok(await page.$eval("#kept", (box) => box.hidden));
    await page.close();
  });

  test("drawn faces travel in the page, and other photos can be taken", async () => {
    const page = await openPage(browser, inFolder("train.html"));
    await click(page, "drawn");
    await page.waitForFunction(() => !document.getElementById("training").hidden);
    assert.match(await textOf(page, "samples"), /^240 photos: 192 for training, 48 for validation\.$/);
    await click(page, "other");
    writeFileSync(inFolder("1_0_0_2017.png"), pngOf(new Uint8Array(12 * 12 * 3), 12, 12));
    await (await page.$("#files")).uploadFile(inFolder("1_0_0_2017.png"));
    await until(
      page,
      "error",
      "there must be at least two photos with a label: one to learn from, and one to measure with",
    );
    await page.close();
  });

  test("without WebGPU, or without an adapter, the pages say what to do", async () => {
    for (const name of ["predict.html", "train.html"]) {
      for (const [gpu, words] of [
        ["undefined", /no WebGPU.*Chrome/],
        ["{ requestAdapter: async () => null }", /no graphics adapter.*hardware acceleration/],
      ]) {
        const page = await browser.newPage();
        await page.evaluateOnNewDocument(
          `Object.defineProperty(Navigator.prototype, "gpu", { get: () => (${gpu}) })`,
        );
        await page.goto(`file://${inFolder(name)}`);
        await page.waitForFunction(() => document.body?.dataset.failed);
        assert.match(await textOf(page, "error"), words, name);
        await page.close();
      }
    }
  });

  test("nothing is loaded from elsewhere, and licences travel along", async () => {
    for (const name of ["predict.html", "train.html"]) {
      const page = await browser.newPage();
      const loaded = [];
      page.on("request", (request) => loaded.push(request.url().slice(0, 300)));
      await page.goto(`file://${inFolder(name)}`);
      await page.waitForFunction(() => document.body.dataset.ready);
      assert.ok(loaded.length > 10, "modules are requests, too");
      const others = loaded.filter((url) => !url.startsWith("data:") && url !== `file://${inFolder(name)}`);
      assert.deepEqual(others, [], name);
      const text = await page.evaluate(() => document.body.textContent);
      for (const owner of name === "train.html" ? ["Arjun Barrett", "Leon Sorokin"] : ["Shiqi Yu"]) {
        assert.ok(text.includes(owner), `${name}: ${owner}`);
      }
      await page.close();
    }
  });
});
