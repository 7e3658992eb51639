// The photos that people choose, their labels, and their split.

import assert from "node:assert/strict";
import { test } from "node:test";
import { listFiles, zipOf } from "../../web/training/archive.js";
import { hashOf, keepCopiesTogether } from "../../web/training/copies.js";
import { readSheet } from "../../web/training/csv.js";
import { labelPhotos } from "../../web/training/labels.js";
import { compareNames } from "../../web/training/names.js";
import { splitByNames, splitOf, splitOfSides } from "../../web/training/split.js";
import { utkfaceLabels } from "../../web/training/utkface.js";
import { targets } from "./training_tiny/model.js";

const text = (content) => new TextEncoder().encode(content);
const numbered = (count) => Array.from({ length: count }, (_, n) => `${String(n).padStart(4, "0")}.jpg`);
const classes = (...names) => [
  { ...targets[1], name: "class", kind: names.length > 2 ? "classes" : "binary", classes: names },
];
const fileOf = (name, parts, options) => new File(parts, name, options);
const inFolder = (path) => Object.assign(fileOf(path.split("/").pop(), ["x"]), { webkitRelativePath: path });

test("the split is the program's", () => {
  const { train, validation } = splitByNames(numbered(60), "11");
  assert.deepEqual(validation, [0, 1, 4, 5, 11, 22, 23, 27, 40, 46, 47, 51]);
  assert.equal(train.length, 48);
  const copies = numbered(63).with(61, "0020.jpg").with(62, "0020.jpg");
  const together = splitOf(numbered(63), null, [...copies.keys()], copies, "3");
  assert.deepEqual(together.validation, [0, 1, 12, 15, 29, 34, 35, 43, 50, 51, 56, 57, 58]);
  const sizes = [0, 1, 2, 3, 5, 7, 8].map((count) => splitByNames(numbered(count), "1").validation.length);
  assert.deepEqual(sizes, [0, 0, 1, 1, 1, 1, 2]);
});

test("the split goes by the order of names, not by that of photos", () => {
  for (const seed of ["0", "1", "2"]) {
    const names = ["a", "b", "c", "d", "e"];
    const reversed = names.toReversed();
    assert.equal(
      names[splitByNames(names, seed).validation[0]],
      reversed[splitByNames(reversed, seed).validation[0]],
    );
  }
});

test("names are in the order of their code points", () => {
  const sorted = ["B", "a", "a.jpg", "é", "\uff41", "😀", "😀a", "😁"];
  assert.deepEqual(sorted.toReversed().sort(compareNames), sorted);
});

test("copies are on one side, and both sides keep a photo", () => {
  const names = Array.from(
    { length: 36 },
    (_, n) => `${String.fromCharCode(65 + (n % 12))}/${Math.floor(n / 12)}.jpg`,
  );
  const hashes = names.map((name) => name[0]);
  for (let seed = 0; seed < 50; seed += 1) {
    const split = keepCopiesTogether(splitByNames(names, String(seed)), names, hashes);
    const learnt = new Set(split.train.map((index) => hashes[index]));
    assert.equal(split.train.length + split.validation.length, 36);
    assert.ok(split.validation.length > 0 && split.validation.every((index) => !learnt.has(hashes[index])));
  }
  const two = keepCopiesTogether(
    { train: [0, 2], validation: [1], test: [] },
    ["a", "b", "c"],
    ["x", "x", "y"],
  );
  assert.deepEqual(
    two,
    { train: [2], validation: [0, 1], test: [] },
    "the group goes to the side without a photo",
  );
  const pairs = keepCopiesTogether(
    { train: [0, 2], validation: [1, 3], test: [] },
    ["a", "b", "c", "d"],
    ["x", "x", "y", "y"],
  );
  assert.deepEqual(pairs, { train: [0, 1], validation: [2, 3], test: [] }, "of the smallest groups the last");
  const all = keepCopiesTogether({ train: [0], validation: [1], test: [] }, ["a", "b"], ["x", "x"]);
  assert.deepEqual(all, { train: [0, 1], validation: [], test: [] });
});

