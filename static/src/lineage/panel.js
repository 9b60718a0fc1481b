/** What the panel says of a selected node. */

import { h } from "../graph/dom.js";
import { absoluteTime, fileSize, relativeTime } from "../lib/format.js";
import { icon, statusBadge } from "../lib/status.js";

/**
 * @param {import("./walk.js").Node} node
 * @param {{isCentre: boolean, onCentre: () => void, onExpand: () => void}} acts
 */
export function panelOf(node, { isCentre, onCentre, onExpand }) {
  if (node.kind === "more") {
    return [
      h("h2", { text: "There is more" }),
      h("p", { text: `More that ${node.subtitle === "made from it" ? "was made from it" : "it was made from"} stands behind this.` }),
      h("div", { class: "lineage-acts" }, h("button", { class: "btn btn-primary", type: "button", on: { click: onExpand } }, "Show it")),
    ];
  }
  return [
    h("p", { class: "lineage-what muted", text: node.what }),
    h("h2", { text: node.title }),
    node.status && h("p", {}, statusBadge(node.status)),
    h(
      "dl",
      { class: "kv" },
      ...(node.facts ?? []).map((fact) => h("div", {}, h("dt", { text: fact.label }), h("dd", {}, ...words(fact)))),
    ),
    h(
      "div",
      { class: "lineage-acts" },
      node.open && h("a", { class: "btn btn-primary", href: node.open.url, text: node.open.label }),
      !isCentre && node.url && h("button", { class: "btn", type: "button", on: { click: onCentre } }, icon("route"), "Centre here"),
    ),
  ].filter(Boolean);
}

function words({ label, text, url, at, size_bytes: bytes }) {
  const said = label === "Query" ? h("code", { text }) : url ? h("a", { href: url, text }) : h("span", { text });
  return [
    text && said,
    bytes !== undefined && h("span", { class: "muted num", text: ` ${fileSize(bytes)}` }),
    at && h("time", { class: "muted", datetime: at, title: absoluteTime(at), text: ` ${relativeTime(at)}` }),
  ].filter(Boolean);
}
