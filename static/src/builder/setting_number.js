/** A number or a text of a step's settings, typed, or taken from a parameter. */

import { h } from "../graph/dom.js";
import { parameterIn, settingChoices, settingOf } from "./settings.js";

/**
 * @param {import("./fields.js").Fields} fields
 * @param {{store: any, path: string, label: string, help?: string, kind?: "whole"|"number"|"size"|"text", unit?: number, placeholder?: string,
 *   read: () => any, write: (value: number|string|null) => void}} options `unit`: how many of the stored ones make one of
 *   those that are typed; a parameter gives stored ones.
 */
export function settingNumber(fields, { store, path, label, help = "", kind = "number", unit = 1, placeholder = "", read, write }) {
  const shown = () => {
    const value = read() ?? null;
    return value === null ? "" : String(typeof value === "number" ? value / unit : value);
  };
  const element = fields.text({
    path,
    label,
    help,
    placeholder,
    read: shown,
    write: (text) => {
      const value = settingOf(text);
      if (value === undefined) return;
      write(typeof value === "number" && unit !== 1 ? Math.round(value * unit) : value);
    },
  });
  element.querySelector("input").classList.add("builder-number");
  return offered(fields, element, { store, path, kind, read });
}

/** A text of a kind's own settings. @param {import("./fields.js").Fields} fields */
export function settingText(fields, { store, kind, ...options }) {
  return offered(fields, fields.text(options), { store, path: options.path, kind, read: options.read });
}

/** With the parameters that can feed it, to choose from. */
function offered(fields, element, { store, path, kind, read }) {
  const names = h("datalist", { id: `parameters-for-${path}` });
  fields.derived(
    names,
    () => settingChoices(store.draft.parameters, kind),
    () => settingChoices(store.draft.parameters, kind).map(({ value, label: text }) => h("option", { value, label: `Parameter ${text}` })),
  );
  const control = element.querySelector("input");
  control.setAttribute("list", names.id);
  fields.follow(() => control.classList.toggle("mono", parameterIn(read()) !== null));
  element.append(names);
  return element;
}
