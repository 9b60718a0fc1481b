/**
 * A graph as data: nodes with named ports, edges between ports, and what follows from them. Never touches the DOM.
 *
 * A node: {id, title, subtitle, kind: "step" | "dataset" | "model" | "parameter" | "file" | "more", icon, marked, status, started_at,
 * finished_at, detail, badge, problems,
 * inputs: [name | {name, label, bound}], outputs: [name | {name, label}]}; only `id` must be there, and `label` is what
 * is shown of a port where that differs from the name that edges use. `status` is one of the words of
 * `lib/status.js`; times are ISO strings; `problems` is a count. An edge: {from, output, to, input, label}, by id and name;
 * between two steps without ports where one just runs after the other. `label` stands at its end, as in "true".
 */

const NODE_WIDTH = 232;
const NODE_HEIGHT = 76;
const PORT_ROW = 20; // a strip of port names, above and below the card's text
const PORT_WIDTH = 88; // room for a port's name, before the card grows wider
const NODE_WIDTH_MAX = 560;
const DATASET_HEIGHT = 40;
/** A side of a card with more ports than this says how many they are, and edges meet in its middle. */
export const MANY_PORTS = 40;

const port = (value) => (typeof value === "string" ? { name: value } : value);

/** The graph with every default filled in; edges to nodes that do not exist, and second edges between two ports, fall away. */
export function normalise({ nodes = [], edges = [] }) {
  const byId = new Map();
  for (const node of nodes) {
    byId.set(node.id, {
      title: node.id,
      subtitle: "",
      kind: "step",
      status: null,
      detail: "",
      progress: "",
      holds: false,
      badge: "",
      problems: 0,
      ...node,
      inputs: (node.inputs ?? []).map(port),
      outputs: (node.outputs ?? []).map(port),
    });
  }
  const unique = new Map();
  for (const { from, to, output = "", input = "", label = "" } of edges) {
    if (!byId.has(from) || !byId.has(to)) continue;
    const id = edgeId({ from, to, output, input });
    unique.set(id, { id, from, to, output, input, label: label || unique.get(id)?.label || "" });
  }
  const incoming = new Map([...byId.keys()].map((id) => [id, []]));
  const outgoing = new Map([...byId.keys()].map((id) => [id, []]));
  for (const edge of unique.values()) {
    outgoing.get(edge.from).push(edge);
    incoming.get(edge.to).push(edge);
  }
  return { nodes: byId, edges: [...unique.values()], incoming, outgoing };
}

/** A name for an edge that no other edge has, whatever signs its parts hold. */
export const edgeId = ({ from, output, to, input }) => JSON.stringify([from, output, to, input]);

/** Width and height of a node's card in pixels at zoom 1; the same sum places ports and lays out the graph. */
export function nodeSize(node) {
  if (node.kind !== "step") return { width: NODE_WIDTH, height: DATASET_HEIGHT };
  const ports = Math.max(node.inputs.length, node.outputs.length);
  const strips = (node.inputs.length ? 1 : 0) + (node.outputs.length ? 1 : 0);
  return {
    width: Math.min(NODE_WIDTH_MAX, Math.max(NODE_WIDTH, ports * PORT_WIDTH)),
    height: NODE_HEIGHT + strips * PORT_ROW,
  };
}

/** Where a port sits, relative to the card's top left corner: inputs along the top edge, outputs along the bottom. */
export function portPosition(node, side, name) {
  const { width, height } = nodeSize(node);
  const ports = side === "input" ? node.inputs : node.outputs;
  const index = ports.length > MANY_PORTS ? -1 : ports.findIndex((candidate) => candidate.name === name);
  const x = index < 0 ? width / 2 : ((index + 0.5) * width) / ports.length;
  return { x, y: side === "input" ? 0 : height };
}

