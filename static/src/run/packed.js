/** A run's state as `pipelines/packing.py` writes it into the page, and as the API gives it. Pure. */

/** The state with everything that is usual in each step, and with names at the ends of edges. */
export function unpacked({ usual, ...state }) {
  const steps = state.steps.map((step, position) => ({ ...usual, position, ...step }));
  const edges = state.edges.map(([from, output, to, input, label]) => ({
    from: steps[from].name,
    output,
    to: steps[to].name,
    input,
    ...(label && { label }),
  }));
  return { ...state, steps, edges };
}
