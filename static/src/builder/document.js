/**
 * The pipeline while it is being edited: an immutable draft, and the operations on it. Never touches the DOM.
 *
 * A draft is `{name, description, parameters, continue_on_step_failure, steps}`. Steps, inputs, outputs and parameters carry a `key` that stays
 * while they are renamed, and a binding to another step's output speaks of keys, so a rename can't lose or confuse
 * anything; `toDefinition` writes names again. A step's `edits` are texts typed but not yet kept in its source folder.
 */

import { keyed, modelName, plain } from "./bindings.js";
import { firstKind, kindOf, subtitleOf } from "./kinds.js";
import { onceOf, stepOf } from "./once.js";
import { measuredIn, namesIn, renameMeasured, renamePlaceholder } from "./placeholders.js";
import { parameterIn } from "./settings.js";
import { listsOf, textsOf, withTexts } from "./texts.js";

export { stepOf };

/**
 * @typedef {"download"|"mount"|"direct"} InputMode
 * @typedef {{key: string, name: string, binding: any, mode: InputMode}} Input
 * @typedef {{dataset: string, description: string, tags: Record<string, string>}} Registration
 * @typedef {{key: string, name: string, datastore: string|null, path: string|null, file?: string|null, mode: "upload"|"mount",
 *   register_as: Registration|null, taken_from?: string|null}} Output
 * @typedef {{key: string, name: string, type: string, default: any, description: string, optional?: boolean,
 *   choices?: string[], minimum?: number|null, maximum?: number|null}} Parameter
 * @typedef {{max_attempts: number, on: string[], exit_codes: string, backoff_s: number, backoff_factor: number,
 *   max_backoff_s: number, max_node_losses: number}} Retry
 * @typedef {{memory_bytes: number|null, cpus: number|null, output_bytes: number|null, log_bytes: number|null}} Limits
 * @typedef {{cpus: number|null, memory_bytes: number|null, gpus: number}} Resources
 * @typedef {{key: string, name: string, value: string}} Variable
 * Settings of these three may be `${{parameters.NAME}}` instead.
 * @typedef {{key: string, stepKey?: string, step?: string}} Predecessor A step to run after; by name where it is not there.
 * @typedef {{stepKey?: string, step?: string, answer: boolean}} OnlyIf The branch that a step is on; by name where the condition is not there.
 * @typedef {{key: string, name: string, description: string, source: string|null, git?: import("../lib/git_facts.js").GitFacts|null, entry?: string, arguments?: string, command?: string,
 *   inputs: Input[], outputs: Output[], run_after: Predecessor[], only_if?: OnlyIf|null, environment_variables: Variable[], environment: string, compute: string, allow_reuse: boolean, retry: Retry, limits: Limits,
 *   resources: Resources, timeout_s: number|null, kind: string, notebook?: string, pipeline?: string, pipeline_version?: number|null, module?: string, module_version?: number|null, items?: string, parameters?: {key: string, name: string, value: any}[], edits: Record<string, string>}} Step
 * @typedef {{name: string, description: string, parameters: Parameter[], continue_on_step_failure?: boolean, steps: Step[]}} Draft
 */

/** What a step says of further attempts and of its limits as long as nobody says anything else. @type {Retry} */
export const ONE_ATTEMPT = {
  max_attempts: 1,
  on: ["exit", "timeout", "memory"],
  exit_codes: "",
  backoff_s: 0,
  backoff_factor: 2,
  max_backoff_s: 3600,
  max_node_losses: 2,
};
/** @type {Limits} */
export const NO_LIMITS = { memory_bytes: null, cpus: null, output_bytes: null, log_bytes: null };
/** A slot, and nothing set aside. @type {Resources} */
export const NO_RESOURCES = { cpus: null, memory_bytes: null, gpus: 0 };

let lastKey = 0;
const newKey = () => `k${(lastKey += 1)}`;

