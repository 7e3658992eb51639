// Curves of losses and metrics over the epochs.

import uPlot from "../vendor/uplot.js";
import { totalLoss } from "../training/results.js";
import { create } from "./page.js";

/**
 * @typedef {import("../model.js").Target} Target
 * @typedef {import("../training/results.js").Epoch} Epoch
 * @typedef {{ title: string, train: (epoch: Epoch) => number, validation: (epoch: Epoch) => number }} Curve
 */

const HEIGHT = 220;

/** A chart for the loss, and one for each target's metric. */
export class Curves {
  /** @type {{ curve: Curve, chart: uPlot, box: HTMLElement }[]} */
  #charts = [];
  /** @type {Epoch[]} */
  #epochs = [];

  /**
   * @param {HTMLElement} container
   * @param {Target[]} targets
   */
  constructor(container, targets) {
    this.container = container;
    /** @type {Curve[]} */
    this.curves = [
      {
        title: "loss",
        train: ({ train }) => totalLoss(train),
        validation: ({ validation }) => totalLoss(validation),
      },
      ...targets.map(({ metric_title: title, kind }, place) => {
        const factor = kind === "number" ? 1 : 100;
        return {
          title: kind === "number" ? title : `${title} (%)`,
          train: (/** @type {Epoch} */ { train }) => factor * train[place].metric,
          validation: (/** @type {Epoch} */ { validation }) => factor * validation[place].metric,
        };
      }),
    ];
    new ResizeObserver(() => this.#fit()).observe(container);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /** @param {Epoch[]} epochs those that are done */
  show(epochs) {
    this.#epochs = epochs;
    if (this.#charts.length === 0 && epochs.length > 0) this.#redraw();
    for (const { curve, chart } of this.#charts) chart.setData(this.#data(curve));
  }

  clear() {
    this.#charts.forEach(({ chart }) => chart.destroy());
    this.#charts = [];
    this.#epochs = [];
    this.container.replaceChildren();
  }

  /**
   * @param {Curve} curve
   * @returns {uPlot.AlignedData}
   */
  #data({ train, validation }) {
    return [this.#epochs.map(({ epoch }) => epoch), this.#epochs.map(train), this.#epochs.map(validation)];
  }

  #redraw() {
    const epochs = this.#epochs;
    this.clear();
    this.#epochs = epochs;
    const style = getComputedStyle(document.documentElement);
    const [ink, line, mark] = ["--quiet", "--line", "--mark"].map((name) =>
      style.getPropertyValue(name).trim(),
    );
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    /**
     * @param {string} label
     * @param {string} stroke
     * @param {number[]} [dash]
     */
    const series = (label, stroke, dash) => ({
      label,
      stroke,
      dash,
      width: 2,
      points: { show: this.#epochs.length < 30, size: 5, stroke, fill: stroke },
      value: (/** @type {unknown} */ _, /** @type {?number} */ value) =>
        value === null ? "" : value?.toPrecision(4),
    });
    this.#charts = this.curves.map((curve) => {
      const box = create("div", { class: "chart" });
      this.container.append(box);
      const chart = new uPlot(
        {
          title: curve.title,
          width: Math.max(200, box.clientWidth),
          height: HEIGHT,
          scales: { x: { time: false, range: (_, low, high) => [low, Math.max(high, low + 1)] } },
          axes: [
            { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] },
            { ...axis, size: 60 },
          ],
          series: [{ label: "epoch" }, series("training", ink, [6, 4]), series("validation", mark)],
        },
        this.#data(curve),
        box,
      );
      return { curve, chart, box };
    });
  }

  #fit() {
    for (const { chart, box } of this.#charts) {
      if (box.clientWidth !== chart.width)
        chart.setSize({ width: Math.max(200, box.clientWidth), height: HEIGHT });
    }
  }
}
