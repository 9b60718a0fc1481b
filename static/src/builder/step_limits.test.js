import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_LIMITS, ONE_ATTEMPT } from "./document.js";
import { limitWords, waitWords } from "./step_limits.js";

const step = ({ retry = {}, limits = {}, ...more } = {}) => ({
  timeout_s: null,
  retry: { ...ONE_ATTEMPT, ...retry },
  limits: { ...NO_LIMITS, ...limits },
  ...more,
});

test("a step that says nothing of attempts and limits has no words", () => {
  assert.equal(limitWords(step()), "");
  assert.equal(limitWords(undefined), "");
});

test("what a step says of attempts and limits, in a line", () => {
  assert.equal(
    limitWords(step({ retry: { max_attempts: 3 }, limits: { memory_bytes: 2e9, cpus: 1 }, timeout_s: 90 })),
    "3 attempts, 1 min 30 s, 2.0 GB memory, 1 CPU",
  );
});

test("the waits between attempts grow up to the longest", () => {
  assert.equal(waitWords(step().retry), "The next attempt begins at once.");
  const retry = { ...ONE_ATTEMPT, max_attempts: 9, backoff_s: 20, backoff_factor: 3, max_backoff_s: 100 };
  assert.equal(waitWords(retry), "Waits: 20 s, 1 min, 1 min 40 s, 1 min 40 s, ….");
});

test("settings that parameters feed are told by their names", () => {
  const fed = "${{parameters.p}}";
  const words = limitWords(step({ retry: { max_attempts: fed }, limits: { cpus: fed }, timeout_s: fed }));
  assert.equal(words, "attempts by p, time by p, CPUs by p");
  assert.equal(waitWords({ ...ONE_ATTEMPT, max_attempts: 3, backoff_s: fed }), "");
});
