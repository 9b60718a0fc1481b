import assert from "node:assert/strict";
import { test } from "node:test";

import { foundNames } from "./found.js";

test("the step of that name comes first, then those that begin with it, then those that hold it", () => {
  const names = ["pretrain", "train-2", "Train", "evaluate"];
  assert.deepEqual(foundNames(names, " train "), ["Train", "train-2", "pretrain"]);
  assert.deepEqual(foundNames(names, "x"), []);
  assert.deepEqual(foundNames(names, "  "), []);
});
