// TensorFlow.js's contestant, in the browser: the network of assets/models/face.toml with channels last, which begins
// with the weights that faceshader draws.

import { modelOf, samplesOf } from "./samples.js";
import { initialValues } from "/web/training/initial.js";
import { firstBias, settle } from "/web/training/targets.js";

/**
 * @typedef {import("./bench.mjs").Contestant} Contestant
 * @typedef {import("../../../web/model.js").Model} Model
 */

/** What every backend needs, and what some need besides: paths among npm's packages. */
const LIBRARY = "tfjs/dist/tf.min.js";
const LIBRARIES = {
  webgpu: "tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js",
  wasm: "tfjs-backend-wasm/dist/tf-backend-wasm.min.js",
};

/** @param {string} path among the packages of @tensorflow */
const load = (path) =>
  new Promise((loaded, failed) => {
    const script = document.createElement("script");
    Object.assign(script, {
      src: `/tfjs/${path}`,
      onload: loaded,
      onerror: () => failed(new Error(`no ${path}`)),
    });
    document.head.append(script);
  });

/** The layers of a branch; its name begins theirs. */
function branch(tf, input, name) {
  const { layers } = tf;
  let x = layers
    .conv2d({ name: `${name}.conv3`, filters: 64, kernelSize: 3, activation: "relu" })
    .apply(input);
  x = layers.maxPooling2d({ poolSize: 2 }).apply(x);
  x = layers.flatten().apply(x);
  x = layers.dropout({ rate: 0.5 }).apply(x);
  x = layers.dense({ name: `${name}.dense1`, units: 512, activation: "relu" }).apply(x);
  return layers.dense({ name: `${name}.dense2`, units: 1 }).apply(x);
}

/**
 * The network, compiled; photos are bytes, (batch, height, width, 3).
 *
 * @param {Model} model its description
 */
function build(tf, { photo, targets }) {
  const { layers } = tf;
  const photos = tf.input({ shape: [photo.height, photo.width, 3] });
  let x = layers.rescaling({ scale: 1 / 255 }).apply(photos);
  for (const name of ["conv1", "conv2"]) {
    x = layers.conv2d({ name, filters: 32, kernelSize: 3, activation: "relu" }).apply(x);
    x = layers.maxPooling2d({ poolSize: 2 }).apply(x);
  }
  x = layers.dropout({ rate: 0.25 }).apply(x);
  const network = tf.model({ inputs: photos, outputs: targets.map(({ name }) => branch(tf, x, name)) });
  const loss = targets.map(({ kind, weight }) => lossOf(tf, kind, weight));
  const optimizer = tf.train.adam(0.001);
  network.compile({ optimizer, loss });
  return { network, loss, optimizer };
}

/** TensorFlow.js knows no weights of losses, so that they are part of them. */
function lossOf(tf, kind, weight) {
  const { meanSquaredError, sigmoidCrossEntropy } = tf.losses;
  const loss = kind === "number" ? meanSquaredError : sigmoidCrossEntropy;
  return (labels, outputs) => loss(labels, outputs).mul(weight);
}

/**
 * Gives the network the initial weights of faceshader: from PyTorch's layouts to those of channels last.
 *
 * @param {Model} model
 * @param {Float32Array[]} labels
 */
function initialise(tf, network, { targets, training }, labels) {
  const kernels = new Map();
  for (const [parameter, values] of initialValues(training)) {
    const [layer, kind] = [parameter.slice(0, parameter.lastIndexOf(".")), parameter.split(".").at(-1)];
    const { shape } = training.parameters.find(({ name }) => name === parameter);
    const target = targets.findIndex(({ bias }) => bias === parameter);
    if (target >= 0) values[0] = firstBias(settle(targets[target], labels[target]), labels[target]);
    kernels.set(layer, { ...kernels.get(layer), [kind]: tf.tensor(values, shape) });
  }
  for (const [name, { weight, bias }] of kernels) {
    const layer = network.getLayer(name);
    const wanted = layer.getWeights()[0].shape;
    let kernel = weight;
    if (name.endsWith("dense1")) {
      // The flattened features are (channels, height, width) there and (height, width, channels) here.
      const [, height, width, channels] = network.layers.find((other) => other.name.startsWith("flatten"))
        .input.shape;
      kernel = kernel.reshape([weight.shape[0], channels, height, width]);
    }
    kernel = kernel.transpose(kernel.rank === 4 ? [2, 3, 1, 0] : [1, 0]).reshape(wanted);
    layer.setWeights([kernel, bias]);
  }
}

/**
 * @param {{ pageUrl: string, backend: "cpu" | "wasm" | "webgl" | "webgpu" }} options an exported page that trains the
 *   same model
 * @returns {Promise<Contestant>}
 */
export async function open({ pageUrl, backend }) {
  await load(LIBRARY);
  if (LIBRARIES[backend]) await load(LIBRARIES[backend]);
  const { tf } = window;
  tf.wasm?.setWasmPaths("/tfjs/tfjs-backend-wasm/dist/");
  tf.enableProdMode();
  if (!(await tf.setBackend(backend))) throw new Error(`${backend} does not begin`);
  await tf.ready();
  const model = await modelOf(pageUrl);
  const { labels, photos } = samplesOf(model);
  const batch = photos.length;
  const { network, loss, optimizer } = build(tf, model);
  tf.tidy(() => initialise(tf, network, model, labels));
  const pixels = new Float32Array(photos[0].length * batch);
  const { height, width } = model.photo;
  const upload = () => {
    photos.forEach((photo, place) => pixels.set(photo, place * photo.length));
    return tf.tensor4d(pixels, [batch, height, width, 3]);
  };
  const uploadLabels = () => labels.map((values) => tf.tensor2d(values, [batch, 1]));
  const weights = network.trainableWeights.map(({ val }) => val);
  /** Both end when the loss is known. */
  const loops = {
    async trainOnBatch() {
      const [x, y] = [upload(), uploadLabels()];
      await network.trainOnBatch(x, y);
      tf.dispose([x, y]);
    },
    async minimize() {
      const cost = tf.tidy(() => {
        const [x, y] = [upload(), uploadLabels()];
        const sum = () => {
          const outputs = network.apply(x, { training: true });
          return tf.addN(outputs.map((output, place) => loss[place](y[place], output)));
        };
        return optimizer.minimize(sum, true, weights);
      });
      await cost.data();
      cost.dispose();
    },
  };
  return {
    about: {
      adapter: await adapterOf(tf, backend),
      parameters: network.countParams(),
      version: tf.version.tfjs,
      loops: Object.keys(loops),
      batch,
      labels,
    },
    step: (loop) => loops[loop](),
    async predict() {
      const outputs = tf.tidy(() => network.predict(upload(), { batchSize: batch }));
      const values = await Promise.all(outputs.map((output) => output.data()));
      tf.dispose(outputs);
      return values.map((of) => [...of]);
    },
  };
}

/** What computes, in words. */
async function adapterOf(tf, backend) {
  if (backend === "webgl") {
    const { gl } = tf.backend().gpgpu;
    const names = gl.getExtension("WEBGL_debug_renderer_info");
    return gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  }
  if (backend !== "webgpu") return backend === "wasm" ? "WebAssembly" : "JavaScript";
  const { vendor, architecture } = (await navigator.gpu.requestAdapter()).info;
  return `${vendor} ${architecture}`;
}