test("photos that cannot be decoded are on no side, and the others are renumbered", () => {
  const kept = [0, 1, 2, 3, 5, 6, 7, 8, 9];
  const before = splitByNames(numbered(10), "4");
  const split = splitOf(numbered(10), null, kept, kept.map(String), "4");
  const places = (side) => split[side].map((index) => kept[index]);
  assert.deepEqual(
    places("train"),
    before.train.filter((index) => index !== 4),
  );
  assert.deepEqual(
    places("validation"),
    before.validation.filter((index) => index !== 4),
  );
});

test("folders that are sides are the split", () => {
  assert.deepEqual(splitOfSides(["test", "train", "train"]), { train: [1, 2], validation: [0], test: [] });
  assert.deepEqual(splitOfSides(["test", "train", "validation"]), { train: [1], validation: [2], test: [0] });
});

test("a hash tells every changed, moved and added byte", () => {
  const bytes = Uint8Array.from({ length: 29 }, (_, n) => n * 7);
  const hashes = new Set([
    hashOf(bytes),
    hashOf(bytes.toReversed()),
    hashOf(bytes.subarray(1)),
    hashOf(new Uint8Array(3)),
    hashOf(new Uint8Array(4)),
  ]);
  for (let place = 0; place < bytes.length; place += 1)
    hashes.add(hashOf(bytes.with(place, bytes[place] ^ 128)));
  assert.equal(hashes.size, 5 + bytes.length);
  assert.equal(hashOf(Uint8Array.of(9, ...bytes).subarray(1)), hashOf(bytes), "wherever they lie");
});

test("UTKFace names tell age and gender, and broken ones what is wrong", () => {
  const known = { age: "28", gender: "female", race: "white" };
  assert.deepEqual(utkfaceLabels("train_test/028_1_0_20170117180708809.jpg.chip.jpg"), known);
  assert.equal(utkfaceLabels("0_0_4_1.PNG").race, "others");
  for (const name of [
    "24_0_1_2017 .jpg",
    "24_0_1_20170116 (1).jpg",
    "24_0_1_2017-01-16.jpg",
    "24_0_1_2017",
  ]) {
    assert.equal(utkfaceLabels(name).race, "black", name);
  }
  for (const [name, reason] of [
    ["61_1_20170109142408075.jpg.chip.jpg", /no race/],
    ["IMG_1234.jpg", /not age_gender_race_date/],
    ["1_0_0_5_6.jpg", /not age_gender_race_date/],
    ["x_0_0_5.jpg", /age is not a number/],
    ["-3_0_0_5.jpg", /age is not a number/],
    ["_0_0_5.jpg", /age is not a number/],
    ["151_0_0_5.jpg", /age is above 150/],
    ["20_3_0_5.jpg", /gender/],
    ["20_0_5_5.jpg", /race is not/],
    ["20_0__5.jpg", /race is not/],
    ["20_0_0_.jpg", /date/],
    ["20_0_0_today.jpg", /date/],
  ]) {
    assert.match(utkfaceLabels(name), reason, name);
  }
});

test("labels by names are in the order of names, and photos without one are skipped", () => {
  const { kept, labels, skipped, columns } = labelPhotos(
    ["b/7_1_0_2.jpg", "b/IMG.jpg", "a/30_0_0_1.jpg"],
    targets,
  );
  assert.deepEqual(kept, ["a/30_0_0_1.jpg", "b/7_1_0_2.jpg"]);
  assert.deepEqual(labels, [Float32Array.of(30, 7), Float32Array.of(0, 1)]);
  assert.deepEqual(columns, ["age", "gender"]);
  assert.deepEqual(
    skipped.map(({ file }) => file),
    ["b/IMG.jpg"],
  );
  const half = ["male/1_0_0_1.jpg", "male/x.jpg", "female/2_1_0_2.jpg", "female/y.jpg"];
  assert.equal(labelPhotos(half, [targets[1]]).kept.length, 2);
  assert.equal(labelPhotos([...half, "male/z.jpg"], [targets[1]]).kept.length, 5, "by their folders");
  // A few of many.
  assert.deepEqual(labelPhotos(["1_0_0_1.jpg", "x.jpg", "y.jpg", "z.jpg"], targets).kept, ["1_0_0_1.jpg"]);
  assert.throws(
    () => labelPhotos(["x.jpg", "y.jpg"], targets),
    /nothing tells the labels for age and gender/,
  );
});

