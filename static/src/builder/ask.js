/** A question in a dialog of the page: a line of text, or one of several answers. */

import { h } from "../graph/dom.js";

/**
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.label
 * @param {string} [options.value]
 * @param {string} options.verb
 * @param {(text: string) => string} [options.check] A sentence where the text won't do, else "".
 * @returns {Promise<string|null>} Null where the person thought better of it.
 */
export function askText({ title, label, value = "", verb, check = () => "" }) {
  const error = h("div", { class: "field-error", id: "ask-error" });
  const input = h("input", { class: "form-control mono", id: "ask-text", value, autocomplete: "off", "aria-describedby": "ask-error" });
  const dialog = h(
    "dialog",
    { class: "dialog dialog-small", "aria-labelledby": "ask-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "ask-title", text: title }),
      h("div", { class: "field" }, h("label", { for: "ask-text", text: label }), input, error),
      h(
        "div",
        { class: "dialog-actions" },
        h("button", { type: "button", class: "btn", text: "Cancel", on: { click: () => dialog.close() } }),
        h("button", { class: "btn btn-primary", value: "yes", text: verb }),
      ),
    ),
  );
  dialog.querySelector("form").addEventListener("submit", (event) => {
    const problem = check(input.value.trim());
    error.textContent = problem;
    if (problem) {
      event.preventDefault();
      input.focus();
    }
  });
  return opened(dialog, () => input.select()).then((answer) => (answer === "yes" ? input.value.trim() : null));
}

/**
 * @param {object} options
 * @param {string} options.title
 * @param {any[]} options.body Paragraphs.
 * @param {{value: string, label: string, kind?: string}[]} options.answers
 * @returns {Promise<string>} The value of an answer; "" for Escape.
 */
export function askChoice({ title, body, answers }) {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "ask-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "ask-title", text: title }),
      ...body.map((text) => h("p", { text })),
      h(
        "div",
        { class: "dialog-actions" },
        ...answers.map(({ value, label, kind }) => h("button", { class: `btn ${kind ?? ""}`, value, text: label })),
      ),
    ),
  );
  return opened(dialog);
}

function opened(dialog, ready = () => {}) {
  document.body.append(dialog);
  dialog.returnValue = "";
  dialog.showModal();
  ready();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        dialog.remove();
        resolve(dialog.returnValue);
      },
      { once: true },
    );
  });
}