const replaceAt = (list, key, change) => list.map((item) => (item.key === key ? change(item) : item));

/** @param {any} definition A `PipelineDefinition`. @returns {Draft} */
export function fromDefinition(definition, { name = "", description = "" } = {}) {
  const steps = definition.steps.map((step) => ({
    ...step,
    ...withRows(step, (row) => ({ ...row, key: newKey() })),
    key: newKey(),
    edits: {},
    inputs: step.inputs.map((input) => ({ ...input, key: newKey() })),
    outputs: step.outputs.map((output) => ({ ...output, key: newKey() })),
  }));
  const parameters = definition.parameters.map((parameter) => ({ ...parameter, key: newKey() }));
  const byName = new Map([...steps].reverse().map((step) => [step.name, step])); // of two with one name the first counts
  return {
    name,
    description,
    parameters,
    continue_on_step_failure: definition.continue_on_step_failure ?? true,
    steps: steps.map((step) => ({
      ...step,
      inputs: step.inputs.map((input) => ({ ...input, binding: keyed(input.binding, byName, parameters) })),
      run_after: (step.run_after ?? []).map((before) => ({
        key: newKey(),
        ...(byName.has(before) ? { stepKey: byName.get(before).key } : { step: before }),
      })),
      only_if: step.only_if
        ? { ...(byName.has(step.only_if.step) ? { stepKey: byName.get(step.only_if.step).key } : { step: step.only_if.step }), answer: step.only_if.answer }
        : null,
    })),
  };
}

/** The draft as the API takes it. Edits are not in it: keep them in their sources first. */
export function toDefinition(draft) {
  return {
    schema_version: 1,
    parameters: draft.parameters.map(({ key: _key, ...parameter }) => parameter),
    continue_on_step_failure: draft.continue_on_step_failure ?? true,
    steps: draft.steps.map(({ key: _key, edits: _edits, ...step }) => ({
      ...step,
      ...withRows(step, ({ key: _row, ...row }) => row),
      inputs: step.inputs.map(({ key: _port, ...input }) => ({ ...input, binding: plain(draft, input.binding) })),
      outputs: step.outputs.map(({ key: _port, ...output }) => output),
      run_after: step.run_after.map((before) => (before.stepKey ? stepOf(draft, before.stepKey)?.name : before.step) ?? ""),
      only_if: step.only_if ? { step: (step.only_if.stepKey ? stepOf(draft, step.only_if.stepKey)?.name : step.only_if.step) ?? "", answer: step.only_if.answer } : null,
    })),
  };
}

/** The lists of names with values that a step has, each row changed. */
const withRows = (step, change) => Object.fromEntries(listsOf(step).map((list) => [list, (step[list] ?? []).map(change)]));

/** Two drafts say the same when these are equal. */
export const fingerprint = onceOf((/** @type {Draft} */ draft) =>
  JSON.stringify([draft.name, draft.description, toDefinition(draft), draft.steps.map((step) => step.edits)]),
);

/** `prefix`, or with the first number that makes it one of its own among `taken`. */
export function freshName(prefix, taken) {
  const names = new Set(taken);
  if (prefix && !names.has(prefix)) return prefix;
  let number = 2;
  while (names.has(`${prefix}_${number}`)) number += 1;
  return `${prefix}_${number}`;
}

// Steps

/**
 * A new step at the end that works as it stands. With `after` it reads that step's first output, or where it has none
 * comes after it: of a condition, on the branch that is taken when it is true.
 * @returns {{draft: Draft, key: string}}
 */
