/** The head of the page that the server drew, kept up to date: status, progress, duration, what can be done. */

import { absoluteTime, duration, relativeTime } from "../lib/format.js";
import { statusBadge } from "../lib/status.js";
import { setText } from "./dom.js";
import { progress, runSeconds, shownStatus, stepsWords } from "./store.js";
import { canContinue, canPause, canResume, continueWords, pausedWords, stepToEdit } from "./ways_on.js";

const SEGMENTS = ["completed", "failed", "cancelled", "skipped", "not_taken", "running", "preparing"];

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
    const shown = shownStatus(state);
    if (this.parts.status?.dataset.status !== shown) {
      this.parts.status.dataset.status = shown;
      this.parts.status.replaceChildren(statusBadge(shown));
    }
    this.#progress(state);
    this.#actions(state);
    this.parts.paused.hidden = shown !== "paused";
    if (shown === "paused") setText(this.parts["paused-words"], pausedWords(state));
    this.tick();
  }

  tick() {
    const { paused_at: pausedAt } = this.store.state;
    if (pausedAt) {
      setText(this.parts["paused-since"], relativeTime(pausedAt, this.clock.now()));
      this.parts["paused-since"].title = absoluteTime(pausedAt);
    }
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
    const { cancel, pause, resume, again, edit, trash, continue: goOn } = this.parts;
    const over = this.store.isTerminal;
    const on = document.activeElement;
    if (cancel) {
      cancel.hidden = over;
      cancel.disabled = Boolean(state.cancel_requested_at);
      setText(cancel.querySelector("span"), state.cancel_requested_at ? "Cancelling…" : "Cancel run");
    }
    if (pause) {
      pause.hidden = !canPause(this.store);
      resume.hidden = !canResume(this.store);
      // Who pressed one of them stands on the other: a button that hides lets go of the keyboard.
      if (on === pause && pause.hidden && !resume.hidden) resume.focus();
      if (on === resume && resume.hidden && !pause.hidden) pause.focus();
    }
    if (trash) trash.hidden = !over;
    if (again) {
      again.hidden = !over;
      again.classList.toggle("btn-primary", !canContinue(this.store));
    }
    if (goOn) {
      goOn.hidden = !canContinue(this.store);
      setText(goOn.querySelector("span"), continueWords(this.store));
      edit.hidden = !stepToEdit(this.store);
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
