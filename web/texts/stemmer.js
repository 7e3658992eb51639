// The Porter stemmer as NLTK runs it by default.
//
// M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, with the changes that NLTK calls
// `NLTK_EXTENSIONS`: a few irregular words, short words left alone, and gentler rules for -ies, -ied, -y, -alli, -fulli
// and -logi.

/** Words whose stem no rule gives. */
const IRREGULAR = new Map([
  ["sky", "sky"],
  ["skies", "sky"],
  ["dying", "die"],
  ["lying", "lie"],
  ["tying", "tie"],
  ["news", "news"],
  ["inning", "inning"],
  ["innings", "inning"],
  ["outing", "outing"],
  ["outings", "outing"],
  ["canning", "canning"],
  ["cannings", "canning"],
  ["howe", "howe"],
  ["proceed", "proceed"],
  ["exceed", "exceed"],
  ["succeed", "succeed"],
]);

/** @typedef {[string, string]} Rule a suffix, and what takes its place */

/**
 * Where the measure of what remains is above 0. Of rules that fit, the first counts.
 * @type {Rule[]}
 */
const STEP_2 = [
  ["ational", "ate"],
  ["tional", "tion"],
  ["enci", "ence"],
  ["anci", "ance"],
  ["izer", "ize"],
  ["bli", "ble"],
  ["alli", "al"],
  ["entli", "ent"],
  ["eli", "e"],
  ["ousli", "ous"],
  ["ization", "ize"],
  ["ation", "ate"],
  ["ator", "ate"],
  ["alism", "al"],
  ["iveness", "ive"],
  ["fulness", "ful"],
  ["ousness", "ous"],
  ["aliti", "al"],
  ["iviti", "ive"],
  ["biliti", "ble"],
  ["fulli", "ful"],
];

/**
 * As in step 2.
 * @type {Rule[]}
 */
const STEP_3 = [
  ["icate", "ic"],
  ["ative", ""],
  ["alize", "al"],
  ["iciti", "ic"],
  ["ical", "ic"],
  ["ful", ""],
  ["ness", ""],
];

/** Dropped where the measure of what remains is above 1. Of suffixes that fit, the first counts. */
const STEP_4 = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize".split(" ");

/**
 * The stem of a word in lower case. Letters that are not English ones count as consonants.
 *
 * @param {string} word
 * @returns {string}
 */
export function stem(word) {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (!hasMoreLetters(word, 2)) return word;
  word = pastOrProgressive(plural(word));
  word = doubleSuffix(finalY(word));
  word = replaceFirst(word, STEP_3) ?? word;
  word = finalE(lastSuffix(word));
  return word.endsWith("ll") && measure(word.slice(0, -1)) > 1 ? word.slice(0, -1) : word;
}

/**
 * Step 1a.
 * @param {string} word
 */
function plural(word) {
  // Dies and ties keep their e.
  if (word.endsWith("ies")) return word.slice(0, isFourLetters(word) ? -1 : -2);
  if (word.endsWith("sses")) return word.slice(0, -2);
  return word.endsWith("s") && !word.endsWith("ss") ? word.slice(0, -1) : word;
}

/**
 * Step 1b.
 * @param {string} word
 */
function pastOrProgressive(word) {
  if (word.endsWith("ied")) return word.slice(0, isFourLetters(word) ? -1 : -2);
  if (word.endsWith("eed")) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const rest = ["ed", "ing"]
    .map((suffix) => without(word, suffix))
    .find((rest) => rest !== null && consonants(rest).includes(false));
  if (rest == null) return word;
  if (/(?:at|bl|iz)$/.test(rest)) return rest + "e";
  if (endsInDoubleConsonant(rest)) return /[lsz]$/.test(rest) ? rest : rest.replace(/.$/su, "");
  return measure(rest) === 1 && endsInShortSyllable(rest) ? rest + "e" : rest;
}

/**
 * Step 1c: behind a consonant that is not the first letter.
 * @param {string} word
 */
function finalY(word) {
  const rest = without(word, "y");
  return rest !== null && hasMoreLetters(rest, 1) && consonants(rest).at(-1) ? rest + "i" : word;
}

/**
 * Step 2.
 * @param {string} word
 * @returns {string}
 */
function doubleSuffix(word) {
  const rest = without(word, "alli");
  if (rest !== null && measure(rest) > 0) return doubleSuffix(rest + "al");
  const replaced = replaceFirst(word, STEP_2);
  if (replaced !== null) return replaced;
  // The l counts as a part of the stem: geology loses as much as archaeology.
  return word.endsWith("logi") && measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
}

/**
 * Step 4.
 * @param {string} word
 */
function lastSuffix(word) {
  const suffix = STEP_4.find((suffix) => word.endsWith(suffix));
  if (suffix === undefined) return word;
  const rest = word.slice(0, -suffix.length);
  return measure(rest) > 1 && (suffix !== "ion" || /[st]$/.test(rest)) ? rest : word;
}

/**
 * Step 5a.
 * @param {string} word
 */
function finalE(word) {
  const rest = without(word, "e");
  if (rest === null) return word;
  const count = measure(rest);
  return count > 1 || (count === 1 && !endsInShortSyllable(rest)) ? rest : word;
}

/**
 * Applies the first rule whose suffix fits, if the measure of what remains is above 0.
 *
 * @param {string} word
 * @param {Rule[]} rules
 * @returns {?string} null if none fits; the word as it is if one fits but does not apply
 */
function replaceFirst(word, rules) {
  for (const [suffix, replacement] of rules) {
    const rest = without(word, suffix);
    if (rest !== null) return measure(rest) > 0 ? rest + replacement : word;
  }
  return null;
}

/**
 * @param {string} word
 * @param {string} suffix
 */
function without(word, suffix) {
  return word.endsWith(suffix) ? word.slice(0, -suffix.length) : null;
}

/**
 * @param {string} word
 * @param {number} count of letters, each of which may have two UTF-16 units
 */
function hasMoreLetters(word, count) {
  return word.length > count && [...word.slice(0, 2 * count + 1)].length > count;
}

/** @param {string} word */
function isFourLetters(word) {
  return word.length <= 8 && [...word].length === 4;
}

/**
 * Whether each letter is a consonant: none of a, e, i, o, u, nor a y behind a consonant.
 *
 * @param {string} word
 * @returns {boolean[]}
 */
function consonants(word) {
  let before = false;
  return Array.from(word, (letter) => (before = letter === "y" ? !before : !"aeiou".includes(letter)));
}

/**
 * How often a vowel is followed by a consonant: the m of [C](VC)^m[V].
 *
 * @param {string} word
 * @returns {number}
 */
function measure(word) {
  return consonants(word).filter((consonant, place, all) => consonant && place > 0 && !all[place - 1]).length;
}

/** @param {string} word */
function endsInDoubleConsonant(word) {
  return /(.)\1$/su.test(word) && consonants(word).at(-1) === true;
}

/**
 * Consonant, vowel, consonant other than w, x and y; or no more than a vowel and a consonant.
 * @param {string} word
 */
function endsInShortSyllable(word) {
  const all = consonants(word);
  const [third, second, last] = [all.at(-3), all.at(-2), all.at(-1)];
  if (second !== false || last !== true) return false;
  return third === undefined || (third && !/[wxy]$/.test(word));
}
