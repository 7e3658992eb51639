// A page that predicts, in a browser: how photos come and go, the camera, and browsers that lack something.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { csvLine } from "../../web/pages/results.js";
import { Generator, Stream } from "../../web/philox.js";
import { click, download, openBrowser, openPage, textOf, until } from "./chromium.js";
import { pngOf } from "./training_tiny/png.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = resolve(process.env.FACESHADER ?? join(root, "target/release/faceshader"));
const TINY = join(root, "tests/assets/tiny.toml");
const HEADER = "file,age,gender,probability,error";

const folder = mkdtempSync(join(tmpdir(), "faceshader-predict-page-"));
const inFolder = (...parts) => join(folder, ...parts);
const faceshader = (...command) =>
  execFileSync(program, command, { cwd: folder, encoding: "utf8", stdio: "pipe" });

/** Noise as a PNG file. */
function noise(side, seed = 0) {
  const generator = new Generator(String(seed), 0, 0, Stream.TEST);
  return pngOf(
    Uint8Array.from({ length: side * side * 3 }, () => generator.below(256)),
    side,
    side,
  );
}

const PHOTO = Buffer.from(noise(16)).toString("base64");

/** Drops a photo on the page under each of these names, or pastes it. */
const hand = (page, names, how = "drop") =>
  page.evaluate(
    (base64, names, how) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const transfer = new DataTransfer();
      for (const name of names) transfer.items.add(new File([bytes], name, { type: "image/png" }));
      dispatchEvent(
        how === "drop"
          ? new DragEvent("drop", { dataTransfer: transfer, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: transfer }),
      );
    },
    PHOTO,
    names,
    how,
  );

/** The lines of CSV that the page offers. */
const csvOf = async (page) =>
  (await download(page, "csv", folder, "tiny.csv")).toString("utf8").trim().split("\r\n");

const filesOf = (lines) => lines.slice(1).map((line) => line.split(",")[0]);

/** Loads a page in which `prepare` has run before any of its scripts. */
async function loadPrepared(browser, file, prepare) {
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(prepare);
  await page.goto(`file://${file}`);
  await page.waitForFunction(() => document.body.dataset.ready || document.body.dataset.failed);
  return page;
}

