import assert from "node:assert/strict";
import { test } from "node:test";

import { drawn, expanded, groups } from "./walk.js";

const walked = () => ({
  centre: "version:1",
  nodes: [
    { id: "version:1", kind: "dataset", title: "sales:1", hops: 0 },
    { id: "step:2", kind: "step", title: "train", hops: 1, badge: "run 7" },
    { id: "more:down:step:2", kind: "more", title: "More", hops: 2, expand: "step=2&direction=down&after=0" },
  ],
  edges: [
    { from: "version:1", output: "", to: "step:2", input: "data" },
    { from: "step:2", output: "", to: "more:down:step:2", input: "" },
  ],
});

test("what an expanded node brings takes its place, as far away as it is", () => {
  const found = {
    centre: "step:2",
    nodes: [
      { id: "step:2", kind: "step", title: "train", hops: 0 },
      { id: "version:3", kind: "dataset", title: "model:1", hops: 1 },
      { id: "version:1", kind: "dataset", title: "sales:1", hops: 1 },
    ],
    edges: [{ from: "step:2", output: "model", to: "version:3", input: "" }],
  };
  const more = expanded(walked(), "more:down:step:2", found);
  assert.deepEqual(more.nodes.map(({ id, hops }) => [id, hops]), [["version:1", 0], ["step:2", 1], ["version:3", 2]]);
  assert.deepEqual(more.edges.map(({ to }) => to), ["step:2", "version:3"]);
  assert.deepEqual(expanded(more, "more:down:step:2", found), more, "asked twice it is there once");
});

test("the list tells what came before from what came after", () => {
  const nodes = [...walked().nodes, { id: "file:1:raw", kind: "file", title: "raw", hops: -1 }];
  assert.deepEqual(
    groups({ nodes }).map(({ title, nodes: members }) => [title, members.map(({ id }) => id)]),
    [
      ["Made from", ["file:1:raw"]],
      ["This", ["version:1"]],
      ["Made of it", ["step:2", "more:down:step:2"]],
    ],
  );
});

test("the centre is marked", () => {
  assert.deepEqual(drawn(walked()).nodes.map(({ marked }) => marked), [true, false, false]);
});
