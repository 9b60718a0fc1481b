import assert from "node:assert/strict";
import { test } from "node:test";

import { RunStore, exitWords, failure, progress, runSeconds, stepOfInterest, stepSeconds, stepsWords } from "./store.js";

const AT = "2026-11-22T10:00:00Z";
const LATER = "2026-11-22T10:00:09Z";

function state(overrides = {}) {
  return {
    status: "queued",
    reason: "",
    started_at: null,
    finished_at: null,
    cancel_requested_at: null,
    last_event: 1,
    steps: ["prepare", "train"].map((name, position) => ({
      name,
      position,
      status: "waiting",
      queued_at: null,
      started_at: null,
      finished_at: null,
      exit_code: null,
      reason: "",
      reused_from: null,
      log_tail: [],
    })),
    ...overrides,
  };
}

const stepEvent = (seq, step, status, more = {}) => ({ seq, at: AT, kind: "step", step, status, ...more });
const runEvent = (seq, status, more = {}) => ({ seq, at: AT, kind: "run", status, reason: "", ...more });

test("a step is over once its parts are, also where it was skipped for one of them", () => {
  const start = state();
  start.steps.push({ ...start.steps[1], name: "train.1of2", position: 2, part_of: "train" });
  const store = new RunStore(start);
  store.apply([stepEvent(2, "train.1of2", "running"), stepEvent(3, "train", "skipped"), stepEvent(4, "prepare", "completed")]);
  assert.deepEqual([store.isOver("prepare"), store.isOver("train"), store.isOver("train.1of2")], [true, false, false]);
  store.apply([stepEvent(5, "train.1of2", "failed")]);
  assert.equal(store.isOver("train"), true);
});

test("events are applied in order, whatever order they come in", () => {
  const store = new RunStore(state());
  const seen = [];
  store.subscribe((changed) => seen.push([...changed.steps]));
  const outcome = store.apply([stepEvent(3, "prepare", "running", { started_at: AT }), stepEvent(2, "prepare", "queued")]);
  assert.deepEqual(outcome, { applied: 2, gap: false });
  assert.equal(store.step("prepare").status, "running");
  assert.equal(store.step("prepare").started_at, AT);
  assert.equal(store.lastEvent, 3);
  assert.deepEqual(seen, [["prepare"]]);
});

test("an event that comes twice changes nothing and tells nobody", () => {
  const store = new RunStore(state());
  store.apply([stepEvent(2, "prepare", "running")]);
  let told = 0;
  store.subscribe(() => (told += 1));
  assert.deepEqual(store.apply([stepEvent(2, "prepare", "failed")]), { applied: 0, gap: false });
  assert.equal(store.step("prepare").status, "running");
  assert.equal(told, 0);
});

test("a gap stops the application until the missing event is there", () => {
  const store = new RunStore(state());
  assert.deepEqual(store.apply([stepEvent(2, "prepare", "queued"), stepEvent(4, "prepare", "completed")]), {
    applied: 1,
    gap: true,
  });
  assert.equal(store.step("prepare").status, "queued");
  store.apply([stepEvent(3, "prepare", "running"), stepEvent(4, "prepare", "completed")]);
  assert.equal(store.step("prepare").status, "completed");
});

test("a field that an event does not carry stays, and null clears it", () => {
  const store = new RunStore(state());
  store.apply([stepEvent(2, "prepare", "running", { started_at: AT, reason: "x" })]);
  store.apply([stepEvent(3, "prepare", "queued", { started_at: null })]);
  assert.equal(store.step("prepare").started_at, null);
  assert.equal(store.step("prepare").reason, "x");
});

test("the run's own times come with its events", () => {
  const store = new RunStore(state());
  store.apply([
    runEvent(2, "running", { started_at: AT }),
    runEvent(3, "failed", { reason: "train failed", finished_at: LATER }),
  ]);
  assert.equal(runSeconds(store.state, 0), 9);
  assert.equal(store.isTerminal, true);
  assert.equal(store.state.reason, "train failed");
});

test("a request to cancel is noted beside the status", () => {
  const store = new RunStore(state({ status: "running" }));
  store.apply([{ seq: 2, at: AT, kind: "cancel_requested", by: "ada" }]);
  assert.equal(store.state.status, "running");
  assert.equal(store.state.cancel_requested_at, AT);
});

test("a step that was edited is noted once", () => {
  const store = new RunStore(state());
  store.apply([{ seq: 2, at: AT, kind: "step_edited", step: "train", number: 1 }, { seq: 3, at: AT, kind: "step_edited", step: "train", number: 2 }]);
  assert.deepEqual(store.state.edited, ["train"]);
});

test("an unknown step or kind is passed over, not an error", () => {
  const store = new RunStore(state());
  assert.equal(store.apply([stepEvent(2, "ghost", "running"), { seq: 3, at: AT, kind: "later" }]).applied, 2);
});

test("a whole state replaces an older one only", () => {
  const store = new RunStore(state({ last_event: 5 }));
  assert.equal(store.replace(state({ last_event: 4, status: "failed" })), false);
  assert.equal(store.replace(state({ last_event: 5, status: "failed" })), true);
  assert.equal(store.state.status, "failed");
});

test("progress counts what is done, skipped and reused included", () => {
  const run = state();
  Object.assign(run.steps[0], { status: "completed", reused_from: 7 });
  const { total, done, reused, fraction, counts } = progress(run);
  assert.deepEqual([total, done, reused, fraction], [2, 1, 1, 0.5]);
  assert.deepEqual(counts, { completed: 1, waiting: 1 });
  assert.equal(progress({ steps: [] }).fraction, 0);
  assert.equal(stepsWords(run), "1 of 2 steps completed, 1 reused");
  run.steps[1].status = "failed";
  assert.equal(stepsWords(run), "1 of 2 steps completed, 1 reused, 1 failed");
});

test("durations tick while the step is on and never run backwards", () => {
  const now = Date.parse(LATER);
  const step = { queued_at: AT, started_at: AT, finished_at: null, reused_from: null };
  assert.deepEqual(stepSeconds(step, now), { waited: 0, worked: 9 });
  assert.deepEqual(stepSeconds(step, Date.parse(AT) - 5000), { waited: 0, worked: 0 });
  assert.deepEqual(stepSeconds({ ...step, reused_from: 3 }, now), { waited: null, worked: null });
  assert.deepEqual(stepSeconds({ queued_at: null, started_at: null, finished_at: null }, now), {
    waited: null,
    worked: null,
  });
});

test("the step that failed first leads", () => {
  const run = state({ status: "failed" });
  Object.assign(run.steps[0], { status: "failed", finished_at: LATER, reason: "second" });
  Object.assign(run.steps[1], { status: "failed", finished_at: AT, reason: "first" });
  assert.equal(failure(run).step.name, "train");
  assert.equal(failure(run).reason, "first");
  assert.deepEqual(
    failure(run).others.map((step) => step.name),
    ["prepare"],
  );
  assert.equal(stepOfInterest(run).name, "train");
  assert.equal(failure(state()), null);
  assert.equal(failure(state({ status: "failed", reason: "no steps" })).reason, "no steps");
});

test("exit codes in words", () => {
  assert.equal(exitWords(3), "exit code 3");
  assert.equal(exitWords(-9), "ended by SIGKILL");
  assert.equal(exitWords(137), "exit code 137 (SIGKILL)");
  assert.equal(exitWords(255), "exit code 255");
  assert.equal(exitWords(null), "");
});
