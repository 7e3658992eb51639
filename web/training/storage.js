// The checkpoint of a training in the browser's own database, IndexedDB: what a page needs to go on after it was
// closed. An older checkpoint is replaced in one transaction, once the new one is whole.

import { CHUNK_BYTES, chunksOf, groupOf, joined, keysOf } from "./chunks.js";
import { openDatabase, requested, transact } from "./database.js";

/**
 * @typedef {object} Saved
 * @property {unknown} facts whatever can be cloned: names, labels, split, results
 * @property {Record<string, Uint8Array>} files such as the state and the best weights
 * @property {Uint8Array[]} photos all of the same size
 *
 * @typedef {import("./chunks.js").Row} Row
 * @typedef {import("./chunks.js").ChunkKey} ChunkKey
 */

const DATABASE = "faceshader";
const ROWS = "trainings";
const CHUNKS = "chunks";

/** A checkpoint cannot be saved; the older one is kept. */
export class NotSaved extends Error {}

/** The checkpoint of one training. */
export class Checkpoint {
  /** @type {IDBDatabase} */
  #database;
  /** @type {string} */
  #training;
  /** The revision that this page knows. */
  #revision = 0;
  /** @type {?Uint8Array[]} the photos that are in the database */
  #photos = null;
  /** Gives the lock back. */
  #release = () => {};
  /** Whether no other page has it. Only then can it be saved and removed. */
  isOwn = true;

  /**
   * @param {IDBDatabase} database
   * @param {string} training
   */
  constructor(database, training) {
    this.#database = database;
    this.#training = training;
  }

  /**
   * Opens the checkpoint of a training, which may be empty.
   *
   * @param {string} training a name that no other model and training have
   * @param {{ indexedDB?: IDBFactory, locks?: LockManager }} [browser]
   * @returns {Promise<Checkpoint>}
   */
  static async open(
    training,
    { indexedDB = globalThis.indexedDB, locks = globalThis.navigator?.locks } = {},
  ) {
    if (!indexedDB) throw new Error("this browser stores nothing here");
    const database = await openDatabase(indexedDB, DATABASE, [ROWS, CHUNKS]);
    const checkpoint = new Checkpoint(database, training);
    // Some browsers have locks that pages from disk may not use.
    if (locks) await checkpoint.#claim(locks).catch(() => {});
    checkpoint.#revision = (await checkpoint.#row())?.revision ?? 0;
    // What another page writes just now would look left over.
    if (locks && checkpoint.isOwn) await checkpoint.#sweep();
    return checkpoint;
  }

  /** Lets other pages have it. */
  close() {
    this.#release();
    this.#database.close();
  }

