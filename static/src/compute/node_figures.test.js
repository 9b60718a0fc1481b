import assert from "node:assert/strict";
import { test } from "node:test";

import { figureOf, inWords, joined } from "./node_figures.js";

function node(at, values = {}) {
  const list = (value) => at.map(() => value);
  return {
    id: 1,
    name: "atlas",
    at,
    cpu: list(50),
    memory_used: list(1e9),
    memory_total: 4e9,
    disk_used: list(2e9),
    disk_total: 8e9,
    disk_read: list(0),
    disk_written: list(3e6),
    gpus: [],
    ...values,
  };
}

test("what comes later is joined, once, and what is older than an hour goes", () => {
  const both = joined(node([100, 200, 3700]), node([3700, 3710], { cpu: [1, 2] }), 3750);
  assert.deepEqual(both.at, [200, 3700, 3710]);
  assert.deepEqual(both.cpu, [50, 50, 2]);
  assert.equal(both.memory_used.length, 3);
  assert.deepEqual(joined(undefined, node([1]), 5).at, [1]);
  assert.deepEqual(joined(node([10]), node([]), 20).at, [10]);
});

test("a device that comes later has nothing before", () => {
  const gpu = { key: "a", name: "A100", busy: [70], memory_used: [5], memory_total: 9 };
  const both = joined(node([10, 20]), node([30], { gpus: [gpu] }), 40);
  assert.deepEqual(both.gpus[0].busy, [null, null, 70]);
  const gone = joined(both, node([50]), 60);
  assert.deepEqual(gone.gpus[0].busy, [null, null, 70, null]);
  assert.equal(gone.gpus[0].memory_total, 9);
});

test("a line breaks where the node was away", () => {
  const { data, layout } = figureOf("cpu", node([100, 110, 500]), { now: 600, size: "large" });
  assert.deepEqual(data[0].y, [50, 50, null, 50]);
  assert.deepEqual(layout.xaxis.range, ["1969-12-31T23:10:00.000", "1970-01-01T00:10:00.000"]);
  assert.equal(data[0].meta.tone, "accent");
});

test("times are the reader's", () => {
  const { data } = figureOf("cpu", node([0]), { now: 0, size: "small", zone_min: -60 });
  assert.deepEqual(data[0].x, ["1970-01-01T01:00:00.000"]);
});

test("memory is measured by what there is, a disk by what it did", () => {
  assert.equal(figureOf("memory", node([1]), { now: 1, size: "small" }).layout.yaxis.range[1], 4e9 * 1.04);
  const disk = figureOf("disk", node([1]), { now: 1, size: "large" });
  assert.equal(disk.data.length, 2);
  assert.equal(disk.layout.yaxis.ticktext.at(-1), "3.0 MB/s");
});

test("each chart is a sentence as well", () => {
  assert.equal(
    inWords("cpu", node([1, 2], { cpu: [20, 60] })),
    "CPU over the last hour. CPU: 60 % now, 40 % on average, 60 % at most.",
  );
  assert.match(inWords("disk", node([1])), /Read: 0 B\/s now.*Written: 3\.0 MB\/s now/);
  assert.equal(inWords("memory", node([])), "Memory over the last hour. Memory: not known.");
});
