import assert from "node:assert/strict";
import { test } from "node:test";

import { isPlace, isYaml, madeWords, placeWords, rangeOf } from "./import_words.js";

test("a place names its file unless it was pasted", () => {
  assert.equal(placeWords(["parts/fit.yml", 3, 5]), "parts/fit.yml, line 3, column 5");
  assert.equal(placeWords(["pasted.yml", 3, 5]), "line 3, column 5");
  assert.equal(placeWords(["main"]), "");
  assert.equal(isPlace(["paths", "0", "x"]), false);
});

test("what is made is counted in steps where it is a pipeline", () => {
  assert.equal(madeWords({ sort: "pipeline", name: "A", steps: 1 }), "Pipeline “A”, 1 step");
  assert.equal(madeWords({ sort: "environment", name: "e", steps: 0 }), "Environment “e”");
});

test("a line and a column are found in the text", () => {
  const text = "a: 1\n  b: 2\nc";
  assert.deepEqual(rangeOf(text, 2, 3), [7, 11]);
  assert.equal(text.slice(...rangeOf(text, 2, 3)), "b: 2");
});

test("names of YAML files", () => {
  assert.ok(isYaml("A.YML") && isYaml("x.yaml"));
  assert.ok(!isYaml("x.zip"));
});