export function addStep(draft, { after = null, kind = firstKind().name, environment = "python", compute = "local" } = {}) {
  const key = newKey();
  const upstream = after && stepOf(draft, after);
  const takes = kindOf(kind).takes_inputs;
  const from = upstream?.outputs[0];
  const hasJob = kindOf(kind).has_job;
  const isModule = Boolean(kindOf(kind).is_module); // its ports come with the module, as does where it runs
  const input = from && takes !== "none" && newInput("input", { kind: "output", stepKey: upstream.key, outputKey: from.key });
  const isOnBranch = Boolean(upstream && !input && kindOf(upstream.kind).answers);
  const { settings, files, environment: own } = input ? kindOf(kind).example_that_reads : kindOf(kind).example;
  const step = {
    ...Object.fromEntries(kindOf(kind).fields.map(({ name, default: value }) => [name, value])),
    ...settings,
    kind,
    key,
    name: freshName("step", draft.steps.map((other) => other.name)),
    description: "",
    source: null,
    inputs: takes === "none" ? [] : input ? [input] : takes === "one" ? [newInput("input", null)] : [],
    outputs: hasJob && !isModule ? [newOutput("output")] : [],
    run_after: upstream && !input && !isOnBranch ? [{ key: newKey(), stepKey: upstream.key }] : [],
    only_if: isOnBranch ? { stepKey: upstream.key, answer: true } : null,
    environment_variables: [],
    environment: isModule ? "" : own || (upstream?.environment || environment),
    compute: isModule ? "" : upstream?.compute || compute,
    allow_reuse: true,
    timeout_s: null,
    retry: { ...ONE_ATTEMPT },
    limits: { ...NO_LIMITS },
    resources: { ...NO_RESOURCES },
    edits: { ...files },
  };
  Object.assign(step, withRows(step, (row) => ({ ...row, key: newKey() })));
  return { draft: { ...draft, steps: [...draft.steps, step] }, key };
}

/** A copy right after the step, reading what it reads; nothing reads from the copy yet, and it writes elsewhere. */
export function duplicateStep(draft, stepKey) {
  const index = draft.steps.findIndex((step) => step.key === stepKey);
  const original = draft.steps[index];
  const key = newKey();
  const copy = {
    ...original,
    key,
    name: freshName(original.name, draft.steps.map((step) => step.name)),
    inputs: original.inputs.map((input) => ({ ...input, key: newKey() })),
    outputs: original.outputs.map((output) => ({ ...output, key: newKey(), path: null, register_as: null })),
    run_after: original.run_after.map((before) => ({ ...before, key: newKey() })),
    ...withRows(original, (row) => ({ ...row, key: newKey() })),
  };
  const steps = [...draft.steps];
  steps.splice(index + 1, 0, copy);
  return { draft: { ...draft, steps }, key };
}

/** Rename a step, and with it what conditions say of its metrics. `before` is what `remember` gave. */
export function renameStep(draft, stepKey, name, before) {
  const others = draft.steps.filter((step) => step.key !== stepKey).map((step) => step.name);
  const isClear = before.name && /^[^\s{}]+$/.test(name) && !others.includes(name) && !others.includes(before.name);
  const measuring = (step) => kindOf(step.kind).answers && isClear && Object.values(before.texts.get(step.key) ?? {}).some((text) => measuredIn(text).has(before.name));
  return {
    ...draft,
    steps: draft.steps.map((step) => {
      const renamed = step.key === stepKey ? { ...step, name } : step;
      if (!measuring(step)) return renamed;
      const texts = Object.entries({ ...textsOf(step), ...before.texts.get(step.key) });
      return { ...renamed, ...withTexts(step, Object.fromEntries(texts.map(([place, text]) => [place, renameMeasured(text, before.name, name)]))) };
    }),
  };
}

/** The draft without the step; inputs that read from it are left unbound, and `unbound` names their steps. None runs after it. */
export function removeStep(draft, stepKey) {
  const unbound = draft.steps.filter(
    (step) => step.key !== stepKey && step.inputs.some((input) => input.binding?.stepKey === stepKey),
  );
  const steps = draft.steps.filter((step) => step.key !== stepKey);
  return {
    draft: {
      ...draft,
      steps: unbind(steps, (binding) => binding.stepKey === stepKey).map((step) =>
        step.run_after.some((before) => before.stepKey === stepKey) || step.only_if?.stepKey === stepKey
          ? {
              ...step,
              run_after: step.run_after.filter((before) => before.stepKey !== stepKey),
              only_if: step.only_if?.stepKey === stepKey ? null : step.only_if,
            }
          : step,
      ),
    },
    unbound: unbound.map((step) => step.name),
  };
}

