/** Which settings of a step parameters feed, in words. Pure. */

import { kindOf } from "../builder/kinds.js";
import { settingWords } from "../builder/problems.js";
import { parameterIn, settingsOf } from "../builder/settings.js";

/** @param {Record<string, any>} values Of the run's parameters. A line; empty where every setting has a value of its own. */
export function fedWords(step, values) {
  const fed = settingsOf(step).map((path) => [path, parameterIn(path.split(".").reduce((holder, name) => holder?.[name], step))]).filter(([, name]) => name !== null);
  if (fed.length === 0) return "";
  const own = new Map(kindOf(step.kind).fields.map((field) => [field.name, `“${field.label}”`]));
  const told = fed.map(([path, name]) => `${own.get(path) ?? settingWords(path)} by “${name}”${Object.hasOwn(values, name) ? `, which is ${values[name]} in this run` : ""}`);
  return `Fed by parameters: ${told.join("; ")}. What you write in their place holds from the next attempt on.`;
}
