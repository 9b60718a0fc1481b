/** All texts of a step in which placeholders stand, by place: its kind's own, its variables, settings by parameters. Pure. */

import { kindOf, valueFieldsOf } from "./kinds.js";
import { parameterIn, settingsOf } from "./settings.js";

const HOLDS_PLACEHOLDERS = new Set(["arguments", "shell", "sql", "filled", "expression"]);

/** What of a step is a list of names with values. */
export const listsOf = (step) => ["environment_variables", ...valueFieldsOf(step)];

/** By field; those of lists by `LIST.KEY`. */
export function textsOf(step) {
  const own = kindOf(step.kind)
    .fields.filter(({ widget }) => HOLDS_PLACEHOLDERS.has(widget))
    .map(({ name }) => [name, step[name] ?? ""]);
  const rows = listsOf(step).flatMap((list) =>
    (step[list] ?? []).filter(({ value }) => typeof value === "string").map(({ key, value }) => [`${list}.${key}`, value]),
  );
  const settings = settingsOf(step).map((path) => [path, at(step, path)]).filter(([, value]) => parameterIn(value) !== null);
  return Object.fromEntries([...own, ...rows, ...settings]);
}

/** What is to be changed of a step, so that its texts are these; those of rows that are gone count for nothing. */
export function withTexts(step, texts) {
  const lists = listsOf(step);
  const patch = {};
  for (const [place, text] of Object.entries(texts)) {
    const [group, name] = place.split(".");
    if (lists.includes(group)) continue;
    patch[group] = name ? { ...(patch[group] ?? step[group]), [name]: text } : text;
  }
  for (const list of lists) patch[list] = (step[list] ?? []).map((row) => withText(row, texts[`${list}.${row.key}`]));
  return patch;
}

const withText = (row, text) =>
  text === undefined || typeof row.value !== "string" || text === row.value ? row : { ...row, value: text };

const at = (step, path) => path.split(".").reduce((holder, name) => holder?.[name], step);
