/** The table of steps that the server began, kept up to date; more rows come where somebody asks for them. */

import { plural, duration } from "../lib/format.js";
import { statusBadge } from "../lib/status.js";
import { setText } from "./dom.js";
import { foundNames } from "./found.js";
import { exitWords, shownStep, stepSeconds, STEP_TERMINAL } from "./store.js";

const MORE = 200; // rows

export class StepsTable {
  /**
   * @param {HTMLElement} pane With the table, and below it what says how much of it is shown.
   * @param {import("./store.js").RunStore} store
   * @param {{clock: import("./clock.js").Clock, onOpen: (step: string) => void}} options
   */
  constructor(pane, store, { clock, onOpen }) {
    this.store = store;
    this.clock = clock;
    this.body = /** @type {HTMLElement} */ (pane.querySelector("tbody"));
    this.rest = /** @type {HTMLElement} */ (pane.querySelector("[data-rest]"));
    /** @type {Map<string, any>} */
    this.rows = new Map([...this.body.querySelectorAll("tr[data-step]")].map((row) => [/** @type {any} */ (row).dataset.step, row]));
    this.pattern = this.rows.values().next().value?.cloneNode(true);
    this.limit = MORE;
    this.text = "";
    this.selected = null;
    this.body.addEventListener("click", (event) => {
      const row = /** @type {any} */ (event.target).closest("tr[data-step]");
      if (row && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        onOpen(row.dataset.step);
      }
    });
    this.rest.querySelector("button")?.addEventListener("click", () => {
      this.limit += MORE;
      this.#show();
    });
    store.subscribe(({ steps }) => {
      for (const name of steps) {
        this.#draw(name);
      }
    });
  }

  /** Show the steps with `text` in their names; all of them where it is empty. */
  find(text) {
    [this.text, this.limit] = [text, MORE];
    this.#show();
  }

  select(name) {
    this.rows.get(this.selected)?.classList.remove("is-selected");
    this.selected = name;
    const row = this.rows.get(name);
    row?.classList.add("is-selected");
    row?.scrollIntoView({ block: "nearest" });
  }

  tick() {
    for (const name of this.rows.keys()) {
      if (!STEP_TERMINAL.has(this.store.step(name)?.status)) {
        this.#times(name);
      }
    }
  }

  #show() {
    const all = this.store.state.steps.map((step) => step.name);
    const found = this.text.trim() ? foundNames(all, this.text) : all;
    const shown = found.slice(0, this.limit);
    this.body.replaceChildren(...shown.map((name) => this.#row(name)));
    this.rest.hidden = found.length === shown.length;
    setText(this.rest.querySelector("span"), `The first ${shown.length} of ${plural(found.length, "step")}.`);
  }

  #row(name) {
    if (!this.rows.has(name)) {
      const row = this.pattern.cloneNode(true);
      row.dataset.step = name;
      row.dataset.status = "";
      row.classList.toggle("is-selected", name === this.selected);
      const link = row.querySelector("a");
      link.textContent = name;
      link.href = `?step=${encodeURIComponent(name)}`;
      this.rows.set(name, row);
      this.#draw(name);
    }
    return this.rows.get(name);
  }

  #draw(name) {
    const row = this.rows.get(name);
    const step = this.store.step(name);
    if (!row || !step) {
      return;
    }
    const shown = shownStep(step);
    if (row.dataset.status !== shown) {
      row.dataset.status = shown;
      row.querySelector("[data-cell=status]").replaceChildren(statusBadge(shown));
    }
    setText(row.querySelector("[data-cell=note]"), noteOf(step));
    this.#times(name);
  }

  #times(name) {
    const row = this.rows.get(name);
    const { waited, worked } = stepSeconds(this.store.step(name), this.clock.now());
    setText(row.querySelector("[data-cell=waited]"), duration(waited));
    setText(row.querySelector("[data-cell=worked]"), duration(worked));
  }
}

/** One line on a step: why it failed, why it was reused, which attempt this is. */
export function noteOf(step) {
  if (step.status === "failed") {
    return step.reason || exitWords(step.exit_code);
  }
  if (step.reused_from) {
    return step.reuse_note || `Reused from run ${step.reused_from}`;
  }
  if (step.reason) {
    return step.reason;
  }
  if (step.status === "waiting" && step.reuse_note) {
    return step.reuse_note; // an equal step is at work
  }
  return step.attempt > 1 ? `Attempt ${step.attempt}` : "";
}
