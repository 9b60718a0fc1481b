/** Which settings of a step parameters feed, in words. Pure. */

import { settingWords } from "../builder/problems.js";
import { parameterIn, SETTINGS } from "../builder/settings.js";

/** @param {Record<string, any>} values Of the run's parameters. A line; empty where every setting has a value of its own. */
export function fedWords(step, values) {
  const fed = SETTINGS.map((path) => [path, parameterIn(path.split(".").reduce((holder, name) => holder?.[name], step))]).filter(([, name]) => name !== null);
  if (fed.length === 0) return "";
  const told = fed.map(([path, name]) => `${settingWords(path)} by “${name}”${Object.hasOwn(values, name) ? `, which is ${values[name]} in this run` : ""}`);
  return `Fed by parameters: ${told.join("; ")}. What you write in their place holds from the next attempt on.`;
}