/** Change plain fields of a step. */
export function updateStep(draft, stepKey, patch) {
  return { ...draft, steps: replaceAt(draft.steps, stepKey, (step) => ({ ...step, ...patch })) };
}

function unbind(steps, isGone) {
  return steps.map((step) =>
    step.inputs.some((input) => input.binding && isGone(input.binding))
      ? {
          ...step,
          inputs: step.inputs.map((input) => (input.binding && isGone(input.binding) ? { ...input, binding: null } : input)),
        }
      : step,
  );
}

// Inputs and outputs

const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,99}$/;
const PLURAL = { input: "inputs", output: "outputs" };

/** @returns {Input} */
const newInput = (name, binding = null) => ({ key: newKey(), name, binding, mode: "download" });

/** @returns {Output} */
const newOutput = (name) => ({ key: newKey(), name, datastore: null, path: null, file: null, mode: "upload", register_as: null });

export function addInput(draft, stepKey) {
  return addPort(draft, stepKey, "inputs", newInput, "input");
}

export function addOutput(draft, stepKey) {
  return addPort(draft, stepKey, "outputs", newOutput, "output");
}

function addPort(draft, stepKey, list, make, prefix) {
  const step = stepOf(draft, stepKey);
  const port = make(freshName(prefix, step[list].map((other) => other.name)));
  return { draft: updateStep(draft, stepKey, { [list]: [...step[list], port] }), key: port.key };
}

/** A new output of a step that runs another pipeline: the first of `names` (as in `fit.model`) that no other is taken from. */
export function addTakenOutput(draft, stepKey, names) {
  const { outputs } = stepOf(draft, stepKey);
  const from = names.find((name) => !outputs.some((output) => (output.taken_from ?? output.name) === name)) ?? null;
  const output = { ...newOutput(freshName(from?.split(".").at(-1) ?? "output", outputs.map(({ name }) => name))), taken_from: from };
  return { draft: updateStep(draft, stepKey, { outputs: [...outputs, output] }), key: output.key };
}

/** With inputs of these names. One that is bound already, and is called what nobody wants, becomes the first of them. */
export function addInnerInputs(draft, stepKey, names, kept = []) {
  const { inputs } = stepOf(draft, stepKey);
  const free = inputs.find((input) => input.name === "input" && input.binding && !kept.includes(input.name));
  const [first, ...others] = names;
  const now = free && first ? inputs.map((input) => (input === free ? { ...input, name: first } : input)) : inputs;
  const more = (free ? others : names).map((name) => newInput(name));
  return updateStep(draft, stepKey, { inputs: [...now, ...more] });
}

export const bindInput = (draft, stepKey, inputKey, binding) => updatePort(draft, "input", stepKey, inputKey, { binding });

/** Change fields of an input or output ("input" | "output") other than its name. */
export function updatePort(draft, kind, stepKey, portKey, patch) {
  const list = PLURAL[kind];
  const ports = replaceAt(stepOf(draft, stepKey)[list], portKey, (port) => ({ ...port, ...patch }));
  return updateStep(draft, stepKey, { [list]: ports });
}

/** The draft in which what texts speak of as an output of their step is one, as the studio counts them. */
export function withNamedOutputs(draft) {
  const steps = draft.steps.map((step) => {
    const named = new Set(Object.values(textsOf(step)).flatMap((text) => [...namesIn(text, "outputs")]));
    const missing = [...named].filter((name) => NAME.test(name) && !step.outputs.some((output) => output.name === name));
    return missing.length ? { ...step, outputs: [...step.outputs, ...missing.map(newOutput)] } : step;
  });
  return steps.every((step, index) => step === draft.steps[index]) ? draft : { ...draft, steps };
}

