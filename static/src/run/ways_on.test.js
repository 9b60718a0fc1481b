import assert from "node:assert/strict";
import { test } from "node:test";

import { RunStore, shownStatus, shownStep } from "./store.js";
import { canBeEdited, canContinue, canPause, canResume, continueWords, pausedWords, stepToEdit } from "./ways_on.js";

const store = (status, statuses, cancelRequestedAt = null) =>
  new RunStore({
    status,
    last_event: 4,
    cancel_requested_at: cancelRequestedAt,
    finished_at: null,
    steps: statuses.map((each, at) => ({ name: `s${at}`, status: each, finished_at: null })),
  });

test("a failed run goes on, from the step that failed", () => {
  const failed = store("failed", ["completed", "failed", "skipped"]);
  assert.equal(canContinue(failed), true);
  assert.equal(stepToEdit(failed)?.name, "s1");
  assert.equal(continueWords(failed), "Continue from the failed step");
  assert.deepEqual(["s0", "s1", "s2"].map((name) => canBeEdited(failed, name, { run: true })), [false, true, true]);
  assert.equal(canBeEdited(failed, "s1", { run: false }), false);
});

test("a cancelled run goes on once it is over, and a completed one has nothing to go on with", () => {
  assert.equal(canContinue(store("running", ["failed", "running"], "2026-01-01")), false);
  assert.equal(canContinue(store("cancelled", ["cancelled"], "2026-01-01")), true);
  assert.equal(continueWords(store("cancelled", ["cancelled"])), "Continue");
  assert.equal(canContinue(store("completed", ["completed"])), false);
  assert.equal(canContinue(store("running", ["failed", "running"])), true);
});

test("the events of a continued run bring the store where the server is", () => {
  const run = store("cancelled", ["cancelled"], "2026-01-01");
  run.state.finished_at = "2026-01-02";
  run.apply([
    { seq: 5, kind: "continued", by: "ada", steps: 1, at: "2026-01-03" },
    { seq: 6, kind: "run", status: "queued", reason: "", started_at: null, finished_at: null },
    { seq: 7, kind: "step", step: "s0", status: "waiting", finished_at: null },
  ]);
  assert.deepEqual([run.state.status, run.state.finished_at, run.state.cancel_requested_at], ["queued", null, null]);
  assert.equal(run.isTerminal, false);
  assert.equal(canContinue(run), false);
});

test("a run that somebody pauses can be resumed, until it is over or somebody wants its end", () => {
  const run = store("running", ["running", "waiting"]);
  assert.deepEqual([canPause(run), canResume(run), shownStatus(run.state)], [true, false, "running"]);
  run.apply([{ seq: 5, kind: "paused", by: "ada", at: "2026-01-03" }]);
  assert.deepEqual([canPause(run), canResume(run), shownStatus(run.state)], [false, true, "paused"]);
  assert.equal(pausedWords(run.state), "Paused by ada: 1 step still runs to its end, and nothing further starts.");
  run.apply([{ seq: 6, kind: "resumed", by: "bob", at: "2026-01-04" }]);
  assert.deepEqual([canPause(run), canResume(run), pausedWords(run.state)], [true, false, ""]);
  run.apply([{ seq: 7, kind: "paused", by: "ada", at: "2026-01-05" }, { seq: 8, kind: "run", status: "failed", reason: "" }]);
  assert.deepEqual([canPause(run), canResume(run), shownStatus(run.state)], [false, false, "failed"]);
});

test("an approval that waits asks: it has a word of its own, and nothing runs", () => {
  const run = store("running", ["running", "waiting"]);
  Object.assign(run.step("s0"), { asks: true, has_job: false });
  run.apply([{ seq: 5, kind: "paused", by: "ada", at: "2026-01-03" }]);
  assert.deepEqual([shownStep(run.step("s0")), shownStep(run.step("s1"))], ["asking", "waiting"]);
  assert.equal(pausedWords(run.state), "Paused by ada: nothing further starts.");
  run.apply([{ seq: 6, kind: "step", step: "s0", status: "completed" }]);
  assert.equal(shownStep(run.step("s0")), "completed");
});