  /** The facts of what was saved last, without its photos and files; null if nothing was. */
  async facts() {
    return (await this.#row())?.facts ?? null;
  }

  /**
   * What was saved last; null if nothing was.
   *
   * @returns {Promise<?Saved>}
   */
  async load() {
    const read = await transact(this.#database, "readonly", async (store) => {
      /** @type {Row | undefined} */
      const row = await requested(store(ROWS).get(this.#training));
      if (!row) return null;
      /** @type {Map<string, Uint8Array[]>} */
      const groups = new Map();
      for (const key of chunksOf(this.#training, row)) {
        const chunk = await requested(store(CHUNKS).get(key));
        if (!chunk) throw new Error("the saved training is damaged: a part of it is gone");
        groups.set(key[1], [...(groups.get(key[1]) ?? []), chunk]);
      }
      return { row, groups };
    });
    this.#revision = read?.row.revision ?? 0;
    if (!read) return null;
    const { facts, files, photos } = read.row;
    const ofPhotos = read.groups.get(photos.set) ?? [];
    this.#photos = ofPhotos.flatMap((chunk) =>
      Array.from({ length: chunk.length / photos.bytes }, (_, place) =>
        chunk.subarray(place * photos.bytes, (place + 1) * photos.bytes),
      ),
    );
    const wholes = Object.keys(files).map((name) => [name, joined(read.groups.get(groupOf(name)) ?? [])]);
    return { facts, files: Object.fromEntries(wholes), photos: this.#photos };
  }

  /**
   * Saves a checkpoint in the place of the one before. Photos are written only if they are not those that were saved or
   * loaded last.
   *
   * @param {Saved} saved
   * @throws {NotSaved}
   */
  async save({ facts, files, photos }) {
    this.#requireOwn();
    const isKnown = photos === this.#photos && this.#revision > 0;
    const set = isKnown ? null : `photos ${Date.now()} ${Math.random()}`;
    try {
      const chunks = set === null ? 0 : await this.#writePhotos(set, photos);
      const bytes = photos[0]?.length ?? 0;
      const fresh = set === null ? null : { set, count: photos.length, bytes, chunks };
      await this.#replace(facts, files, fresh);
    } catch (failure) {
      if (set !== null) await this.#sweep().catch(() => {});
      throw told(failure);
    }
    this.#photos = photos;
  }

  /** Removes it. */
  async remove() {
    this.#requireOwn();
    await transact(this.#database, "readwrite", async (store) => {
      /** @type {Row | undefined} */
      const row = await requested(store(ROWS).get(this.#training));
      if (row) for (const key of chunksOf(this.#training, row)) store(CHUNKS).delete(key);
      store(ROWS).delete(this.#training);
    });
    this.#revision = 0;
    this.#photos = null;
  }

  /**
   * Writes photos beside those of the older checkpoint, a transaction a chunk: all at once could be more than there is
   * memory for.
   *
   * @param {string} set
   * @param {Uint8Array[]} photos
   * @returns {Promise<number>} how many chunks there are
   */
  async #writePhotos(set, photos) {
    const each = Math.max(Math.floor(CHUNK_BYTES / Math.max(photos[0]?.length ?? 0, 1)), 1);
    const chunks = Math.ceil(photos.length / each);
    for (const [place, key] of keysOf(this.#training, set, chunks).entries()) {
      const chunk = joined(photos.slice(place * each, (place + 1) * each));
      await transact(this.#database, "readwrite", async (store) => requested(store(CHUNKS).put(chunk, key)));
    }
    return chunks;
  }

  /**
   * Puts everything in its place, in one transaction.
   *
   * @param {unknown} facts
   * @param {Record<string, Uint8Array>} files
   * @param {?Row["photos"]} fresh the photos, if they are others than before
   */
  async #replace(facts, files, fresh) {
    await transact(this.#database, "readwrite", async (store) => {
      /** @type {Row | undefined} */
      const old = await requested(store(ROWS).get(this.#training));
      const photos = fresh ?? old?.photos;
      if ((old?.revision ?? 0) !== this.#revision || !photos) {
        throw new NotSaved("another tab of this page has saved its training; this one is not saved any more");
      }
      const counts = Object.entries(files).map(([name, { length }]) => [
        name,
        Math.ceil(length / CHUNK_BYTES),
      ]);
      /** @type {Row} */
      const row = { revision: this.#revision + 1, facts, files: Object.fromEntries(counts), photos };
      const kept = new Set(chunksOf(this.#training, row).map(String));
      const gone = old ? chunksOf(this.#training, old).filter((key) => !kept.has(String(key))) : [];
      for (const key of gone) store(CHUNKS).delete(key);
      for (const [name, bytes] of Object.entries(files)) {
        for (const [place, key] of keysOf(this.#training, groupOf(name), row.files[name]).entries()) {
          // A part of an array would be cloned with the whole of it.
          store(CHUNKS).put(bytes.slice(place * CHUNK_BYTES, (place + 1) * CHUNK_BYTES), key);
        }
      }
      store(ROWS).put(row, this.#training);
    });
    this.#revision += 1;
  }

  /** @returns {Promise<Row | undefined>} */
  #row() {
    return transact(this.#database, "readonly", (store) => requested(store(ROWS).get(this.#training)));
  }

  /** Removes what a page left that was closed while it saved. */
  async #sweep() {
    await transact(this.#database, "readwrite", async (store) => {
      /** @type {Row | undefined} */
      const row = await requested(store(ROWS).get(this.#training));
      const known = new Set(row ? chunksOf(this.#training, row).map(String) : []);
      const keys = /** @type {ChunkKey[]} */ (await requested(store(CHUNKS).getAllKeys()));
      for (const key of keys) {
        if (key[0] === this.#training && !known.has(String(key))) store(CHUNKS).delete(key);
      }
    });
  }

  /**
   * Takes the lock for as long as this is open, if nobody has it.
   *
   * @param {LockManager} locks
   */
  async #claim(locks) {
    await new Promise((/** @type {(value: void) => void} */ claimed, reject) => {
      const held = locks.request(`${DATABASE} ${this.#training}`, { ifAvailable: true }, (lock) => {
        this.isOwn = lock !== null;
        claimed();
        return lock && new Promise((release) => (this.#release = () => release(null)));
      });
      held.catch(reject);
    });
  }

  #requireOwn() {
    if (!this.isOwn)
      throw new NotSaved("another tab of this page is saving its training; close one of the two");
  }
}

/**
 * Why a checkpoint was not saved, for people.
 *
 * @param {unknown} failure
 * @returns {Error}
 */
function told(failure) {
  if (failure instanceof NotSaved) return failure;
  const { name, message } = /** @type {Error} */ (failure);
  const reason = name === "QuotaExceededError" ? "there is no room left for it on this disk" : message;
  return new NotSaved(`the training is not saved: ${reason}; what was saved before is kept`, {
    cause: failure,
  });
}
