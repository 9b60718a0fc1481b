/** The table of steps that the server drew, kept up to date. */

import { duration } from "../lib/format.js";
import { statusBadge } from "../lib/status.js";
import { setText } from "./dom.js";
import { exitWords, shownStep, stepSeconds, STEP_TERMINAL } from "./store.js";

export class StepsTable {
  /**
   * @param {HTMLTableElement} table
   * @param {import("./store.js").RunStore} store
   * @param {{clock: import("./clock.js").Clock, onOpen: (step: string) => void}} options
   */
  constructor(table, store, { clock, onOpen }) {
    this.store = store;
    this.clock = clock;
    /** @type {Map<string, any>} */
    this.rows = new Map([...table.querySelectorAll("tr[data-step]")].map((row) => [/** @type {any} */ (row).dataset.step, row]));
    table.addEventListener("click", (event) => {
      const row = /** @type {any} */ (event.target).closest("tr[data-step]");
      if (row && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        onOpen(row.dataset.step);
      }
    });
    store.subscribe(({ steps }) => {
      for (const name of steps) {
        this.#draw(name);
      }
    });
  }

  select(name) {
    for (const [step, row] of this.rows) {
      row.classList.toggle("is-selected", step === name);
    }
    this.rows.get(name)?.scrollIntoView({ block: "nearest" });
  }

  tick() {
    for (const name of this.rows.keys()) {
      if (!STEP_TERMINAL.has(this.store.step(name)?.status)) {
        this.#times(name);
      }
    }
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
