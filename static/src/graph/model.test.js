import assert from "node:assert/strict";
import { test } from "node:test";

import { bounds, layout, routes } from "./layout.js";
import { descendants, longestPathRanks, neighbour, nodeSize, normalise, pathThrough, portPosition } from "./model.js";

const digits = () =>
  normalise({
    nodes: [
      { id: "prepare", outputs: ["features"] },
      { id: "forest", inputs: ["features"], outputs: ["model"] },
      { id: "logistic", inputs: ["features"], outputs: ["model"] },
      { id: "compare", inputs: ["a", "b"] },
    ],
    edges: [
      { from: "prepare", output: "features", to: "forest", input: "features" },
      { from: "prepare", output: "features", to: "logistic", input: "features" },
      { from: "forest", output: "model", to: "compare", input: "a" },
      { from: "logistic", output: "model", to: "compare", input: "b" },
    ],
  });

test("edges to nodes that are not there fall away, and so do doubles", () => {
  const edge = { from: "a", output: "o", to: "b", input: "i" };
  const graph = normalise({ nodes: [{ id: "a" }, { id: "b" }], edges: [edge, edge, { ...edge, to: "ghost" }] });
  assert.equal(graph.edges.length, 1);
});

test("a path holds everything before and after, and not what runs beside", () => {
  const { nodes, edges } = pathThrough(digits(), "forest");
  assert.deepEqual([...nodes].sort(), ["compare", "forest", "prepare"]);
  assert.equal(edges.size, 2);
  assert.deepEqual([...descendants(digits(), "logistic")].sort(), ["compare", "logistic"]);
});

test("ports stand evenly along the edge, and the card widens for many", () => {
  const node = digits().nodes.get("compare");
  const { width } = nodeSize(node);
  assert.equal(portPosition(node, "input", "a").x, width / 4);
  assert.equal(portPosition(node, "input", "unknown").x, width / 2);
  assert.ok(nodeSize({ ...node, inputs: Array.from({ length: 5 }, (_, i) => ({ name: `i${i}` })) }).width > width);
});

test("the layout goes top-down and nothing overlaps", () => {
  const positions = layout(digits());
  assert.ok(positions.get("prepare").y < positions.get("forest").y);
  assert.ok(positions.get("forest").y < positions.get("compare").y);
  assert.equal(positions.get("forest").y, positions.get("logistic").y);
  const [left, right] = [positions.get("forest"), positions.get("logistic")].sort((a, b) => a.x - b.x);
  assert.ok(left.x + left.width < right.x);
  assert.ok(bounds([...positions.values()]).width > left.width);
});

test("cards of a row stand so that their edges do not cross", () => {
  const graph = digits();
  graph.nodes.get("compare").inputs.reverse();
  const positions = layout(graph);
  assert.ok(positions.get("logistic").x < positions.get("forest").x);
  assert.ok(layout(digits()).get("forest").x < layout(digits()).get("logistic").x);
});

/** The cards that the way of an edge touches. */
function touched(graph, positions, edge) {
  const way = routes(graph, positions).get(edge.id) ?? [];
  const boxes = [...positions].filter(([id]) => id !== edge.from && id !== edge.to);
  const hits = (box) => way.some(({ x, y }) => x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height);
  return boxes.filter(([, box]) => hits(box)).map(([id]) => id);
}

test("an edge that skips a row passes between its cards, in one straight lane", () => {
  const plain = digits();
  const skips = { from: "prepare", output: "features", to: "compare", input: "a" };
  const graph = normalise({ nodes: [...plain.nodes.values()], edges: [...plain.edges, skips] });
  const positions = layout(graph);
  const ways = routes(graph, positions);
  const edge = graph.edges.at(-1);
  assert.deepEqual([...ways.keys()], [edge.id], "neighbours are joined directly");
  const [enters, leaves] = ways.get(edge.id);
  assert.equal(enters.x, leaves.x);
  assert.ok(enters.y < positions.get("forest").y && leaves.y > positions.get("forest").y + positions.get("forest").height);
  const clear = (box) => enters.x < box.x || enters.x > box.x + box.width;
  assert.ok(["forest", "logistic"].every((id) => clear(positions.get(id))));
});

