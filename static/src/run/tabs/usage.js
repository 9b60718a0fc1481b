/** What a step uses while it runs, and used in all. The figure is made on the server; Plotly is loaded when it is looked at. */

import { api } from "../../lib/api.js";
import { drawFigure } from "../../lib/figure.js";
import { h } from "../dom.js";
import { usageFacts } from "../used.js";

const REFRESH_MS = 3000;

export class UsageTab {
  /** @param {HTMLElement} root @param {any} context As the panel makes it. */
  constructor(root, context) {
    this.url = context.urls.usage(context.name);
    this.name = context.name;
    this.attempt = null;
    this.shown = false;
    this.choice = h("select", {
      class: "form-select",
      "aria-label": "Attempt",
      on: { change: () => ((this.attempt = Number(this.choice.value)), this.#refresh()) },
    });
    this.head = h("div", { class: "run-usage-head", hidden: true }, this.choice);
    this.facts = h("dl", { class: "kv" });
    this.note = h("p", { class: "muted", role: "status", text: "Reading what it used…" });
    this.plot = h("div", { class: "run-usage-plot", role: "img", hidden: true });
    root.append(this.head, this.facts, this.note, this.plot);
  }

  show({ attempt = null } = {}) {
    this.attempt = attempt ?? this.attempt;
    if (!this.shown) {
      this.shown = true;
      this.#refresh();
    }
  }

  /** The step moved: a new attempt, or its end. */
  draw() {
    if (this.shown) {
      this.#refreshIn(300);
    }
  }

  hide() {
    this.shown = false;
    clearTimeout(this.timer);
  }

  destroy() {
    this.hide();
    this.erase?.();
  }

  #refreshIn(delay_ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#refresh(), delay_ms);
  }

  async #refresh() {
    clearTimeout(this.timer);
    if (!this.shown) {
      return;
    }
    if (document.hidden) {
      this.#refreshIn(REFRESH_MS);
      return;
    }
    try {
      const usage = await api.get(this.attempt === null ? this.url : `${this.url}?attempt=${this.attempt}`);
      if (this.shown) {
        await this.#paint(usage);
      }
      if (usage.is_running) {
        this.#refreshIn(REFRESH_MS);
      }
    } catch (error) {
      this.note.textContent = `What it used could not be read: ${/** @type {Error} */ (error).message}`;
      this.note.hidden = false;
      this.#refreshIn(2 * REFRESH_MS);
    }
  }

  async #paint(usage) {
    this.#choices(usage);
    const facts = usageFacts(usage);
    this.facts.replaceChildren(...facts.map(([label, words]) => h("div", {}, h("dt", { text: label }), h("dd", { class: "num", text: words }))));
    this.note.hidden = !usage.empty;
    this.note.textContent = usage.empty;
    this.plot.hidden = !usage.figure;
    if (usage.figure) {
      this.plot.setAttribute("aria-label", `Use of ${this.name} over time. ${facts.map((fact) => fact.join(": ")).join(". ")}.`);
      this.erase = await drawFigure(this.plot, usage.figure);
      if (!this.plot.isConnected) {
        this.erase();
      }
    }
  }

  #choices({ attempts, attempt }) {
    this.head.hidden = attempts.length < 2;
    const shown = attempts.join();
    if (this.choice.dataset.shown !== shown) {
      this.choice.dataset.shown = shown;
      this.choice.replaceChildren(...attempts.map((number) => h("option", { value: number, text: `Attempt ${number}` })));
    }
    this.choice.value = String(attempt);
  }
}
