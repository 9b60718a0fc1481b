// The lineage page: a graph to walk along, a panel for what is selected, and the same as a list.
import { h } from "../graph/dom.js";
import { GraphView } from "../graph/index.js";
import { api } from "../lib/api.js";
import { toast } from "../lib/toast.js";
import { panelOf } from "../lineage/panel.js";
import { drawn, expanded, groups } from "../lineage/walk.js";

const root = document.getElementById("lineage");
/** @returns {any} */
const part = (name) => document.querySelector(`[data-lineage="${name}"]`);

/** @type {any} */
let walked = JSON.parse(document.getElementById("lineage-data").textContent);
let selected = walked.centre;
const nodeOf = (id) => walked.nodes.find((node) => node.id === id);

const graph = new GraphView(part("graph"), {
  label: "Lineage",
  onSelect: (id) => choose(id),
  onOpen: (id) => open(id),
});

function choose(id) {
  selected = id ?? walked.centre;
  drawPanel();
}

/** Enter or a double click: what is folded unfolds, and anything else becomes the centre. */
function open(id) {
  const node = nodeOf(id);
  if (node?.kind === "more") expand(node);
  else if (node?.query && id !== walked.centre) centre(node.query);
}

async function expand(node) {
  try {
    walked = expanded(walked, node.id, await api.get(`${root.dataset.api}?${node.expand}`));
  } catch (/** @type {any} */ error) {
    toast(`Could not show more: ${error.detail ?? error.message}`, "error");
    return;
  }
  selected = nodeOf(selected) ? selected : walked.centre;
  draw();
}

async function centre(query, { push = true } = {}) {
  root.setAttribute("aria-busy", "true");
  try {
    walked = await api.get(`${root.dataset.api}?${query}`);
  } catch (/** @type {any} */ error) {
    toast(`Could not go there: ${error.detail ?? error.message}`, "error");
    return;
  } finally {
    root.removeAttribute("aria-busy");
  }
  if (push) window.history.pushState({ query }, "", `${root.dataset.page}?${query}`);
  selected = walked.centre;
  graph.isMoved = false;
  draw();
  graph.fit();
}

function draw() {
  graph.setGraph(drawn(walked));
  graph.select(selected);
  const node = nodeOf(walked.centre);
  document.title = document.title.replace(/^[^·]*/, `Lineage of ${node.title} `);
  for (const name of ["title", "crumb"]) part(name).textContent = node.title;
  drawPanel();
  drawList();
}

function drawPanel() {
  const node = nodeOf(selected);
  part("panel").replaceChildren(
    ...panelOf(node, {
      isCentre: selected === walked.centre,
      onCentre: () => centre(node.query),
      onExpand: () => expand(node),
    }),
  );
  for (const item of part("list").querySelectorAll("[data-node]")) {
    item.classList.toggle("is-selected", item.dataset.node === selected);
  }
}

function drawList() {
  part("list").replaceChildren(
    ...groups(walked).flatMap(({ title, nodes }) => [
      h("h2", { text: title }),
      h(
        "ul",
        {},
        ...nodes.map((node) =>
          h(
            "li",
            { dataset: { node: node.id } },
            h("button", {
              class: "lineage-item",
              type: "button",
              text: node.title,
              on: { click: () => (node.kind === "more" ? expand(node) : show(node.id)) },
            }),
            h("span", { class: "muted", text: node.subtitle }),
          ),
        ),
      ),
    ]),
  );
}

function show(id) {
  graph.select(id);
  graph.reveal(id);
  choose(id);
  part("panel").scrollIntoView({ block: "nearest" });
}

window.addEventListener("popstate", () => {
  const query = window.location.search.slice(1);
  if (query) centre(query, { push: false });
});

draw();
root.dataset.ready = "true";
