// Tabler has a class for everything; what no page of ours names is four fifths of its weight.

/**
 * A style sheet without the rules that name a class which is not among `words`. Rules without a class stay.
 * @param {string} css Minified or not; well-formed.
 * @param {ReadonlySet<string>} words
 */
export function prunedCss(css, words) {
  const isUsed = (/** @type {string} */ selector) =>
    (selector.match(/\.(?:\\.|[\w-])+/g) ?? []).every((name) => words.has(name.slice(1)));
  let at = 0;

  function skipQuoted() {
    const quote = css[at];
    for (at += 1; at < css.length && css[at] !== quote; at += 1) if (css[at] === "\\") at += 1;
    at += 1;
  }

  /** The text of a block's inside, `at` behind its brace. */
  function body() {
    const start = at;
    for (let depth = 1; at < css.length; at += 1) {
      while (css[at] === '"' || css[at] === "'") skipQuoted();
      if (css[at] === "{") depth += 1;
      if (css[at] === "}" && (depth -= 1) === 0) break;
    }
    at += 1;
    return css.slice(start, at - 1);
  }

  function rule(/** @type {string} */ head) {
    if (/^@(media|supports|layer|container)/.test(head)) {
      const kept = prunedCss(body(), words);
      return kept.trim() ? `${head}{${kept}}` : "";
    }
    if (head.startsWith("@")) return `${head}{${body()}}`;
    const kept = selectors(head).filter(isUsed);
    const inside = body();
    return kept.length ? `${kept.join(",")}{${inside}}` : "";
  }

  let out = "";
  let start = 0;
  while (at < css.length) {
    if (css[at] === '"' || css[at] === "'") {
      skipQuoted();
    } else if (css.startsWith("/*", at)) {
      at = css.indexOf("*/", at) + 2;
      start = at; // comments stand between rules
    } else if (css[at] === ";") {
      at += 1;
      out += css.slice(start, at);
      start = at;
    } else if (css[at] === "{") {
      const head = css.slice(start, at).trim();
      at += 1;
      out += rule(head);
      start = at;
    } else {
      at += 1;
    }
  }
  return out + css.slice(start);
}

/** The selectors of a list, whose commas may also stand in brackets. */
function selectors(/** @type {string} */ list) {
  const found = [];
  let depth = 0;
  let start = 0;
  for (const [i, sign] of [...list].entries()) {
    if (sign === "(" || sign === "[") depth += 1;
    if (sign === ")" || sign === "]") depth -= 1;
    if (sign !== "," || depth) continue;
    found.push(list.slice(start, i));
    start = i + 1;
  }
  return [...found, list.slice(start)];
}
