import assert from "node:assert/strict";
import { test } from "node:test";

import { bindingOf, bindingValue, computeGroups, environmentGroups, inputGroups } from "./catalogue.js";
import { addStep, fromDefinition } from "./document.js";

test("a binding survives its way through a select", () => {
  for (const binding of [
    null,
    { kind: "dataset", dataset: "digits", version: null },
    { kind: "dataset", dataset: "digits", version: 2 },
    { kind: "output", stepKey: "k1", outputKey: "k2" },
    { kind: "output", step: "gone", output: "o" },
  ]) {
    assert.deepEqual(bindingOf(bindingValue(binding)), binding);
  }
});

test("what an input is bound to stays a choice when it is gone", () => {
  const { draft, key } = addStep(fromDefinition({ parameters: [], steps: [] }));
  const lost = inputGroups(draft, key, { kind: "dataset", dataset: "gone", version: null }, []);
  assert.equal(lost.at(-1).label, "Not there any more");
  const found = inputGroups(draft, key, null, [{ name: "digits", versions: [2, 1] }]);
  assert.deepEqual(found.map(({ label, choices }) => [label, choices.length]), [["", 1], ["Datasets", 3]]);
});

test("environments come as the latest and by version; a missing choice is shown", () => {
  const groups = environmentGroups([{ name: "sklearn", versions: [2, 1] }], "sklearn");
  assert.deepEqual(groups[0].choices.map(({ value }) => value), ["sklearn", "sklearn:2", "sklearn:1"]);
  assert.equal(environmentGroups([], "gone")[0].choices[0].value, "gone");
  assert.equal(computeGroups([{ name: "local" }], "local").length, 1);
});
