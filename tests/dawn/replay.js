// Replays recorded programs by Dawn, and compares every buffer that they write with what wgpu computed on the same
// driver, bit for bit.
//
//   node replay.js WEBGPU DIR...
//
// WEBGPU is the folder of the npm package webgpu, each DIR what `faceshader export program --steps` wrote.
import { readFile, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Player } from "../../web/player.js";
import { parseSafetensors } from "../../web/safetensors.js";

const [webgpu, ...folders] = process.argv.slice(2);
const { create, globals } = await import(pathToFileURL(resolve(webgpu, "index.js")).href);
Object.assign(globalThis, globals);

/**
 * @param {string} folder
 * @param {string} name
 */
const recorded = async (folder, name) =>
  parseSafetensors(await readFile(join(folder, "recording", `${name}.safetensors`)));

/**
 * The value of a word of a buffer.
 *
 * @param {import("../../web/safetensors.js").Tensor} tensor
 * @param {Uint8Array} bytes
 * @param {number} element
 */
function valueAt({ dtype }, bytes, element) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === "U8") return view.getUint8(element);
  return dtype === "F32" ? view.getFloat32(4 * element, true) : view.getUint32(4 * element, true);
}

/**
 * How a buffer differs from what is wanted; null where all bits are the same.
 *
 * @param {import("../../web/safetensors.js").Tensor} want
 * @param {Uint8Array} got
 * @returns {?string}
 */
function difference(want, got) {
  const size = want.dtype === "U8" ? 1 : 4;
  const elements = want.bytes.length / size;
  let [others, worst, scale, example] = [0, 0, 0, ""];
  for (let element = 0; element < elements; element += 1) {
    const [first, end] = [element * size, (element + 1) * size];
    const value = valueAt(want, want.bytes, element);
    scale += value * value;
    if (Buffer.compare(want.bytes.subarray(first, end), got.subarray(first, end)) === 0) continue;
    const other = valueAt(want, got, element);
    const error = Math.abs(value - other);
    if (others === 0 || !(error <= worst)) example = `element ${element}: wgpu ${value}, Dawn ${other}`;
    worst = Math.max(worst, error);
    others += 1;
  }
  if (others === 0) return null;
  const relative = worst / Math.sqrt(scale / elements);
  return `${others} of ${elements} elements, at most by ${relative.toExponential(1)} of the RMS; ${example}`;
}

/**
 * Replays one folder. The number of buffers whose bits are not the same.
 *
 * @param {GPU} gpu
 * @param {string} folder
 */
async function replay(gpu, folder) {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error("Dawn finds no adapter");
  const device = await adapter.requestDevice();
  const player = new Player(device);
  const readText = (path) => readFile(join(folder, path), "utf8");
  const prepare = async (purpose) => player.prepare(JSON.parse(await readText(`${purpose}.json`)), readText);
  const writeAll = (prepared, tensors) => {
    for (const [name, { bytes }] of tensors) {
      if (prepared.buffers.has(name)) player.write(prepared, name, bytes);
    }
  };
  let [same, others] = [0, 0];
  const compare = async (prepared, purpose) => {
    for (const [name, want] of await recorded(folder, purpose)) {
      const differs = difference(want, await player.read(prepared, name));
      if (differs) {
        others += 1;
        console.log(`  ${prepared.name}, ${name}: ${differs}`);
      } else {
        same += 1;
      }
    }
  };

  const training = await prepare("training");
  writeAll(training, await recorded(folder, "initial"));
  const steps = (await readdir(join(folder, "recording"))).filter((file) => file.startsWith("step-")).length;
  let inputs = new Map();
  for (let step = 0; step < steps; step += 1) {
    inputs = await recorded(folder, `step-${step}`);
    writeAll(training, inputs);
    player.run(training);
    await player.wait();
  }
  await compare(training, "training");
  for (const purpose of ["evaluation", "prediction"]) {
    const prepared = await prepare(purpose);
    writeAll(prepared, inputs);
    player.run(prepared);
    await compare(prepared, purpose);
  }
  const { vendor, architecture, device: name, description } = adapter.info;
  const about = [vendor, architecture, name, description].filter(Boolean).join(" ");
  console.log(
    `${folder}: ${steps} steps, an evaluation and a prediction by Dawn on ${about}: ` +
      `${same} buffers have wgpu's bits, ${others} have not`,
  );
  device.destroy();
  if (same + others === 0) throw new Error(`${folder} holds no results`);
  return others;
}

const gpu = create(["backend=vulkan"]);
let others = 0;
for (const folder of folders) {
  others += await replay(gpu, folder);
}
process.exitCode = others === 0 && folders.length > 0 ? 0 : 1;
