import assert from "node:assert/strict";
import { test } from "node:test";

import { Bands } from "./bands.js";
import { bundles } from "./bundles.js";
import { layout } from "./layout.js";
import { linesAlong, linesOf } from "./lines.js";
import { endsOf, normalise } from "./model.js";

/** One step, which `count` others read, which one step reads in turn. */
const fan = (count) => {
  const leaves = Array.from({ length: count }, (_, i) => `leaf ${i}`);
  return normalise({
    nodes: [{ id: "first", outputs: ["out"] }, ...leaves.map((id) => ({ id, inputs: ["in"], outputs: ["out"] })), { id: "last", inputs: leaves }],
    edges: leaves.flatMap((id) => [
      { from: "first", output: "out", to: id, input: "in" },
      { from: id, output: "out", to: "last", input: id },
    ]),
  });
};

/** The points from one end of an edge to the other, along the lines that it takes; downstream. */
function wayOf(edge, lineOf) {
  const taken = [];
  for (let line = lineOf.get(edge.id); line; line = line.next) taken.push(line);
  return (edge.from === "first" ? taken.reverse() : taken).flatMap((line) => line.points);
}

test("ten thousand steps are laid out beside and below one another, and their lines are few for each of them", () => {
  const graph = fan(9_998);
  const positions = layout(graph);
  assert.equal(new Set([...positions.values()].map(({ x, y }) => `${x} ${y}`)).size, 10_000);
  const { lines } = bundles(graph, positions);
  const points = lines.reduce((sum, line) => sum + line.points.length, 0);
  assert.ok(lines.length < 5 * 10_000, `${lines.length} lines`);
  assert.ok(points < 4 * lines.length, `${points} points`);
});

test("twice as many steps have about twice as many lines", () => {
  const [some, twice] = [2_000, 4_000].map((count) => {
    const graph = fan(count);
    return bundles(graph, layout(graph)).lines.length;
  });
  assert.ok(twice < 2.2 * some, `${some}, ${twice}`);
});

test("an edge leads from its port to its port, downwards, past every card", () => {
  const graph = fan(600);
  const positions = layout(graph);
  const { lineOf } = bundles(graph, positions);
  const boxes = [...positions];
  for (const edge of graph.edges) {
    const way = wayOf(edge, lineOf);
    const [start, end] = endsOf(graph, positions, edge);
    assert.deepEqual([way[0], way.at(-1)], [start, end]);
    assert.ok(way.every((point, i) => i === 0 || point.y >= way[i - 1].y));
    const inside = way.slice(1, -1).filter(({ x, y }) => boxes.some(([, box]) => x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height));
    assert.deepEqual(inside, []);
  }
});

test("a path marks the lines that its edges take, and no others", () => {
  const graph = fan(600);
  const drawn = linesOf(graph, layout(graph));
  assert.ok(drawn.isBundled);
  const [into, out] = ["first", "leaf 599"].map((from) => graph.edges.find((edge) => edge.from === from && [edge.from, edge.to].includes("leaf 599")));
  const marked = linesAlong(new Set([into.id, out.id]), drawn.lineOf);
  assert.ok(marked.has(drawn.lineOf.get(into.id).id) && marked.has(drawn.lineOf.get(out.id).id));
  const other = graph.edges.find((edge) => edge.to === "leaf 598");
  assert.ok(!marked.has(drawn.lineOf.get(other.id).id));
  assert.equal(linesAlong(new Set(graph.edges.map(({ id }) => id)), drawn.lineOf).size, drawn.lines.size);
});

test("edges that lead upwards or to their own step are lines, too", () => {
  const nodes = Array.from({ length: 1_100 }, (_, i) => ({ id: `n${i}` }));
  const edges = nodes.map(({ id }, i) => ({ from: id, to: nodes[(i + 1) % nodes.length].id }));
  const graph = normalise({ nodes, edges: [...edges, { from: "n5", to: "n5" }] });
  const { lines, lineOf } = linesOf(graph, layout(graph));
  assert.equal(lineOf.size, graph.edges.length);
  assert.ok([...lines.values()].every((line) => line.points.length >= 2 && line.points.every(({ x, y }) => Number.isFinite(x + y))));
});

test("a small graph has a line for each edge", () => {
  const graph = fan(3);
  const drawn = linesOf(graph, layout(graph));
  assert.equal(drawn.isBundled, false);
  assert.deepEqual([...drawn.lines.keys()], graph.edges.map(({ id }) => id));
});

test("what lies near a stretch of the plane is found without looking at the rest", () => {
  const boxes = Array.from({ length: 10_000 }, (_, i) => [i, { y: i * 100, height: 80 }]);
  const bands = new Bands([...boxes, ["tall", { y: -50, height: 1_000_000 }]]);
  const near = bands.near(50_000, 51_000);
  for (let i = 500; i <= 510; i += 1) assert.ok(near.has(i));
  assert.ok(near.has("tall"));
  assert.ok(near.size < 50, `${near.size}`);
  assert.equal(bands.near(-1e9, 1e9).size, 10_001);
});