/** The two points that an edge joins, for cards that stand at `positions`. */
export function endsOf(graph, positions, edge) {
  const [from, to] = [positions.get(edge.from), positions.get(edge.to)];
  const out = portPosition(graph.nodes.get(edge.from), "output", edge.output);
  const into = portPosition(graph.nodes.get(edge.to), "input", edge.input);
  return [
    { x: from.x + out.x, y: from.y + out.y },
    { x: to.x + into.x, y: to.y + into.y },
  ];
}

const reach = (id, edgesOf, end) => {
  const nodes = new Set([id]);
  const edges = new Set();
  const queue = [id];
  while (queue.length) {
    for (const edge of edgesOf.get(queue.pop()) ?? []) {
      edges.add(edge.id);
      if (nodes.has(edge[end])) continue;
      nodes.add(edge[end]);
      queue.push(edge[end]);
    }
  }
  return { nodes, edges };
};

/** Everything that `id` depends on and everything that depends on it: `{nodes, edges}`, sets of ids. */
export function pathThrough(graph, id) {
  const up = reach(id, graph.incoming, "from");
  const down = reach(id, graph.outgoing, "to");
  return { nodes: new Set([...up.nodes, ...down.nodes]), edges: new Set([...up.edges, ...down.edges]) };
}

/** The ids that depend on `id`, itself included. */
export const descendants = (graph, id) => reach(id, graph.outgoing, "to").nodes;

/**
 * Where an arrow key leads from `id`: "up" and "down" along edges, "left" and "right" to the nearest card of the same
 * row. `positions` maps ids to `{x, y, width, height}`. Without a selection, the first card of the top row. Returns an
 * id, or null at the edge of the graph.
 */
export function neighbour(graph, positions, id, direction) {
  const centre = (key) => {
    const box = positions.get(key);
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  const all = [...graph.nodes.keys()].filter((key) => positions.has(key));
  if (!all.length) return null;
  if (id === null || !positions.has(id)) {
    return all.reduce((best, key) => {
      const [a, b] = [positions.get(key), positions.get(best)];
      return a.y < b.y || (a.y === b.y && a.x < b.x) ? key : best;
    });
  }
  const here = centre(id);
  const nearest = (keys, distance) =>
    keys.length ? keys.reduce((best, key) => (distance(centre(key)) < distance(centre(best)) ? key : best)) : null;
  if (direction === "up" || direction === "down") {
    const edges = direction === "up" ? graph.incoming.get(id) : graph.outgoing.get(id);
    const ends = edges.map((edge) => (direction === "up" ? edge.from : edge.to));
    return nearest([...new Set(ends)].filter((key) => key !== id), (there) => Math.abs(there.x - here.x));
  }
  const sign = direction === "left" ? -1 : 1;
  const { height } = positions.get(id);
  const beside = all.filter((key) => key !== id && sign * (centre(key).x - here.x) > 0);
  const sameRow = beside.filter((key) => Math.abs(centre(key).y - here.y) < height);
  return nearest(sameRow, (there) => Math.abs(there.x - here.x) + 2 * Math.abs(there.y - here.y));
}

/** The ranks of the graph by longest path from a root; an edge that closes a cycle does not count. Map of id to rank. */
export function longestPathRanks(graph) {
  const waiting = new Map([...graph.incoming].map(([id, edges]) => [id, edges.length]));
  const ranks = new Map([...graph.nodes.keys()].map((id) => [id, 0]));
  const queue = [...graph.nodes.keys()].filter((id) => waiting.get(id) === 0);
  const left = new Set(graph.nodes.keys());
  for (let next = 0; left.size; ) {
    // Only a cycle leaves nodes without a free one among them: break it at the first in order.
    const id = next < queue.length ? queue[next++] : left.values().next().value;
    if (!left.delete(id)) continue;
    for (const edge of graph.outgoing.get(id)) {
      if (!left.has(edge.to)) continue;
      ranks.set(edge.to, Math.max(ranks.get(edge.to), ranks.get(id) + 1));
      waiting.set(edge.to, waiting.get(edge.to) - 1);
      if (waiting.get(edge.to) === 0) queue.push(edge.to);
    }
  }
  return ranks;
}
