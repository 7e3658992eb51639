// UTKFace's names: `age_gender_race_date`. See `src/data/labels/utkface.rs`.

import { baseName } from "./names.js";

/** The highest age, in years, that a name may tell. */
const MAX_AGE = 150;
const GENDERS = ["male", "female"];
/** The races that UTKFace tells apart, by its numbers. */
const RACES = ["white", "black", "asian", "indian", "others"];

const NUMBER = /^[0-9]+$/;

/**
 * Reads the labels off a name, which may contain folders and has any extensions.
 *
 * @param {string} name
 * @returns {{ age: string, gender: string, race: string } | string} the labels, or why the name tells none
 */
export function utkfaceLabels(name) {
  const fields = baseName(name).split(".")[0].split("_");
  if (fields.length === 3 && fields.every((field) => NUMBER.test(field))) return "no race field in the name";
  if (fields.length !== 4) return "the name is not age_gender_race_date";
  const [age, gender, race, date] = fields;
  if (!NUMBER.test(age)) return "the age is not a number";
  if (Number(age) > MAX_AGE) return `the age is above ${MAX_AGE}`;
  if (!/^[01]$/.test(gender)) return "gender is neither 0 nor 1";
  if (!/^[0-4]$/.test(race)) return "race is not a number from 0 to 4";
  // Copies and hand-made files have something behind it: `2017 `, `2017 (1)`.
  if (!/^[0-9]/.test(date)) return "the date does not begin with a digit";
  return { age: String(Number(age)), gender: GENDERS[Number(gender)], race: RACES[Number(race)] };
}

/**
 * Whether at least half of the names tell labels.
 *
 * @param {string[]} names
 */
export function areUtkface(names) {
  const fitting = names.filter((name) => typeof utkfaceLabels(name) !== "string").length;
  return fitting > 0 && 2 * fitting >= names.length;
}

/**
 * The columns age, gender and race; names that tell no labels are skipped.
 *
 * @param {string[]} names
 * @returns {import("./labels.js").Columns}
 */
export function utkfaceColumns(names) {
  /** @type {import("./labels.js").Columns} */
  const found = {
    kept: [],
    cells: { age: [], gender: [], race: [] },
    sides: null,
    skipped: [],
    warnings: [],
  };
  for (const [place, file] of names.entries()) {
    const labels = utkfaceLabels(file);
    if (typeof labels === "string") {
      found.skipped.push({ file, reason: `the name tells no label: ${labels}` });
      continue;
    }
    found.kept.push(place);
    for (const [column, cell] of Object.entries(labels)) found.cells[column].push(cell);
  }
  return found;
}
