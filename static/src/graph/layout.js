/** Where the cards stand, top-down. Pure: a normalised graph in, a Map of id to `{x, y, width, height}` out. */

import dagre from "@dagrejs/dagre";

import { longestPathRanks, nodeSize } from "./model.js";

const DAGRE_LIMIT = 300; // nodes; beyond it dagre takes seconds
const GAP_X = 36;
const GAP_Y = 56;
const COLUMNS = 24; // of a rank on the grid, before it wraps

/** The layout of `graph`: dagre's up to 300 nodes, ranks on a grid above. */
export function layout(graph) {
  return graph.nodes.size <= DAGRE_LIMIT ? layered(graph) : onGrid(graph);
}

/** The box around all positions: `{x, y, width, height}`, or null for none. */
export function bounds(positions) {
  if (!positions.size) return null;
  const boxes = [...positions.values()];
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  return {
    x,
    y,
    width: Math.max(...boxes.map((box) => box.x + box.width)) - x,
    height: Math.max(...boxes.map((box) => box.y + box.height)) - y,
  };
}

function layered(graph) {
  const tree = new dagre.graphlib.Graph({ multigraph: true });
  tree.setGraph({ rankdir: "TB", nodesep: GAP_X, ranksep: GAP_Y, marginx: 0, marginy: 0 });
  tree.setDefaultEdgeLabel(() => ({}));
  for (const [id, node] of graph.nodes) tree.setNode(id, nodeSize(node));
  for (const edge of graph.edges) {
    if (edge.from !== edge.to) tree.setEdge(edge.from, edge.to, {}, edge.id);
  }
  dagre.layout(tree);
  return new Map(
    [...graph.nodes.keys()].map((id) => {
      const { x, y, width, height } = tree.node(id);
      return [id, { x: Math.round(x - width / 2), y: Math.round(y - height / 2), width, height }];
    }),
  );
}

function onGrid(graph) {
  const ranks = longestPathRanks(graph);
  const rows = [];
  for (const id of graph.nodes.keys()) (rows[ranks.get(id)] ??= []).push(id);
  const positions = new Map();
  let y = 0;
  for (const row of rows) {
    const sorted = byUpstream(graph, positions, row);
    for (let start = 0; start < sorted.length; start += COLUMNS) {
      const line = sorted.slice(start, start + COLUMNS).map((id) => [id, nodeSize(graph.nodes.get(id))]);
      const total = line.reduce((sum, [, size]) => sum + size.width + GAP_X, -GAP_X);
      let x = Math.round(-total / 2);
      for (const [id, size] of line) {
        positions.set(id, { x, y, ...size });
        x += size.width + GAP_X;
      }
      y += Math.max(...line.map(([, size]) => size.height)) + GAP_Y;
    }
    y += GAP_Y / 2;
  }
  return positions;
}

/** A rank in the order of the average place of what its nodes read from, so that edges cross less. */
function byUpstream(graph, positions, row) {
  const place = (id) => {
    const above = graph.incoming.get(id).filter((edge) => positions.has(edge.from));
    return above.length ? above.reduce((sum, edge) => sum + positions.get(edge.from).x, 0) / above.length : 0;
  };
  const places = new Map(row.map((id) => [id, place(id)]));
  return [...row].sort((a, b) => places.get(a) - places.get(b));
}
