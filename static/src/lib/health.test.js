import assert from "node:assert/strict";
import { test } from "node:test";

import { whatIsWrong } from "./health.js";

const WELL = { status: "ok", database: "ok", redis: "ok", control_worker: "ok" };

test("nothing is said while all is well, or while nobody knows", () => {
  assert.equal(whatIsWrong(WELL), "");
  assert.equal(whatIsWrong(null), "");
});

test("each part that is silent has its sentence, which says what that means", () => {
  assert.match(whatIsWrong({ ...WELL, database: "does not answer" }), /^The database does not answer: nothing/);
  assert.match(whatIsWrong({ ...WELL, broker: "does not answer" }), /broker does not answer: steps start/);
  assert.match(whatIsWrong({ ...WELL, control_worker: "silent for more than 15 s" }), /control worker is silent/);
});

test("what explains the rest is said, and nothing else", () => {
  const words = whatIsWrong({ status: "unhealthy", database: "ok", redis: "does not answer", control_worker: "unknown without redis" });
  assert.match(words, /^Redis does not answer/);
  assert.doesNotMatch(words, /control worker/);
});
