/** The lines that are drawn for the edges of a graph: one for each, or what many have in common. Pure. */

import { bundles } from "./bundles.js";
import { bounds, routes } from "./layout.js";
import { endsOf } from "./model.js";

const BUNDLED_FROM = 1000; // edges

/**
 * As `bundles` gives them, with the box around each: a Map by id. Where there are few edges, each is a line of its own
 * that has the edge's id.
 */
export function linesOf(graph, positions) {
  const isBundled = graph.edges.length >= BUNDLED_FROM;
  const { lines, lineOf } = isBundled ? bundles(graph, positions) : single(graph, positions);
  for (const line of lines) line.box = bounds(line.points.map((point) => ({ ...point, width: 0, height: 0 })));
  return { isBundled, lines: new Map(lines.map((line) => [line.id, line])), lineOf };
}

/** The ids of all lines that a way along `edges` (a set of ids) takes. */
export function linesAlong(edges, lineOf) {
  const found = new Set();
  for (const id of edges) {
    for (let line = lineOf.get(id); line && !found.has(line.id); line = line.next) found.add(line.id);
  }
  return found;
}

function single(graph, positions) {
  const ways = routes(graph, positions);
  const lines = graph.edges.map((edge) => {
    const [start, end] = endsOf(graph, positions, edge);
    const points = [start, ...(ways.get(edge.id) ?? []), end];
    return { id: edge.id, edge, from: edge.from, isOrder: !edge.output && !edge.input, points, next: null };
  });
  return { lines, lineOf: new Map(lines.map((line) => [line.id, line])) };
}
