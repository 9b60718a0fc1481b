import assert from "node:assert/strict";
import { test } from "node:test";

import { compareWords, tickedAfter } from "./ticked_runs.js";

test("a third run takes the place of the first", () => {
  let ticked = [];
  for (const number of ["9", "12", "7"]) ticked = tickedAfter(ticked, number, true);
  assert.deepEqual(ticked, ["12", "7"]);
  assert.deepEqual(tickedAfter(ticked, "12", false), ["7"]);
  assert.deepEqual(tickedAfter(ticked, "7", true), ["12", "7"]);
});

test("the button names the earlier run first", () => {
  assert.equal(compareWords([]), "Compare");
  assert.equal(compareWords(["12"]), "Compare #12 and …");
  assert.equal(compareWords(["12", "7"]), "Compare #7 and #12");
});
