/** Tags as one line of text, `stage=trial, team=vision`, and as the object that a definition holds. Pure. */

/** @param {string} text @returns {Record<string, string>} */
export function tagsOf(text) {
  const pairs = text.split(",").map((part) => part.trim()).filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      return at < 0 ? [pair, ""] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}

/** @param {Record<string, string>} tags */
export const tagsText = (tags) =>
  Object.entries(tags)
    .map(([name, value]) => (value ? `${name}=${value}` : name))
    .join(", ");
