/** The environment variables of a step: a row for each. */

import { h } from "../graph/dom.js";
import { placeholderChips } from "./chips.js";
import { addVariable, removeVariable, updateVariable } from "./document.js";
import { listField } from "./list_field.js";

/**
 * @param {import("./fields.js").Fields} fields
 * @param {{store: any, stepKey: string, step: () => any, added: (operation: any) => () => string}} context
 */
export function stepVariables(fields, { store, stepKey, step, added }) {
  const variable = (key) => step()?.environment_variables.find((each) => each.key === key);
  const list = listField(fields, {
    title: "Environment variables",
    addLabel: "Add variable",
    emptyText: "None but those of its environment.",
    className: "is-pairs",
    items: () => step().environment_variables,
    add: added(addVariable),
    remove: (key) => store.apply((draft) => removeVariable(draft, stepKey, key)),
    removeLabel: (key) => `Remove variable ${variable(key)?.name ?? ""}`,
    row: (part, key) => {
      const read = (field) => () => variable(key)?.[field] ?? "";
      const write = (field) => (text) =>
        store.apply((draft) => updateVariable(draft, stepKey, key, { [field]: text }), { merge: `${key}.${field}` });
      const value = part.text({
        path: `environment_variables.${key}.value`,
        label: "Value",
        hideLabel: true,
        placeholder: "value",
        rows: 1,
        mono: true,
        read: read("value"),
        write: write("value"),
      });
      const area = value.querySelector("textarea");
      area.addEventListener("change", () => store.countOutputs());
      const label = "the value";
      return [
        part.text({
          path: `environment_variables.${key}.name`,
          label: "Name of the variable",
          hideLabel: true,
          placeholder: "NAME",
          mono: true,
          read: read("name"),
          write: (name) => write("name")(name.trim()),
        }),
        value,
        !part.readOnly &&
          placeholderChips(part, { store, step, area, read: read("value"), write: write("value"), label, how: { isPlain: true } }),
      ];
    },
  });
  const help = h("p", {
    class: "field-help builder-section__help",
    text: "They go before those of its environment. One that speaks of an input or a parameter which is absent is left out. Everybody who sees the pipeline can read them: put no password or token here.",
  });
  fields.follow(() => {
    help.hidden = !step()?.environment_variables.length;
  });
  list.append(help);
  return list;
}
