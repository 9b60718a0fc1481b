/** Settings of a step that a parameter can feed: `${{parameters.NAME}}` in the place of a value. Agrees with `pipelines/references.py`. Pure. */

import { kindOf } from "./kinds.js";
import { placeholder } from "./placeholders.js";

const REFERENCE = /^\s*\$\{\{\s*parameters\s*\.\s*([^\s{}]+?)\s*\}\}\s*$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The types of the parameters that can feed a setting, by what the setting is. */
export const TYPES = { text: ["string", "enum"], whole: ["integer"], number: ["integer", "number"], size: ["string", "enum", "integer"] };

/** By path, those of a step that can be fed: what all kinds have, and what is its kind's own. */
export const settingsOf = (step) => [...SETTINGS, ...kindOf(step.kind).fields.filter(({ fed }) => fed).map(({ name }) => name)];

const SETTINGS = [
  "environment",
  "compute",
  "timeout_s",
  ...["max_attempts", "exit_codes", "backoff_s", "backoff_factor", "max_backoff_s", "max_node_losses"].map((name) => `retry.${name}`),
  ...["memory_bytes", "cpus", "output_bytes", "log_bytes"].map((name) => `limits.${name}`),
  ...["cpus", "memory_bytes", "gpus"].map((name) => `resources.${name}`),
];

/** The parameter that a setting is fed by; null where it has a value of its own. */
export function parameterIn(value) {
  return typeof value === "string" ? (REFERENCE.exec(value)?.[1] ?? null) : null;
}

/** What was typed as a number: the number, null for nothing, the parameter in its place; undefined where it is none of them. */
export function settingOf(text) {
  const typed = text.trim();
  if (typed === "") return null;
  const parameter = parameterIn(typed);
  if (parameter !== null) return placeholder("parameters", parameter);
  return NUMBER.test(typed) && Number.isFinite(Number(typed)) ? Number(typed) : undefined;
}

/** The parameters that can feed a setting: `{value, label}`. @param {"text"|"whole"|"number"|"size"} kind */
export function settingChoices(parameters, kind) {
  return parameters
    .filter(({ name, type }) => name && TYPES[kind].includes(type))
    .map(({ name }) => ({ value: placeholder("parameters", name), label: name }));
}

/** A setting in words: those of its value, or the parameter that it is fed by. */
export function inWords(value, words, what) {
  const parameter = parameterIn(value);
  return parameter === null ? words(value) : `${what} by ${parameter}`;
}