test("a photo is of the class that its folder is called", () => {
  const names = ["set/10/a.png", "set/9/b.png", "set/9/deep/c.png", "set/loose.png"];
  const { kept, labels, sides, skipped } = labelPhotos(names, classes("9", "10"));
  assert.deepEqual([kept, labels, sides], [names.slice(0, 3), [Float32Array.of(1, 0, 0)], null]);
  assert.deepEqual(skipped, [{ file: "set/loose.png", reason: "it lies in no folder of a class" }]);
  assert.throws(() => labelPhotos(["a/1.png", "a/2.png"], classes("a", "b")), /nothing tells/);
  assert.throws(() => labelPhotos(["x/1.png", "y/2.png"], classes("a", "b")), /none of the model's: a, b/);
});

test("folders above the classes may be sides", () => {
  const names = ["test/a/1.png", "train/a/2.png", "train/b/3.png", "val/b/4.png"];
  assert.deepEqual(labelPhotos(names, classes("a", "b")).sides, ["test", "train", "train", "validation"]);
  const bus = labelPhotos(["bus/1.png", "bus/2.png", "train/3.png", "train/4.png"], classes("bus", "train"));
  const rail = labelPhotos(["train/a/1.png", "train/b/2.png", "car/3.png"], classes("car", "train"));
  assert.deepEqual([rail.sides, rail.labels], [null, [Float32Array.of(0, 1, 1)]]);
  assert.deepEqual([bus.sides, bus.labels], [null, [Float32Array.of(0, 0, 1, 1)]]);
});

test("a table names photos by path, file or stem in any order, and cells may be missing", () => {
  const names = ["a/1.jpg", "a/2.jpg", "b/3.png"];
  const table = (content) => [{ name: "labels.csv", bytes: text(content) }];
  const found = labelPhotos(
    names,
    targets,
    table('Age;photo;GENDER\n"3";b/3.png;Female\n2;2.jpg;\n1;1;male\n'),
  );
  assert.deepEqual(found.labels, [Float32Array.of(1, 2, 3), Float32Array.of(0, NaN, 1)]);
  assert.deepEqual(found.skipped, []);
  const some = labelPhotos(
    names,
    targets,
    table("file,age,gender\n1.jpg,1,male\n9.jpg,9,male\n2.jpg\n3.png,200,\n"),
  );
  assert.deepEqual(some.kept, ["a/1.jpg"]);
  assert.match(some.skipped[0].reason, /labels.csv has no row for it/);
  assert.match(some.skipped[1].reason, /200 is not between 0 and 150/);
  assert.match(
    some.warnings.join(),
    /name no photo: 1.*`9.jpg` \(line 3\).*cannot be read: 1.*line 4: fields: 1, but 3/,
  );
  const elsewhere = labelPhotos(names, [targets[0]], table("file,age\nz/1.jpg,1\nset/a/2.jpg,2\n"));
  assert.deepEqual(elsewhere.kept, ["a/2.jpg"]);
  const twice = table("file,age,gender\n1.jpg,1,male\na/1.jpg,2,male\n");
  assert.throws(() => labelPhotos(names, targets, twice), /line 3: `a\/1.jpg` has a row already, in line 2/);
});

test("labels that are numbers of photos are not taken for their names", () => {
  const names = ["1.jpg", "2.jpg", "3.png"];
  const labels = (content, column) => {
    const target = { ...targets[0], name: column };
    return labelPhotos(names, [target], [{ name: "labels.csv", bytes: text(content) }]).labels[0];
  };
  // More ages than files are names of photos.
  const ages = "age,file\n3,gone.jpg\n2,lost.jpg\n1,3.png\n";
  assert.deepEqual(labels(ages, "age"), Float32Array.of(1));
  const numbers = "id,picture\n7,2.jpg\n2,1.jpg\n3,gone.jpg\n1,lost.jpg\n";
  assert.deepEqual(labels(numbers, "id"), Float32Array.of(2, 7));
});

test("a table that labels nothing of the model is passed over", () => {
  const split = { name: "split.csv", bytes: text("file,split\n1_0_0_1.jpg,train\n2_1_0_2.jpg,test\n") };
  assert.deepEqual(
    labelPhotos(["1_0_0_1.jpg", "2_1_0_2.jpg"], targets, [split]).labels[0],
    Float32Array.of(1, 2),
  );
});

test("rows of CSV are read with their quotes and lines, bad ones too", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const { headers, rows } = readSheet(
      "a.csv",
      text(["\ufeffa, b", "", '"c', 'd","e ""f"""', " ", "g,h"].join(end)),
    );
    assert.deepEqual(headers, ["a", "b"]);
    assert.deepEqual(rows, [
      { line: 3, fields: [`c${end}d`, 'e "f"'] },
      { line: 6, fields: ["g", "h"] },
    ]);
  }
  const { rows, bad } = readSheet("a.csv", text('a,b\n"c "x" d",y\ne,f\n"g,h\ni,j\n'));
  assert.deepEqual(
    rows.map(({ fields }) => fields),
    [
      ["e", "f"],
      ["i", "j"],
    ],
  );
  assert.deepEqual(
    bad.map(({ line, reason }) => [line, reason.slice(0, 20)]),
    [
      [2, "a field goes on behi"],
      [4, "a quote opens and is"],
    ],
  );
  const tabs = readSheet("a.tsv", text('a\tb\n5" wide\t"x"\n"open\ty\n'));
  assert.deepEqual(
    tabs.rows.map(({ fields }) => fields),
    [
      ['5" wide', "x"],
      ['"open', "y"],
    ],
  );
  assert.throws(() => readSheet("a.csv", Uint8Array.of(255, 254, 97, 0)), /UTF-16/);
  assert.throws(() => readSheet("a.csv", text("")), /a.csv is empty/);
});

