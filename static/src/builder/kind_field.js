/** A field that only one kind of step has, by its widget. */

import { h } from "../graph/dom.js";
import { argumentsField } from "./arguments_field.js";
import { filesOf } from "./files_field.js";

/**
 * @param {import("./fields.js").Fields} fields
 * @param {{store: any, stepKey: string, step: () => any, get: any, set: any, field: import("./kinds.js").KindField}} options
 */
export function kindField(fields, { store, stepKey, step, get, set, field }) {
  const common = { path: field.name, label: field.label, help: field.help, write: set(field.name) };
  switch (field.widget) {
    case "arguments":
    case "shell":
      return argumentsField(fields, store, stepKey, step, field);
    case "script":
      return scriptField(fields, store, step, { ...common, read: get(field.name) });
    case "number":
      return fields.number({ ...common, min: null, step: "any", read: () => step()?.[field.name] ?? null });
    case "check":
      return fields.check({ ...common, read: get(field.name) });
    default:
      return fields.text({ ...common, read: () => step()?.[field.name] ?? "" });
  }
}

/** The name of one of the step's scripts, with those that there are. */
function scriptField(fields, store, step, options) {
  const scripts = () => (filesOf(step(), store.sources) ?? []).map(({ path }) => path).filter((path) => path.endsWith(".py"));
  const names = fields.derived(
    h("datalist", { id: `scripts-${step().key}` }),
    scripts,
    () => scripts().map((path) => h("option", { value: path })),
  );
  const element = fields.text({ ...options, mono: true });
  element.querySelector("input").setAttribute("list", names.id);
  element.append(names);
  return element;
}
