/** Charts that the server makes: each drawn when it comes, again when it changed, and erased when it goes. */

import { drawFigure } from "../lib/figure.js";
import { h } from "./dom.js";

export class ChartGrid {
  /**
   * @param {{className: string, plotClass: string, onClick?: (address: string) => void}} options `onClick` gets what the
   *   figure says of the point that was clicked.
   */
  constructor({ className, plotClass, onClick }) {
    this.element = h("div", { class: className });
    this.plotClass = plotClass;
    this.onClick = onClick;
    /** @type {Map<string, {card: HTMLElement, note: HTMLElement, plot: HTMLElement, drawn: string, erase: (() => void)|null}>} */
    this.charts = new Map();
  }

  async draw(charts) {
    const keys = new Set(charts.map((chart) => chart.key));
    for (const key of [...this.charts.keys()].filter((key) => !keys.has(key))) this.#remove(key);
    for (const chart of charts) {
      const made = this.charts.get(chart.key) ?? this.#add(chart);
      made.note.textContent = chart.note;
      const text = JSON.stringify(chart.figure);
      if (text === made.drawn) continue;
      made.drawn = text;
      made.erase = await drawFigure(made.plot, chart.figure, this.onClick ? { onClick: this.onClick } : {});
      if (!made.plot.isConnected) made.erase();
    }
  }

  destroy() {
    for (const key of [...this.charts.keys()]) this.#remove(key);
  }

  #add({ key, title }) {
    const note = h("span", { class: "muted" });
    const plot = h("div", { class: this.plotClass, role: "img", "aria-label": `Chart of ${title}` });
    const card = h("figure", { class: "run-metrics-chart" }, h("figcaption", {}, h("b", { text: title }), note), plot);
    this.element.append(card);
    const made = { card, note, plot, drawn: "", erase: null };
    this.charts.set(key, made);
    return made;
  }

  #remove(key) {
    const made = this.charts.get(key);
    made?.erase?.();
    made?.card.remove();
    this.charts.delete(key);
  }
}
