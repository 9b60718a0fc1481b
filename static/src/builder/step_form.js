/** The form of one step. */

import { h } from "../graph/dom.js";
import { icon } from "../lib/status.js";
import { bindingOf, bindingValue } from "./bindings.js";
import {
  computeGroups,
  environmentGroups,
  inputGroups,
  predecessorGroups,
  predecessorValue,
} from "./catalogue.js";
import {
  addInput,
  addOutput,
  addPredecessor,
  bindInput,
  remember,
  removeInput,
  removeOutput,
  removePredecessor,
  renamePort,
  setPredecessor,
  stepOf,
  updateStep,
} from "./document.js";
import { Fields } from "./fields.js";
import { filesField } from "./files_field.js";
import { kindField } from "./kind_field.js";
import { kindOf } from "./kinds.js";
import { listField } from "./list_field.js";
import { inputMore, outputMore } from "./port_more.js";
import { stepLimits } from "./step_limits.js";
import { stepResources } from "./step_resources.js";

/**
 * @param {import("./store.js").Store} store
 * @param {string} stepKey
 * @param {any} page What the page knows and does: `catalogue`, `urls`, `openFile`, `duplicate`, `remove`, `addAfter`.
 */
export function stepForm(store, stepKey, page) {
  const fields = new Fields({ readOnly: store.readOnly });
  const step = () => stepOf(store.draft, stepKey);
  const set = (name) => (value) =>
    store.apply((draft) => updateStep(draft, stepKey, { [name]: value }), { merge: `${stepKey}.${name}` });
  const get = (name) => () => step()[name];
  const { catalogue } = page;

  /** The name of an input or output; what the arguments said before it was touched is kept in mind. */
  const portName = (part, kind, key) => {
    const scope = `${kind}s`;
    let before = null;
    return part.text({
      path: `${scope}.${key}.name`,
      label: `Name of the ${kind}`,
      hideLabel: true,
      mono: true,
      read: () => step()?.[scope].find((port) => port.key === key)?.name ?? "",
      onFocus: () => {
        before = remember(store.draft, scope, stepKey, key);
      },
      write: (name) => {
        before ??= remember(store.draft, scope, stepKey, key);
        store.apply((draft) => renamePort(draft, kind, stepKey, key, name, before), { merge: `${key}.name` });
      },
    });
  };
  const added = (operation) => () => {
    let key;
    store.apply((draft) => {
      const result = operation(draft, stepKey);
      ({ key } = result);
      return result.draft;
    });
    return key;
  };
  const portOf = (scope, key) => () => step()?.[scope].find((port) => port.key === key);
  const nameOf = (scope, key) => step()?.[scope].find((port) => port.key === key)?.name ?? "";

  const inputs = listField(fields, {
    title: "Inputs",
    addLabel: "Add input",
    emptyText: "Nothing. Add an input to read a dataset or another step's output.",
    items: () => step().inputs,
    add: added(addInput),
    remove: (key) => store.apply((draft) => removeInput(draft, stepKey, key)),
    removeLabel: (key) => `Remove input ${nameOf("inputs", key)}`,
    row: (part, key) => [
      portName(part, "input", key),
      h("span", { class: "builder-row__from", "aria-hidden": "true" }, icon("arrow-left")),
      part.select({
        path: `inputs.${key}.binding`,
        label: "What feeds the input",
        hideLabel: true,
        groups: () => {
          const input = step()?.inputs.find((candidate) => candidate.key === key);
          return input ? inputGroups(store.draft, stepKey, input.binding, catalogue.datasets) : [];
        },
        read: () => bindingValue(step()?.inputs.find((candidate) => candidate.key === key)?.binding),
        write: (value) => store.apply((draft) => bindInput(draft, stepKey, key, bindingOf(value))),
      }),
      ...inputMore(part, { store, stepKey, key, port: portOf("inputs", key), catalogue }),
    ],
  });
  const outputs = listField(fields, {
    title: "Outputs",
    addLabel: "Add output",
    emptyText: "Nothing. Add an output for each folder that the script writes.",
    className: "is-narrow",
    items: () => step().outputs,
    add: added(addOutput),
    remove: (key) => store.apply((draft) => removeOutput(draft, stepKey, key)),
    removeLabel: (key) => `Remove output ${nameOf("outputs", key)}`,
    row: (part, key) => [
      portName(part, "output", key),
      ...outputMore(part, { store, stepKey, key, port: portOf("outputs", key), catalogue }),
    ],
  });

  const predecessor = (key) => step()?.run_after.find((before) => before.key === key);
  const runAfter = listField(fields, {
    title: "Runs after",
    addLabel: "Add step",
    emptyText: "It waits for the steps that it reads from. Add others that must be done first.",
    className: "is-narrow",
    items: () => step().run_after,
    add: added(addPredecessor),
    remove: (key) => store.apply((draft) => removePredecessor(draft, stepKey, key)),
    removeLabel: (key) => `Do not wait for ${stepOf(store.draft, predecessor(key)?.stepKey)?.name ?? "it"}`,
    row: (part, key) => [
      part.select({
        path: `run_after.${key}`,
        label: "Step to run after",
        hideLabel: true,
        groups: () => (step() ? predecessorGroups(store.draft, stepKey, predecessor(key)) : []),
        read: () => predecessorValue(predecessor(key)),
        write: (value) => store.apply((draft) => setPredecessor(draft, stepKey, key, value)),
      }),
    ],
  });

  const kind = kindOf(step().kind);
  const own = (isMeant) => kind.fields.filter(isMeant).map((field) => kindField(fields, { store, stepKey, step, get, set, field }));

  const tool = (name, label, act, className = "") =>
    h("button", { type: "button", class: `icon-button ${className}`, title: label, "aria-label": label, on: { click: act } }, icon(name));
  const element = h(
    "div",
    { class: "builder-form__inner" },
    h(
      "div",
      { class: "builder-form__head" },
      h("h2", {}, icon(kind.icon), kind.label),
      !store.readOnly &&
        h(
          "div",
          { class: "builder-form__tools" },
          tool("git-fork", "Add a step that reads this one's output", () => page.addAfter(stepKey)),
          tool("copy", "Duplicate step", () => page.duplicate(stepKey)),
          tool("trash", "Delete step", () => page.remove(stepKey), "danger"),
        ),
      tool("x", "Close the step, show the pipeline", () => page.close()),
    ),
    fields.text({ path: "name", label: "Name", read: get("name"), write: set("name") }),
    fields.text({ path: "description", label: "Description", rows: 2, placeholder: "What it does, for the others", read: get("description"), write: set("description") }),
    filesField(fields, store, stepKey, step, { onOpen: page.openFile }),
    ...own(({ widget }) => widget === "script"),
    inputs,
    outputs,
    ...own(({ widget }) => widget !== "script"),
    runAfter,
    h(
      "div",
      { class: "builder-pair" },
      fields.select({
        path: "environment",
        label: "Environment",
        groups: () => environmentGroups(catalogue.environments, step()?.environment ?? ""),
        read: () => step()?.environment ?? "",
        write: set("environment"),
      }),
      fields.select({
        path: "compute",
        label: "Compute target",
        groups: () => computeGroups(catalogue.computes, step()?.compute ?? ""),
        read: () => step()?.compute ?? "",
        write: set("compute"),
      }),
    ),
    stepResources(fields, { store, stepKey, step, computes: catalogue.computes }),
    stepLimits(fields, { store, stepKey, step }),
    fields.check({
      path: "allow_reuse",
      label: "Reuse earlier results",
      help: "When nothing that makes the result has changed, the step is not run again.",
      read: get("allow_reuse"),
      write: set("allow_reuse"),
    }),
  );
  return { element, fields };
}
