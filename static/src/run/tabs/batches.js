/** The batches of a parallel run: how far it is, live, and at its end the slowest and those that failed. */

import { api } from "../../lib/api.js";
import { duration } from "../../lib/format.js";
import { statusBadge } from "../../lib/status.js";
import { factsOf, partWords, sharesOf, stateWords } from "../batches.js";
import { h } from "../dom.js";
import { shownStep, STEP_TERMINAL } from "../store.js";

const AFTER_MS = 300; // what a step logs comes in bursts
const AGAIN_MS = 5000; // after a question without an answer
const COLUMNS = [["Batch", true], ["What"], ["Items", true], ["Tries", true], ["Took", true]];
const OF_PARTS = [["Part"], ["Node"], ["Status"], ["Over", true], ["Failed", true], ["Speed", true], ["Remaining", true]];

export class BatchesTab {
  /** @param {HTMLElement} root @param {any} context As the panel makes it. */
  constructor(root, context) {
    this.context = context;
    this.url = `${context.urls.step(context.name)}batches/`;
    this.shown = false;
    this.note = h("p", { class: "muted", role: "status", text: "Reading its batches…" });
    this.done = h("span", { class: "batches-done" });
    this.failed = h("span", { class: "batches-failed" });
    this.bar = h("div", { class: "batches-bar", role: "progressbar", "aria-label": "Batches that are over", "aria-valuemin": "0", "aria-valuemax": "100", hidden: true }, this.done, this.failed);
    this.facts = h("dl", { class: "batches-facts", hidden: true });
    this.rows = h("tbody");
    this.table = tableOf("Slowest and failed batches", COLUMNS, this.rows);
    this.parts = h("tbody");
    this.nodes = tableOf("By node", OF_PARTS, this.parts);
    root.append(h("section", { "aria-label": "Batches" }, this.note, this.bar, this.facts), this.nodes, this.table);
  }

  show() {
    if (this.shown) return;
    this.shown = true;
    this.#refreshIn(0);
  }

  /** The step moved. */
  draw() {
    this.hear();
  }

  /** It logged something. */
  hear() {
    if (this.shown && !this.timer) this.#refreshIn(AFTER_MS);
  }

  hide() {
    this.shown = false;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  destroy() {
    this.hide();
  }

  #refreshIn(delay_ms) {
    this.timer = setTimeout(() => this.#refresh(), delay_ms);
  }

  async #refresh() {
    this.timer = undefined;
    if (!this.shown) return;
    if (document.hidden) return this.#refreshIn(AGAIN_MS);
    const asked = (this.asked = {}); // the answer to an earlier question is of no use
    try {
      const found = await api.get(this.url);
      if (this.shown && asked === this.asked) this.#paint(found);
    } catch (error) {
      if (!this.shown || asked !== this.asked) return;
      this.note.textContent = `Its batches could not be read: ${/** @type {Error} */ (error).message}`;
      if (!this.timer) this.#refreshIn(AGAIN_MS);
    }
  }

  /** A part is a step of its own, which the row leads to. */
  #part(part) {
    const words = partWords(part);
    const step = this.context.store.step(part.step);
    return h(
      "tr",
      {},
      h("td", { "data-label": "Part" }, h("button", { class: "link-button", type: "button", text: part.step, on: { click: () => this.context.select(part.step, "batches") } })),
      h("td", { "data-label": "Node", text: words.node }),
      h("td", { "data-label": "Status" }, statusBadge(step ? shownStep(step) : part.status)),
      ...[["Over", words.over], ["Failed", words.failed], ["Speed", words.speed], ["Remaining", words.remaining]].map(([label, text]) => cell(label, text)),
    );
  }

  #paint(found) {
    const isOver = STEP_TERMINAL.has(this.context.store.step(this.context.name).status);
    const shares = sharesOf(found);
    this.note.textContent = stateWords(found, isOver);
    this.bar.hidden = this.facts.hidden = !found.total;
    this.bar.setAttribute("aria-valuenow", String(Math.round(shares.done + shares.failed)));
    this.done.style.width = `${shares.done}%`;
    this.failed.style.width = `${shares.failed}%`;
    this.facts.replaceChildren(...factsOf(found, isOver).map(([label, value]) => h("div", {}, h("dt", { text: label }), h("dd", { class: "num", text: value }))));
    this.nodes.hidden = !found.parts.length;
    this.parts.replaceChildren(...found.parts.map((part) => this.#part(part)));
    this.table.hidden = !found.batches.length;
    this.rows.replaceChildren(...found.batches.map(rowOf));
  }
}

function tableOf(title, columns, rows) {
  const heads = columns.map(([text, isNumber]) => h("th", { scope: "col", class: isNumber ? "end" : null, text }));
  return h("section", { class: "run-section", hidden: true }, h("h3", { text: title }), h("table", { class: "data-table stack batches-table" }, h("thead", {}, h("tr", {}, ...heads)), rows));
}

const cell = (label, text) => h("td", { "data-label": label, class: "end num", text });

function rowOf(batch) {
  const number = (value) => (value === null ? "–" : value.toLocaleString("en-US"));
  return h(
    "tr",
    { class: batch.why ? "batches-bad" : null },
    cell("Batch", number(batch.batch)),
    h("td", { "data-label": "What", class: "grow" }, h("div", {}, h("span", { class: "batches-what", text: batch.what }), batch.why && h("span", { class: "batches-why", text: batch.why }))),
    cell("Items", batch.items_failed ? `${number(batch.items)}, ${number(batch.items_failed)} without a result` : number(batch.items)),
    cell("Tries", number(batch.tries)),
    cell("Took", duration(batch.seconds)),
  );
}
