/** The lineage as far as it was walked: what the API gave, put together. Pure. */

/**
 * @typedef {{id: string, kind: string, title: string, hops: number, query: string, expand?: string} & Record<string, any>} Node
 * @typedef {{from: string, output: string, to: string, input: string}} Edge
 * @typedef {{centre: string, nodes: Node[], edges: Edge[]}} Lineage
 */

/** `walked` with what an expanded node brought: the node that stood for it goes, and nothing stands twice. */
export function expanded(walked, moreId, found) {
  const stub = walked.nodes.find(({ id }) => id === moreId);
  const beside = walked.nodes.find(({ id }) => id === found.centre);
  const nodes = new Map(walked.nodes.filter(({ id }) => id !== moreId).map((node) => [node.id, node]));
  const away = beside?.hops ?? stub?.hops ?? 0;
  for (const node of found.nodes) {
    if (!nodes.has(node.id)) nodes.set(node.id, { ...node, hops: away + node.hops });
  }
  const edges = [...walked.edges, ...found.edges].filter(({ from, to }) => nodes.has(from) && nodes.has(to));
  return { ...walked, nodes: [...nodes.values()], edges: distinct(edges) };
}

function distinct(edges) {
  return [...new Map(edges.map((edge) => [JSON.stringify([edge.from, edge.output, edge.to, edge.input]), edge])).values()];
}

/** As `GraphView.setGraph` takes it: the centre says that it is it. */
export function drawn({ nodes, edges, centre }) {
  return {
    nodes: nodes.map((node) => ({ ...node, marked: node.id === centre })),
    edges,
  };
}

/** The nodes as a list says them, the nearest first: `[{title, nodes}]`. */
export function groups({ nodes }) {
  const near = [...nodes].sort((a, b) => Math.abs(a.hops) - Math.abs(b.hops) || Number(a.kind === "more") - Number(b.kind === "more"));
  return [
    { title: "Made from", nodes: near.filter(({ hops }) => hops < 0) },
    { title: "This", nodes: near.filter(({ hops }) => hops === 0) },
    { title: "Made of it", nodes: near.filter(({ hops }) => hops > 0) },
  ].filter((group) => group.nodes.length);
}
