// How photos are resized, compared with the crate image 0.25 in Rust, and how files that are no photos are told.
//
// photos.json holds FNV-1a sums over all bytes and the first bytes of what `imageops::resize` (Triangle) and
// `imageops::thumbnail` make of the picture below.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isWholeJpeg, kindOf } from "../../web/image_kinds.js";
import { sizeOf } from "../../web/image_sizes.js";
import { decode, Photo, resizeWhole, wholeSize } from "../../web/photos.js";
import { averageRow, spans } from "../../web/resize.js";
import { checksum, hex, picture } from "./pictures.js";
import { pngOf } from "./training_tiny/png.js";

const fixtures = JSON.parse(readFileSync(new URL("photos.json", import.meta.url), "utf8"));

test("a photo is resized to the bytes that Rust gives", () => {
  for (const { from, to, sum, first } of fixtures.resized) {
    const resized = resizeWhole(picture(from[0], from[1]), to[0], to[1]);
    assert.deepEqual([resized.width, resized.height], to);
    assert.equal(hex(resized.rgb.subarray(0, first.length / 2)), first, `${from} to ${to}`);
    assert.equal(checksum(resized.rgb), sum, `${from} to ${to}`);
  }
});

test("a photo of the wanted size is copied", () => {
  const photo = picture(5, 4);
  const copy = resizeWhole(photo, 5, 4);
  copy.rgb[0] += 1;
  assert.notEqual(copy.rgb[0], photo.rgb[0]);
});

/** @type {(photo: Photo) => Uint8ClampedArray} */
const withAlpha = ({ width, height, rgb }) =>
  Uint8ClampedArray.from({ length: 4 * width * height }, (_, at) =>
    at % 4 === 3 ? 255 : rgb[3 * Math.floor(at / 4) + (at % 4)],
  );

test("a large photo is made smaller to the bytes that Rust gives", () => {
  for (const { from, to, sum, first } of fixtures.shrunk) {
    const rgba = withAlpha(picture(from[0], from[1]));
    const [columns, rows] = [spans(from[0], to[0]), spans(from[1], to[1])];
    const small = new Photo(to[0], to[1]);
    for (let y = 0; y < to[1]; y += 1) {
      const top = rows.first[y];
      const strip = rgba.subarray(4 * top * from[0], 4 * rows.end[y] * from[0]);
      averageRow(strip, top, rows, y, columns, from[0], small.rgb.subarray(3 * y * to[0]));
    }
    assert.equal(hex(small.rgb.subarray(0, first.length / 2)), first, `${from} to ${to}`);
    assert.equal(checksum(small.rgb), sum, `${from} to ${to}`);
  }
});

test("photos are decoded to at most 3000 pixels a side", () => {
  assert.deepEqual(wholeSize(4000, 3000), [3000, 2250]);
  assert.deepEqual(wholeSize(3000, 20), [3000, 20]);
  assert.deepEqual(wholeSize(8, 16384), [1, 3000]);
});

/** @type {(text: string) => Uint8Array} */
const bytesOf = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

test("content decides what a file is", () => {
  for (const [head, image] of [
    ["\xff\xd8\xff\xe0", "JPEG"],
    ["\x89PNG\r\n\x1a\n", "PNG"],
    ["GIF89a......", "GIF"],
    ["RIFF\0\0\0\0WEBPVP8 ", "WebP"],
    ["II*\0\x08\0\0\0", "TIFF"],
    [`BM${"\0".repeat(12)}\x28\0\0\0`, "BMP"],
    ["\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"],
    ["\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"],
    ["\0\0\0\x1Cftypavif\0\0\0\0avifmif1", "AVIF"],
    ["\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"],
  ]) {
    assert.equal(kindOf(bytesOf(head)).image, image, head);
  }
});

test("a file that is no photo says what it is", () => {
  for (const [head, problem] of [
    ["", "empty file"],
    ["\n <!DOCTYPE html><html>", "an HTML page, not an image"],
    ["hello", "a text file, not an image"],
    ["Gr\xc3\xbc\xc3\x9fe\n", "a text file, not an image"],
    ["BMW is a maker of cars", "a text file, not an image"],
    ["\0".repeat(50), "nothing but zeros, not an image"],
    ["PK\x03\x04\x14\0\0\0", "an archive, not an image"],
    ["%PDF-1.7\n", "a document, not an image"],
    ["\0\0\0\x18ftypmp42\0\0\0\0isommp42", "a video, not an image"],
    ["\x01\x02\x03\x04", "not an image of a known kind"],
  ]) {
    assert.deepEqual(kindOf(bytesOf(head)), { image: null, type: "", problem }, head);
  }
});

