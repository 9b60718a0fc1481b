/** Whether a step is pinned: then its run stays, whatever the rules say. */

import { api } from "../../lib/api.js";
import { absoluteTime } from "../../lib/format.js";
import { icon } from "../../lib/status.js";
import { toast } from "../../lib/toast.js";
import { h } from "../dom.js";

/** What is said of a pin, as the API gives it. */
export function pinWords(pin) {
  const by = pin.by ?? "somebody who is gone";
  return `Pinned by ${by}, ${absoluteTime(pin.at)}${pin.note ? `: ${pin.note}` : ". Its run stays."}`;
}

export class PinPart {
  /** @param {{urls: any, may: any, name: string, reread: () => any}} context */
  constructor(context) {
    this.context = context;
    this.element = h("section", { class: "run-section run-reuse-end", "aria-label": "Pin" });
  }

  /** @param {any} detail As the API gives it; null while it is on its way. */
  draw(detail) {
    const key = JSON.stringify(detail ? detail.pin : undefined);
    if (key === this.key) return this.element; // who stands on the button stays there
    this.key = key;
    const pin = detail?.pin;
    const may = this.context.may.pin && detail;
    const button = (text, title, name, act) => h("button", { class: "btn btn-sm", type: "button", title, on: { click: act } }, icon(name), text);
    this.element.hidden = !pin && !may;
    this.element.replaceChildren(
      ...[
        pin && h("p", { class: "muted" }, icon("pin"), ` ${pinWords(pin)}`),
        may && pin && button("Take the pin off", "Its run may go into the trash again", "pinned-off", () => this.#send("delete")),
        may && !pin && button("Pin this step", "Its run stays: neither rules nor people put it in the trash", "pin", () => this.#ask()),
      ].filter(Boolean),
    );
    return this.element;
  }

  async #ask() {
    const note = await askNote(this.context.name);
    if (note !== null) await this.#send("post", { note });
  }

  async #send(method, body = undefined) {
    try {
      await api[method](`${this.context.urls.step(this.context.name)}pin/`, body);
      await this.context.reread();
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "error");
    }
  }
}

/** Why it is pinned, which may be left empty; null where the person thought better. */
function askNote(name) {
  const field = h("input", { class: "form-control", id: "step-pin-note", maxlength: "500", autocomplete: "off" });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "step-pin-title", text: `Pin ${name}?` }),
    h("p", { text: "Its run stays with all its steps: no rule puts it in the trash, and nobody does before the pin is off." }),
    h("div", { class: "field" }, h("label", { for: "step-pin-note" }, "Why ", h("span", { class: "muted", text: "optional" })), field),
    h("div", { class: "dialog-actions" }, h("button", { class: "btn", type: "submit", value: "", formnovalidate: "", text: "Cancel" }), h("button", { class: "btn btn-primary", type: "submit", value: "yes" }, icon("pin"), "Pin")),
  );
  const dialog = h("dialog", { class: "dialog dialog-small", "aria-labelledby": "step-pin-title" }, form);
  document.body.append(dialog);
  // Enter in the field pins: the first button of the form would be pressed otherwise.
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    dialog.close("yes");
  });
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? field.value.trim() : null);
    });
  });
}
