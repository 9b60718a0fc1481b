/** What the run's steps measured, or one step: charts, and the table of last values. Both are made on the server. */

import { api } from "../lib/api.js";
import { ChartGrid } from "./chart_grid.js";
import { h } from "./dom.js";

const AGAIN_MS = 1000;
const INNER_MS = 5000; // what the runs of a step measure comes with no event of this run
const MORE_CHARTS = 24;

export class MetricsPane {
  /**
   * @param {HTMLElement} element
   * @param {{url: string, step?: string, query?: Record<string, string>}} options `query`: what the address needs besides.
   */
  constructor(element, { url, step = "", query = {} }) {
    this.url = url;
    this.query = query;
    this.step = step;
    this.shown = false;
    this.most = MORE_CHARTS;
    this.note = h("p", { class: "muted run-plot-note", role: "status", text: "Reading what was measured…" });
    this.grid = new ChartGrid({ className: "run-metrics-charts", plotClass: "run-metrics-plot" });
    this.more = h("button", { class: "btn", type: "button", hidden: true, on: { click: () => this.#showMore() } });
    this.rest = h("div", { class: "run-metrics-rest" });
    element.append(this.note, this.grid.element, this.more, this.rest);
  }

  show(shown = true) {
    if (shown === this.shown) return;
    this.shown = shown;
    clearTimeout(this.timer);
    this.timer = undefined;
    if (shown) this.#refresh();
  }

  /** These steps measured something, or the run moved. */
  hear(steps) {
    if (this.shown && !this.timer && (!this.step || steps.includes(this.step))) {
      this.timer = setTimeout(() => this.#refresh(), AGAIN_MS);
    }
  }

  destroy() {
    this.show(false);
    this.grid.destroy();
  }

  #showMore() {
    this.most += MORE_CHARTS;
    this.#refresh();
  }

  async #refresh() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (document.hidden) {
      this.timer = setTimeout(() => this.#refresh(), AGAIN_MS);
      return;
    }
    try {
      const query = new URLSearchParams({ ...this.query, charts: String(this.most), ...(this.step && { step: this.step }) });
      const page = await api.get(`${this.url}?${query}`);
      if (!this.shown) return;
      this.note.hidden = true;
      if (this.drawn !== page.html) {
        this.drawn = page.html;
        this.rest.innerHTML = page.html; // escaped by the server
      }
      this.more.hidden = !page.more_charts;
      this.more.textContent = `Draw ${Math.min(page.more_charts, MORE_CHARTS)} more of ${page.more_charts}`;
      await this.grid.draw(page.charts);
      if (page.asks_again && this.shown) this.timer ??= setTimeout(() => this.#refresh(), INNER_MS);
    } catch (error) {
      this.note.textContent = `What was measured could not be read: ${/** @type {Error} */ (error).message}`;
      this.note.hidden = false;
    }
  }
}
