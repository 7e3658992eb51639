// Replays programs that `faceshader export program` wrote, by WebGPU. It knows nothing of layers and models: a program
// is a list of dispatches over numbered slots of memory.

/**
 * @typedef {object} Slot
 * @property {number} bytes
 * @property {?string} shared_as the name under which all programs of a player share it
 *
 * @typedef {object} NamedBuffer what lies in a slot
 * @property {string} name such as `age.conv3.weight`
 * @property {number[]} shape the extent of every axis
 * @property {"f32" | "u32" | "u8"} dtype
 * @property {"input" | "persistent" | "output" | "transient"} kind who writes and reads it, and how long it lasts
 * @property {number} slot an index into `slots`
 * @property {number} offset_bytes where it begins there
 * @property {number} bytes whole words
 * @property {?{ whole: number, offset_bytes: number }} part_of the buffer that it is a part of
 *
 * @typedef {object} Pipeline
 * @property {string} wgsl the path of its WGSL
 * @property {string} entry_point
 * @property {Record<string, number>} constants values of the `override` constants
 *
 * @typedef {object} Bound
 * @property {number} binding in group 0
 * @property {number} slot an index into `slots`
 * @property {number} offset_bytes
 * @property {number} bytes
 * @property {"read" | "read_write" | "uniform"} access
 *
 * @typedef {object} Dispatch
 * @property {number} pipeline an index into `pipelines`
 * @property {Bound[]} bindings
 * @property {[number, number, number]} workgroups
 *
 * @typedef {object} Program
 * @property {number} format
 * @property {string} name
 * @property {number} batch samples a run
 * @property {Slot[]} slots
 * @property {NamedBuffer[]} buffers
 * @property {Pipeline[]} pipelines
 * @property {Dispatch[]} dispatches
 */

/** The version of the format that this player reads. */
const FORMAT = 3;

/** @type {Record<Bound["access"], GPUBufferBindingType>} */
const BINDING_TYPES = { read: "read-only-storage", read_write: "storage", uniform: "uniform" };

/** Programs on one device, which share the memory that their slots name. */
export class Player {
  /** @type {Map<string, GPUBuffer>} */
  #shared = new Map();
  /** @type {Map<string, GPUShaderModule>} */
  #modules = new Map();
  /** @type {?Error} the first thing that went wrong */
  #failure = null;

  /** @param {GPUDevice} device */
  constructor(device) {
    this.device = device;
    device.onuncapturederror = ({ error }) => this.#fail(error.message);
    device.lost.then(({ reason, message }) => {
      if (reason !== "destroyed") this.#fail(`the device was lost: ${message}`);
    });
  }

