/** The trials of a sweep: charts and a table, both made on the server, read again while the sweep goes on. */

import { api } from "../../lib/api.js";
import { ChartGrid } from "../chart_grid.js";
import { h } from "../dom.js";

const REFRESH_MS = 5000; // what running trials log comes with no event of this run

export class TrialsTab {
  /** @param {HTMLElement} root @param {any} context As the panel makes it. */
  constructor(root, context) {
    this.url = context.urls.trials(context.name);
    this.shown = false;
    this.order = "number";
    this.page = 1;
    this.note = h("p", { class: "muted run-plot-note", role: "status", text: "Reading the trials…" });
    this.grid = new ChartGrid({ className: "trial-charts", plotClass: "trial-plot", onClick: (url) => url && location.assign(url) });
    this.rest = h("div", { class: "trial-rest", on: { click: (event) => this.#click(event) } });
    root.append(this.note, this.grid.element, this.rest);
  }

  show() {
    if (this.shown) return;
    this.shown = true;
    this.#refresh();
  }

  /** The step moved: a trial began or is over. */
  draw() {
    if (this.shown) this.#refreshIn(300);
  }

  hide() {
    this.shown = false;
    clearTimeout(this.timer);
  }

  destroy() {
    this.hide();
    this.grid.destroy();
  }

  #refreshIn(delay_ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#refresh(), delay_ms);
  }

  #click(event) {
    const button = event.target.closest("[data-trials-order], [data-trials-page]");
    if (!button) return;
    const { trialsOrder, trialsPage } = button.dataset;
    this.order = trialsOrder ?? this.order;
    this.page = trialsPage ? Number(trialsPage) : 1;
    this.again = trialsPage ? `[data-trials-page="${trialsPage}"]` : `[data-trials-order="${trialsOrder}"]`;
    this.#refresh();
  }

  async #refresh() {
    clearTimeout(this.timer);
    if (document.hidden) {
      this.#refreshIn(REFRESH_MS);
      return;
    }
    const asked = (this.asked = {}); // the answer to an earlier question is of no use
    try {
      const query = new URLSearchParams({ order: this.order, page: String(this.page) });
      const found = await api.get(`${this.url}?${query}`);
      if (!this.shown || asked !== this.asked) return;
      this.note.hidden = true;
      if (this.drawn !== found.html) {
        this.#put(found.html);
      }
      await this.grid.draw(found.charts);
      if (this.shown && asked === this.asked && !found.is_over) this.#refreshIn(REFRESH_MS);
    } catch (error) {
      if (!this.shown || asked !== this.asked) return;
      this.note.textContent = `The trials could not be read: ${/** @type {Error} */ (error).message}`;
      this.note.hidden = false;
      this.#refreshIn(REFRESH_MS);
    }
  }

  /** Whoever reads or uses the table keeps their place in it. */
  #put(html) {
    const at = this.rest.querySelector(".trial-scroll");
    const { scrollLeft = 0, scrollTop = 0 } = at ?? {};
    const had = this.rest.contains(document.activeElement) ? this.again : null;
    this.drawn = html;
    this.rest.innerHTML = html; // escaped by the server
    this.rest.querySelector(".trial-scroll")?.scrollTo(scrollLeft, scrollTop);
    if (had) /** @type {HTMLElement|null} */ (this.rest.querySelector(had))?.focus({ preventScroll: true });
  }
}
