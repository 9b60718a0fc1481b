/** What a person types for a parameter, and the value that it stands for. Pure. "", 0 and false are values. */

/**
 * @typedef {object} Parameter
 * @property {string} name
 * @property {"string"|"integer"|"number"|"boolean"|"enum"|"dataset"|"data_path"} type
 * @property {string|number|boolean|null} [default] None: it must be given, unless it is optional.
 * @property {string} [description]
 * @property {boolean} [optional]
 * @property {string[]} [choices] Of an enum.
 * @property {number|null} [minimum]
 * @property {number|null} [maximum]
 */

/** Whether a run may go without a value of it. @param {Parameter} parameter */
export const mayBeAbsent = (parameter) => Boolean(parameter.optional) && (parameter.default ?? null) === null;

/** What is said of it beside its name. @param {Parameter} parameter */
export function noteOf(parameter) {
  const { type, minimum: least = null, maximum: most = null } = parameter;
  const bounded = ["integer", "number"].includes(type) && (least !== null || most !== null);
  const bounds = least === null ? `up to ${most}` : most === null ? `from ${least}` : `${least} to ${most}`;
  const need = mayBeAbsent(parameter) ? "optional" : (parameter.default ?? null) === null ? "must be given" : "";
  const word = { enum: "one of these", data_path: "data path" }[type] ?? type;
  return [word, bounded && bounds, need].filter(Boolean).join(", ");
}

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
 * @returns {{value: string|number|boolean|null, problem?: undefined} | {problem: string, value?: undefined}} Null: none.
 */
export function readValue(parameter, text) {
  if (text.trim() === "" && mayBeAbsent(parameter)) return { value: null };
  if (parameter.type === "string") return { value: text };
  if (parameter.type === "enum") return parameter.choices?.includes(text) ? { value: text } : { problem: "Choose one." };
  const typed = text.trim();
  if (parameter.type === "dataset") return typed ? { value: typed } : { problem: "Name a dataset, as in orders or orders:3." };
  if (parameter.type === "data_path") {
    return typed ? { value: typed } : { problem: "Name a datastore and a path in it, as in workspaceblobstore/sales." };
  }
  if (parameter.type === "boolean") {
    if (typed === "true") return { value: true };
    if (typed === "false") return { value: false };
    return { problem: "Choose true or false." };
  }
  if (parameter.type === "integer") {
    if (!/^[+-]?\d+$/.test(typed)) return { problem: "Give a whole number, as in 10." };
    const value = Number(typed);
    return Number.isSafeInteger(value) ? within(parameter, value) : { problem: "This number is too large." };
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(typed)) return { problem: "Give a number, as in 0.5 or 1e-3." };
  const value = Number(typed);
  return Number.isFinite(value) ? within(parameter, value) : { problem: "This number is too large." };
}

function within({ minimum = null, maximum = null }, value) {
  if (minimum !== null && value < minimum) return { problem: `This must be ${minimum} or more.` };
  if (maximum !== null && value > maximum) return { problem: `This must be ${maximum} or less.` };
  return { value };
}
