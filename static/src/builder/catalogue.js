/** What there is to choose from, as groups of choices for a select. Pure. A choice: {value, label, disabled}. */

import { bindingValue, lostName } from "./bindings.js";
import { isOfData, outputChoices, predecessorChoices, stepOf } from "./document.js";
import { kindOf } from "./kinds.js";
import { parameterIn, settingChoices } from "./settings.js";

/** What can feed an input: `[{label, choices}]`. What it is bound to now is always among them, even where it is gone. */
export function inputGroups(draft, stepKey, binding, datasets, models = []) {
  const outputs = outputChoices(draft, stepKey).map((choice) => ({
    value: bindingValue(choice.binding),
    label: choice.reason ? `${choice.label} (${choice.reason})` : choice.label,
    disabled: choice.disabled,
  }));
  const parameters = draft.parameters.filter(isOfData).map(({ key, name }) => ({
    value: bindingValue({ kind: "parameter", parameterKey: key }),
    label: name,
  }));
  const data = datasetChoices(datasets, (dataset, version) => bindingValue({ kind: "dataset", dataset, version }));
  const groups = [
    { label: "", choices: [{ value: "", label: "Not bound" }] },
    { label: "Outputs of other steps", choices: outputs },
    { label: "Parameters", choices: parameters },
    { label: "Datasets", choices: data },
    { label: "Models", choices: modelChoices(models) },
  ];
  const value = bindingValue(binding);
  if (value && !groups.some(({ choices }) => choices.some((choice) => choice.value === value))) {
    groups.push({ label: "Not there any more", choices: [{ value, label: lostName(binding) }] });
  }
  return groups.filter(({ choices }) => choices.length);
}

/** The latest of each model, the one of each stage that it has, and its versions. */
function modelChoices(models) {
  return models.flatMap(({ name, versions, stages }) => {
    const choice = (label, version, stage) => ({ value: bindingValue({ kind: "model", model: name, version, stage }), label: `${name}${label}` });
    return [
      choice(" (latest)", null, null),
      ...stages.map((stage) => choice(` in ${stage}`, null, stage)),
      ...versions.map((version) => choice(`, version ${version}`, version, null)),
    ];
  });
}

/** The datasets that a parameter can stand for, as it writes them. */
export function datasetGroups(datasets, current) {
  const choices = datasetChoices(datasets, (dataset, version) => (version === null ? dataset : `${dataset}:${version}`));
  return withCurrent([{ label: "", choices }], current);
}

/** The latest of each dataset, and its versions; `valueOf` gives the value of one. */
function datasetChoices(datasets, valueOf) {
  return datasets.flatMap((dataset) => [
    {
      value: valueOf(dataset.name, null),
      label: `${dataset.name} (latest${isTable({ dataset: dataset.name, version: null }, datasets) ? ", table" : ""})`,
    },
    ...dataset.versions.map((version) => ({
      value: valueOf(dataset.name, version),
      label: `${dataset.name}, version ${version}${dataset.tables?.includes(version) ? " (table)" : ""}`,
    })),
  ]);
}

/** What a step can run after. What it does now is always among them, even where it is gone. */
export function predecessorGroups(draft, stepKey, before) {
  const own = stepOf(draft, stepKey).name;
  const choices = predecessorChoices(draft, stepKey).map(({ key, name, disabled }) => ({
    value: key,
    label: disabled ? `${name} (waits for ${own})` : name,
    disabled,
  }));
  const gone = before?.step ? [{ label: "Not there any more", choices: [{ value: `lost ${before.step}`, label: before.step }] }] : [];
  return [{ label: "", choices: [{ value: "", label: "Choose a step" }, ...choices] }, ...gone];
}

/** The value of what a step runs after, among `predecessorGroups`. */
export const predecessorValue = (before) => before?.stepKey ?? (before?.step ? `lost ${before.step}` : "");