/** Change fields of what an output is registered as; null takes the registration away. */
export function updateRegistration(draft, stepKey, outputKey, patch) {
  const output = stepOf(draft, stepKey).outputs.find(({ key }) => key === outputKey);
  const before = output.register_as ?? { dataset: "", description: "", tags: {} };
  return updatePort(draft, "output", stepKey, outputKey, { register_as: patch && { ...before, ...patch } });
}

export function removeInput(draft, stepKey, inputKey) {
  const step = stepOf(draft, stepKey);
  return updateStep(draft, stepKey, { inputs: step.inputs.filter((input) => input.key !== inputKey) });
}

/** The draft without the output; inputs of other steps that read it are left unbound. */
export function removeOutput(draft, stepKey, outputKey) {
  const step = stepOf(draft, stepKey);
  const less = updateStep(draft, stepKey, { outputs: step.outputs.filter((output) => output.key !== outputKey) });
  return { ...less, steps: unbind(less.steps, (binding) => binding.outputKey === outputKey) };
}

/**
 * A step with the ports of its module: what is missing is added, and what is neither bound nor read by anybody goes. What is
 * bound and called what nobody wants becomes the first input that is missing.
 * @param {{inputs: {name: string}[], outputs: {name: string, file?: string|null}[], parameters: Parameter[]}} module
 */
export function takePorts(draft, stepKey, module) {
  const step = stepOf(draft, stepKey);
  const wanted = module.inputs.map(({ name }) => name);
  const kept = step.inputs.filter(({ name, binding }) => wanted.includes(name) || binding);
  const missing = wanted.filter((name) => !kept.some((input) => input.name === name));
  const free = kept.find(({ name }) => name === "input" && !wanted.includes(name));
  const [first] = missing;
  const inputs = [
    ...kept.map((input) => (input === free && first ? { ...input, name: first } : input)),
    ...missing.slice(free && first ? 1 : 0).map((name) => newInput(name)),
  ];
  const isRead = ({ key }) => draft.steps.some((other) => other.inputs.some(({ binding }) => binding?.outputKey === key));
  const written = step.outputs.filter((output) => isRead(output) || module.outputs.some(({ name }) => name === output.name));
  const outputs = [...written, ...module.outputs.filter(({ name }) => !written.some((output) => output.name === name)).map(({ name }) => newOutput(name))];
  const given = (step.parameters ?? []).filter(({ name, value }) => value !== "" || module.parameters.some((parameter) => parameter.name === name));
  const must = module.parameters.filter((parameter) => parameter.default === null && !parameter.optional && !given.some(({ name }) => name === parameter.name));
  const parameters = [...given, ...must.map(({ name }) => ({ key: newKey(), name, value: "" }))];
  return updateStep(draft, stepKey, { inputs, outputs, parameters });
}

// Names with values

export function addValue(draft, stepKey, field) {
  const step = stepOf(draft, stepKey);
  const row = { key: newKey(), name: freshName("parameter", step[field].map(({ name }) => name)), value: "" };
  return { draft: updateStep(draft, stepKey, { [field]: [...step[field], row] }), key: row.key };
}

export const updateValue = (draft, stepKey, field, key, patch) =>
  updateStep(draft, stepKey, { [field]: replaceAt(stepOf(draft, stepKey)[field], key, (row) => ({ ...row, ...patch })) });

export const removeValue = (draft, stepKey, field, key) =>
  updateStep(draft, stepKey, { [field]: stepOf(draft, stepKey)[field].filter((row) => row.key !== key) });

// What a step runs after

