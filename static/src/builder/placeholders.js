/** The arguments of a step as text: finding, renaming and showing `${{scope.name}}`. Agrees with `pipelines/arguments.py`. */

const METRICS = ".metrics";
const PLACEHOLDER = /\$\{\{\s*([A-Za-z_]\w*)\s*\.\s*([^\s{}]+?)\s*\}\}/g;

/** @param {"inputs"|"outputs"|"parameters"} scope @param {string} name */
export const placeholder = (scope, name) => `\${{${scope}.${name}}}`;

/** `text` with every placeholder of `scope` and `from` speaking of `to`; the rest stays to the letter. */
export function renamePlaceholder(text, scope, from, to) {
  return text.replace(PLACEHOLDER, (whole, found, name) => (found === scope && name === from ? placeholder(scope, to) : whole));
}

/** The steps whose metrics a text reads, as in `${{steps.train.metrics.accuracy}}`. */
export const measuredIn = (text) =>
  new Set([...namesIn(text, "steps")].filter((name) => name.includes(METRICS)).map((name) => name.split(METRICS)[0]));

/** `text` with the metrics of one step read from where it is called `to`. */
export function renameMeasured(text, from, to) {
  return text.replace(PLACEHOLDER, (whole, scope, name) => {
    const [step, ...rest] = name.split(METRICS);
    return scope === "steps" && step === from && rest.length ? `\${{steps.${[to, ...rest].join(METRICS)}}}` : whole;
  });
}

/** The names that placeholders of `scope` speak of. */
export function namesIn(text, scope) {
  return new Set([...text.matchAll(PLACEHOLDER)].filter((match) => match[1] === scope).map((match) => match[2]));
}

/** `text` cut into `{text}` and `{scope, name}`, in order. */
export function piecesOf(text) {
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    pieces.push({ scope: match[1], name: match[2] });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

/**
 * Where a chip's text goes: `text` with `inserted` at the selection, blanks kept apart, and the caret after it. In
 * front of a placeholder that begins an argument a flag of its name is written too, as in `--images ${{inputs.images}}`
 * (not in a shell's command).
 * What may be absent is put into a piece that can be left out, flag and all.
 * A plain text gets the placeholder and nothing beside it.
 */
export function insertPlaceholder(text, start, end, scope, name, { mayBeAbsent = false, flags = true, isPlain = false } = {}) {
  const before = text.slice(0, start);
  const after = text.slice(end);
  if (isPlain) return { text: `${before}${placeholder(scope, name)}${after}`, caret: start + placeholder(scope, name).length };
  const isFresh = /(^|\s|\$\[\[)$/.test(before);
  const followsFlag = /(?:^|\s|\$\[\[)-\S*\s*$|=$/.test(before);
  const glue = isFresh || /["'=/]$/.test(before) ? "" : " ";
  const isWhole = (isFresh || glue) && !followsFlag;
  const flag = flags && isWhole ? `--${name.replaceAll("_", "-")} ` : "";
  const tail = after === "" || /^[\s"']/.test(after) ? "" : " ";
  const isWithin = before.lastIndexOf("$[[") > before.lastIndexOf("]]");
  const piece = `${flag}${placeholder(scope, name)}`;
  const head = `${before}${glue}${mayBeAbsent && isWhole && !isWithin ? `$[[${piece}]]` : piece}${tail}`;
  return { text: head + after, caret: head.length };
}