/** The branches that a step can be on: each answer of each condition. The one that it is on is always among them. */
export function branchGroups(draft, stepKey, onlyIf) {
  const own = stepOf(draft, stepKey).name;
  const conditions = predecessorChoices(draft, stepKey).filter(({ key }) => kindOf(stepOf(draft, key).kind).answers);
  const choices = conditions.flatMap(({ key, name, disabled }) =>
    [true, false].map((answer) => ({
      value: branchValue({ stepKey: key, answer }),
      label: disabled ? `${name} is ${answer} (waits for ${own})` : `${name} is ${answer}`,
      disabled,
    })),
  );
  const groups = [{ label: "", choices: [{ value: "", label: "Always" }, ...choices] }];
  const value = branchValue(onlyIf);
  if (value && !choices.some((choice) => choice.value === value)) {
    const name = onlyIf.stepKey ? (stepOf(draft, onlyIf.stepKey)?.name ?? "?") : onlyIf.step;
    groups.push({ label: "No condition any more", choices: [{ value, label: `${name} is ${onlyIf.answer}` }] });
  }
  return groups;
}

/** A value for a branch, among `branchGroups`. */
export const branchValue = (onlyIf) =>
  onlyIf ? JSON.stringify([onlyIf.stepKey ? "key" : "name", onlyIf.stepKey ?? onlyIf.step, onlyIf.answer]) : "";

/** The branch that a value stands for. */
export function branchOf(value) {
  if (!value) return null;
  const [how, condition, answer] = JSON.parse(value);
  return how === "key" ? { stepKey: condition, answer } : { step: condition, answer };
}

/** Whether a binding means a version of a dataset that is a table. Versions stand newest first. */
export function isTable(binding, datasets) {
  const dataset = datasets.find(({ name }) => name === binding?.dataset);
  return Boolean(dataset?.tables?.includes(binding.version ?? dataset.versions[0]));
}

/** Where outputs can go: `""` is the default datastore, whichever that will be. */
export function datastoreGroups(datastores, current) {
  const usual = datastores.find((datastore) => datastore.is_default);
  const choices = [
    { value: "", label: usual ? `Default (${usual.name})` : "Default" },
    ...datastores.map(({ name }) => ({ value: name, label: name })),
  ];
  return withCurrent([{ label: "", choices }], current);
}

/** Databases, which the node itself opens, and the parameters that may name one. */
export function databaseGroups(databases, parameters, current) {
  const none = { value: "", label: databases.length ? "None" : "None is registered" };
  const choices = databases.map(({ name, allow_writes: mayWrite }) => ({ value: name, label: mayWrite ? name : `${name} (only read)` }));
  return withCurrent([{ label: "", choices: [none, ...choices] }, ...parameterGroups(parameters)], current);
}

/** Environments: the latest of each, its versions, and the parameters that may name one. */
export function environmentGroups(environments, parameters, current) {
  const groups = environments.map(({ name, versions }) => ({
    label: name,
    choices: [
      { value: name, label: `${name} (latest)` },
      ...versions.map((version) => ({ value: `${name}:${version}`, label: `${name}, version ${version}` })),
    ],
  }));
  return withCurrent([...groups, ...parameterGroups(parameters)], current);
}

/** Compute targets, and the parameters that may name one. `none` is what to say of none, where that is a choice. */
export function computeGroups(computes, parameters, current, none = "") {
  const choices = computes.map(({ name }) => ({ value: name, label: name }));
  const targets = { label: "", choices: none ? [{ value: "", label: none }, ...choices] : choices };
  return withCurrent([targets, ...parameterGroups(parameters)], current);
}

/** For a setting that is a text: nothing where no parameter fits. */
function parameterGroups(parameters) {
  const choices = settingChoices(parameters, "text");
  return choices.length ? [{ label: "Parameters", choices }] : [];
}

function withCurrent(groups, current) {
  if (groups.some(({ choices }) => choices.some(({ value }) => value === current))) return groups;
  const gone = { value: current, label: parameterIn(current) ?? (current || "Choose…") };
  return [{ label: current ? "Not there any more" : "", choices: [gone] }, ...groups];
}
