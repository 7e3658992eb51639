// Debian's Chromium, driven by puppeteer-core, with WebGPU on the software driver that it brings along.

import { readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

/** Where npm's packages lie, as `tests/web.sh` says. */
const packages = process.env.NODE_PACKAGES ?? "target/peers/web/node_modules";
const puppeteer = createRequire(resolve(packages, "none.js"))("puppeteer-core");

/** SwiftShader for WebGPU; the camera shows a test picture. */
const WEBGPU = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--use-vulkan=swiftshader",
  "--enable-features=Vulkan",
  "--disable-vulkan-surface",
  "--use-fake-ui-for-media-stream",
  "--use-fake-device-for-media-stream",
];
/** Milliseconds that anything may take: SwiftShader compiles for long. */
const PATIENCE = 300_000;

/** @param {{ webgpu?: boolean, width?: number, height?: number }} [options] */
export async function openBrowser({ webgpu = true, width = 1200, height = 900 } = {}) {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    defaultViewport: { width, height },
    protocolTimeout: 1_800_000,
    args: [
      "--no-sandbox",
      "--disable-dev-shm-usage",
      ...(webgpu ? WEBGPU : ["--disable-features=WebGPU", "--disable-gpu"]),
    ],
  });
}

/**
 * Opens a page from disk and waits until it is ready.
 *
 * @param {any} browser
 * @param {string} file
 */
export async function openPage(browser, file) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (/** @type {any} */ error) => console.log("page error:", error.stack ?? error));
  await page.goto(`file://${file}`);
  await page.waitForFunction(() => document.body.dataset.ready || document.body.dataset.failed);
  if (await page.evaluate(() => document.body.dataset.failed)) throw new Error(await textOf(page, "error"));
  return page;
}

/**
 * @param {any} page
 * @param {string} id
 * @returns {Promise<string>}
 */
export const textOf = (page, id) =>
  page.$eval(`#${id}`, (/** @type {HTMLElement} */ element) => element.innerText);

/**
 * Clicks by the page's own events, whatever lies over the element.
 *
 * @param {any} page
 * @param {string} id
 */
export const click = (page, id) =>
  page.$eval(`#${id}`, (/** @type {HTMLElement} */ element) => element.click());

/**
 * Waits for a text, and fails with the page's error where one is shown instead.
 *
 * @param {any} page
 * @param {string} id
 * @param {string} text
 */
export async function until(page, id, text) {
  await page.waitForFunction(
    (/** @type {string} */ of, /** @type {string} */ wanted) =>
      document.getElementById(of)?.textContent === wanted || !document.getElementById("error")?.hidden,
    {},
    id,
    text,
  );
  const shown = await page.$eval(`#${id}`, (/** @type {HTMLElement} */ element) => element.textContent);
  if (shown !== text) throw new Error(`${await textOf(page, "error")}; ${id}: ${shown}`);
}

/**
 * The file that a button offers.
 *
 * @param {any} page
 * @param {string} button
 * @param {string} folder
 * @param {string} name
 * @returns {Promise<Buffer>}
 */
export async function download(page, button, folder, name) {
  const session = await page.createCDPSession();
  await session.send("Browser.setDownloadBehavior", {
    behavior: "allow",
    downloadPath: folder,
    eventsEnabled: true,
  });
  const done = new Promise((finish, fail) => {
    setTimeout(() => fail(new Error(`${name} does not come`)), 60_000).unref();
    session.on("Browser.downloadProgress", (/** @type {{ state: string }} */ { state }) => {
      if (state === "completed") finish(null);
    });
  });
  await click(page, button);
  await done;
  const bytes = readFileSync(join(folder, name));
  rmSync(join(folder, name));
  return bytes;
}

/**
 * A JPEG as the browser decodes it, as a PNG file.
 *
 * @param {any} page
 * @param {Buffer} jpeg
 * @returns {Promise<Buffer>}
 */
export async function pngOfJpeg(page, jpeg) {
  const base64 = await page.evaluate(async (/** @type {string} */ data) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/jpeg;base64,${data}`)).blob(), {
      colorSpaceConversion: "none",
    });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d", { alpha: false })?.drawImage(bitmap, 0, 0);
    const png = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
    return btoa(Array.from(png, (byte) => String.fromCharCode(byte)).join(""));
  }, jpeg.toString("base64"));
  return Buffer.from(base64, "base64");
}
