/**
 * The edges of a large graph as lines that they share, so that ten thousand edges of one port cost what their cards do.
 *
 * Edges of one port, or into one card, are a bundle. Each begins at its own card, and joins the others of its bundle in
 * the first gap between cards that they pass together; from there on they are one line, up to the port that they have in
 * common. Pure.
 */

import { MANY_PORTS, endsOf } from "./model.js";
import { clamp, nearestGap, rowsOf } from "./rows.js";

const LEAD = 6; // a line that passes a card stays straight for so long before it and after it
const MOST_LANES = 300_000; // beyond so many the edges that are left go straight

/**
 * @returns {{lines: any[], lineOf: Map<string, any>}} `lines`: `{id, edge, from, isOrder, points, next}`. `edge` is the
 *   one that begins or ends there, or null for a line that several may share; `from` the node that all its edges come
 *   from, or null; `points` lead downstream; `next` is the line that it joins. `lineOf` has the own one of each edge.
 */
export function bundles(graph, positions) {
  const rows = rowsOf(positions);
  const rowOf = new Map(rows.flatMap((row, place) => row.boxes.map((box) => [box, place])));
  const place = (id) => rowOf.get(positions.get(id));
  const drawing = { rows, lines: [], lineOf: new Map(), lanes: 0 };
  const ends = (edge) => endsOf(graph, positions, edge);
  for (const { edges, isFan } of grouped(graph)) {
    for (const edge of edges) if (place(edge.from) >= place(edge.to)) own(drawing, edge, ends(edge));
    const passing = edges.filter((edge) => place(edge.from) < place(edge.to));
    if (passing.length) bundle(drawing, passing, { isFan, place, ends });
  }
  return { lines: drawing.lines, lineOf: drawing.lineOf };
}

/** One bundle: from its far ends, row by row, to the port or the card that its edges have in common. */
function bundle(drawing, edges, { isFan, place, ends }) {
  const first = drawing.lines.length;
  const [far, near] = isFan ? ["to", "from"] : ["from", "to"];
  const hub = ends(edges[0])[isFan ? 0 : 1];
  const starts = new Map();
  for (const edge of edges) push(starts, place(edge[far]), edge);
  const shared = {
    edge: null,
    from: edges.every((edge) => edge.from === edges[0].from) ? edges[0].from : null,
    isOrder: edges.every(isOrder),
  };
  const step = isFan ? -1 : 1;
  const rows = [...starts.keys()];
  let heads = [];
  for (let row = isFan ? Math.max(...rows) : Math.min(...rows); row !== place(edges[0][near]); row += step) {
    if (heads.length && drawing.lanes < MOST_LANES) heads = passed(drawing, drawing.rows[row], heads, { hub, step, shared });
    for (const edge of starts.get(row) ?? []) heads.push(own(drawing, edge, [ends(edge)[isFan ? 1 : 0]]));
  }
  for (const line of heads) line.points.push(hub);
  if (isFan) for (const line of drawing.lines.slice(first)) line.points.reverse();
}

/** The lines in which `heads` pass the row: one in each gap that they take. */
function passed(drawing, row, heads, { hub, step, shared }) {
  const lanes = new Map();
  const ys = [row.top - LEAD, row.bottom + LEAD];
  const [enters, leaves] = step > 0 ? ys : ys.reverse();
  for (const head of heads) {
    const from = head.points.at(-1);
    const gap = nearestGap(row.gaps, from.x, hub.x);
    const x = clamp(from.x, gap.left, gap.right);
    if (!lanes.has(gap)) lanes.set(gap, added(drawing, { ...shared, points: [{ x, y: enters }, { x, y: leaves }] }));
    head.next = lanes.get(gap);
    head.points.push(head.next.points[0]);
  }
  drawing.lanes += lanes.size;
  return [...lanes.values()];
}

function own(drawing, edge, points) {
  const line = added(drawing, { edge, from: edge.from, isOrder: isOrder(edge), points });
  drawing.lineOf.set(edge.id, line);
  return line;
}

function added(drawing, line) {
  drawing.lines.push({ id: `line ${drawing.lines.length}`, next: null, ...line });
  return drawing.lines.at(-1);
}

const isOrder = (edge) => !edge.output && !edge.input;

function push(groups, key, value) {
  if (!groups.has(key)) groups.set(key, []);
  groups.get(key).push(value);
}

/** Every edge in the larger of the two bundles that it could be in: that of its port, or that of its end. */
function grouped(graph) {
  const [fans, funnels] = [new Map(), new Map()];
  const fan = (edge) => JSON.stringify([edge.from, edge.output]);
  const funnel = (edge) => JSON.stringify([edge.to, graph.nodes.get(edge.to).inputs.length > MANY_PORTS ? "" : edge.input]);
  for (const edge of graph.edges) {
    push(fans, fan(edge), edge);
    push(funnels, funnel(edge), edge);
  }
  const isOfFan = (edge) => fans.get(fan(edge)).length >= funnels.get(funnel(edge)).length;
  return [
    ...[...fans.values()].map((edges) => ({ edges: edges.filter(isOfFan), isFan: true })),
    ...[...funnels.values()].map((edges) => ({ edges: edges.filter((edge) => !isOfFan(edge)), isFan: false })),
  ].filter(({ edges }) => edges.length);
}
