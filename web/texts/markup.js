// What of a text lies between HTML tags such as `<br />` and entities such as `&quot;`.

// `a <b and c> d` is no tag: without an attribute, nothing but its name is in a tag.
const ENTITY = "&(?:#[0-9A-Za-z]{2,9}|[0-9A-Za-z]{2,10});";
const SPACE = "\\p{White_Space}";
const ATTRIBUTES = `${SPACE}*(?:/${SPACE}*)?|${SPACE}[^<>=]*=[^<>]*`;
const MARKUP = new RegExp(`${ENTITY}|</?[A-Za-z][0-9A-Za-z]*(?:${ATTRIBUTES})>`, "gu");

/** Longer ones, in UTF-8, are no tags. */
const MAX_TAG_BYTES = 1000;

const utf8 = new TextEncoder();

/**
 * @param {string} text
 * @returns {Generator<{ text: string, start: number }>} each with the index of its first UTF-16 unit; some are empty
 */
export function* betweenMarkup(text) {
  const markup = new RegExp(MARKUP);
  let start = 0;
  for (let found; (found = markup.exec(text));) {
    const { 0: tag, index } = found;
    if (tag.length > MAX_TAG_BYTES / 3 && utf8.encode(tag).length > MAX_TAG_BYTES) {
      // It may hold entities.
      markup.lastIndex = index + 1;
      continue;
    }
    yield { text: text.slice(start, index), start };
    start = markup.lastIndex;
  }
  yield { text: text.slice(start), start };
}
