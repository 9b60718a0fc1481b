/**
 * The state of one run as this page knows it: what the server sent first, and the events since.
 *
 * Events are applied in the order of their numbers, each once. A number that is missing in between is a gap: nothing
 * after it is applied, and the caller asks again from `lastEvent`.
 */

import { plural, secondsBetween } from "../lib/format.js";

export const RUN_TERMINAL = new Set(["completed", "failed", "cancelled"]);
export const STEP_TERMINAL = new Set(["completed", "failed", "skipped", "cancelled", "not_taken"]);
export const STEP_ACTIVE = new Set(["preparing", "running"]);

const STEP_FIELDS = [
  "status",
  "attempt",
  "queued_at",
  "started_at",
  "finished_at",
  "exit_code",
  "reason",
  "job_id",
  "reused_from",
  "reuse_note",
];

export class RunStore {
  #listeners = new Set();
  #byName;

  constructor(state) {
    this.#take(state);
  }

  get lastEvent() {
    return this.state.last_event;
  }

  get isTerminal() {
    return RUN_TERMINAL.has(this.state.status);
  }

  step(name) {
    return this.#byName.get(name) ?? null;
  }

  /** Whether nothing of a step is to come: of one that works on several nodes, of none of its parts either. */
  isOver(name) {
    return STEP_TERMINAL.has(this.step(name).status) && this.state.steps.every((each) => each.part_of !== name || STEP_TERMINAL.has(each.status));
  }

  /** Call `listener({run, steps})` after each change: whether the run itself changed, and the names of changed steps. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Apply what is new of `events`. `gap` says that a number is missing: ask again from `lastEvent`. */
  apply(events) {
    const changed = { run: false, steps: new Set() };
    let applied = 0;
    let gap = false;
    for (const event of [...events].sort((a, b) => a.seq - b.seq)) {
      if (event.seq <= this.lastEvent) {
        continue;
      }
      if (event.seq > this.lastEvent + 1) {
        gap = true;
        break;
      }
      this.#applyOne(event, changed);
      this.state.last_event = event.seq;
      applied += 1;
    }
    if (applied > 0) {
      this.#tell(changed);
    }
    return { applied, gap };
  }

  /** Take a whole state from the server, unless this one is newer already. */
  replace(state) {
    if (state.last_event < this.lastEvent) {
      return false;
    }
    this.#take(state);
    this.#tell({ run: true, steps: new Set(this.#byName.keys()) });
    return true;
  }

  #take(state) {
    this.state = { ...state, steps: state.steps.map((step) => ({ ...step })) };
    this.#byName = new Map(this.state.steps.map((step) => [step.name, step]));
  }

  #applyOne(event, changed) {
    const state = this.state;
    if (event.kind === "run") {
      state.status = event.status;
      state.reason = event.reason ?? "";
      state.started_at = event.started_at ?? state.started_at;
      state.finished_at = RUN_TERMINAL.has(event.status) ? (event.finished_at ?? state.finished_at) : null;
      if (this.isTerminal) state.paused_at = null;
      changed.run = true;
    } else if (event.kind === "step") {
      const step = this.#byName.get(event.step);
      if (step) {
        for (const field of STEP_FIELDS) {
          if (event[field] !== undefined) {
            step[field] = event[field];
          }
        }
        changed.steps.add(step.name);
      }
    } else if (event.kind === "step_edited") {
      state.edited = [...new Set([...(state.edited ?? []), event.step])].sort();
    } else if (event.kind === "reuse_changed") {
      for (const step of event.step ? [this.#byName.get(event.step)] : state.steps) {
        if (step) changed.steps.add(step.name); // its details say what is new
      }
    } else if (event.kind === "cancel_requested") {
      state.cancel_requested_at ??= event.at;
      changed.run = true;
    } else if (event.kind === "paused" || event.kind === "resumed") {
      state.paused_at = event.kind === "paused" ? event.at : null;
      state.paused_by = event.kind === "paused" ? event.by : null;
      changed.run = true;
    } else if (event.kind === "continued") {
      state.cancel_requested_at = null;
      changed.run = true;
    }
  }

  #tell(changed) {
    for (const listener of this.#listeners) {
      listener(changed);
    }
  }
}

/** The run's status, but "cancelling" between the request and the end, and "paused" until somebody resumes it. */
export function shownStatus(state) {
  if (RUN_TERMINAL.has(state.status)) return state.status;
  return state.cancel_requested_at ? "cancelling" : state.paused_at ? "paused" : state.status;
}

/** The step's status, but "reused", and "asking" while it waits for somebody's answer. */
export function shownStep(step) {
  if (step.reused_from) return "reused";
  return step.asks && step.status === "running" ? "asking" : step.status;
}

/** How far the run is: `{total, done, reused, fraction, counts: {status: n}}`. */
export function progress(state) {
  const counts = {};
  let done = 0;
  let reused = 0;
  for (const step of state.steps) {
    counts[step.status] = (counts[step.status] ?? 0) + 1;
    done += STEP_TERMINAL.has(step.status) ? 1 : 0;
    reused += step.reused_from ? 1 : 0;
  }
  const total = state.steps.length;
  return { total, done, reused, counts, fraction: total ? done / total : 0 };
}

/** How far the run is, in words: `2 of 4 steps completed, 1 failed, 1 skipped`. */
export function stepsWords(state) {
  const { total, reused, counts } = progress(state);
  const more = { reused, failed: counts.failed, skipped: counts.skipped, cancelled: counts.cancelled, "not taken": counts.not_taken };
  return [
    `${counts.completed ?? 0} of ${plural(total, "step")} completed`,
    ...Object.entries(more)
      .filter(([, count]) => count)
      .map(([word, count]) => `${count} ${word}`),
  ].join(", ");
}

/** Seconds that the run has taken, or null before it started. */
export function runSeconds(state, now) {
  return secondsBetween(state.started_at, state.finished_at, now);
}

/** Seconds that a step waited for a slot and was worked on; null for what has not begun. */
export function stepSeconds(step, now) {
  if (step.reused_from) {
    return { waited: null, worked: null };
  }
  return {
    waited: secondsBetween(step.queued_at, step.started_at ?? step.finished_at, now),
    worked: secondsBetween(step.started_at, step.finished_at, now),
  };
}

/** What went wrong, the step that finished first leading: null for a run with no failed step and no failure. */
export function failure(state) {
  const failed = state.steps
    .filter((step) => step.status === "failed")
    .sort((a, b) => (Date.parse(a.finished_at) || 0) - (Date.parse(b.finished_at) || 0));
  if (failed.length === 0) {
    return state.status === "failed" ? { step: null, others: [], reason: state.reason } : null;
  }
  const [step, ...others] = failed;
  return { step, others, reason: step.reason || state.reason };
}

/** The step that a reader wants first: the one that failed, else one that runs, else the first. */
export function stepOfInterest(state) {
  return (
    failure(state)?.step ?? state.steps.find((step) => STEP_ACTIVE.has(step.status)) ?? state.steps.at(0) ?? null
  );
}

const SIGNALS = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  15: "SIGTERM",
  24: "SIGXCPU",
  25: "SIGXFSZ",
};

/** An exit code in words: a negative one is the signal that ended the process, as are 128 + n of a shell. */
export function exitWords(code) {
  if (code === null || code === undefined) {
    return "";
  }
  const signal = code < 0 ? -code : code > 128 && code < 160 ? code - 128 : 0;
  const name = SIGNALS[signal] ?? `signal ${signal}`;
  if (code < 0) {
    return `ended by ${name}`;
  }
  return signal ? `exit code ${code} (${name})` : `exit code ${code}`;
}