  /**
   * Makes everything that a program needs. Memory that no program before had begins as zeros.
   *
   * @param {Program} program
   * @param {(path: string) => Promise<string>} readText reads a file that the program names
   * @returns {Promise<Prepared>}
   */
  async prepare(program, readText) {
    if (program.format !== FORMAT) {
      throw new Error(`${program.name} has format ${program.format}; this player reads format ${FORMAT}`);
    }
    for (const { wgsl } of program.pipelines) {
      if (!this.#modules.has(wgsl)) {
        const code = await readText(wgsl);
        this.#modules.set(wgsl, this.device.createShaderModule({ label: wgsl, code }));
      }
    }
    const pipelines = await Promise.all(program.pipelines.map((_, index) => this.#pipeline(program, index)));
    const slots = this.#slots(program);
    const dispatches = program.dispatches.map(({ pipeline, bindings, workgroups }) => {
      const entries = bindings.map(({ binding, slot, offset_bytes: offset, bytes: size }) => ({
        binding,
        resource: { buffer: slots[slot], offset, size },
      }));
      const { layout, compiled } = pipelines[pipeline];
      return { compiled, group: this.device.createBindGroup({ layout, entries }), workgroups };
    });
    await this.wait();
    const buffers = new Map(program.buffers.map((buffer) => [buffer.name, buffer]));
    return { name: program.name, buffers, slots, dispatches };
  }

  /**
   * Writes a buffer before all runs to come: all its bytes, or fewer from its beginning.
   *
   * @param {Prepared} prepared
   * @param {string} name
   * @param {Uint8Array} bytes
   */
  write(prepared, name, bytes) {
    const { slot, offset_bytes, bytes: room } = this.#buffer(prepared, name);
    if (bytes.length > room) {
      throw new Error(`${prepared.name}: ${bytes.length} bytes for ${name}, which has ${room}`);
    }
    // WebGPU writes whole words.
    const words = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    words.set(bytes);
    this.device.queue.writeBuffer(prepared.slots[slot], offset_bytes, words);
  }

  /**
   * Runs a program once. It returns before the device is done.
   *
   * @param {Prepared} prepared
   */
  run({ name, dispatches }) {
    const encoder = this.device.createCommandEncoder({ label: name });
    const pass = encoder.beginComputePass({ label: name });
    for (const { compiled, group, workgroups } of dispatches) {
      pass.setPipeline(compiled);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    }
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /**
   * What a buffer holds after all runs so far.
   *
   * @param {Prepared} prepared
   * @param {string} name
   * @returns {Promise<Uint8Array>}
   */
  async read(prepared, name) {
    const { slot, offset_bytes, bytes: size } = this.#buffer(prepared, name);
    const staging = this.device.createBuffer({
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(prepared.slots[slot], offset_bytes, staging, 0, size);
    this.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = new Uint8Array(staging.getMappedRange()).slice();
    staging.destroy();
    this.#check();
    return bytes;
  }

  /**
   * Gives back the memory that only this program has. It cannot be run any more.
   *
   * @param {Prepared} prepared
   */
  release({ slots }) {
    const shared = new Set(this.#shared.values());
    for (const buffer of slots) if (!shared.has(buffer)) buffer.destroy();
  }

  /** Waits for all runs so far, and fails with the first thing that went wrong in any of them. */
  async wait() {
    await this.device.queue.onSubmittedWorkDone();
    this.#check();
  }

  /**
   * @param {Program} program
   * @param {number} index of the pipeline
   */
  async #pipeline(program, index) {
    const { wgsl, entry_point: entryPoint, constants } = program.pipelines[index];
    const user = program.dispatches.find(({ pipeline }) => pipeline === index);
    const module = this.#modules.get(wgsl);
    if (!user || !module) throw new Error(`${program.name}: nothing uses ${wgsl}`);
    const entries = user.bindings.map(({ binding, access }) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: BINDING_TYPES[access] },
    }));
    const label = `${wgsl}: ${entryPoint}`;
    const layout = this.device.createBindGroupLayout({ label, entries });
    const compiled = await this.device.createComputePipelineAsync({
      label,
      layout: this.device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint, constants },
    });
    return { layout, compiled };
  }

  /**
   * @param {Program} program
   * @returns {GPUBuffer[]}
   */
  #slots({ slots, dispatches }) {
    const bindings = dispatches.flatMap((dispatch) => dispatch.bindings);
    const uniforms = new Set(bindings.filter(({ access }) => access === "uniform").map(({ slot }) => slot));
    return slots.map(({ bytes: size, shared_as: name }, slot) => {
      const known = name && this.#shared.get(name);
      if (known) return known;
      const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
      const usage = STORAGE | COPY_SRC | COPY_DST | (uniforms.has(slot) ? UNIFORM : 0);
      const buffer = this.device.createBuffer({ label: name ?? undefined, size, usage });
      if (name) this.#shared.set(name, buffer);
      return buffer;
    });
  }

  /**
   * @param {Prepared} prepared
   * @param {string} name
   */
  #buffer({ name: program, buffers }, name) {
    const buffer = buffers.get(name);
    if (!buffer) throw new Error(`${program} has no buffer ${name}`);
    return buffer;
  }

  /** @param {string} message */
  #fail(message) {
    this.#failure ??= new Error(message);
  }

  #check() {
    if (this.#failure) throw this.#failure;
  }
}

/**
 * A program with everything that a device needs to run it.
 *
 * @typedef {object} Prepared
 * @property {string} name
 * @property {Map<string, NamedBuffer>} buffers by their names
 * @property {GPUBuffer[]} slots
 * @property {{ compiled: GPUComputePipeline, group: GPUBindGroup, workgroups: [number, number, number] }[]} dispatches
 */
