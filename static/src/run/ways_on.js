/** Which ways on from here a run has, as its page offers them. `pipelines/run_page.py` agrees. */

import { failure, STEP_ACTIVE } from "./store.js";

export const STEP_UNDONE = new Set(["failed", "skipped", "cancelled"]);

const isCancelling = (store) => Boolean(store.state.cancel_requested_at) && !store.isTerminal;

/** Whether there is something to try again: a step failed, or the run is over and not all of it was done. */
export function canContinue(store) {
  if (isCancelling(store)) return false;
  const { steps } = store.state;
  return store.isTerminal ? steps.some((step) => STEP_UNDONE.has(step.status)) : steps.some((step) => step.status === "failed");
}

/** The step whose code a reader wants to mend: the one that failed first. */
export function stepToEdit(store) {
  return canContinue(store) ? (failure(store.state)?.step ?? null) : null;
}

export function canBeEdited(store, name, may) {
  return may.run && !isCancelling(store) && STEP_UNDONE.has(store.step(name)?.status);
}

const goesOn = (store) => !store.isTerminal && !store.state.cancel_requested_at;

export const canPause = (store) => goesOn(store) && !store.state.paused_at;

export const canResume = (store) => goesOn(store) && Boolean(store.state.paused_at);

/** Who paused the run, and what that means now. */
export function pausedWords(state) {
  if (!state.paused_at) return "";
  const running = state.steps.filter((step) => STEP_ACTIVE.has(step.status) && !step.asks).length;
  const some = `${running} ${running === 1 ? "step still runs to its" : "steps still run to their"} end, and nothing`;
  return `Paused by ${state.paused_by ?? "somebody who is gone"}: ${running ? some : "nothing"} further starts.`;
}

/** What the button that continues says. */
export function continueWords(store) {
  return store.state.steps.some((step) => step.status === "failed") ? "Continue from the failed step" : "Continue";
}
