/** The form of one step. */

import { h } from "../graph/dom.js";
import { icon } from "../lib/status.js";
import { bindingOf, bindingValue } from "./bindings.js";
import {
  branchGroups,
  branchOf,
  branchValue,
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
  addTakenOutput,
  bindInput,
  remember,
  removeInput,
  removeOutput,
  removePredecessor,
  renamePort,
  renameStep,
  setBranch,
  setPredecessor,
  stepOf,
  updateStep,
} from "./document.js";
import { Fields } from "./fields.js";
import { filesField } from "./files_field.js";
import { kindField } from "./kind_field.js";
import { outputNames } from "./inner.js";
import { kindOf } from "./kinds.js";
import { listField } from "./list_field.js";
import { portLine, wantedPorts } from "./module_field.js";
import { dataNames, suggest, takenFrom, wantedInputs } from "./pipeline_field.js";
import { inputMore, outputMore } from "./port_more.js";
import { stepLimits } from "./step_limits.js";
import { stepResources } from "./step_resources.js";
import { stepVariables } from "./step_variables.js";

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
  const inner = kindOf(step().kind).is_module ? page.modules : page.inner; // what it stands for

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
  /** Conditions may read its metrics by name: what they said before it was touched is kept in mind. */
  const stepName = () => {
    let before = null;
    const keep = () => remember(store.draft, "steps", null, stepKey);
    return fields.text({
      path: "name",
      label: "Name",
      read: get("name"),
      onFocus: () => {
        before = keep();
      },
      write: (name) => {
        before ??= keep();
        store.apply((draft) => renameStep(draft, stepKey, name, before), { merge: `${stepKey}.name` });
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

  const kind = kindOf(step().kind);
  const inputName = (part, key) => {
    const element = portName(part, "input", key);
    if (kind.makes_runs) suggest(part, element, `inputs-${stepKey}-${key}`, () => dataNames(inner, step()));
    return element;
  };
  const inputs = listField(fields, {
    title: "Inputs",
    addLabel: "Add input",
    emptyText: kind.is_module
      ? "Nothing. Choose a module: its inputs come with it."
      : kind.makes_runs
      ? "Nothing. Inputs feed the parameters of data that the pipeline has, by their names."
      : "Nothing. Add an input to read a dataset, a model or another step's output.",
    items: () => step().inputs,
    add: added(addInput),
    remove: (key) => store.apply((draft) => removeInput(draft, stepKey, key)),
    removeLabel: (key) => `Remove input ${nameOf("inputs", key)}`,
    row: (part, key) => [
      inputName(part, key),
      h("span", { class: "builder-row__from", "aria-hidden": "true" }, icon("arrow-left")),
      part.select({
        path: `inputs.${key}.binding`,
        label: "What feeds the input",
        hideLabel: true,
        groups: () => {
          const input = step()?.inputs.find((candidate) => candidate.key === key);
          return input ? inputGroups(store.draft, stepKey, input.binding, catalogue.datasets, catalogue.models) : [];
        },
        read: () => bindingValue(step()?.inputs.find((candidate) => candidate.key === key)?.binding),
        write: (value) => store.apply((draft) => bindInput(draft, stepKey, key, bindingOf(value))),
      }),
      ...inputMore(part, { store, stepKey, key, port: portOf("inputs", key), catalogue, isWork: kind.is_work || kind.makes_runs || kind.is_module }),
      ...(kind.is_module ? [portLine(part, { modules: inner, step, list: "inputs", name: () => nameOf("inputs", key) })] : []),
    ],
  });
  const outputs = listField(fields, {
    title: "Outputs",
    addLabel: "Add output",
    emptyText: kind.is_module
      ? "Nothing. Choose a module: its outputs come with it."
      : kind.makes_runs
      ? "Nothing. Add one for each output of a step in it that other steps here read."
      : kind.is_work
      ? "Nothing. Add one for where the data goes."
      : "Nothing. Add one for each folder or file that the script writes, or name it where it is used.",
    className: kind.makes_runs ? "" : "is-narrow",
    items: () => step().outputs,
    add: added(kind.makes_runs ? (draft, key) => addTakenOutput(draft, key, outputNames(inner.of(step()))) : addOutput),
    remove: (key) => store.apply((draft) => removeOutput(draft, stepKey, key)),
    removeLabel: (key) => `Remove output ${nameOf("outputs", key)}`,
    row: (part, key) => [
      portName(part, "output", key),
      ...(kind.makes_runs
        ? [h("span", { class: "builder-row__from", "aria-hidden": "true" }, icon("arrow-left")), takenFrom(part, { store, stepKey, key, port: portOf("outputs", key), step, inner })]
        : outputMore(part, { store, stepKey, key, port: portOf("outputs", key), catalogue, isWork: kind.is_work, isModule: kind.is_module })),
      ...(kind.is_module ? [portLine(part, { modules: inner, step, list: "outputs", name: () => nameOf("outputs", key) })] : []),
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

  const branch = fields.select({
    path: "only_if",
    label: "Only if",
    help: "It runs on one answer of a condition; on the other it is not taken, nor is what needs it.",
    groups: () => (step() ? branchGroups(store.draft, stepKey, step().only_if) : []),
    read: () => branchValue(step()?.only_if),
    write: (value) => store.apply((draft) => setBranch(draft, stepKey, branchOf(value))),
  });

  const isOfPipeline = ({ name }) => (Boolean(kind.makes_runs) && (name === "pipeline" || name === "pipeline_version")) || (Boolean(kind.is_module) && (name === "module" || name === "module_version"));
  const ofJob = (make) => (kind.has_job ? make() : null); // what only a process has
  const ofOwn = (make) => (kind.has_job && !kind.is_module ? make() : null); // what a module says itself
  const ofScript = (make) => (kind.has_job && !kind.is_work && !kind.is_module ? make() : null); // what only a process of people's own has
  const own = (isMeant) => kind.fields.filter(isMeant).map((field) => kindField(fields, { store, stepKey, step, get, set, field, catalogue, inner }));

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
          kind.has_job && !kind.is_module && tool("puzzle", "Publish as module", () => page.publish(stepKey)),
          tool("git-fork", "Add a step that reads this one's output", () => page.addAfter(stepKey)),
          tool("copy", "Duplicate step", () => page.duplicate(stepKey)),
          tool("trash", "Delete step", () => page.remove(stepKey), "danger"),
        ),
      tool("x", "Close the step, show the pipeline", () => page.close()),
    ),
    stepName(),
    fields.text({ path: "description", label: "Description", rows: 2, placeholder: "What it does, for the others", read: get("description"), write: set("description") }),
    ofScript(() => filesField(fields, store, stepKey, step, { onOpen: page.openFile })),
    ...own(({ widget }) => widget === "script"),
    // What goes in and comes out hangs on which pipeline it is.
    ...own(isOfPipeline),
    kind.takes_inputs !== "none" && inputs,
    kind.makes_runs && wantedInputs(fields, { store, stepKey, step, inner }),
    kind.is_module && wantedPorts(fields, { store, stepKey, step, modules: inner }),
    (kind.has_job || kind.makes_runs) && outputs,
    kind.keeps.length > 0 &&
      h("p", { class: "builder-none" }, "Kept besides, however the step ends: ", h("code", { text: kind.keeps.join(", ") }), "."),
    ...own((field) => field.widget !== "script" && field.widget !== "paths" && !isOfPipeline(field)),
    ofScript(() => stepVariables(fields, { store, stepKey, step, added })),
    runAfter,
    branch,
    ofJob(() => h(
      "div",
      { class: "builder-pair" },
      !kind.is_work && !kind.is_module && fields.select({
        path: "environment",
        label: "Environment",
        groups: () => environmentGroups(catalogue.environments, store.draft.parameters, step()?.environment ?? ""),
        read: () => step()?.environment ?? "",
        write: set("environment"),
      }),
      fields.select({
        path: "compute",
        label: "Compute target",
        help: kind.is_module ? "As the module says, unless another is chosen." : "",
        groups: () => computeGroups(catalogue.computes, store.draft.parameters, step()?.compute ?? "", kind.is_module ? "As the module says" : ""),
        read: () => step()?.compute ?? "",
        write: set("compute"),
      }),
    )),
    ofOwn(() => stepResources(fields, { store, stepKey, step, computes: catalogue.computes })),
    ofOwn(() => stepLimits(fields, { store, stepKey, step })),
    ofJob(() => fields.check({
      path: "allow_reuse",
      label: "Reuse earlier results",
      help: "When nothing that makes the result has changed, the step is not run again.",
      read: get("allow_reuse"),
      write: set("allow_reuse"),
    })),
    ...own(({ widget }) => widget === "paths"),
  );
  return { element, fields };
}
