/** Where the cards stand, top-down. Pure: a normalised graph in, a Map of id to `{x, y, width, height}` out. */

import dagre from "@dagrejs/dagre";

import { longestPathRanks, nodeSize, portPosition } from "./model.js";
import { clamp, nearestGap, rowsOf } from "./rows.js";

const DAGRE_LIMIT = 300; // nodes; beyond it dagre takes seconds
const GAP_X = 36;
const GAP_Y = 56;
const WIDE_RANK = 14; // nodes side by side; a wider rank is wrapped, or nobody could read it
const COLUMNS_MAX = 96;
const SWAP_PASSES = 4;
const LANE_STEP = 10; // between two edges that pass in the same gap
const LANE_LEAD = 6; // an edge that passes a card stays straight for so long before it and after it

/** The layout of `graph`: dagre's, or ranks on a grid where there are more than 300 nodes or 14 of them side by side. */
export function layout(graph) {
  if (graph.nodes.size > DAGRE_LIMIT) return onGrid(graph, longestPathRanks(graph));
  const ranks = longestPathRanks(graph);
  const widths = new Map();
  for (const rank of ranks.values()) widths.set(rank, (widths.get(rank) ?? 0) + 1);
  return Math.max(0, ...widths.values()) > WIDE_RANK ? onGrid(graph, ranks) : uncrossed(graph, layered(graph));
}

/**
 * The ways of the edges that pass a row of cards: a Map of edge id to points, in pairs, where the edge enters and leaves
 * a row in a lane between its cards. An edge that is not in it goes straight: it passes no row, or leads upwards.
 */
export function routes(graph, positions) {
  const rows = rowsOf(positions);
  const taken = new Map(); // lane of a gap, by the port that its edges come from: they share it
  const ways = new Map();
  for (const edge of graph.edges) {
    const [from, to] = [positions.get(edge.from), positions.get(edge.to)];
    const out = portPosition(graph.nodes.get(edge.from), "output", edge.output);
    const into = portPosition(graph.nodes.get(edge.to), "input", edge.input);
    const end = to.x + into.x;
    let x = from.x + out.x;
    const way = [];
    for (const row of rows) {
      if (row.top < from.y + from.height || row.bottom > to.y) continue;
      const gap = nearestGap(row.gaps, x, end);
      x = clamp(x, gap.left, gap.right);
      const key = JSON.stringify([edge.from, edge.output]);
      if (!taken.has(gap)) taken.set(gap, new Map());
      const lanes = taken.get(gap);
      if (!lanes.has(key)) lanes.set(key, { x });
      way.push({ row, lane: lanes.get(key) });
    }
    if (way.length) ways.set(edge.id, way);
  }
  for (const [gap, lanes] of taken) spread(gap, [...lanes.values()]);
  const ends = ({ row, lane }) => [{ x: lane.x, y: row.top - LANE_LEAD }, { x: lane.x, y: row.bottom + LANE_LEAD }];
  return new Map([...ways].map(([id, way]) => [id, way.flatMap(ends)]));
}

/** Lanes of one gap that come closer than they can be told apart are set beside one another, in their order. */
function spread({ left, right }, lanes) {
  lanes.sort((a, b) => a.x - b.x);
  const step = Math.min(LANE_STEP, (right - left) / Math.max(1, lanes.length - 1));
  for (let i = 1; i < lanes.length; i += 1) lanes[i].x = Math.max(lanes[i].x, lanes[i - 1].x + step);
  for (let i = lanes.length - 1, most = right; i >= 0; i -= 1, most -= step) lanes[i].x = Math.min(lanes[i].x, most);
}

/** The box around boxes: `{x, y, width, height}`, or null for none. */
export function bounds(boxes) {
  if (!boxes.length) return null;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y, width, height } of boxes) {
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x + width), Math.max(bottom, y + height)];
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
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

/**
 * Neighbours of a row change places where that uncrosses edges, or keeps the order of the definition at no cost: dagre
 * orders whole cards and does not know where the ports are.
 */
function uncrossed(graph, positions) {
  const order = new Map([...graph.nodes.keys()].map((id, index) => [id, index]));
  const rows = new Map();
  for (const [id, box] of positions) {
    const middle = box.y + box.height / 2;
    if (!rows.has(middle)) rows.set(middle, []);
    rows.get(middle).push(id);
  }
  const ends = (id) => [
    ...graph.incoming.get(id).map((edge) => ({
      at: portPosition(graph.nodes.get(id), "input", edge.input).x,
      far: positions.get(edge.from).x + portPosition(graph.nodes.get(edge.from), "output", edge.output).x,
      side: "up",
    })),
    ...graph.outgoing.get(id).map((edge) => ({
      at: portPosition(graph.nodes.get(id), "output", edge.output).x,
      far: positions.get(edge.to).x + portPosition(graph.nodes.get(edge.to), "input", edge.input).x,
      side: "down",
    })),
  ];
  const crossings = (left, right) => {
    let count = 0;
    for (const a of left) for (const b of right) if (a.side === b.side && a.far > b.far) count += 1;
    return count;
  };
  for (let pass = 0; pass < SWAP_PASSES; pass += 1) {
    let swaps = 0;
    for (const row of rows.values()) {
      row.sort((a, b) => positions.get(a).x - positions.get(b).x);
      for (let i = 0; i + 1 < row.length; i += 1) {
        const [left, right] = [row[i], row[i + 1]];
        const [l, r] = [ends(left), ends(right)];
        const gain = crossings(l, r) - crossings(r, l);
        if (gain < 0 || (gain === 0 && order.get(left) < order.get(right))) continue;
        const [a, b] = [positions.get(left), positions.get(right)];
        const edge = b.x + b.width;
        positions.set(right, { ...b, x: a.x });
        positions.set(left, { ...a, x: edge - a.width });
        [row[i], row[i + 1]] = [right, left];
        swaps += 1;
      }
    }
    if (!swaps) break;
  }
  return positions;
}

function onGrid(graph, ranks) {
  const rows = [];
  for (const id of graph.nodes.keys()) (rows[ranks.get(id)] ??= []).push(id);
  const positions = new Map();
  let y = 0;
  for (const row of rows) {
    const sorted = byUpstream(graph, positions, row);
    const columns = columnsOf(row.length);
    for (let start = 0; start < sorted.length; start += columns) {
      const line = sorted.slice(start, start + columns).map((id) => [id, nodeSize(graph.nodes.get(id))]);
      const total = line.reduce((sum, [, size]) => sum + size.width + GAP_X, -GAP_X);
      let x = Math.round(-total / 2);
      for (const [id, size] of line) {
        positions.set(id, { x, y, ...size });
        x += size.width + GAP_X;
      }
      y += Math.max(...line.map(([, size]) => size.height)) + GAP_Y / 2;
    }
    y += GAP_Y;
  }
  return positions;
}

/** Side by side in a rank: about as wide as high, however many they are. */
function columnsOf(count) {
  return count <= WIDE_RANK ? WIDE_RANK : Math.min(COLUMNS_MAX, Math.ceil(Math.sqrt(count * 0.8)));
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
