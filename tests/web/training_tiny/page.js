// A page that trains the tiny model, and photos for it.

import { Generator, Stream } from "../../../web/philox.js";
import { zipOf } from "../../../web/training/archive.js";
import { openPage } from "../chromium.js";
import { pngOf } from "./png.js";

const PHOTOS = 60;

/** Photos of noise as PNG files whose names tell labels, in a zip archive. */
export async function noisePhotos() {
  const generator = new Generator("7", 0, 0, Stream.TEST);
  const files = Array.from({ length: PHOTOS }, (_, index) => {
    const age = 1 + generator.below(90);
    const rgb = Uint8Array.from({ length: 12 * 12 * 3 }, () => generator.below(120) + age);
    return { name: `${age}_${index % 2}_0_2017${index}.png`, bytes: pngOf(rgb, 12, 12) };
  });
  return Buffer.from(await (await zipOf(files)).arrayBuffer());
}

/**
 * Opens a page that trains, and chooses photos.
 *
 * @param {any} browser
 * @param {string} file the page
 * @param {string} photos an archive
 */
export async function openTraining(browser, file, photos) {
  const page = await openPage(browser, file);
  await (await page.$("#files")).uploadFile(photos);
  await page.waitForFunction(() => !document.getElementById("training").hidden);
  return page;
}

/**
 * Calls an action in the page as soon as a training step of an epoch is done.
 *
 * @param {any} page
 * @param {number} epoch from 1
 * @param {string} action JavaScript
 */
export const inEpoch = (page, epoch, action) =>
  page.evaluate(
    (begin, source) => {
      const pace = document.getElementById("pace");
      const act = new Function(source);
      const isStep = (text) => text.startsWith(begin) && text.includes(", step");
      const watch = () => isStep(pace.textContent) && (observer.disconnect(), act());
      const observer = new MutationObserver(watch);
      observer.observe(pace, { childList: true });
    },
    `epoch ${epoch} of`,
    action,
  );
