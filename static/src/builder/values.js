/** Values as a field shows them: numbers, true and false as they are, any other text as it is; in quotes it is text in any case. Pure. */

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** @param {string} text What was typed. @returns {string|number|boolean} */
export function valueOf(text) {
  const bare = text.trim();
  if (bare === "true" || bare === "false") return bare === "true";
  const number = Number(bare);
  // A number that a browser can't keep stays text rather than become another one.
  if (NUMBER.test(bare) && Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number))) return number;
  return unquoted(bare) ?? text;
}

/** @param {string|number|boolean} value @returns {string} What is to be typed for it. */
export function textOf(value) {
  if (typeof value !== "string") return String(value);
  return valueOf(value) === value ? value : JSON.stringify(value);
}

function unquoted(text) {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
