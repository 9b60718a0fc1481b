/** What the fields of a kind's form say, as the API wants it. Knows no page. */

/**
 * Whether a field matters beside the values of the others.
 * @param {Record<string, string[]>} when
 * @param {Record<string, string>} values
 */
export function isNeeded(when, values) {
  return Object.entries(when).every(([name, wanted]) => wanted.includes(values[name]));
}

/**
 * @param {{name: string, type: string, value: string}[]} fields Named `config_NAME` and `credentials_NAME`.
 * @returns {{config: Record<string, string|number|boolean>, credentials: Record<string, string>}}
 */
export function valuesIn(fields) {
  const body = { config: {}, credentials: {} };
  for (const { name, type, value } of fields) {
    const [, part, key] = /^(config|credentials)_(.+)$/.exec(name) ?? [];
    if (!part) continue;
    if (type === "checkbox") body[part][key] = value === "true";
    else if (type === "number") {
      if (value !== "") body[part][key] = Number(value);
    } else if (part === "config" || value) body[part][key] = value;
  }
  return body;
}
