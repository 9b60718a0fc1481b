/** The head of the page that the server drew, kept up to date: status, progress, duration, what can be done. */

import { duration } from "../lib/format.js";
import { statusBadge } from "../lib/status.js";
import { setText } from "./dom.js";
import { progress, runSeconds, stepsWords } from "./store.js";

const SEGMENTS = ["completed", "failed", "cancelled", "skipped", "running", "preparing"];

export class RunHeader {
  /**
   * @param {import("./store.js").RunStore} store
   * @param {import("./clock.js").Clock} clock
   */
  constructor(store, clock) {
    this.store = store;
    this.clock = clock;
    /** @type {Record<string, any>} */
    this.parts = Object.fromEntries(
      [...document.querySelectorAll("[data-run]")].map((element) => [/** @type {HTMLElement} */ (element).dataset.run, element]),
    );
    this.title = document.title.replace(/^\S+ · /, "");
    store.subscribe(() => this.draw());
    this.draw();
  }

  draw() {
    const { state } = this.store;
    const shown = state.cancel_requested_at && !this.store.isTerminal ? "cancelling" : state.status;
    if (this.parts.status?.dataset.status !== shown) {
      this.parts.status.dataset.status = shown;
      this.parts.status.replaceChildren(statusBadge(shown));
    }
    this.#progress(state);
    this.#actions(state);
    this.tick();
  }

  tick() {
    const seconds = runSeconds(this.store.state, this.clock.now());
    setText(this.parts.duration, seconds === null ? "not started" : duration(this.store.isTerminal ? seconds : Math.floor(seconds)));
  }

  #progress(state) {
    const { done, counts, fraction } = progress(state);
    setText(this.parts.steps, stepsWords(state));
    const bar = this.parts.bar;
    bar.setAttribute("aria-valuenow", String(done));
    bar.setAttribute("aria-valuetext", this.parts.steps.textContent);
    for (const status of SEGMENTS) {
      const segment = bar.querySelector(`[data-segment=${status}]`);
      segment.style.flexGrow = String(counts[status] ?? 0);
    }
    bar.querySelector("[data-segment=rest]").style.flexGrow = String((counts.waiting ?? 0) + (counts.queued ?? 0));
    const word = { completed: "✓ ", failed: "✗ ", cancelled: "⊘ " }[state.status] ?? `${Math.round(fraction * 100)}% · `;
    document.title = `${word}${this.title}`;
  }

  #actions(state) {
    const { cancel, again } = this.parts;
    const over = this.store.isTerminal;
    if (cancel) {
      cancel.hidden = over;
      cancel.disabled = Boolean(state.cancel_requested_at);
      setText(cancel.querySelector("span"), state.cancel_requested_at ? "Cancelling…" : "Cancel run");
    }
    if (again) {
      again.hidden = !over;
    }
  }
}

/** Whether what is shown is live. */
export function drawConnection(element, { state, code, isOver }) {
  const signedOut = code === 4401;
  const [words, title] = {
    connecting: ["Connecting…", "What you see is from when the page was opened."],
    open: ["Live", "Changes appear here at once."],
    reconnecting: ["Reconnecting…", "The studio does not answer. What you see may be out of date; it catches up by itself."],
    closed: signedOut
      ? ["Signed out", "Sign in again to see what happens now."]
      : ["Not live", "This run is no longer open to you. Reload the page."],
  }[state];
  element.hidden = isOver && state !== "closed" && state !== "reconnecting"; // nothing more will happen
  element.dataset.state = state;
  element.title = title;
  setText(element, words);
  document.body.classList.toggle("run-stale", state === "reconnecting" || state === "closed");
}
