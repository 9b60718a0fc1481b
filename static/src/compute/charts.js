/** The charts of nodes on a page: drawn as they come into view, and again as figures come. */

import { api } from "../lib/api.js";
import { drawFigure } from "../lib/figure.js";
import { figureOf, inWords, joined } from "./node_figures.js";

const EVERY_MS = 10_000;

export class NodeCharts {
  /**
   * @param {HTMLElement} root Its elements with `data-figure` are charts; others may be drawn into it at any time.
   * @param {string} url The API's figures of the target.
   */
  constructor(root, url) {
    this.root = root;
    this.url = url;
    /** @type {Map<number, any>} */
    this.nodes = new Map();
    this.now = Date.now() / 1000;
    /** @type {Set<HTMLElement>} */
    this.inView = new Set();
    this.isAsking = false;
    this.observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "120px" });
    this.look();
    setInterval(() => this.#refresh(), EVERY_MS);
    document.addEventListener("visibilitychange", () => this.#refresh());
  }

  /** The page was drawn: there may be new charts, and old ones gone. */
  look() {
    for (const chart of this.inView) if (!chart.isConnected) this.inView.delete(chart);
    for (const chart of this.root.querySelectorAll("[data-figure]:not([data-watched])")) {
      if (!(chart instanceof HTMLElement)) continue;
      chart.dataset.watched = "";
      this.observer.observe(chart);
    }
  }

  #seen(entries) {
    let isNews = false;
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        this.inView.add(target);
        if (this.nodes.has(Number(target.dataset.node))) this.#draw(target);
        else isNews = true;
      } else {
        this.inView.delete(target);
      }
    }
    if (isNews) this.#refresh();
  }

  async #refresh() {
    if (document.hidden || this.isAsking) return;
    const ids = new Set([...this.inView].filter((chart) => chart.isConnected).map((chart) => Number(chart.dataset.node)));
    if (!ids.size) return;
    this.isAsking = true;
    try {
      const fresh = [...ids].filter((id) => !this.nodes.has(id));
      const known = [...ids].filter((id) => this.nodes.get(id));
      if (fresh.length) await this.#ask(fresh, 0);
      if (known.length) await this.#ask(known, Math.min(...known.map((id) => this.nodes.get(id).at.at(-1) ?? 0)));
      for (const chart of this.inView) if (chart.isConnected) await this.#draw(chart);
    } catch {
      // A lost server is the socket's to tell; the next round asks again.
    } finally {
      this.isAsking = false;
    }
    if ([...this.inView].some((chart) => chart.isConnected && !this.nodes.has(Number(chart.dataset.node)))) this.#refresh();
  }

  async #ask(ids, since) {
    const wanted = ids.slice(0, 50); // as many as one answer holds; the others come next
    const query = new URLSearchParams(wanted.map((id) => ["node", String(id)]));
    if (since) query.set("since", String(since));
    const answer = await api.get(`${this.url}?${query}`);
    this.now = answer.now;
    for (const id of wanted) {
      const node = answer.nodes.find((each) => each.id === id);
      if (node) this.nodes.set(id, joined(this.nodes.get(id), node, answer.now));
      else if (!this.nodes.has(id)) this.nodes.set(id, null); // it is gone
    }
  }

  async #draw(chart) {
    const node = this.nodes.get(Number(chart.dataset.node));
    const { figure: kind, size } = chart.dataset;
    if (!node || !kind || (kind === "gpu" && !node.gpus.length)) return;
    chart.setAttribute("role", "img");
    chart.setAttribute("aria-label", inWords(kind, node));
    await drawFigure(chart, figureOf(kind, node, { now: this.now, size, zone_min: new Date().getTimezoneOffset() }));
  }
}