test("a JPEG cut anywhere is not whole", () => {
  for (const name of ["progressive", "restarts", "several_scans"]) {
    const whole = readFileSync(new URL(`../assets/${name}.jpg`, import.meta.url));
    assert.ok(isWholeJpeg(whole) && isWholeJpeg(Buffer.concat([whole, bytesOf("trailer")])), name);
    for (let length = 2; length < whole.length; length += 1) {
      assert.ok(
        !isWholeJpeg(whole.subarray(0, length)),
        `${name}, cut to ${length} of ${whole.length} bytes`,
      );
    }
    // The end marker of a thumbnail within a segment does not count.
    const thumbnail = bytesOf("\xff\xe1\0\x08abcd\xff\xd9");
    assert.ok(!isWholeJpeg(Buffer.concat([whole.subarray(0, 2), thumbnail, whole.subarray(2, -20)])), name);
  }
});

/** A lossy WebP's header behind that of its container; the upper two bits of each side are a scale. */
const LOSSY = "RIFF....WEBPVP8 ....\x10\x02\0\x9d\x01\x2a\x2c\x41\x90\0";
/** 300x144: each side less 1, in 14 bits. */
const LOSSLESS = "RIFF....WEBPVP8L....\x2f\x2b\xc1\x23\0";
const EXTENDED = "RIFF....WEBPVP8X....\0\0\0\0\x2b\x01\0\x8f\0\x01";

test("headers tell how large images are", () => {
  for (const [name, size] of [
    ["astronaut", [320, 320]],
    ["progressive", [72, 56]],
    ["several_scans", [24, 16]],
    ["cmyk", [72, 56]],
  ]) {
    assert.deepEqual(sizeOf("JPEG", readFileSync(new URL(`../assets/${name}.jpg`, import.meta.url))), size);
  }
  assert.deepEqual(sizeOf("PNG", pngOf(new Uint8Array(5 * 4 * 3), 5, 4)), [5, 4]);
  const bitmap = `BM${"\0".repeat(12)}`;
  for (const [kind, head, size] of [
    ["GIF", "GIF89a\x2c\x01\x90\0", [300, 144]],
    ["WebP", LOSSY, [300, 144]],
    ["WebP", LOSSLESS, [300, 144]],
    ["WebP", EXTENDED, [300, 65_680]],
    ["BMP", `${bitmap}\x0c\0\0\0\x2c\x01\x90\0`, [300, 144]],
    ["BMP", `${bitmap}\x28\0\0\0\x2c\x01\0\0\x70\xff\xff\xff`, [300, 144]],
    ["JPEG", "\xff\xd8\xff\xff\xe0\0\x04ab\xff\xc2\0\x11\x08\0\x90\x01\x2c", [300, 144]],
    // What ends within its header, or has none, is left to the decoder.
    ["PNG", "\x89PNG\r\n\x1a\n", null],
    ["JPEG", "\xff\xd8\xff\xe0\0\x04abc", null],
    ["WebP", "RIFF....WEBPALPH....", null],
    ["AVIF", "\0\0\0\x1Cftypavif\0\0\0\0avifmif1", null],
  ]) {
    assert.deepEqual(sizeOf(kind, bytesOf(head)), size, `${kind} ${head}`);
  }
});

test("a photo that its header tells to be too big is not decoded", async () => {
  // Node has no decoder: this would fail otherwise.
  for (const [width, height, problem] of [
    [20_000, 20_000, "20000x20000 pixels: too big; make it smaller"],
    [16_384, 16_384, "16384x16384 pixels: too big; make it smaller"],
    [20_000, 8, "20000x8 pixels: too big; make it smaller"],
    [7, 100, "7x100 pixels: too small to show a face"],
  ]) {
    const file = Buffer.from(pngOf(new Uint8Array(0), 0, 0));
    file.writeUInt32BE(width, 16);
    file.writeUInt32BE(height, 20);
    await assert.rejects(decode(new Blob([file])), { name: "Error", message: problem });
  }
});
