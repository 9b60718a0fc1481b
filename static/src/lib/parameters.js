/** What a person types for a parameter, and the value that it stands for. Pure. "", 0 and false are values. */

/**
 * @typedef {object} Parameter
 * @property {string} name
 * @property {"string"|"integer"|"number"|"boolean"} type
 * @property {string|number|boolean|null} [default] None: it must be given.
 * @property {string} [description]
 */

/**
 * What stands in the field at first.
 * @param {string|number|boolean|null|undefined} value
 * @returns {string}
 */
export function asText(value) {
  return value === null || value === undefined ? "" : String(value);
}

/**
 * @param {Parameter} parameter
 * @param {string} text As typed.
 * @returns {{value: string|number|boolean, problem?: undefined} | {problem: string, value?: undefined}}
 */
export function readValue(parameter, text) {
  if (parameter.type === "string") return { value: text };
  const typed = text.trim();
  if (parameter.type === "boolean") {
    if (typed === "true") return { value: true };
    if (typed === "false") return { value: false };
    return { problem: "Choose true or false." };
  }
  if (parameter.type === "integer") {
    if (!/^[+-]?\d+$/.test(typed)) return { problem: "Give a whole number, as in 10." };
    const value = Number(typed);
    return Number.isSafeInteger(value) ? { value } : { problem: "This number is too large." };
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(typed)) return { problem: "Give a number, as in 0.5 or 1e-3." };
  const value = Number(typed);
  return Number.isFinite(value) ? { value } : { problem: "This number is too large." };
}