export function addPredecessor(draft, stepKey) {
  const key = newKey();
  return { draft: updateStep(draft, stepKey, { run_after: [...stepOf(draft, stepKey).run_after, { key, step: "" }] }), key };
}

/** @param {string} value A step's key, or nothing. */
export function setPredecessor(draft, stepKey, key, value) {
  const change = () => (value ? { key, stepKey: value } : { key, step: "" });
  return updateStep(draft, stepKey, { run_after: replaceAt(stepOf(draft, stepKey).run_after, key, change) });
}

export function removePredecessor(draft, stepKey, key) {
  const kept = stepOf(draft, stepKey).run_after.filter((before) => before.key !== key);
  return updateStep(draft, stepKey, { run_after: kept });
}

/** Put a step on a branch of a condition, or with nothing on none. @param {OnlyIf|null} branch */
export const setBranch = (draft, stepKey, branch) => updateStep(draft, stepKey, { only_if: branch });

// Environment variables

export function addVariable(draft, stepKey) {
  const variable = { key: newKey(), name: "", value: "" };
  const variables = [...stepOf(draft, stepKey).environment_variables, variable];
  return { draft: updateStep(draft, stepKey, { environment_variables: variables }), key: variable.key };
}

export function updateVariable(draft, stepKey, key, patch) {
  const variables = replaceAt(stepOf(draft, stepKey).environment_variables, key, (variable) => ({ ...variable, ...patch }));
  return updateStep(draft, stepKey, { environment_variables: variables });
}

export function removeVariable(draft, stepKey, key) {
  const kept = stepOf(draft, stepKey).environment_variables.filter((variable) => variable.key !== key);
  return updateStep(draft, stepKey, { environment_variables: kept });
}

/**
 * What the texts said when somebody began to type a new name. Placeholders are rewritten from there, so that a name
 * that is for a moment the same as another's takes nothing with it.
 */
export function remember(draft, scope, stepKey, key) {
  const owner = scope === "parameters" || scope === "steps" ? draft : stepOf(draft, stepKey);
  return {
    name: owner[scope].find((item) => item.key === key)?.name ?? "",
    texts: new Map(draft.steps.map((step) => [step.key, textsOf(step)])),
  };
}

/** Rename an input or output ("input" | "output"), its placeholders with it. `before` is what `remember` gave. */
export function renamePort(draft, kind, stepKey, portKey, name, before) {
  const scope = PLURAL[kind];
  const step = stepOf(draft, stepKey);
  const others = step[scope].filter((port) => port.key !== portKey).map((port) => port.name);
  return updateStep(draft, stepKey, {
    [scope]: replaceAt(step[scope], portKey, (port) => ({ ...port, name })),
    ...withTexts(step, renamedTexts(step, scope, name, before, others)),
  });
}

/** The texts of a step by place, with the placeholders of one name speaking of another. */
function renamedTexts(step, scope, name, before, others) {
  const texts = Object.entries({ ...textsOf(step), ...before.texts.get(step.key) });
  return Object.fromEntries(texts.map(([place, text]) => [place, renamed(text, scope, before.name, name, others)]));
}

function renamed(text, scope, from, to, others) {
  // An empty or a doubled name would make one placeholder of two: they wait until the name is its own.
  if (!from || !/^[^\s{}]+$/.test(to) || others.includes(to) || others.includes(from)) return text;
  return renamePlaceholder(text, scope, from, to);
}

// Parameters

export function addParameter(draft) {
  const name = freshName("parameter", draft.parameters.map((parameter) => parameter.name));
  const parameter = { key: newKey(), name, type: "string", default: "", description: "" };
  return { draft: { ...draft, parameters: [...draft.parameters, parameter] }, key: parameter.key };
}

export function updateParameter(draft, key, patch) {
  return { ...draft, parameters: replaceAt(draft.parameters, key, (parameter) => ({ ...parameter, ...patch })) };
}

