// Rows of CSV and TSV (RFC 4180) with their lines, bad ones too. See `src/data/csv`.

/**
 * @typedef {object} Sheet
 * @property {string[]} headers without white space around them
 * @property {{ line: number, fields: string[] }[]} rows with as many fields as there are headers
 * @property {{ line: number, reason: string }[]} bad rows that cannot be read
 */

const GOES_ON = "a field goes on behind its closing quote; double the quotes within it";
const UNCLOSED = "a quote opens and is never closed; close it or delete it";

/**
 * @param {string} text
 * @param {number} from
 */
function lineEnd(text, from) {
  const end = text.slice(from).search(/[\r\n]/);
  return end < 0 ? text.length : from + end;
}

/**
 * The fields of the row at `begin`, and where it ends. A quote that does not close, or not at the end of its field,
 * costs the line in which it opens.
 *
 * @param {string} text
 * @param {number} begin
 * @param {string} delimiter
 * @returns {{ fields: string[], end: number } | { reason: string, quote: number }}
 */
function rowAt(text, begin, delimiter) {
  const fields = [];
  let place = begin;
  for (;;) {
    let field = "";
    if (text[place] === '"') {
      const quote = place;
      let from = quote + 1;
      for (;;) {
        const close = text.indexOf('"', from);
        if (close < 0) return { reason: UNCLOSED, quote };
        field += text.slice(from, close);
        place = close + 1;
        if (text[place] !== '"') break;
        field += '"';
        from = place + 1;
      }
      if (place < text.length && ![delimiter, "\r", "\n"].includes(text[place])) {
        return { reason: GOES_ON, quote };
      }
    } else {
      const first = place;
      while (place < text.length && ![delimiter, "\r", "\n"].includes(text[place])) place += 1;
      field = text.slice(first, place);
    }
    fields.push(field);
    if (text[place] !== delimiter) return { fields, end: place };
    place += 1;
  }
}

/**
 * A tab in a file that is called `.tsv` or `.tab`, or else the first of tab, comma and semicolon in its first line.
 *
 * @param {string} name
 * @param {string} text
 */
function delimiterOf(name, text) {
  if (/\.(tsv|tab)$/i.test(name)) return "\t";
  const first = text.split(/[\r\n]/).find((line) => line.trim()) ?? "";
  return ["\t", ",", ";"].find((delimiter) => first.includes(delimiter)) ?? ",";
}

/**
 * Every row of a text, or what is wrong with it. Blank lines are no rows.
 *
 * @param {string} text
 * @param {string} delimiter
 * @returns {IterableIterator<{ line: number, fields?: string[], reason?: string }>}
 */
function* rowsOf(text, delimiter) {
  let [place, line, counted] = [0, 1, 0];
  const lineOf = (/** @type {number} */ at) => {
    line += text.slice(counted, at).match(/\r\n|\r|\n/g)?.length ?? 0;
    counted = at;
    return line;
  };
  for (;;) {
    const blank = /[\r\n]*/y;
    blank.lastIndex = place;
    blank.exec(text);
    const begin = blank.lastIndex;
    if (begin >= text.length) return;
    const row = rowAt(text, begin, delimiter);
    if ("fields" in row) {
      place = row.end;
      if (text.slice(begin, place).trim()) yield { line: lineOf(begin), fields: row.fields };
    } else if (delimiter === "\t") {
      // Most programs that write tabs write quotes as they are.
      place = lineEnd(text, begin);
      const fields = text.slice(begin, place).split(delimiter);
      yield { line: lineOf(begin), fields: fields.map((field) => field.replace(/^"(.*)"$/s, "$1")) };
    } else {
      place = lineEnd(text, row.quote);
      yield { line: lineOf(row.quote), reason: row.reason };
    }
  }
}

/**
 * Reads a table.
 *
 * @param {string} name of the file, for messages
 * @param {Uint8Array} bytes UTF-8
 * @returns {Sheet}
 */
export function readSheet(name, bytes) {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new Error(`${name} is in UTF-16; save it as UTF-8`);
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${name} is not in UTF-8; save it as UTF-8`);
  }
  const rows = rowsOf(text, delimiterOf(name, text));
  const { value: header } = rows.next();
  if (!header) throw new Error(`${name} is empty`);
  if (!header.fields) throw new Error(`${name} line ${header.line}: ${header.reason}`);
  const headers = header.fields.map((/** @type {string} */ field) => field.trim());
  /** @type {Sheet} */
  const sheet = { headers, rows: [], bad: [] };
  for (const { line, fields, reason } of rows) {
    if (fields && fields.length === headers.length) {
      sheet.rows.push({ line, fields });
    } else {
      const count = `fields: ${fields?.length}, but ${headers.length} in the first line`;
      sheet.bad.push({ line, reason: reason ?? count });
    }
  }
  return sheet;
}
