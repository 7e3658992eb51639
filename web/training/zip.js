// Zip archives: their entries one at a time, and files packed into one. An archive is read by its table of contents
// (APPNOTE 4.3), so that no more than one entry of it is in memory.

import { Zip, ZipDeflate, ZipPassThrough, inflateSync } from "../vendor/fflate.js";
import { cleanPath, isHidden } from "./names.js";

/**
 * @typedef {object} ZipEntry
 * @property {string} name its path, with `/` between folders
 * @property {?string} refused why it cannot be read
 * @property {() => Promise<Blob>} blob its contents
 */

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
/** A comment behind the end is no longer. */
const MAX_COMMENT_BYTES = 0xffff;
/** What a field of 32 bits says if the number is in an extra field of 64 bits. */
const IN_EXTRA = 0xffffffff;
const EXTRA_64 = 1;
/** The extra field that holds the path once more, in UTF-8. */
const EXTRA_PATH = 0x7075;
const [STORED, DEFLATED] = [0, 8];
/** The size, uncompressed, above which an entry is taken for a decompression bomb. */
const MAX_BYTES = 128 << 20;
const FILE_TYPE = 0xf000;
const LINK = 0xa000;
/** Texts up to this size are compressed; weights would hardly become smaller. */
const COMPRESSED_BYTES = 1 << 20;

/** The upper half of code page 437. */
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/**
 * @param {Blob} file
 * @param {number} begin
 * @param {number} end
 */
async function viewOf(file, begin, end) {
  return new DataView(await file.slice(begin, end).arrayBuffer());
}

/** @param {string} name of the archive */
const damaged = (name) => new Error(`${name} is no zip archive, or its end is missing`);

/**
 * Where the table of contents lies.
 *
 * @param {Blob} file
 * @param {string} name
 * @returns {Promise<{ begin: number, bytes: number }>}
 */