test("an archive's photos and tables are listed by name and read one at a time", async () => {
  const large = new Uint8Array((1 << 20) + 7).fill(3);
  const archive = zipOf([
    { name: "set/b.jpg", bytes: large },
    { name: "set/é.PNG", bytes: text("pixels") },
    { name: "set/labels.csv", bytes: text("file,age\n") },
    { name: "set/readme.txt", bytes: text("no photo") },
    { name: "set/phone.heic", bytes: text("x") },
    { name: "__MACOSX/set/b.jpg", bytes: text("x") },
  ]);
  const { photos, tables, skipped, ignored } = await listFiles([fileOf("set.zip", [archive])]);
  assert.deepEqual(
    photos.map(({ name }) => name),
    ["set/b.jpg", "set/é.PNG"],
  );
  assert.equal(Buffer.compare(new Uint8Array(await (await photos[0].blob()).arrayBuffer()), large), 0);
  assert.equal(await (await photos[1].blob()).text(), "pixels");
  assert.deepEqual(
    tables.map(({ name }) => name),
    ["set/labels.csv"],
  );
  assert.deepEqual(
    skipped.map(({ file }) => file),
    ["set/phone.heic"],
  );
  assert.equal(ignored, 1);
  const both = await listFiles([fileOf("one.zip", [archive]), fileOf("two.zip", [archive])]);
  assert.equal(both.photos[0].name, "one.zip/set/b.jpg");
});

