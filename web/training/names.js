// Names of photos: their order, and what they tell.

/**
 * Compares two names as the program sorts them: by their code points. JavaScript's own order differs where a name has
 * characters beyond the first 65,536.
 *
 * @param {string} a
 * @param {string} b
 * @returns {number}
 */
export function compareNames(a, b) {
  const length = Math.min(a.length, b.length);
  let place = 0;
  while (place < length && a.charCodeAt(place) === b.charCodeAt(place)) place += 1;
  if (place === length) return a.length - b.length;
  // Halves of a pair stand for code points beyond all others.
  const rank = (/** @type {number} */ unit) => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);
  return rank(a.charCodeAt(place)) - rank(b.charCodeAt(place));
}

/**
 * The places of names, in the order of the names.
 *
 * @param {string[]} names
 * @returns {number[]}
 */
export const sortedPlaces = (names) => [...names.keys()].sort((a, b) => compareNames(names[a], names[b]));

/**
 * The part of a path behind its last `/`.
 *
 * @param {string} name
 */
export const baseName = (name) => name.slice(name.lastIndexOf("/") + 1);

/**
 * A name without folders and extension.
 *
 * @param {string} name
 */
export function stemOf(name) {
  const base = baseName(name);
  const dot = base.lastIndexOf(".");
  return dot < 0 ? base : base.slice(0, dot);
}

/**
 * A path with `/` between folders, and without parts that lead out of it.
 *
 * @param {string} path
 */
export const cleanPath = (path) =>
  path
    .replaceAll("\\", "/")
    .split("/")
    .filter((part) => !["", ".", ".."].includes(part))
    .join("/");

/**
 * Whether a path leads through something hidden, or through what macOS adds to archives.
 *
 * @param {string} name
 */
export const isHidden = (name) => name.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");

/** What people call photos that browsers show. */
const PHOTOS = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "avif"];
/** Photos that browsers do not show. */
const UNREAD = ["tif", "tiff", "heic", "heif", "jxl"];
const TABLES = ["csv", "tsv", "tab"];

/**
 * What a file is by its name.
 *
 * @param {string} name
 * @returns {"photo" | "unread photo" | "table" | "archive" | "other"}
 */
export function kindOf(name) {
  const base = baseName(name);
  const extension = base.includes(".")
    ? base
        .slice(base.lastIndexOf(".") + 1)
        .trimEnd()
        .toLowerCase()
    : "";
  if (PHOTOS.includes(extension)) return "photo";
  if (UNREAD.includes(extension)) return "unread photo";
  if (TABLES.includes(extension)) return "table";
  return extension === "zip" ? "archive" : "other";
}