export function renameParameter(draft, key, name, before) {
  const others = draft.parameters.filter((parameter) => parameter.key !== key).map((parameter) => parameter.name);
  return {
    ...updateParameter(draft, key, { name }),
    steps: draft.steps.map((step) => {
      const texts = renamedTexts(step, "parameters", name, before, others);
      const now = textsOf(step);
      return Object.entries(texts).every(([place, text]) => now[place] === text) ? step : { ...step, ...withTexts(step, texts) };
    }),
  };
}

/** The draft without the parameter; inputs that it feeds are left unbound. */
export function removeParameter(draft, key) {
  return {
    ...draft,
    parameters: draft.parameters.filter((parameter) => parameter.key !== key),
    steps: unbind(draft.steps, (binding) => binding.parameterKey === key),
  };
}

/** Whether a parameter stands for data, which can feed an input. */
export const isOfData = ({ type }) => type === "dataset" || type === "data_path";

/** What was typed as a parameter's default, as a value of its type; what does not fit stays text and is a problem. */
export function parameterValue(type, text) {
  if (type === "string") return text;
  if (type === "enum") return text === "" ? null : text;
  if (isOfData({ type })) return text.trim();
  if (text.trim() === "") return null;
  if (type === "boolean") return text === "true" ? true : text === "false" ? false : text;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

// Files

/** Text typed into a file of the step's source, to be kept with the next save. */
export function setEdit(draft, stepKey, path, text) {
  const step = stepOf(draft, stepKey);
  return updateStep(draft, stepKey, { edits: { ...step.edits, [path]: text } });
}

/** Forget edits, as when the text is again what the source holds. */
export function dropEdit(draft, stepKey, path) {
  const edits = Object.entries(stepOf(draft, stepKey).edits).filter(([name]) => name !== path);
  return updateStep(draft, stepKey, { edits: Object.fromEntries(edits) });
}

/**
 * The edits of a step have become part of the source `digest`: said of every draft that holds just these edits on just
 * that source, whatever else is different in it.
 */
export function keepEdits(draft, { source, edits, digest }) {
  const isIt = (step) => step.source === source && step.edits === edits;
  return draft.steps.some(isIt)
    ? { ...draft, steps: draft.steps.map((step) => (isIt(step) ? { ...step, source: digest, edits: {} } : step)) }
    : draft;
}

// What follows

/** The names of the steps whose metrics a step reads; only what answers does. */
const measuredBy = (step) =>
  kindOf(step.kind).answers ? [...new Set(Object.values(textsOf(step)).flatMap((text) => [...measuredIn(text)]))] : [];

/** The graph's edges between steps, by key: `{from, output, to, input, label}`, without ports where a step just runs after. */
export function edgesOf(draft) {
  const byName = new Map([...draft.steps].reverse().map((step) => [step.name, step])); // of two with one name the first counts
  return draft.steps.flatMap((step) => [
    ...step.inputs
      .filter((input) => input.binding?.stepKey && stepOf(draft, input.binding.stepKey))
      .map((input) => ({
        from: input.binding.stepKey,
        output: input.binding.outputKey,
        to: step.key,
        input: input.key,
      })),
    ...step.run_after
      .filter((before) => before.stepKey && stepOf(draft, before.stepKey))
      .map((before) => ({ from: before.stepKey, output: "", to: step.key, input: "" })),
    ...(step.only_if?.stepKey && stepOf(draft, step.only_if.stepKey)
      ? [{ from: step.only_if.stepKey, output: "", to: step.key, input: "", label: String(step.only_if.answer) }]
      : []),
    ...measuredBy(step)
      .filter((name) => byName.has(name))
      .map((name) => ({ from: byName.get(name).key, output: "", to: step.key, input: "" })),
  ]);
}

/** The keys of the steps that wait, directly or through others, for the step; itself included. */
export function dependantsOf(draft, stepKey) {
  const edges = edgesOf(draft);
  const found = new Set([stepKey]);
  const queue = [stepKey];
  while (queue.length) {
    const key = queue.pop();
    for (const edge of edges) {
      if (edge.from !== key || found.has(edge.to)) continue;
      found.add(edge.to);
      queue.push(edge.to);
    }
  }
  return found;
}

/**
 * What can feed an input of a step: outputs of the other steps, each `{label, binding, disabled, reason}`. One that
 * would send the steps round in a circle is disabled and says why.
 */
export function outputChoices(draft, stepKey) {
  const dependants = dependantsOf(draft, stepKey);
  const own = stepOf(draft, stepKey).name;
  return draft.steps
    .filter((step) => step.key !== stepKey)
    .flatMap((step) =>
      step.outputs.map((output) => ({
        label: `${step.name} → ${output.name}`,
        binding: { kind: "output", stepKey: step.key, outputKey: output.key },
        disabled: dependants.has(step.key),
        reason: dependants.has(step.key) ? `waits for ${own}` : "",
      })),
    );
}

/** The other steps, as what a step can run after: `{key, name, disabled}`; disabled where that would make a circle. */
export function predecessorChoices(draft, stepKey) {
  const dependants = dependantsOf(draft, stepKey);
  return draft.steps
    .filter((step) => step.key !== stepKey)
    .map((step) => ({ key: step.key, name: step.name, disabled: dependants.has(step.key) }));
}

/**
 * The draft as `GraphView.setGraph` takes it; datasets, models, and parameters that stand for data, are nodes of their
 * own above what reads them. `isTable` says of a binding whether it means a table.
 */
export function graphOf(draft, problemCounts = new Map(), isTable = (_binding) => false) {
  const datasets = new Map();
  const edges = edgesOf(draft);
  for (const step of draft.steps) {
    for (const input of step.inputs) {
      const parameter = draft.parameters.find(({ key }) => key === input.binding?.parameterKey);
      if (parameter) {
        const id = `parameter:${parameter.key}`;
        const subtitle = parameter.default || "given at submission";
        datasets.set(id, { id, kind: "parameter", title: parameter.name || "(no name)", subtitle, outputs: [{ name: "data" }] });
        edges.push({ from: id, output: "data", to: step.key, input: input.key });
      }
      if (input.binding?.kind === "model") {
        const { model, version, stage } = input.binding;
        const id = `model:${modelName(input.binding)}`;
        const subtitle = version ? `version ${version}` : stage ? `in ${stage}` : "latest";
        datasets.set(id, { id, kind: "model", title: model, subtitle, outputs: [{ name: "data" }] });
        edges.push({ from: id, output: "data", to: step.key, input: input.key });
      }
      if (input.binding?.kind !== "dataset") continue;
      const { dataset, version } = input.binding;
      const id = `dataset:${dataset}:${version ?? ""}`;
      datasets.set(id, {
        id,
        kind: "dataset",
        title: dataset,
        subtitle: version ? `version ${version}` : "latest",
        ...(isTable(input.binding) && { icon: "table" }),
        outputs: [{ name: "data" }],
      });
      edges.push({ from: id, output: "data", to: step.key, input: input.key });
    }
  }
  const port = ({ key, name }, extra = {}) => ({ name: key, label: name, ...extra });
  const steps = draft.steps.map((step) => ({
    id: step.key,
    kind: "step",
    title: step.name || "(no name)",
    icon: kindOf(step.kind).icon,
    subtitle: [subtitleOf(step), kindOf(step.kind).has_job && !kindOf(step.kind).is_work && (parameterIn(step.environment) ?? step.environment)].filter(Boolean).join(" · "),
    inputs: step.inputs.map((input) => port(input, { bound: input.binding !== null })),
    outputs: step.outputs.map((output) => port(output)),
    problems: problemCounts.get(step.key) ?? 0,
  }));
  return { nodes: [...datasets.values(), ...steps], edges };
}
