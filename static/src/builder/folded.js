/** What most people need not see: folded away, with one line that says what was said. */

import { h } from "../graph/dom.js";
import { icon } from "../lib/status.js";

/**
 * A part of a form behind a line that can be opened.
 * @param {import("./fields.js").Fields} part
 * @param {string} path
 * @param {() => string} words What was said in it, for the line while it is closed.
 * @param {any[]} content
 * @param {string} [title]
 */
export function folded(part, path, words, content, title = "More") {
  const said = h("span", { class: "builder-more__said" });
  part.follow(() => {
    const text = words();
    if (said.textContent !== text) said.textContent = text;
  });
  return h(
    "details",
    { class: "builder-more", dataset: { more: path } },
    h("summary", {}, icon("chevron-right"), h("span", { text: title }), said),
    h("div", { class: "builder-more__inner" }, ...content),
  );
}

/** A line of help that follows the draft. @param {import("./fields.js").Fields} part @param {() => string} words */
export function sentence(part, words) {
  const text = h("p", { class: "field-help builder-more__help" });
  part.follow(() => {
    text.textContent = words();
  });
  return text;
}