async function findContents(file, name) {
  const begin = Math.max(file.size - END_BYTES - MAX_COMMENT_BYTES - LOCATOR_BYTES, 0);
  const view = await viewOf(file, begin, file.size);
  let end = view.byteLength - END_BYTES;
  while (end >= 0 && view.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw damaged(name);
  const locator = end - LOCATOR_BYTES;
  if (locator >= 0 && view.getUint32(locator, true) === LOCATOR_64) {
    const place = Number(view.getBigUint64(locator + 8, true));
    const end64 = await viewOf(file, place, place + 56);
    if (end64.byteLength < 56 || end64.getUint32(0, true) !== END_64) throw damaged(name);
    return { bytes: Number(end64.getBigUint64(40, true)), begin: Number(end64.getBigUint64(48, true)) };
  }
  return { bytes: view.getUint32(end + 12, true), begin: view.getUint32(end + 16, true) };
}

/**
 * The path of an entry: as its extra field says, in UTF-8 if it is that, or else in code page 437.
 *
 * @param {Uint8Array} bytes
 * @param {DataView | undefined} extra a version, a checksum, and the path
 */
function pathOf(bytes, extra) {
  if (extra && extra.byteLength > 5) {
    return new TextDecoder().decode(new Uint8Array(extra.buffer, extra.byteOffset + 5, extra.byteLength - 5));
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const letter = (/** @type {number} */ byte) =>
      byte < 128 ? String.fromCharCode(byte) : CP437[byte - 128];
    return Array.from(bytes, letter).join("");
  }
}

/**
 * The extra fields of an entry by their numbers.
 *
 * @param {DataView} view
 * @param {number} begin
 * @param {number} end
 * @returns {Map<number, DataView>}
 */
function extraFields(view, begin, end) {
  const fields = new Map();
  for (let place = begin; place + 4 <= end; place += 4 + view.getUint16(place + 2, true)) {
    const bytes = Math.min(view.getUint16(place + 2, true), end - place - 4);
    fields.set(view.getUint16(place, true), new DataView(view.buffer, place + 4, bytes));
  }
  return fields;
}

/**
 * Sizes and offset of an entry, those of 64 bits from its extra field.
 *
 * @param {DataView} view
 * @param {number} at where the entry begins
 * @param {Map<number, DataView>} extra
 */
function numbersOf(view, at, extra) {
  const numbers = [24, 20, 42].map((place) => view.getUint32(at + place, true));
  const long = extra.get(EXTRA_64);
  let next = 0;
  const [size, packed, offset] = numbers.map((number) => {
    if (number !== IN_EXTRA || !long || next + 8 > long.byteLength) return number;
    next += 8;
    return Number(long.getBigUint64(next - 8, true));
  });
  return { size, packed, offset };
}

/**
 * The entries of an archive that are files and not hidden, in its order.
 *
 * @param {Blob} file
 * @param {string} archive its name, for messages
 * @returns {Promise<ZipEntry[]>}
 */
export async function zipEntries(file, archive) {
  const contents = await findContents(file, archive);
  const view = await viewOf(file, contents.begin, contents.begin + contents.bytes);
  const entries = [];
  let at = 0;
  while (at + CENTRAL_BYTES <= view.byteLength) {
    if (view.getUint32(at, true) !== CENTRAL) throw damaged(archive);
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((place) =>
      view.getUint16(at + place, true),
    );
    const nameEnd = at + CENTRAL_BYTES + nameBytes;
    const end = nameEnd + extraBytes + commentBytes;
    if (end > view.byteLength) throw damaged(archive);
    const extra = extraFields(view, nameEnd, nameEnd + extraBytes);
    const nameView = new Uint8Array(view.buffer, at + CENTRAL_BYTES, nameBytes);
    const path = pathOf(nameView, extra.get(EXTRA_PATH));
    const name = cleanPath(path);
    const mode = view.getUint32(at + 38, true) >>> 16;
    const numbers = numbersOf(view, at, extra);
    if (!/[/\\]$/.test(path) && name && !isHidden(name)) {
      const refused = reasonAgainst(flags, method, mode, numbers.size);
      entries.push({ name, refused, blob: () => readEntry(file, name, method, numbers) });
    }
    at = end;
  }
  return entries;
}

/**
 * Why an entry is not read, if it is not.
 *
 * @param {number} flags
 * @param {number} method of compression
 * @param {number} mode of the file, as Unix has it
 * @param {number} size in bytes, uncompressed
 * @returns {?string}
 */
function reasonAgainst(flags, method, mode, size) {
  if (flags & 1) return "encrypted in the archive; unpack it with its password first";
  if ((mode & FILE_TYPE) === LINK) return "a link within the archive";
  if (size > MAX_BYTES) return `larger than ${MAX_BYTES >> 20} MiB`;
  return method === STORED || method === DEFLATED
    ? null
    : `packed by method ${method}, which is not read; unpack it and pack it anew`;
}

/**
 * @param {Blob} file
 * @param {string} name
 * @param {number} method
 * @param {{ size: number, packed: number, offset: number }} numbers
 * @returns {Promise<Blob>}
 */
async function readEntry(file, name, method, { size, packed, offset }) {
  const header = await viewOf(file, offset, offset + LOCAL_BYTES);
  const isWhole = header.byteLength === LOCAL_BYTES && header.getUint32(0, true) === LOCAL;
  if (!isWhole) throw new Error(`${name} is damaged in the archive`);
  const begin = offset + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true);
  const bytes = file.slice(begin, begin + packed);
  if (method === STORED) return bytes;
  try {
    return new Blob([inflateSync(new Uint8Array(await bytes.arrayBuffer()), { out: new Uint8Array(size) })]);
  } catch (error) {
    throw new Error(`${name} is damaged in the archive`, { cause: error });
  }
}

/**
 * Packs files into an archive. Large ones are stored as they are, and not copied.
 *
 * @param {{ name: string, bytes: Uint8Array<ArrayBuffer> }[]} files
 * @returns {Blob}
 */
export function zipOf(files) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  const zip = new Zip((error, part) => {
    if (error) throw error;
    parts.push(/** @type {Uint8Array<ArrayBuffer>} */ (part));
  });
  for (const { name, bytes } of files) {
    const entry = bytes.length <= COMPRESSED_BYTES ? new ZipDeflate(name) : new ZipPassThrough(name);
    zip.add(entry);
    entry.push(bytes, true);
  }
  zip.end();
  return new Blob(parts, { type: "application/zip" });
}