test("entries that cannot be read are skipped with a reason", async () => {
  const archive = new Uint8Array(
    await zipOf([
      { name: "a.jpg", bytes: text("aaaaaaaaaaaaaaaa") },
      { name: "b.jpg", bytes: text("b") },
    ]).arrayBuffer(),
  );
  const central = Buffer.from(archive).indexOf("PK\x01\x02");
  const listed = async (change) => {
    const bytes = archive.slice();
    change(new DataView(bytes.buffer), bytes);
    return listFiles([fileOf("x.zip", [bytes])]);
  };
  const encrypted = await listed((view) => view.setUint16(central + 8, 1, true));
  assert.deepEqual(
    encrypted.skipped.map(({ file, reason }) => [file, reason.slice(0, 9)]),
    [["a.jpg", "encrypted"]],
  );
  const packed = await listed((view) => view.setUint16(central + 10, 14, true));
  assert.match(packed.skipped[0].reason, /method 14/);
  const twice = await listed((_, bytes) => (bytes[bytes.lastIndexOf(98)] = 97));
  assert.match(twice.skipped[0].reason, /two of this name/);
  const link = await listed((view) => view.setUint32(central + 38, 0xa1ff0000, true));
  assert.match(link.skipped[0].reason, /a link/);
  const cut = await listed((_, bytes) => bytes.fill(0xff, 34, 40));
  await assert.rejects(cut.photos[0].blob(), /a.jpg is damaged/);
  await assert.rejects(
    listFiles([fileOf("x.zip", [archive.subarray(0, archive.length - 30)])]),
    /x.zip is no zip archive/,
  );
});

test("an archive of 64 bits is read by its extra fields, and so is a path", async () => {
  /** Fields of an archive: their places, widths in bytes and values. */
  const record = (bytes, ...fields) => {
    const view = Buffer.alloc(bytes);
    for (const [place, width, value] of fields) {
      if (width === 8) view.writeBigUInt64LE(BigInt(value), place);
      else view.writeUIntLE(value, place, width);
    }
    return view;
  };
  const many = 0xffffffff;
  const [before, name, data] = ["junk", "a.jpg", "pixels"].map((content) => Buffer.from(content));
  const ownExtra = Buffer.from([9, 9, 0, 0]);
  const local = record(30, [0, 4, 0x04034b50], [26, 2, name.length], [28, 2, ownExtra.length]);
  const numbers = record(28, [0, 2, 1], [2, 2, 24], [4, 8, 6], [12, 8, 6], [20, 8, before.length]);
  const path = Buffer.from("idln\x01crc-é.jpg");
  path.writeUInt16LE(0x7075, 0);
  path.writeUInt16LE(path.length - 4, 2);
  const sizes = [28, 2, name.length];
  const extraBytes = [30, 2, numbers.length + path.length];
  const central = record(46, [0, 4, 0x02014b50], [20, 4, many], [24, 4, many], sizes, extraBytes, [
    42,
    4,
    many,
  ]);
  const entry = Buffer.concat([before, local, name, ownExtra, data]);
  const contents = Buffer.concat([central, name, numbers, path]);
  const end64 = record(56, [0, 4, 0x06064b50], [40, 8, contents.length], [48, 8, entry.length]);
  const locator = record(20, [0, 4, 0x07064b50], [8, 8, entry.length + contents.length]);
  const end = record(22, [0, 4, 0x06054b50], [8, 2, 0xffff], [12, 4, many], [16, 4, many]);
  const { photos } = await listFiles([fileOf("x.zip", [entry, contents, end64, locator, end])]);
  assert.equal(photos[0].name, "é.jpg");
  assert.equal(await (await photos[0].blob()).text(), "pixels");
});

test("a folder's photos have their paths below it, and single files their names", async () => {
  const chosen = ["mine/b/1.jpg", "mine/a/2.jpg", "mine/a/.hidden.jpg", "mine/old.zip"].map(inFolder);
  const folder = await listFiles(chosen);
  assert.deepEqual(
    folder.photos.map(({ name }) => name),
    ["a/2.jpg", "b/1.jpg"],
  );
  assert.equal(folder.ignored, 1);
  const files = [
    fileOf("photo", ["x"], { type: "image/jpeg" }),
    fileOf("a.jpg", ["1"]),
    fileOf("a.jpg", ["2"]),
  ];
  const { photos, skipped } = await listFiles(files);
  assert.deepEqual(
    photos.map(({ name }) => name),
    ["a.jpg", "photo"],
  );
  assert.equal(await (await photos[0].blob()).text(), "1");
  assert.equal(skipped.length, 1);
});
