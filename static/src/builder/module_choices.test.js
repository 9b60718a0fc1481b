import assert from "node:assert/strict";
import { test } from "node:test";

import { missingPorts, newerVersion, portWords, versionGroups } from "./module_choices.js";

const MODULE = {
  default_version: 3,
  versions: [4, 3, 1],
  inputs: [
    { name: "images", type: "folder", optional: false, description: "to be scaled" },
    { name: "mask", type: "any", optional: true, description: "" },
  ],
  outputs: [{ name: "small", file: "small.zip", required: true, description: "" }],
};

test("the default version comes first, and one that is disabled stays to be chosen where it is used", () => {
  const values = (groups) => groups.map(({ choices }) => choices.map(({ value }) => value));
  assert.deepEqual(values(versionGroups(MODULE, null)), [["", "4", "3", "1"]]);
  assert.deepEqual(values(versionGroups(MODULE, 2)), [["", "4", "3", "1"], ["2"]]);
  assert.equal(versionGroups(MODULE, 2)[1].label, "Disabled, or not there");
  assert.match(versionGroups(MODULE, null)[0].choices[0].label, /now 3/);
  assert.deepEqual(values(versionGroups(null, 2)), [[""], ["2"]]);
});

test("a newer version is told of only where a step says an older one", () => {
  assert.equal(newerVersion(MODULE, 3), 4);
  assert.equal(newerVersion(MODULE, 4), null);
  assert.equal(newerVersion(MODULE, null), null);
  assert.equal(newerVersion(null, 1), null);
});

test("ports that a step does not have", () => {
  const step = { inputs: [{ name: "images" }], outputs: [] };
  assert.deepEqual(missingPorts(MODULE, step), { inputs: ["mask"], outputs: ["small"] });
  assert.deepEqual(missingPorts(null, step), { inputs: [], outputs: [] });
});

test("a port in words", () => {
  assert.equal(portWords(MODULE, "inputs", "images"), "a folder: to be scaled");
  assert.equal(portWords(MODULE, "inputs", "mask"), "optional");
  assert.equal(portWords(MODULE, "outputs", "small"), "the file small.zip, required");
  assert.equal(portWords(MODULE, "outputs", "other"), "");
});
