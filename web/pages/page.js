// What all pages need: the data inside, a device, messages, and elements.

import { FORMAT } from "../model.js";

/** @typedef {import("../model.js").Model} Model */

/**
 * An element of the page by its id.
 *
 * @param {string} id
 * @returns {any}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found;
}

/**
 * A new element with a class, a text and children.
 *
 * @param {string} name
 * @param {{ class?: string, text?: string, [attribute: string]: string | undefined }} [attributes]
 * @param {(Node | string)[]} [children]
 * @returns {any}
 */
export function create(name, { text, ...attributes } = {}, children = []) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(attribute, value);
  }
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/**
 * The bytes that travel in the page under an id: gzip, then base64.
 *
 * @param {string} id
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function embedded(id) {
  const packed = await fetch(`data:application/gzip;base64,${element(id).textContent.trim()}`);
  if (!packed.body) throw new Error(`the page has lost its ${id}`);
  const unpacked = packed.body.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

/** @returns {Promise<Model>} */
export async function embeddedModel() {
  const model = JSON.parse(new TextDecoder().decode(await embedded("model")));
  if (model.format !== FORMAT)
    throw new Error(`the model has format ${model.format}, and this page reads ${FORMAT}`);
  return model;
}

const NO_ADAPTER =
  "WebGPU is there, but no graphics adapter. Switch on hardware acceleration in the browser's settings, update the " +
  "graphics driver, or try another browser.";

/**
 * A device of the browser's best adapter, with its default limits.
 *
 * @returns {Promise<{ device: GPUDevice, about: string }>}
 */
export async function openDevice() {
  // `support.js` has told why.
  if (!navigator.gpu) throw new Error(element("error").textContent);
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error(NO_ADAPTER);
  const device = await adapter.requestDevice();
  // Chrome has it from 127 on.
  const { vendor, architecture, description } = /** @type {Partial<GPUAdapterInfo>} */ (adapter.info ?? {});
  const about = description || [vendor, architecture].filter(Boolean).join(" ") || "a graphics adapter";
  return { device, about };
}

/**
 * Screen readers speak a text that changes within an element which was there before: it stays, and takes no room while it
 * is empty.
 *
 * @param {string} text an empty text hides the message
 */
export function tellStatus(text) {
  element("status").textContent = text;
}

/** @param {unknown} error an empty text or null hides the message */
export function tellError(error) {
  const text = error instanceof Error ? error.message : String(error ?? "");
  element("error").hidden = !text;
  element("error").textContent = text;
}

/** @param {[string, string][]} facts names and texts */
export function showFacts(facts) {
  element("facts").replaceChildren(
    ...facts.map(([name, text]) => create("div", {}, [create("dt", { text: name }), create("dd", { text })])),
  );
}

/**
 * Offers bytes as a download.
 *
 * @param {string} name of the file
 * @param {BlobPart} contents
 * @param {string} type
 */
export function download(name, contents, type) {
  const url = URL.createObjectURL(new Blob([contents], { type }));
  create("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
