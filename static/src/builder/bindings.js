/**
 * What feeds an input, in the draft and in a select. Pure.
 *
 * In the draft a binding to what else is in it speaks of keys: `{kind: "output", stepKey, outputKey}` and
 * `{kind: "parameter", parameterKey}`. One whose other end is not there keeps the names that it came with.
 */

import { stepOf } from "./once.js";

/** A binding of a definition as the draft has it. @param {any} binding */
export function keyed(binding, stepsByName, parameters) {
  if (binding?.kind === "output") {
    const upstream = stepsByName.get(binding.step);
    const output = upstream?.outputs.find((candidate) => candidate.name === binding.output);
    return output ? { kind: "output", stepKey: upstream.key, outputKey: output.key } : binding;
  }
  if (binding?.kind === "parameter") {
    const parameter = parameters.find(({ name }) => name === binding.parameter);
    return parameter ? { kind: "parameter", parameterKey: parameter.key } : binding;
  }
  return binding ?? null;
}

/** The binding as a definition has it: null where what it speaks of is gone from the draft. */
export function plain(draft, binding) {
  if (binding?.stepKey) {
    const upstream = stepOf(draft, binding.stepKey);
    const output = upstream?.outputs.find(({ key }) => key === binding.outputKey);
    return output ? { kind: "output", step: upstream.name, output: output.name } : null;
  }
  if (binding?.parameterKey) {
    const parameter = draft.parameters.find(({ key }) => key === binding.parameterKey);
    return parameter ? { kind: "parameter", parameter: parameter.name } : null;
  }
  return binding ?? null;
}

/** A value for a binding; equal bindings have equal values. */
export function bindingValue(binding) {
  if (!binding) return "";
  if (binding.kind === "dataset") return JSON.stringify(["dataset", binding.dataset, binding.version ?? null]);
  if (binding.kind === "model") return JSON.stringify(["model", binding.model, binding.version ?? null, binding.stage ?? null]);
  if (binding.parameterKey) return JSON.stringify(["parameter", binding.parameterKey]);
  if (binding.kind === "parameter") return JSON.stringify(["lost parameter", binding.parameter]);
  if (binding.stepKey) return JSON.stringify(["output", binding.stepKey, binding.outputKey]);
  return JSON.stringify(["lost", binding.step, binding.output]);
}

/** The binding that a value stands for. */
export function bindingOf(value) {
  if (!value) return null;
  const [kind, a, b, c] = JSON.parse(value);
  if (kind === "dataset") return { kind: "dataset", dataset: a, version: b };
  if (kind === "model") return { kind: "model", model: a, version: b, stage: c };
  if (kind === "parameter") return { kind: "parameter", parameterKey: a };
  if (kind === "lost parameter") return { kind: "parameter", parameter: a };
  if (kind === "output") return { kind: "output", stepKey: a, outputKey: b };
  return { kind: "output", step: a, output: b };
}

/** How a binding to a model is written: `digits`, `digits:3`, `digits@production`. */
export function modelName({ model, version, stage }) {
  return `${model}${version ? `:${version}` : ""}${stage ? `@${stage}` : ""}`;
}

/** What a binding is called where what it means is gone. */
export function lostName(binding) {
  if (binding.kind === "dataset") return binding.dataset;
  if (binding.kind === "model") return modelName(binding);
  return binding.kind === "parameter" ? (binding.parameter ?? "?") : `${binding.step ?? "?"} → ${binding.output ?? "?"}`;
}
