/** One node of the graph as an element, and how it is brought up to date. */

import { duration, plural, secondsBetween } from "../lib/format.js";
import { icon, isTerminal, statusOf } from "../lib/status.js";
import { h } from "./dom.js";
import { MANY_PORTS } from "./model.js";

const KIND_ICONS = { step: "brand-python", dataset: "database", model: "brain", parameter: "adjustments", file: "folder", more: "dots" };

/** Seconds that a node has taken so far, or null before it started. */
export function secondsTaken(node, now = Date.now()) {
  if (!node.started_at) return null;
  if (!node.finished_at && node.status && isTerminal(node.status)) return null;
  return secondsBetween(node.started_at, node.finished_at ?? null, now);
}

/** What a screen reader says of a node. */
export function spokenName(node) {
  const word = { dataset: "Dataset ", model: "Model ", parameter: "Parameter " }[node.kind] ?? "";
  const parts = [`${word}${node.title}`];
  if (node.kind === "file" || node.kind === "more") parts.push(node.subtitle);
  if (node.status) parts.push(statusOf(node.status).word);
  const taken = secondsTaken(node);
  if (taken !== null) parts.push(duration(taken));
  if (node.progress) parts.push(node.progress);
  if (node.detail) parts.push(node.detail);
  if (node.badge) parts.push(node.badge);
  if (node.problems) parts.push(plural(node.problems, "problem"));
  return parts.join(", ");
}

/** An empty card for `node`; `paint` fills it. */
export function makeCard(node) {
  return h("div", { class: "graph-node", role: "button", tabindex: "-1", dataset: { node: node.id } });
}

/** What each card shows, so that a change elsewhere in the graph leaves it alone. */
const painted = new WeakMap();

/** Bring `card` in line with `node`. */
export function paint(card, node) {
  const look = JSON.stringify(node);
  if (painted.get(card) === look) return;
  painted.set(card, look);
  const status = node.status ? statusOf(node.status) : null;
  const state = ["is-selected", "is-on-path"].filter((name) => card.classList.contains(name));
  // All but steps are as low as datasets.
  const kinds = node.kind === "step" ? ["step"] : [...new Set(["dataset", node.kind])];
  card.className = ["graph-node", ...kinds.map((kind) => `graph-node--${kind}`), status?.className.replace(/^status /, "") ?? "", ...state]
    .filter(Boolean)
    .join(" ");
  card.classList.toggle("has-status", Boolean(status));
  card.classList.toggle("has-problems", node.problems > 0);
  card.classList.toggle("is-marked", Boolean(node.marked));
  card.classList.toggle("holds-runs", Boolean(node.holds));
  card.setAttribute("aria-label", spokenName(node));
  card.title = node.progress ? `${node.title}: ${node.progress}` : node.title;
  card.replaceChildren(
    ...(node.inputs.length ? [ports(node.inputs, "input")] : []),
    h(
      "div",
      { class: "graph-node__body" },
      h("span", { class: "graph-node__kind" }, icon(node.icon ?? KIND_ICONS[node.kind] ?? "box")),
      h(
        "span",
        { class: "graph-node__text" },
        h(
          "span",
          { class: "graph-node__line" },
          h("span", { class: "graph-node__title", text: node.title }),
          node.badge && h("span", { class: "graph-node__badge", text: node.badge }),
        ),
        status ? foot(node, status) : h("span", { class: "graph-node__subtitle", text: node.subtitle }),
      ),
      node.problems > 0 && h("span", { class: "graph-node__problems", text: String(node.problems) }),
    ),
    ...(node.outputs.length ? [ports(node.outputs, "output")] : []),
  );
}

/** Only the running time moves between events. */
export function tick(card, node) {
  const slot = card.querySelector(".graph-node__time");
  const taken = secondsTaken(node);
  if (slot && taken !== null) slot.textContent = duration(taken);
}

function foot(node, status) {
  const taken = secondsTaken(node);
  return h(
    "span",
    { class: "graph-node__status" },
    icon(status.icon),
    // How far it is says more than that it runs, and for how long.
    h("span", { class: "graph-node__word", text: node.progress || status.word }),
    !node.progress && h("span", { class: "graph-node__time", text: taken === null ? node.detail : duration(taken) }),
  );
}

function ports(list, side) {
  if (list.length > MANY_PORTS) {
    const words = plural(list.length, side);
    return h("div", { class: `graph-ports graph-ports--${side}` }, h("span", { class: "graph-port" }, h("span", { class: "graph-port__dot" }), h("span", { class: "graph-port__name", text: words })));
  }
  return h(
    "div",
    { class: `graph-ports graph-ports--${side}` },
    ...list.map((port) =>
      h(
        "span",
        {
          class: `graph-port${port.bound === false ? " is-unbound" : ""}`,
          title: `${side === "input" ? "Input" : "Output"} ${port.label ?? port.name}${port.bound === false ? " (not bound)" : ""}`,
          dataset: { port: port.name },
        },
        h("span", { class: "graph-port__dot" }),
        h("span", { class: "graph-port__name", text: port.label ?? port.name }),
      ),
    ),
  );
}
