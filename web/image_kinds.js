// Tells the kind of a file by its first bytes, not by its name or extension.

/** How much of a file tells what it is, in bytes. */
export const HEAD_BYTES = 4096;

/**
 * @typedef {object} Kind
 * @property {?string} image the kind of image as users know it, such as `JPEG`; null of files that are no images
 * @property {string} type the media type of an image
 * @property {string} problem why a file that is no image is skipped
 */

/**
 * The beginnings of images; a dot stands for any byte.
 *
 * @type {[RegExp, string, string][]}
 */
const IMAGES = [
  [/^\xFF\xD8/, "JPEG", "image/jpeg"],
  [/^\x89PNG/, "PNG", "image/png"],
  [/^GIF8[79]a/, "GIF", "image/gif"],
  [/^RIFF....WEBP/s, "WebP", "image/webp"],
  [/^(II[*+]\0|MM\0[*+])/, "TIFF", "image/tiff"],
  // Two letters are too few to tell a bitmap from a text: its second header has one of few lengths.
  [/^BM.{12}[\x0C\x28\x34\x38\x40\x6C\x7C]\0\0\0/s, "BMP", "image/bmp"],
  // Phones' images are files of the same kind as videos (ISO 14496-12): their brand tells them apart.
  [/^.{4}ftyp(avif|avis|(mif1|msf1)(....){0,7}avif)/s, "AVIF", "image/avif"],
  [/^.{4}ftyp(hei[cxms]|hev[cx]|mif1|msf1)/s, "HEIC", "image/heic"],
];

/**
 * Files that are taken for photos by mistake.
 *
 * @type {[RegExp, string][]}
 */
const OTHERS = [
  [/^$/, "empty file"],
  [/^(\xEF\xBB\xBF)?\s*<(!doctype|html|head|\?xml)/i, "an HTML page, not an image"],
  [/^\0+$/, "nothing but zeros, not an image"],
  [/^%PDF/, "a document, not an image"],
  [/^(\xFF\xFE|\xFE\xFF)/, "a text file, not an image"],
  [/^[\t\n\f\r\x1B\x20-\x7E\x80-\xFF]+$/, "a text file, not an image"],
  [/^(PK\x03\x04|\x1F\x8B|7z\xBC\xAF|Rar!)/, "an archive, not an image"],
  [/^(.{4}ftyp|\x1A\x45\xDF\xA3|RIFF....AVI )/s, "a video, not an image"],
  [/^(ID3|fLaC|OggS|RIFF....WAVE)/s, "a sound, not an image"],
];

/**
 * Tells by the first HEAD_BYTES of a file, or all of it if it is shorter.
 *
 * @param {Uint8Array} head
 * @returns {Kind}
 */
export function kindOf(head) {
  const text = Array.from(head, (byte) => String.fromCharCode(byte)).join("");
  const image = IMAGES.find(([begin]) => begin.test(text));
  if (image) return { image: image[1], type: image[2], problem: "" };
  const other = OTHERS.find(([begin]) => begin.test(text));
  return { image: null, type: "", problem: other ? other[1] : "not an image of a known kind" };
}

/**
 * Whether the marker segments of a JPEG file (ITU-T T.81, annex B) lead to an end-of-image marker. Some
 * browsers decode as much as there is of a file that is cut short, and report no error.
 *
 * @param {Uint8Array} bytes all of the file
 */
export function isWholeJpeg(bytes) {
  // The start-of-image marker is known to be there.
  let at = 2;
  while (at + 1 < bytes.length) {
    // To the next marker: FF and neither a stuffed 0, nor a fill FF, nor a restart. Between segments it is right here;
    // within a scan it is behind the compressed data.
    at = bytes.indexOf(0xff, at);
    if (at < 0) return false;
    const marker = bytes[at + 1];
    if (marker === 0xd9) return true;
    if (marker === 0xff) {
      at += 1;
    } else if (marker === 0 || (marker >= 0xd0 && marker <= 0xd7)) {
      at += 2;
    } else {
      // Every other marker that can follow opens a segment that tells its own length.
      at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    }
  }
  return false;
}
