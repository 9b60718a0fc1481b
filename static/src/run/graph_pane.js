/** The run as a graph: the steps, what flows between them, and how each is doing. */

import { GraphView } from "../graph/index.js";
import { shownStep } from "./store.js";

export class GraphPane {
  constructor(element, store, { onSelect, onOpen }) {
    this.store = store;
    this.view = new GraphView(element, { onSelect, onOpen, label: "Steps of the run" });
    this.view.setGraph(graphOf(store.state));
    this.shown = true;
    store.subscribe(({ steps }) => {
      for (const name of steps) {
        const step = store.step(name);
        this.view.update(name, look(step));
      }
    });
  }

  select(name) {
    this.view.select(name);
  }

  /** Move the view to a step. */
  reveal(name) {
    this.view.reveal(name);
  }

  fit() {
    this.view.fit();
  }

  focus() {
    /** @type {HTMLElement|null} */ (this.view.element.querySelector("[tabindex='0']"))?.focus();
  }
}

/** The run's state as what `GraphView.setGraph` takes. */
export function graphOf(state) {
  const ports = new Map(state.steps.map((step) => [step.name, { inputs: new Set(), outputs: new Set() }]));
  for (const { from, to, output, input } of state.edges) {
    if (output) ports.get(from)?.outputs.add(output);
    if (input) ports.get(to)?.inputs.add(input);
  }
  return {
    nodes: state.steps.map((step) => ({
      id: step.name,
      title: step.name,
      kind: "step",
      icon: step.icon,
      inputs: [...ports.get(step.name).inputs],
      outputs: [...ports.get(step.name).outputs],
      ...look(step),
    })),
    edges: state.edges,
  };
}

function look(step) {
  return {
    status: shownStep(step),
    started_at: ["reused", "asking"].includes(shownStep(step)) ? null : step.started_at,
    finished_at: step.finished_at,
    detail: step.reused_from ? `from run ${step.reused_from}` : "",
    holds: Boolean(step.makes_runs),
    progress: step.makes_runs && step.status === "running" ? step.reason : "",
    badge: step.attempt > 1 ? `×${step.attempt}` : "",
  };
}
