/** Form fields that follow the draft: each is made once, told of every change, and never overwrites what is being typed. */

import { h } from "../graph/dom.js";

let fields = 0;

/** A form, or a part of one: its fields by path, and what to do when the draft changes. */
export class Fields {
  constructor({ readOnly = false } = {}) {
    this.readOnly = readOnly;
    this.controls = new Map();
    this.syncs = [];
  }

  /** Run `sync` now and whenever the draft changes. */
  follow(sync) {
    this.syncs.push(sync);
    sync();
  }

  sync() {
    for (const sync of this.syncs) sync();
  }

  /**
   * A control with label, help, and a place for what is wrong with it.
   * @param {object} options
   * @param {string} options.path As problems call it.
   * @param {string} options.label
   * @param {any} options.control
   * @param {string} [options.help]
   * @param {boolean} [options.hideLabel] Only for screen readers.
   */
  field({ path, label, control, help = "", hideLabel = false }) {
    const id = `field-${(fields += 1)}`;
    control.id = id;
    control.dataset.path = path;
    const error = h("div", { class: "field-error", id: `${id}-error` });
    const described = [help && `${id}-help`].filter(Boolean);
    this.controls.set(path, { control, error, described });
    if (described.length) control.setAttribute("aria-describedby", described.join(" "));
    return h(
      "div",
      { class: "field" },
      h("label", { for: id, class: hideLabel ? "visually-hidden" : null, text: label }),
      control,
      error,
      help && h("div", { class: "field-help", id: `${id}-help`, text: help }),
    );
  }

  /**
   * A text field, or a text area with `rows`. `read` gives its text, `write` takes what was typed.
   * @param {any} options Those of `field` as well.
   */
  text({ read, write, rows = 0, onFocus, mono = false, placeholder = "", ...rest }) {
    const control = h(rows ? "textarea" : "input", {
      class: `form-control${mono ? " mono" : ""}`,
      rows: rows || null,
      type: rows ? null : "text",
      placeholder: placeholder || null,
      autocomplete: "off",
      spellcheck: mono ? "false" : null,
      on: {
        input: () => write(control.value),
        focus: () => onFocus?.(),
        // What was refused or tidied meanwhile shows when the person has left.
        blur: () => follow(),
      },
    });
    if (this.readOnly) control.readOnly = true;
    const follow = () => {
      const text = read();
      if (document.activeElement !== control && control.value !== text) control.value = text;
    };
    this.follow(follow);
    return this.field(/** @type {any} */ ({ ...rest, control }));
  }

  /**
   * A number field; empty means null.
   * @param {any} options Those of `field` as well.
   */
  number({ read, write, min = 0, max = null, step = 1, placeholder = "", ...rest }) {
    const control = h("input", {
      class: "form-control",
      type: "number",
      min,
      max,
      step,
      placeholder: placeholder || null,
      on: {
        input: () => {
          if (!control.validity.badInput) write(control.value === "" ? null : Number(control.value));
        },
      },
    });
    if (this.readOnly) control.readOnly = true;
    this.follow(() => {
      const text = read() === null ? "" : String(read());
      if (document.activeElement !== control) control.value = text;
    });
    return this.field(/** @type {any} */ ({ ...rest, control }));
  }

  /**
   * A select whose groups of choices may change.
   * @param {any} options Those of `field` as well.
   */
  select({ groups, read, write, ...rest }) {
    const control = h("select", { class: "form-select", on: { change: () => write(control.value) } });
    control.disabled = this.readOnly;
    let shown = "";
    this.follow(() => {
      const now = groups();
      const key = JSON.stringify(now);
      if (key !== shown) {
        shown = key;
        control.replaceChildren(...now.flatMap(group));
      }
      if (control.value !== read()) control.value = read();
    });
    return this.field(/** @type {any} */ ({ ...rest, control }));
  }

  /** A box to tick, its label behind it. */
  check({ path, label, read, write, help = "" }) {
    const id = `field-${(fields += 1)}`;
    const control = h("input", {
      type: "checkbox",
      class: "form-check-input",
      id,
      "aria-describedby": help ? `${id}-help` : null,
      dataset: { path },
      on: { change: () => write(control.checked) },
    });
    control.disabled = this.readOnly;
    this.follow(() => {
      control.checked = read();
    });
    return h(
      "div",
      { class: "field field-check" },
      control,
      h(
        "div",
        {},
        h("label", { for: id, text: label }),
        help && h("div", { class: "field-help", id: `${id}-help`, text: help }),
      ),
    );
  }

  /** Something that is made anew only when what `key` gives changes. */
  derived(element, key, render) {
    let shown;
    this.follow(() => {
      const now = JSON.stringify(key());
      if (now === shown) return;
      shown = now;
      element.replaceChildren(...render());
    });
    return element;
  }

  /** Say at each field what is wrong with it, else what is worth knowing: both map paths to sentences. */
  paint(problems, warnings = new Map()) {
    for (const [path, { control, error, described }] of this.controls) {
      if (!control.isConnected) {
        this.controls.delete(path);
        continue;
      }
      const messages = problems.get(path) ?? [];
      const notes = messages.length ? [] : (warnings.get(path) ?? []);
      const text = [...messages, ...notes].join(" ");
      error.classList.toggle("is-warning", notes.length > 0);
      if (error.textContent !== text) error.textContent = text;
      // What is wrong is never folded away.
      if (messages.length && !control.hasAttribute("aria-invalid")) unfold(control);
      if (messages.length) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
      const ids = [text && error.id, ...described].filter(Boolean);
      if (ids.length) control.setAttribute("aria-describedby", ids.join(" "));
      else control.removeAttribute("aria-describedby");
    }
  }

  /** Put the caret into the field of a problem, or the one whose path comes closest. */
  focus(path) {
    const parts = path.split(".");
    while (parts.length) {
      const found = this.controls.get(parts.join("."));
      if (found?.control.isConnected) {
        unfold(found.control);
        found.control.scrollIntoView({ block: "center" });
        found.control.focus({ preventScroll: true });
        return true;
      }
      parts.pop();
    }
    return false;
  }
}

function unfold(control) {
  const folded = control.closest("details");
  if (folded) folded.open = true;
}

function group({ label, choices }) {
  const options = choices.map(({ value, label: text, disabled }) => h("option", { value, disabled, text }));
  return label ? [h("optgroup", { label }, ...options)] : options;
}
