/** The run as bars over time. The figure is made on the server; Plotly is loaded when somebody looks. */

import { api } from "../lib/api.js";

import { h } from "./dom.js";

const REFRESH_MS = 2000;

export class TimelinePane {
  /**
   * @param {HTMLElement} element
   * @param {import("./store.js").RunStore} store
   * @param {{url: string, onSelect: (step: string) => void}} options
   */
  constructor(element, store, { url, onSelect }) {
    this.element = element;
    this.store = store;
    this.url = url;
    this.onSelect = onSelect;
    this.shown = false;
    this.stale = true;
    this.plot = h("div", { class: "run-plot" });
    this.note = h("p", { class: "muted run-plot-note", text: "Drawing the timeline…" });
    element.append(this.note, this.plot);
    store.subscribe(() => {
      this.stale = true;
      this.#refreshSoon();
    });
    document.addEventListener("studio:theme", () => this.#draw());
    new ResizeObserver(() => this.shown && this.plotly && this.figure && this.plotly.Plots.resize(this.plot)).observe(element);
  }

  show(shown) {
    this.shown = shown;
    clearTimeout(this.timer);
    if (shown) {
      this.#refresh();
    }
  }

  #refreshSoon() {
    if (this.shown) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#refresh(), 300);
    }
  }

  async #refresh() {
    try {
      const [figure, plotly] = await Promise.all([api.get(this.url), import("plotly.js-cartesian-dist-min")]);
      this.figure = figure;
      this.plotly = plotly.default ?? plotly;
      this.stale = false;
      await this.#draw();
    } catch (error) {
      this.note.textContent = `The timeline could not be drawn: ${/** @type {Error} */ (error).message}`;
      this.note.hidden = false;
    }
    if (this.shown && !this.store.isTerminal) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#refresh(), REFRESH_MS); // bars of running steps grow
    }
  }

  async #draw() {
    if (!this.figure || !this.shown) {
      return;
    }
    const { data, layout, empty } = this.figure;
    this.note.hidden = !empty;
    this.note.textContent = empty ?? "";
    this.plot.hidden = Boolean(empty);
    if (empty) {
      return;
    }
    const style = getComputedStyle(document.documentElement);
    const token = (name) => style.getPropertyValue(name).trim();
    const paint = (/** @type {string} */ colour) => token(colour.replace(/^var\((.*)\)$/, "$1"));
    const traces = data.map((trace) => ({
      ...trace,
      marker: { ...trace.marker, color: trace.marker.color.map(paint) },
    }));
    const axis = { gridcolor: token("--line"), linecolor: token("--line"), zerolinecolor: token("--line") };
    const themed = {
      ...layout,
      font: { ...layout.font, color: token("--text-2"), family: token("--font") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      hoverlabel: { bgcolor: token("--raised"), bordercolor: token("--line-strong"), font: { color: token("--text") } },
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis },
    };
    await this.plotly.react(this.plot, traces, themed, { displayModeBar: false, responsive: false });
    this.plot.removeAllListeners?.("plotly_click");
    this.plot.on("plotly_click", ({ points }) => points[0]?.customdata && this.onSelect(points[0].customdata[0]));
  }
}
