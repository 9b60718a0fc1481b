import assert from "node:assert/strict";
import { test } from "node:test";

import { askedWords, bytesWords, nodeWords } from "./step_resources.js";

const GB = 1e9;
const computes = [
  { name: "local", nodes: [{ cpus: 2, memory_bytes: 8 * GB, gpus: 0 }, { cpus: 1, memory_bytes: 16 * GB, gpus: 0 }] },
  { name: "gpus", nodes: [{ cpus: 32, memory_bytes: null, gpus: 4 }] },
  { name: "new", nodes: [] },
];

test("what the nodes of a target have is told beside the fields", () => {
  assert.equal(nodeWords({ compute: "local" }, computes), "Nodes of “local” have up to 2 CPUs, 16 GB memory, no GPU.");
  assert.match(nodeWords({ compute: "gpus" }, computes), /32 CPUs.*4 GPUs/);
});

test("of a target without a node nobody knows, and of one that is not there nothing is said", () => {
  assert.match(nodeWords({ compute: "new" }, computes), /No node of “new” has been seen yet/);
  assert.equal(nodeWords({ compute: "gone" }, computes), "");
});

test("what is asked for, by values and by parameters", () => {
  const fed = "${{parameters.c}}";
  assert.equal(askedWords({ cpus: 2, memory_bytes: null, gpus: 0 }), "2 CPUs");
  assert.equal(askedWords({ cpus: fed, memory_bytes: 2e9, gpus: fed }), "2.0 GB memory, CPUs by c, GPUs by c");
  assert.equal(askedWords(undefined), "");
  assert.match(bytesWords(null, fed), /gives bytes/);
  assert.equal(bytesWords(null, 2e9), "");
});
