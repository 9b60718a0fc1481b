import assert from "node:assert/strict";
import { test } from "node:test";

import { bindingOf, bindingValue } from "./bindings.js";
import {
  computeGroups,
  datasetGroups,
  datastoreGroups,
  environmentGroups,
  inputGroups,
  isTable,
} from "./catalogue.js";
import { addStep, fromDefinition } from "./document.js";
import { KINDS } from "./kinds.fixture.js";
import { useKinds } from "./kinds.js";

useKinds(KINDS);

test("a binding survives its way through a select", () => {
  for (const binding of [
    null,
    { kind: "dataset", dataset: "digits", version: null },
    { kind: "dataset", dataset: "digits", version: 2 },
    { kind: "model", model: "digits", version: null, stage: null },
    { kind: "model", model: "digits", version: 3, stage: null },
    { kind: "model", model: "digits", version: null, stage: "production" },
    { kind: "output", stepKey: "k1", outputKey: "k2" },
    { kind: "output", step: "gone", output: "o" },
    { kind: "parameter", parameterKey: "k3" },
    { kind: "parameter", parameter: "gone" },
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

test("a model can be asked for by its latest version, by a stage that it has, or by a version", () => {
  const { draft, key } = addStep(fromDefinition({ parameters: [], steps: [] }));
  const models = [{ name: "digits", versions: [2, 1], stages: ["production"] }];
  const choices = (binding) => inputGroups(draft, key, binding, [], models);
  assert.deepEqual(choices(null).find(({ label }) => label === "Models").choices.map(({ label }) => label), [
    "digits (latest)",
    "digits in production",
    "digits, version 2",
    "digits, version 1",
  ]);
  const gone = choices({ kind: "model", model: "digits", version: null, stage: "staging" }).at(-1);
  assert.deepEqual([gone.label, gone.choices[0].label], ["Not there any more", "digits@staging"]);
});

test("parameters that stand for data are to choose from, and the datasets that they can stand for", () => {
  const parameters = [{ name: "d", type: "dataset" }, { name: "n", type: "number" }, { name: "p", type: "data_path" }];
  const { draft, key } = addStep(fromDefinition({ parameters, steps: [] }));
  const groups = inputGroups(draft, key, null, []);
  assert.deepEqual(groups.find(({ label }) => label === "Parameters").choices.map(({ label }) => label), ["d", "p"]);
  const datasets = [{ name: "sales", versions: [2, 1], tables: [2] }];
  assert.deepEqual(datasetGroups(datasets, "sales:1")[0].choices, [
    { value: "sales", label: "sales (latest, table)" },
    { value: "sales:2", label: "sales, version 2 (table)" },
    { value: "sales:1", label: "sales, version 1" },
  ]);
  assert.equal(datasetGroups(datasets, "gone")[0].label, "Not there any more");
});

test("environments come as the latest and by version; a missing choice is shown", () => {
  const groups = environmentGroups([{ name: "sklearn", versions: [2, 1] }], [], "sklearn");
  assert.deepEqual(groups[0].choices.map(({ value }) => value), ["sklearn", "sklearn:2", "sklearn:1"]);
  assert.equal(environmentGroups([], [], "gone")[0].choices[0].value, "gone");
  assert.equal(computeGroups([{ name: "local" }], [], "local").length, 1);
  const parameters = [{ name: "target", type: "string" }, { name: "trees", type: "integer" }];
  const fed = "${{parameters.target}}";
  const [targets, offered] = computeGroups([{ name: "local" }], parameters, fed);
  assert.deepEqual([targets.label, offered], ["", { label: "Parameters", choices: [{ value: fed, label: "target" }] }]);
  const [gone] = computeGroups([{ name: "local" }], [], fed);
  assert.deepEqual([gone.label, gone.choices[0].label], ["Not there any more", "target"]);
});

test("a table is told from files, by the version that is meant", () => {
  const datasets = [{ name: "sales", versions: [3, 2, 1], tables: [3, 1] }];
  const bound = (version) => isTable({ kind: "dataset", dataset: "sales", version }, datasets);
  assert.deepEqual([bound(null), bound(3), bound(2), bound(1)], [true, true, false, true]);
  assert.equal(isTable({ kind: "dataset", dataset: "gone", version: null }, datasets), false);
  assert.equal(isTable(null, datasets), false);
});

test("a datastore that an output goes to stays a choice when it is gone", () => {
  const stores = [{ name: "lake", is_default: true }, { name: "shelf", is_default: false }];
  assert.deepEqual(datastoreGroups(stores, "")[0].choices[0], { value: "", label: "Default (lake)" });
  assert.deepEqual(datastoreGroups(stores, "old")[0], {
    label: "Not there any more",
    choices: [{ value: "old", label: "old" }],
  });
});
