import assert from "node:assert/strict";
import { test } from "node:test";

import { unpacked } from "./packed.js";

test("a step has what is usual but where it says otherwise, and an edge has names at its ends", () => {
  const state = unpacked({
    status: "running",
    usual: { status: "completed", reason: "", pin: null },
    steps: [{ name: "a" }, { name: "b", status: "failed", reason: "no such column" }],
    edges: [
      [0, "out", 1, "in"],
      [0, "", 1, "", "true"],
    ],
  });
  assert.deepEqual(state, {
    status: "running",
    steps: [
      { name: "a", position: 0, status: "completed", reason: "", pin: null },
      { name: "b", position: 1, status: "failed", reason: "no such column", pin: null },
    ],
    edges: [
      { from: "a", output: "out", to: "b", input: "in" },
      { from: "a", output: "", to: "b", input: "", label: "true" },
    ],
  });
});

test("a run without steps is one, too", () => {
  assert.deepEqual(unpacked({ usual: {}, steps: [], edges: [] }), { steps: [], edges: [] });
});
