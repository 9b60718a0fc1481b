/** A list of rows in a form (inputs, outputs, parameters): rows come and go by key, and keep their element meanwhile. */

import { h } from "../graph/dom.js";
import { icon } from "../lib/status.js";
import { Fields } from "./fields.js";

/**
 * @param {Fields} fields The form that the list is part of.
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.addLabel
 * @param {string} options.emptyText
 * @param {() => {key: string}[]} options.items
 * @param {(fields: Fields, key: string) => any[]} options.row What a row is made of.
 * @param {() => string} options.add Adds one and returns its key.
 * @param {(key: string) => void} options.remove
 * @param {(key: string) => string} options.removeLabel
 * @param {string} [options.className]
 */
export function listField(fields, { title, addLabel, emptyText, items, row, add, remove, removeLabel, className = "" }) {
  const rows = new Map();
  const list = h("div", { class: `builder-rows ${className}${fields.readOnly ? " is-fixed" : ""}`, role: "list" });
  const empty = h("p", { class: "builder-none", text: emptyText });
  fields.follow(() => {
    const keys = items().map(({ key }) => key);
    for (const [key, { element }] of rows) {
      if (keys.includes(key)) continue;
      element.remove();
      rows.delete(key);
    }
    keys.forEach((key, index) => {
      if (!rows.has(key)) rows.set(key, makeRow(key));
      const { element } = rows.get(key);
      if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    });
    empty.hidden = keys.length > 0;
    for (const { part } of rows.values()) part.sync();
  });

  function makeRow(key) {
    const part = new Fields({ readOnly: fields.readOnly });
    part.controls = fields.controls; // problems and focus find the fields of all rows in one place
    const drop = h(
      "button",
      { type: "button", class: "icon-button danger", title: removeLabel(key), "aria-label": removeLabel(key), on: { click: () => remove(key) } },
      icon("x"),
    );
    part.follow(() => {
      if (items().some((item) => item.key === key)) drop.setAttribute("aria-label", removeLabel(key));
    });
    return { part, element: h("div", { class: "builder-row", role: "listitem" }, ...row(part, key), !fields.readOnly && drop) };
  }

  const button = h(
    "button",
    {
      type: "button",
      class: "btn btn-sm btn-ghost",
      on: {
        click: () => {
          const key = add();
          const first = rows.get(key)?.element.querySelector("input");
          first?.focus();
          first?.select();
        },
      },
    },
    icon("plus"),
    addLabel,
  );
  return h(
    "section",
    { class: "builder-section", "aria-label": title },
    h("div", { class: "builder-section__head" }, h("h3", { text: title }), !fields.readOnly && button),
    empty,
    list,
  );
}
