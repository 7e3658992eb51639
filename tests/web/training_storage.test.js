// Checkpoints of trainings in a browser's database.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Checkpoint, NotSaved } from "../../web/training/storage.js";
import { Disk, lockManager } from "./training_tiny/indexed_db.js";

/** Photos of one byte value each. */
const photosOf = (...values) => values.map((value) => new Uint8Array(6).fill(value));
const stateOf = (value, bytes = 40) => ({ state: new Uint8Array(bytes).fill(value) });

const open = (disk, locks, training = "face 1") =>
  Checkpoint.open(training, { indexedDB: disk.indexedDB, locks });

test("what was saved is loaded by a later page", async () => {
  const [disk, locks] = [new Disk(), lockManager()];
  const page = await open(disk, locks);
  assert.equal(await page.facts(), null);
  assert.equal(await page.load(), null);
  const files = { state: Uint8Array.from({ length: 40 }, (_, place) => place), best: new Uint8Array(0) };
  const labels = [Float32Array.of(31, NaN)];
  await page.save({ facts: { labels }, files, photos: photosOf(1, 2, 3) });
  page.close();
  const later = await open(disk, locks);
  assert.deepEqual(await later.facts(), { labels });
  const saved = await later.load();
  assert.deepEqual(saved, { facts: { labels }, files, photos: photosOf(1, 2, 3) });
  await later.remove();
  assert.equal(await later.load(), null);
  assert.deepEqual(disk.keys, []);
});

test("photos are written once, and the chunks of an older checkpoint are gone", async () => {
  const disk = new Disk();
  const page = await open(disk, lockManager());
  const photos = photosOf(1, 2);
  await page.save({ facts: 1, files: stateOf(1), photos });
  const before = disk.keys.filter((key) => key.includes("photos"));
  await page.save({ facts: 2, files: stateOf(2), photos });
  assert.deepEqual(
    disk.keys.filter((key) => key.includes("photos")),
    before,
  );
  await page.save({ facts: 3, files: { other: new Uint8Array(8) }, photos: photosOf(7) });
  assert.equal(disk.keys.length, 2);
  const { facts, files, photos: others } = await page.load();
  assert.deepEqual([facts, Object.keys(files), others], [3, ["other"], photosOf(7)]);
});

test("large files are cut into chunks and put together again", async () => {
  const disk = new Disk();
  const page = await open(disk, lockManager());
  const state = new Uint8Array((33 << 20) + 5).fill(9);
  state[16 << 20] = 1;
  await page.save({ facts: null, files: { state }, photos: photosOf(1) });
  assert.equal(disk.keys.length, 4);
  const { files } = await page.load();
  assert.ok(Buffer.compare(files.state, state) === 0);
});

test("a full disk is told, and the older checkpoint stays", async () => {
  const [disk, locks] = [new Disk(), lockManager()];
  const page = await open(disk, locks);
  const photos = photosOf(1, 2);
  await page.save({ facts: "old", files: stateOf(1), photos });
  const keys = disk.keys;
  disk.room = 100;
  const isFull = (error) =>
    error instanceof NotSaved && /no room left.*saved before is kept/.test(error.message);
  await assert.rejects(page.save({ facts: "new", files: stateOf(2, 200), photos }), isFull);
  await assert.rejects(
    page.save({ facts: "new", files: stateOf(2), photos: photosOf(...Array(30)) }),
    isFull,
  );
  // Photos that fit, and a state that does not.
  await assert.rejects(page.save({ facts: "new", files: stateOf(2, 96), photos: photosOf(3) }), isFull);
  assert.deepEqual(disk.keys, keys);
  const { facts, files, photos: kept } = await page.load();
  assert.deepEqual([facts, files, kept], ["old", stateOf(1), photosOf(1, 2)]);
  await page.save({ facts: "newer", files: stateOf(3), photos: kept });
  assert.equal(await page.facts(), "newer");
});

test("a second tab can look but not save", async () => {
  const [disk, locks] = [new Disk(), lockManager()];
  const first = await open(disk, locks);
  await first.save({ facts: "first", files: stateOf(1), photos: photosOf(1) });
  const second = await open(disk, locks);
  assert.deepEqual([first.isOwn, second.isOwn], [true, false]);
  assert.equal((await second.load()).facts, "first");
  await assert.rejects(
    second.save({ facts: "second", files: stateOf(2), photos: photosOf(2) }),
    /another tab/,
  );
  await assert.rejects(second.remove(), /another tab/);
  const other = await open(disk, locks, "face 2");
  assert.ok(other.isOwn, "another training has a lock of its own");
  first.close();
  await new Promise(setImmediate);
  assert.ok((await open(disk, locks)).isOwn);
});

test("without locks, the tab that saved first goes on and the other is told", async () => {
  const disk = new Disk();
  const [first, second] = [await open(disk, null), await open(disk, null)];
  await first.save({ facts: "first", files: stateOf(1), photos: photosOf(1) });
  await assert.rejects(
    second.save({ facts: "second", files: stateOf(2), photos: photosOf(2) }),
    /another tab/,
  );
  await first.save({ facts: "again", files: stateOf(3), photos: photosOf(1) });
  assert.deepEqual((await first.load()).files, stateOf(3));
});

test("chunks that a closed page left are removed", async () => {
  const [disk, locks] = [new Disk(), lockManager()];
  const page = await open(disk, locks);
  await page.save({ facts: 1, files: stateOf(1), photos: photosOf(1) });
  const left = ["face 1", "photos of a page that was closed", 0];
  const others = ["face 2", "photos", 0];
  for (const at of [left, others]) {
    disk.stores.get("chunks").set(JSON.stringify(at), { at, value: new Uint8Array(3) });
  }
  page.close();
  await new Promise(setImmediate);
  await open(disk, locks);
  assert.ok(!disk.keys.includes(JSON.stringify(left)) && disk.keys.includes(JSON.stringify(others)));
  assert.equal(disk.keys.length, 3);
});

test("a training of which a part is gone is not taken for whole", async () => {
  const disk = new Disk();
  const page = await open(disk, lockManager());
  await page.save({ facts: 1, files: stateOf(1), photos: photosOf(1) });
  disk.stores.get("chunks").delete(disk.keys[0]);
  await assert.rejects(page.load(), /damaged/);
});
