// Transactions of IndexedDB as promises.

/**
 * The result of a request.
 *
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
export function requested(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Opens a database, and makes its stores where there are none.
 *
 * @param {IDBFactory} indexedDB
 * @param {string} name
 * @param {string[]} stores
 * @returns {Promise<IDBDatabase>}
 */
export function openDatabase(indexedDB, name, stores) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => stores.forEach((store) => request.result.createObjectStore(store));
  return requested(request);
}

/**
 * Runs `work` in one transaction: all that it writes is there at the end, or nothing of it where it fails.
 *
 * @template T
 * @param {IDBDatabase} database
 * @param {"readonly" | "readwrite"} mode
 * @param {(stores: (name: string) => IDBObjectStore) => Promise<T>} work waits for nothing but requests of its stores
 * @returns {Promise<T>}
 */
export async function transact(database, mode, work) {
  const transaction = database.transaction([...database.objectStoreNames], mode);
  /** @type {Promise<void>} */
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the browser gave up a transaction"));
  });
  // Where both fail, the work's own failure is told.
  ended.catch(() => {});
  let result;
  try {
    result = await work((name) => transaction.objectStore(name));
  } catch (failure) {
    try {
      transaction.abort();
    } catch {
      // It ended by itself: of the two, its reason says more.
      await ended;
    }
    throw failure;
  }
  await ended;
  return result;
}
