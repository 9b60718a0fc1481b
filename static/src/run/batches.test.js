import assert from "node:assert/strict";
import { test } from "node:test";

import { factsOf, partWords, rateWords, sharesOf, stateWords } from "./batches.js";

const NONE = { total: null, done: null, failed: null, retried: null, items_failed: null, seconds: null, per_second: null, remaining_s: null, items: "files" };
const SOME = { ...NONE, total: 2000, done: 1499, failed: 1, retried: 3, items_failed: 1, seconds: 100, per_second: 15, remaining_s: 33.3 };

test("a rate is told in the unit that says something", () => {
  assert.deepEqual([0, null, 1234.5, 15, 0.8, 0.1, 0.005].map(rateWords), ["–", "–", "1,235 per second", "15 per second", "0.8 per second", "6 per minute", "18 per hour"]);
});

test("what remains while it goes on, and what it took in the end", () => {
  const facts = (isOver) => Object.fromEntries(factsOf(SOME, isOver));
  assert.equal(facts(false).Remaining, "about 33 s");
  assert.equal(facts(true).Took, "1 min 40 s");
  assert.equal(facts(true)["Without a result"], "1 file");
  assert.equal(facts(true).Total, "2,000");
  assert.equal(Object.fromEntries(factsOf(NONE, false)).Remaining, "–");
});

test("the bar never says more than all", () => {
  assert.deepEqual(sharesOf(SOME), { done: 74.95, failed: 0.05 });
  assert.deepEqual(sharesOf({ ...SOME, done: 5000, failed: 5 }), { done: 100, failed: 0 });
  assert.deepEqual(sharesOf(NONE), { done: 0, failed: 0 });
});

test("a sentence says how far it is", () => {
  assert.equal(stateWords(SOME, false), "1,500 of 2,000 batches are over, 1 without success.");
  assert.match(stateWords(NONE, false), /not known yet/);
  assert.match(stateWords(NONE, true), /ended before/);
  assert.match(stateWords({ ...NONE, total: 0 }, true), /no batches/);
});

test("a part is told in a row, before it begins and while it works", () => {
  assert.deepEqual(partWords({ ...NONE, status: "queued", node: "" }), { node: "–", over: "–", failed: "–", speed: "–", remaining: "–" });
  assert.deepEqual(partWords({ ...SOME, status: "running", node: "one" }), { node: "one", over: "1,500 of 2,000", failed: "1", speed: "15 per second", remaining: "about 33 s" });
  assert.equal(partWords({ ...SOME, status: "completed", node: "one" }).remaining, "–");
});