describe("a page that predicts", () => {
  let browser;

  before(async () => {
    browser = await openBrowser();
    mkdirSync(inFolder("photos"));
    for (let index = 0; index < 10; index += 1) {
      writeFileSync(inFolder("photos", `${10 + index}_${index % 2}_0_2017${index}.png`), noise(12, index));
    }
    const options = ["--faces", "whole", "--adapter", "cpu", "--epochs", "1", "--out", "run"];
    faceshader("train", "--model", TINY, "--data", "photos", ...options);
    faceshader("export", "page", "run", "--faces", "whole", "--out", "whole.html");
  });

  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("photos that are dropped and pasted are predicted, and all can be removed", async () => {
    const page = await openPage(browser, inFolder("whole.html"));
    await hand(page, ["first.png"], "paste");
    await until(page, "count", "1 photo");
    await hand(page, ["second.png", "third.png"]);
    await until(page, "count", "3 photos");
    assert.equal(await textOf(page, "done"), "Predictions for 3 photos are there.");
    const lines = await csvOf(page);
    assert.equal(lines[0], HEADER);
    assert.deepEqual(filesOf(lines), ["first.png", "second.png", "third.png"]);
    assert.match(lines[1], /^first\.png,-?\d+\.\d\d,(female|male),[01]\.\d{4},$/);
    assert.match(await textOf(page, "cards"), /male, \d+\.\d\u00a0%/);
    const pictures = await page.$$eval("#cards > li > img", (images) =>
      Promise.all(images.map((image) => image.decode().then(() => image.naturalWidth))),
    );
    assert.deepEqual(pictures, [16, 16, 16]);
    await click(page, "clear");
    assert.deepEqual(await csvOf(page), [HEADER]);
    assert.equal(await page.$eval("#cards", (cards) => cards.childElementCount), 0);
    assert.equal(await page.evaluate(() => document.activeElement?.id), "files");
    await page.close();
  });

  test("photos removed at any time of their prediction leave nothing behind", async () => {
    const page = await openPage(browser, inFolder("whole.html"));
    await page.evaluate(() => {
      window.pictures = new Set();
      const { createObjectURL, revokeObjectURL } = URL;
      URL.createObjectURL = (blob) => {
        const url = createObjectURL(blob);
        if (blob.type === "image/jpeg") window.pictures.add(url);
        return url;
      };
      URL.revokeObjectURL = (url) => {
        window.pictures.delete(url);
        revokeObjectURL(url);
      };
    });
    const pictures = () => page.evaluate(() => window.pictures.size);
    for (const step of ["arrayBuffer", "createImageBitmap", "mapAsync", "toBlob"]) {
      await page.evaluate((step) => {
        const owners = {
          arrayBuffer: Blob.prototype,
          createImageBitmap: window,
          mapAsync: GPUBuffer.prototype,
          toBlob: HTMLCanvasElement.prototype,
        };
        const [owner, whole] = [owners[step], owners[step][step]];
        owner[step] = function (...values) {
          owner[step] = whole;
          document.getElementById("clear").click();
          document.body.dataset.removed = step;
          return whole.apply(this, values);
        };
      }, step);
      await hand(page, ["one.png", "two.png", "three.png"]);
      await page.waitForFunction((step) => document.body.dataset.removed === step, {}, step);
      assert.equal(await page.$eval("#tools", (tools) => tools.hidden), true, step);
      assert.deepEqual(await csvOf(page), [HEADER], step);
      // It comes after all that is still under way.
      await hand(page, ["last.png"]);
      await until(page, "count", "1 photo");
      assert.deepEqual(filesOf(await csvOf(page)), ["last.png"], step);
      assert.equal(await page.$eval("#cards", (cards) => cards.childElementCount), 1, step);
      assert.equal(await pictures(), 1, step);
      await click(page, "clear");
      assert.equal(await pictures(), 0, step);
    }
    await page.close();
  });

  test("a photo too big by its header is refused before it is decoded", async () => {
    const page = await openPage(browser, inFolder("whole.html"));
    await page.evaluate(() => {
      window.createImageBitmap = () => document.body.setAttribute("data-decoded", "true");
    });
    const file = Buffer.from(noise(16));
    file.writeUInt32BE(20_000, 16);
    file.writeUInt32BE(20_000, 20);
    writeFileSync(inFolder("=big.png"), file);
    await (await page.$("#files")).uploadFile(inFolder("=big.png"));
    await until(page, "count", "1 photo");
    assert.match(await textOf(page, "cards"), /20000x20000 pixels: too big; make it smaller/);
    assert.equal(await page.evaluate(() => document.body.dataset.decoded), undefined);
    const problem = "20000x20000 pixels: too big; make it smaller";
    assert.deepEqual(await csvOf(page), [HEADER, `'=big.png,,,,${problem}`]);
    await page.close();
  });

  test("a camera that is opened twice and closed is off", async () => {
    const page = await openPage(browser, inFolder("whole.html"));
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.evaluate(() => {
      window.streams = [];
      const { mediaDevices } = navigator;
      const open = mediaDevices.getUserMedia.bind(mediaDevices);
      mediaDevices.getUserMedia = async (options) => {
        const stream = await open(options);
        window.streams.push(stream);
        return stream;
      };
    });
    const isLive = () =>
      page.evaluate(() => window.streams.map((stream) => stream.getTracks()[0].readyState === "live"));
    const isOpen = () => page.$eval("#viewfinder", (viewfinder) => !viewfinder.hidden);
    const sees = () => page.waitForFunction(() => document.getElementById("video").videoWidth > 0);
    const pressed = () => page.$eval("#live", (button) => button.getAttribute("aria-pressed"));
    await page.evaluate(() => {
      document.getElementById("camera").click();
      document.getElementById("camera").click();
    });
    await page.waitForFunction(() => window.streams.length === 2);
    await sees();
    assert.deepEqual((await isLive()).toSorted(), [false, true]);
    await click(page, "camera");
    await page.waitForFunction(() => window.streams.length === 3);
    await sees();
    for (let times = 0; times < 3; times += 1) await click(page, "live");
    assert.equal(await pressed(), "true");
    await page.waitForFunction(() => document.querySelector("#live-result canvas"));
    assert.match(await textOf(page, "live-result"), /^-?\d+, (female|male), \d+ ms$/);
    await click(page, "shoot");
    // At once with the next picture's prediction under way.
    await page.evaluate(() => {
      const read = GPUBuffer.prototype.mapAsync;
      GPUBuffer.prototype.mapAsync = function (...values) {
        GPUBuffer.prototype.mapAsync = read;
        document.getElementById("stop-camera").click();
        return read.apply(this, values);
      };
    });
    await until(page, "count", "1 photo");
    await page.waitForFunction(() => document.getElementById("viewfinder").hidden);
    await hand(page, ["last.png"]);
    await until(page, "count", "2 photos");
    assert.deepEqual(await isLive(), [false, false, false]);
    assert.equal(await pressed(), "false");
    assert.equal(await page.$eval("#live-result", (result) => result.childElementCount), 0);
    // The camera is unplugged.
    await click(page, "camera");
    await sees();
    await click(page, "live");
    await page.evaluate(() => window.streams[3].getTracks()[0].dispatchEvent(new Event("ended")));
    assert.equal(await isOpen(), false);
    assert.match(await textOf(page, "error"), /^The camera has stopped/);
    assert.equal(await pressed(), "false");
    // It is closed before it shows anything.
    await page.evaluate(() => {
      document.getElementById("camera").click();
      document.getElementById("stop-camera").click();
    });
    await page.waitForFunction(() => window.streams.length === 5);
    assert.deepEqual(await isLive(), Array(5).fill(false));
    // It is closed while the video begins to play.
    await page.evaluate(() => {
      const { play } = HTMLMediaElement.prototype;
      HTMLMediaElement.prototype.play = async function () {
        HTMLMediaElement.prototype.play = play;
        const playing = play.call(this);
        document.getElementById("stop-camera").click();
        await playing.catch((error) => document.body.setAttribute("data-play", error.name));
        return playing;
      };
    });
    await click(page, "camera");
    await page.waitForFunction(() => document.body.dataset.play === "AbortError");
    assert.equal(await textOf(page, "error"), "");
    // A camera that shows no picture yet takes none.
    await click(page, "camera");
    await sees();
    await page.$eval("#video", (video) => Object.defineProperty(video, "videoWidth", { value: 0 }));
    await click(page, "live");
    await click(page, "shoot");
    assert.match(await textOf(page, "error"), /could not be taken/);
    assert.equal(await pressed(), "true");
    await click(page, "stop-camera");
    assert.deepEqual(errors, []);
    await page.close();
  });

  test("a photo without a face can be taken whole, and the camera says that it sees none", async () => {
    faceshader("export", "page", "run", "--faces", "auto", "--out", "faces.html");
    const page = await openPage(browser, inFolder("faces.html"));
    await hand(page, ["none.png"]);
    await until(page, "count", "1 photo");
    assert.deepEqual(filesOf(await csvOf(page)), ["none.png"]);
    assert.match(await textOf(page, "cards"), /No face was found/);
    const waiting = await page.$eval("#cards button", (button) => {
      button.click();
      return document.getElementById("count").textContent;
    });
    assert.equal(waiting, "0 of 1 photo");
    await until(page, "count", "1 photo");
    assert.match((await csvOf(page))[1], /^none\.png,,,,,,-?\d+\.\d\d,(female|male),[01]\.\d{4},$/);
    assert.equal(await page.$("#cards button"), null);
    await click(page, "camera");
    await click(page, "live");
    await page.waitForFunction(() => document.querySelector("#live-result canvas"));
    assert.match(await textOf(page, "live-result"), /^no face, \d+ ms$/);
    await page.close();
  });

  test("an adapter that tells nothing of itself is used", async () => {
    const page = await loadPrepared(browser, inFolder("whole.html"), () =>
      Object.defineProperty(GPUAdapter.prototype, "info", { get: () => undefined }),
    );
    assert.match(await textOf(page, "facts"), /a graphics adapter/);
    assert.equal(await textOf(page, "status"), "");
    await page.close();
  });

  test("browsers that cannot load the modules say why", async () => {
    const html = readFileSync(inFolder("whole.html"), "utf8");
    // A browser that does not know modules takes them for data.
    writeFileSync(inFolder("data.html"), html.replaceAll('type="module"', 'type="unknown"'));
    const old = await loadPrepared(browser, inFolder("data.html"), () =>
      Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined }),
    );
    assert.match(await textOf(old, "error"), /no WebGPU.*Chrome and Edge/);
    assert.equal(await textOf(old, "status"), "");
    await old.close();
    const main = 'import "faceshader/pages/predict.js";';
    for (const [wrong, reason] of [
      ['import "faceshader/nowhere.js";', /^This page cannot start: .*nowhere/],
      ["import {", /^This page cannot start: .*SyntaxError/],
      ['import "data:text/javascript,let let = 1";', /^This page cannot start: .*SyntaxError/],
      ['import "data:text/plain,nothing";', /^This page cannot start: a part of it is damaged/],
    ]) {
      assert.ok(html.includes(main));
      writeFileSync(inFolder("wrong.html"), html.replace(main, wrong));
      const page = await loadPrepared(browser, inFolder("wrong.html"), () => {});
      assert.match(await textOf(page, "error"), reason, wrong);
      await page.close();
    }
  });
});

test("texts that begin like formulas are texts to spreadsheets, and numbers stay numbers", () => {
  assert.equal(csvLine(["=1+1", "+a", "-b", "@c", "\td"]), "'=1+1,'+a,'-b,'@c,'\td\r\n");
  assert.equal(csvLine(["-1.50", "+2", "a=b", "", "x-y"]), "-1.50,+2,a=b,,x-y\r\n");
  assert.equal(csvLine(['=HYPERLINK("a","b")', "one, two"]), '"\'=HYPERLINK(""a"",""b"")","one, two"\r\n');
});
