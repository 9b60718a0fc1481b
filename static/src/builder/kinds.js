/** The kinds of steps, as the server describes them (`pipelines/kinds/describing.py`). Pure. */

/**
 * @typedef {"script"|"arguments"|"shell"|"text"|"number"|"check"} Widget
 * @typedef {{name: string, label: string, help: string, widget: Widget, default: any}} KindField
 * @typedef {{settings: Record<string, any>, files: Record<string, string>}} Example
 * @typedef {{name: string, label: string, icon: string, summary: string, card_field: string, fields: KindField[],
 *   example: Example, example_that_reads: Example}} Kind
 */

/** @type {Map<string, Kind>} */
let kinds = new Map();

/** @param {Kind[]} list The first is what a new step is, unless something else is asked for. */
export function useKinds(list) {
  kinds = new Map(list.map((kind) => [kind.name, kind]));
}

export const firstKind = () => [...kinds.values()][0];

/** @param {string} name @returns {Kind} */
export const kindOf = (name) => kinds.get(name);

const HOLDS_PLACEHOLDERS = new Set(["arguments", "shell"]);

/** The texts of a step in which placeholders stand: by field. */
export const textsOf = (step) =>
  Object.fromEntries(
    kindOf(step.kind).fields.filter(({ widget }) => HOLDS_PLACEHOLDERS.has(widget)).map(({ name }) => [name, step[name] ?? ""]),
  );

/** The field of a step that names one of its files to be run; undefined where it runs none. */
export const scriptFieldOf = (step) => kindOf(step.kind).fields.find(({ widget }) => widget === "script")?.name;

/** The file that a step runs; undefined where it runs none. */
export const scriptOf = (step) => step[scriptFieldOf(step)];

/** What a step runs, in a few words. */
export const subtitleOf = (step) =>
  String(step[kindOf(step.kind).card_field] ?? "")
    .split("\n")
    .map((line) => line.trim())
    .find(Boolean) ?? "";
