import assert from "node:assert/strict";
import { test } from "node:test";

import { asLines, changesOf } from "./tags.js";

const tags = { stage: { value: "baseline" }, good: { value: "" } };

test("what is left alone changes nothing", () => {
  assert.deepEqual(changesOf(tags, asLines(tags)), {});
});

test("lines set, change and take away", () => {
  assert.deepEqual(changesOf(tags, "stage = a = b\n\n  new\n"), { stage: "a = b", good: null, new: "" });
});
