import assert from "node:assert/strict";
import { test } from "node:test";

import { iconOf, shownOf } from "./artifacts.js";

test("the latest attempt is shown until somebody chooses another one that is there", () => {
  const artifacts = [{ attempt: 3 }, { attempt: 1 }];
  assert.equal(shownOf(artifacts, null).attempt, 3);
  assert.equal(shownOf(artifacts, 1).attempt, 1);
  assert.equal(shownOf(artifacts, 2).attempt, 3);
  assert.equal(shownOf([], 1), null);
});

test("a file's picture says what it is by its name", () => {
  assert.deepEqual(["a.SVG", "b.parquet", "c.ipynb", "png"].map(iconOf), ["photo", "table", "notebook", "file"]);
});
