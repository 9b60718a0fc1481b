/** A field that only one kind of step has, by its widget. */

import { h } from "../graph/dom.js";
import { argumentsField } from "./arguments_field.js";
import { databaseGroups } from "./catalogue.js";
import { placeholderChips } from "./chips.js";
import { filesOf } from "./files_field.js";
import { kindOf } from "./kinds.js";
import { moduleField, moduleVersionField } from "./module_field.js";
import { innerParametersField, pipelineField } from "./pipeline_field.js";
import { settingNumber, settingText } from "./setting_number.js";
import { SEARCHED, valuesField } from "./values_field.js";

/**
 * @param {import("./fields.js").Fields} fields
 * @param {{store: any, stepKey: string, step: () => any, get: any, set: any, field: import("./kinds.js").KindField, catalogue: any, inner: any}} options
 */
export function kindField(fields, { store, stepKey, step, get, set, field, catalogue, inner }) {
  const common = { path: field.name, label: field.label, help: field.help, write: set(field.name) };
  switch (field.widget) {
    case "arguments":
    case "shell":
    case "sql":
      return argumentsField(fields, store, stepKey, step, field);
    case "script":
      return scriptField(fields, store, step, field.suffix, { ...common, read: get(field.name) });
    case "values":
      return valuesField(fields, store, stepKey, step, field, inner);
    case "search_space":
      return valuesField(fields, store, stepKey, step, field, inner, SEARCHED);
    case "filled":
      return filledField(fields, { store, step, read: get(field.name), ...common, rows: field.rows });
    case "expression":
      return filledField(fields, { store, step, read: get(field.name), ...common, rows: 4, mono: true });
    case "paths":
      return fields.text({
        ...common,
        rows: 2,
        mono: true,
        placeholder: "src/*.py",
        read: () => (step()?.[field.name] ?? []).join("\n"),
        write: (text) => common.write(linesOf(text)),
      });
    case "choice":
      return fields.select({ ...common, groups: () => [{ label: "", choices: field.choices ?? [] }], read: () => step()?.[field.name] ?? "" });
    case "pipeline":
      return pipelineField(fields, { ...common, step, inner, read: () => step()?.[field.name] ?? "" });
    case "module":
      return moduleField(fields, { ...common, store, stepKey, step, modules: inner, read: () => step()?.[field.name] ?? "" });
    case "module_version":
      return moduleVersionField(fields, { ...common, store, stepKey, step, modules: inner });
    case "inner_parameters":
      return innerParametersField(fields, { ...common, step, inner, read: () => step()?.[field.name] ?? "" });
    case "datastore": {
      const read = () => step()?.[field.name] ?? "";
      return fields.select({ ...common, groups: () => databaseGroups(catalogue.databases, store.draft.parameters, read()), read });
    }
    case "number":
      if (field.fed) return settingNumber(fields, { ...common, store, kind: field.fed, read: () => step()?.[field.name] ?? null });
      return fields.number({ ...common, min: null, step: "any", read: () => step()?.[field.name] ?? null });
    case "check":
      return fields.check({ ...common, read: get(field.name) });
    default: {
      const read = () => step()?.[field.name] ?? "";
      return field.fed ? settingText(fields, { ...common, store, kind: field.fed, read }) : fields.text({ ...common, read });
    }
  }
}

/** What stands in the lines of a text; empty ones count for nothing. */
const linesOf = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** A line, or more, in which placeholders may stand. */
function filledField(fields, { store, step, ...options }) {
  const element = fields.text(options);
  const area = element.querySelector("input, textarea");
  if (fields.readOnly) return element;
  const scopes = kindOf(step().kind).makes_runs ? ["inputs", "parameters"] : undefined; // it writes nothing by itself
  area.before(placeholderChips(fields, { store, step, area, read: options.read, write: options.write, label: `“${options.label}”`, how: { isPlain: true }, scopes }));
  return element;
}

/** The name of one of the step's scripts, with those that there are. */
function scriptField(fields, store, step, suffix, options) {
  const scripts = () => (filesOf(step(), store.sources) ?? []).map(({ path }) => path).filter((path) => path.endsWith(suffix));
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
