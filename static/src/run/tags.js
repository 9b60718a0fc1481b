/** Tags of a run or a step: shown, and edited as lines. */

import { api } from "../lib/api.js";
import { icon } from "../lib/status.js";
import { h } from "./dom.js";

/** `stage = baseline` for each. @param {Record<string, {value: string}>} tags */
export function asLines(tags) {
  return Object.entries(tags).map(([name, { value }]) => (value ? `${name} = ${value}` : name)).join("\n");
}

/**
 * What the lines change of `tags`: null for those that are gone.
 * @param {Record<string, {value: string}>} tags
 * @param {string} text
 */
export function changesOf(tags, text) {
  /** @type {Record<string, string|null>} */
  const changes = Object.fromEntries(Object.keys(tags).map((name) => [name, null]));
  for (const line of text.split("\n")) {
    const [name, ...value] = line.split("=");
    if (name.trim()) changes[name.trim()] = value.join("=").trim();
  }
  return Object.fromEntries(Object.entries(changes).filter(([name, value]) => tags[name]?.value !== value));
}

/** Draw tags and properties into an element. */
export function drawTags(element, { tags, properties }, { onEdit }) {
  const chip = ([name, { value, by }], kind) =>
    h("span", { class: "tag", title: `${kind} by ${by ?? "the step itself"}` }, h("span", { text: name }), value && " ", value && h("code", { text: value }));
  const chips = [
    ...Object.entries(tags).map((each) => chip(each, "Tagged")),
    ...Object.entries(properties).map((each) => chip(each, "Property, said")),
  ];
  element.replaceChildren(
    ...(chips.length || onEdit ? chips : [h("span", { class: "muted", text: "none" })]),
    ...(onEdit ? [h("button", { class: "btn btn-sm run-tags-edit", type: "button", on: { click: onEdit } }, icon("tag"), chips.length ? "Edit tags" : "Add tags")] : []),
  );
}

/**
 * Ask for tags in the page's dialog, and save them.
 * @param {{url: string, what: string, tags: Record<string, {value: string}>}} options
 * @returns {Promise<any>} Tags and properties as they are now; null where nothing was changed.
 */
export function editTags({ url, what, tags }) {
  const dialog = /** @type {HTMLDialogElement} */ (document.querySelector("#tags-dialog"));
  const text = /** @type {HTMLTextAreaElement} */ (dialog.querySelector("#tags-text"));
  const problem = /** @type {HTMLElement} */ (dialog.querySelector("#tags-problem"));
  const save = /** @type {HTMLButtonElement} */ (dialog.querySelector("[data-save-tags]"));
  dialog.querySelector("h2").textContent = `Tags of ${what}`;
  text.value = asLines(tags);
  problem.hidden = true;
  let now = null;
  return new Promise((resolve) => {
    const listening = new AbortController();
    save.addEventListener(
      "click",
      async () => {
        const changes = changesOf(tags, text.value);
        if (Object.keys(changes).length === 0) {
          dialog.close();
          return;
        }
        save.disabled = true;
        try {
          now = await api.patch(url, { tags: changes });
          dialog.close();
        } catch (error) {
          problem.textContent = /** @type {Error} */ (error).message;
          problem.hidden = false;
        }
        save.disabled = false;
      },
      { signal: listening.signal },
    );
    dialog.addEventListener("close", () => (listening.abort(), resolve(now)), { once: true });
    dialog.showModal();
    text.focus();
  });
}
