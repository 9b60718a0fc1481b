/** What the page of imports says: places, and what was made. Pure. */

/**
 * A place as people read it; empty where a problem has none in a file.
 * @param {(string|number)[]} loc File, line and column.
 */
export function placeWords(loc) {
  if (!isPlace(loc)) return "";
  const [file, line, column] = loc;
  return `${file === PASTED ? "" : `${file}, `}line ${line}, column ${column}`;
}

/** @param {(string|number)[]} loc */
export const isPlace = (loc) => loc.length === 3 && typeof loc[1] === "number" && typeof loc[2] === "number";

/** What the studio calls a text that was pasted. */
export const PASTED = "pasted.yml";

/** @param {{sort: string, name: string, steps: number}} made */
export function madeWords(made) {
  const what = { environment: "Environment", dataset: "Dataset", pipeline: "Pipeline" }[made.sort] ?? made.sort;
  const steps = made.sort === "pipeline" ? `, ${made.steps} step${made.steps === 1 ? "" : "s"}` : "";
  return `${what} “${made.name}”${steps}`;
}

/**
 * Where a line and a column are in a text, as the start and the end of what stands there on that line.
 * @param {string} text @param {number} line @param {number} column
 * @returns {[number, number]}
 */
export function rangeOf(text, line, column) {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((length, each) => length + each.length + 1, 0);
  const end = before + (lines[line - 1]?.length ?? 0);
  return [Math.min(before + column - 1, end), end];
}

/** @param {string} name */
export const isYaml = (name) => /\.ya?ml$/i.test(name);
