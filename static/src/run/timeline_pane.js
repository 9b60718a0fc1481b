/** The run as bars over time. The figure is made on the server; Plotly is loaded when somebody looks. */

import { api } from "../lib/api.js";
import { drawFigure } from "../lib/figure.js";
import { h } from "./dom.js";

const REFRESH_MS = 2000;

export class TimelinePane {
  /**
   * @param {HTMLElement} element
   * @param {import("./store.js").RunStore} store
   * @param {{url: string, onSelect: (step: string) => void}} options
   */
  constructor(element, store, { url, onSelect }) {
    this.store = store;
    this.url = url;
    this.onSelect = onSelect;
    this.shown = false;
    this.plot = h("div", { class: "run-plot" });
    this.note = h("p", { class: "muted run-plot-note", text: "Drawing the timeline…" });
    element.append(this.note, this.plot);
    store.subscribe(() => this.#refreshIn(300));
  }

  show(shown) {
    this.shown = shown;
    clearTimeout(this.timer);
    if (shown) {
      this.#refresh();
    }
  }

  #refreshIn(delay_ms) {
    if (this.shown) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#refresh(), delay_ms);
    }
  }

  async #refresh() {
    if (!document.hidden) {
      await this.#draw();
    }
    if (!this.store.isTerminal) {
      this.#refreshIn(REFRESH_MS); // bars of running steps grow
    }
  }

  async #draw() {
    try {
      const figure = await api.get(this.url);
      this.note.textContent = figure.empty || figure.note || "";
      this.note.hidden = !this.note.textContent;
      this.plot.hidden = Boolean(figure.empty);
      if (!figure.empty && this.shown) {
        await drawFigure(this.plot, figure, { onClick: ([step]) => this.onSelect(step) });
      }
    } catch (error) {
      this.note.textContent = `The timeline could not be drawn: ${/** @type {Error} */ (error).message}`;
      this.note.hidden = false;
    }
  }
}