test("along a chain, edges that skip steps stay in lanes of their own and off every card", () => {
  const ids = ["a", "b", "c", "d", "e"];
  const next = ids.slice(1).map((to, i) => ({ from: ids[i], to }));
  const graph = normalise({
    nodes: ids.map((id) => ({ id })),
    edges: [...next, { from: "a", to: "e" }, { from: "a", to: "d" }, { from: "b", to: "e" }],
  });
  const positions = layout(graph);
  for (const edge of graph.edges) assert.deepEqual(touched(graph, positions, edge), []);
  const ways = routes(graph, positions);
  const lanes = graph.edges.slice(4).map((edge) => ways.get(edge.id).find(({ y }) => y > positions.get("c").y).x);
  assert.equal(lanes[0], lanes[1], "edges of one port share a lane");
  assert.ok(Math.abs(lanes[0] - lanes[2]) >= 10, "edges of two do not");
});

test("edges into a wrapped rank pass between the cards of its upper lines", () => {
  const fan = Array.from({ length: 60 }, (_, i) => ({ id: `n${i}` }));
  const graph = normalise({ nodes: [{ id: "first" }, ...fan], edges: fan.map(({ id }) => ({ from: "first", to: id })) });
  const positions = layout(graph);
  assert.ok(routes(graph, positions).size > 0);
  for (const edge of graph.edges) assert.deepEqual(touched(graph, positions, edge), []);
});

test("a rank of a hundred wraps, so that it can be read", () => {
  const fan = Array.from({ length: 100 }, (_, i) => ({ id: `n${i}` }));
  const edges = fan.flatMap(({ id }) => [
    { from: "first", to: id },
    { from: id, to: "last" },
  ]);
  const { width, height } = bounds([...layout(normalise({ nodes: [{ id: "first" }, ...fan, { id: "last" }], edges })).values()]);
  assert.ok(width < 3 * height && height < 3 * width);
});

test("a cycle is laid out too, while somebody is still typing", () => {
  const cycle = normalise({
    nodes: [{ id: "a" }, { id: "b" }, { id: "c" }],
    edges: [
      { from: "a", to: "b" },
      { from: "b", to: "c" },
      { from: "c", to: "a" },
      { from: "b", to: "b" },
    ],
  });
  assert.equal(layout(cycle).size, 3);
  assert.equal(longestPathRanks(cycle).size, 3);
});

test("a thousand nodes are laid out at once", () => {
  const nodes = Array.from({ length: 1000 }, (_, i) => ({ id: `n${i}` }));
  const edges = nodes.slice(1).map((node, i) => ({ from: `n${Math.floor(i / 3)}`, to: node.id }));
  const began = performance.now();
  const positions = layout(normalise({ nodes, edges }));
  assert.ok(performance.now() - began < 500);
  assert.equal(new Set([...positions.values()].map(({ x, y }) => `${x} ${y}`)).size, 1000);
});

test("arrows walk along the edges and across a row", () => {
  const graph = digits();
  const positions = layout(graph);
  assert.equal(neighbour(graph, positions, null, "down"), "prepare");
  const first = neighbour(graph, positions, "prepare", "down");
  assert.ok(["forest", "logistic"].includes(first));
  const sides = ["left", "right"].map((side) => neighbour(graph, positions, first, side));
  assert.deepEqual(sides.filter(Boolean).length, 1);
  assert.equal(neighbour(graph, positions, first, "down"), "compare");
  assert.equal(neighbour(graph, positions, "compare", "down"), null);
  assert.equal(neighbour(normalise({}), new Map(), null, "down"), null);
});
