// As much of IndexedDB as the storage of trainings asks for, in memory: transactions that are whole or nothing, clones,
// and a disk that is full at some point.

const later = (call) => queueMicrotask(() => queueMicrotask(call));

class Transaction {
  error = null;
  #pending = 0;
  #ended = false;

  constructor(database, mode) {
    this.database = database;
    this.mode = mode;
    // What it writes is seen by others once it is complete.
    this.stores = new Map([...database.stores].map(([name, rows]) => [name, new Map(rows)]));
    later(() => this.#endIfIdle());
  }

  objectStore(name) {
    const rows = this.stores.get(name);
    const key = (value) => JSON.stringify(value);
    return {
      get: (at) => this.#request(() => rows.get(key(at))?.value),
      getAllKeys: () => this.#request(() => [...rows.values()].map(({ at }) => at)),
      put: (value, at) => {
        const clone = structuredClone(value);
        return this.#request(() => void rows.set(key(at), { at, value: clone }));
      },
      delete: (at) => this.#request(() => void rows.delete(key(at))),
    };
  }

  abort() {
    if (this.#ended) throw new DOMException("it has ended", "InvalidStateError");
    this.#ended = true;
    later(() => this.onabort?.());
  }

  #request(run) {
    if (this.#ended) throw new DOMException("it has ended", "TransactionInactiveError");
    const request = {};
    this.#pending += 1;
    later(() => {
      request.result = run();
      request.onsuccess?.();
      this.#pending -= 1;
      later(() => later(() => this.#endIfIdle()));
    });
    return request;
  }

  #endIfIdle() {
    if (this.#pending > 0 || this.#ended) return;
    this.#ended = true;
    if (this.mode === "readwrite" && bytesOf(this.stores) > this.database.disk.room) {
      this.error = new DOMException("", "QuotaExceededError");
      this.onabort?.();
      return;
    }
    if (this.mode === "readwrite") this.database.disk.stores = this.stores;
    this.oncomplete?.();
  }
}

const bytesOf = (stores) =>
  [...stores.get("chunks").values()].reduce((sum, { value }) => sum + value.byteLength, 0);

/** A disk of one page; two factories of one disk are two tabs. */
export class Disk {
  /** Bytes that fit. */
  room = Infinity;
  stores = new Map();

  /** The keys of all chunks. */
  get keys() {
    return [...this.stores.get("chunks").keys()].sort();
  }

  /** What a page sees as `indexedDB`. */
  get indexedDB() {
    const disk = this;
    const database = {
      disk,
      get stores() {
        return disk.stores;
      },
      get objectStoreNames() {
        return [...disk.stores.keys()];
      },
      createObjectStore: (name) => disk.stores.set(name, new Map()),
      transaction: (_, mode) => new Transaction(database, mode),
      close: () => {},
    };
    const open = () => {
      const request = { result: database };
      later(() => {
        if (disk.stores.size === 0) request.onupgradeneeded?.();
        request.onsuccess?.();
      });
      return request;
    };
    return { open };
  }
}

/** `navigator.locks` of all tabs of a page. */
export function lockManager() {
  const held = new Set();
  return {
    request: async (name, { ifAvailable }, callback) => {
      if (ifAvailable && held.has(name)) return callback(null);
      held.add(name);
      try {
        return await callback({ name });
      } finally {
        held.delete(name);
      }
    },
  };
}
