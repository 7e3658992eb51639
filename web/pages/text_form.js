// A text, what the model predicts for it, and the words that weigh most.

import { Vocabulary } from "../texts/vocabulary.js";
import { weighWords } from "../texts/word_weights.js";
import { create, element, tellError } from "./page.js";
import { targetElement } from "./results.js";

/**
 * @typedef {import("../model.js").Model} Model
 * @typedef {import("../predictor.js").Predictor} Predictor
 */

/**
 * Makes the form work.
 *
 * @param {Model} model
 * @param {Predictor} predictor
 */
export function startTextForm(model, predictor) {
  const input = model.text;
  if (!input) throw new Error(`${model.name} does not read texts`);
  const vocabulary = new Vocabulary(input);
  const [text, ask] = [element("text"), element("ask")];
  const predict = async () => {
    if (ask.disabled) return;
    ask.disabled = true;
    tellError(null);
    try {
      await show(model, predictor, vocabulary, text.value);
    } catch (error) {
      tellError(error);
    } finally {
      ask.disabled = false;
    }
  };
  ask.addEventListener("click", predict);
  text.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) predict();
  });
  text.value = input.examples[0]?.text ?? "";
  text.focus();
}

/**
 * @param {Model} model
 * @param {Predictor} predictor
 * @param {Vocabulary} vocabulary
 * @param {string} text
 */
async function show(model, predictor, vocabulary, text) {
  const start = performance.now();
  const { outputs, words } = await weighWords(text, vocabulary, model.targets[0], (rows) =>
    predictor.outputsOfAll("tokens", rows),
  );
  const time = performance.now() - start;
  const isNumber = model.targets[0].kind === "number";
  const shown = words.map(({ word, weight }) => {
    const sign = weight < 0 ? "−" : "+";
    const size = isNumber ? Math.abs(weight).toFixed(2) : `${(100 * Math.abs(weight)).toFixed(1)} %`;
    return create("tr", {}, [create("td", { text: word }), create("td", { text: `${sign}${size}` })]);
  });
  const table = create("div", { class: "scroll" }, [
    create("table", {}, [
      create("caption", {
        class: "small quiet",
        text: "What each word adds to the prediction: the words that weigh most",
      }),
      create("tbody", {}, shown),
    ]),
  ]);
  const note = create("p", { class: "quiet", text: "No word of this text is known to the model." });
  element("text-result").replaceChildren(
    ...model.targets.map((target, place) => targetElement(target, outputs[place])),
    words.length > 0 ? table : note,
  );
  element("text-time").textContent = `${time.toFixed(0)} ms`;
}
