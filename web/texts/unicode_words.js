// The words of a text by Unicode's UAX 29, "Unicode Text Segmentation". `Intl.Segmenter` finds other ones: it cuts Thai
// and Chinese by dictionaries, which differ from browser to browser.

// Values of the property Word_Break as Unicode derives them from other properties; classes of regular expressions.
const SUBTENDING = "\\u0600-\\u0605\\u06dd\\u0890\\u0891\\u08e2\\u{110bd}\\u{110cd}";
const FORMAT = `[\\p{Cf}--[\\u070f\\u200b${SUBTENDING}]]`;
const EXTEND = `[\\p{Grapheme_Extend}\\p{Mc}\\p{Emoji_Modifier}${FORMAT}]`;
const NEWLINE = "[\\n\\v\\f\\r\\x85\\u2028\\u2029]";
const SPACE = "[\\p{Zs}--[\\xa0\\u2007\\u202f]]";
const KATAKANA = "[\\p{sc=Katakana}\\u3031-\\u3035\\u309b\\u309c\\u30a0\\u30fc\\uff70]";
const HEBREW = "[\\p{sc=Hebrew}&&\\p{Lo}]";
// Letters of scripts that put no space between words, which UAX 29 leaves to dictionaries.
const UNSPACED = ["Thai", "Lao", "Myanmar", "Khmer", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Ahom"];
const NO_LETTER = `[${UNSPACED.map((script) => `\\p{sc=${script}}`).join("")}\\p{sc=Hiragana}\\p{Ideographic}]`;
const LETTER_LIKE =
  "\\xb8\\u02c2-\\u02c5\\u02d2-\\u02d7\\u02de\\u02df\\u02e5-\\u02eb\\u02ed\\u02ef-\\u02ff\\u055a-\\u055c\\u055e\\u058a" +
  "\\u05f3\\u070f\\ua708-\\ua716\\ua720\\ua721\\ua789\\ua78a\\uab5b";
const LETTER = `[[\\p{Alphabetic}${LETTER_LIKE}]--${NO_LETTER}--${KATAKANA}--${EXTEND}]`;
const NUMERIC = `[\\p{Nd}\\u066b\\u19da${SUBTENDING}]`;
const CONNECTOR = "[\\p{Pc}\\u202f]";
const MID_NUM_LET = ".'\\u2018\\u2019\\u2024\\ufe52\\uff07\\uff0e";
const MID_LETTER = `[${MID_NUM_LET}:\\xb7\\u0387\\u055f\\u05f4\\u2027\\ufe13\\ufe55\\uff1a]`;
const MID_NUM = `[${MID_NUM_LET},;\\u037e\\u0589\\u060c\\u060d\\u066c\\u07f8\\u2044\\ufe50\\ufe54\\uff0c\\uff1b]`;

// The rules by their numbers in UAX 29. In all of them marks belong to what they follow: WB4. No part that has matched
// may fail later: there are exponentially many ways to match it again.
const MARKS = `${EXTEND}*`;
const LETTERS = `(?:${LETTER}${MARKS})+`; // WB5
const HEBREW_QUOTE = `(?<=${HEBREW}${MARKS})"${MARKS}(?=${HEBREW})`; // WB7b, WB7c
const JOINED_LETTERS = `${LETTERS}(?:(?:${MID_LETTER}${MARKS}|${HEBREW_QUOTE})${LETTERS})*`; // WB6, WB7
const DIGITS = `(?:${NUMERIC}${MARKS})+`; // WB8
const JOINED_DIGITS = `${DIGITS}(?:${MID_NUM}${MARKS}${DIGITS})*`; // WB11, WB12
const RUN = `(?:(?:${JOINED_LETTERS}|${JOINED_DIGITS})+|(?:${KATAKANA}${MARKS})+)`; // WB9, WB10, WB13
const CONNECTED = `(?:${RUN}|(?=${CONNECTOR}))(?:(?:${CONNECTOR}${MARKS})+${RUN}?)*`; // WB13a, WB13b
const WORD = `${CONNECTED}(?:(?<=${HEBREW}${MARKS})'${MARKS})?`; // WB7a
const FLAG = `\\p{RI}${MARKS}(?:\\p{RI}${MARKS})?`; // WB15, WB16
const PIECE = `(?:${WORD}|${FLAG}|${SPACE}+${MARKS}|[^${NEWLINE}]${MARKS})`; // WB3a, WB3b, WB3d, WB999
const PIECES = new RegExp(`${PIECE}(?:(?<=\\u200d)(?=\\p{Extended_Pictographic})${PIECE})*`, "gv"); // WB3c

const ALPHANUMERIC = /[\p{Alphabetic}\p{N}]/u;

/**
 * The pieces between the word boundaries of a text that hold a letter or a digit, in its order.
 *
 * @param {string} text
 * @returns {Generator<{ text: string, start: number }>} with the index of its first UTF-16 unit
 */
export function* unicodeWords(text) {
  for (const { 0: found, index } of text.matchAll(PIECES)) {
    if (ALPHANUMERIC.test(found)) yield { text: found, start: index };
  }
}
