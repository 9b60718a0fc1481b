import assert from "node:assert/strict";
import { test } from "node:test";

import { resourceWords } from "./resources.js";

test("what a step asks for is told in words, and nothing where it asks for a slot alone", () => {
  assert.equal(resourceWords({ cpus: 2, memory_bytes: 4e9, gpus: 1 }), "2 CPUs, 4.0 GB memory, 1 GPU");
  assert.equal(resourceWords({ cpus: 0.5, memory_bytes: null, gpus: 0 }), "0.5 CPUs");
  assert.equal(resourceWords({ cpus: null, memory_bytes: null, gpus: 0 }), "");
  assert.equal(resourceWords(undefined), "");
});
