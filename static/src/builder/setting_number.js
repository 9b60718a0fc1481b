/** A number of a step's settings, typed, or taken from a parameter. */

import { h } from "../graph/dom.js";
import { parameterIn, settingChoices, settingOf } from "./settings.js";

/**
 * @param {import("./fields.js").Fields} fields
 * @param {{store: any, path: string, label: string, kind?: "whole"|"number", unit?: number, placeholder?: string,
 *   read: () => any, write: (value: number|string|null) => void}} options `unit`: how many of the stored ones make one of
 *   those that are typed; a parameter gives stored ones.
 */
export function settingNumber(fields, { store, path, label, kind = "number", unit = 1, placeholder = "", read, write }) {
  const shown = () => {
    const value = read() ?? null;
    return value === null ? "" : String(typeof value === "number" ? value / unit : value);
  };
  const names = h("datalist", { id: `parameters-for-${path}` });
  fields.derived(
    names,
    () => settingChoices(store.draft.parameters, kind),
    () => settingChoices(store.draft.parameters, kind).map(({ value, label: text }) => h("option", { value, label: `Parameter ${text}` })),
  );
  const element = fields.text({
    path,
    label,
    placeholder,
    read: shown,
    write: (text) => {
      const value = settingOf(text);
      if (value === undefined) return;
      write(typeof value === "number" && unit !== 1 ? Math.round(value * unit) : value);
    },
  });
  const control = element.querySelector("input");
  control.setAttribute("list", names.id);
  control.classList.add("builder-number");
  fields.follow(() => control.classList.toggle("mono", parameterIn(read()) !== null));
  element.append(names);
  return element;
}
