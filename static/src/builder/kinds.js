/** The kinds of steps, as the server describes them (`pipelines/kinds/describing.py`). Pure. */

/**
 * @typedef {"script"|"arguments"|"shell"|"values"|"search_space"|"filled"|"expression"|"choice"|"paths"|"text"|"number"|"check"|"sql"|"datastore"|"pipeline"|"inner_parameters"|"module"|"module_version"} Widget
 * @typedef {{name: string, label: string, help: string, widget: Widget, default: any, suffix: string, rows?: number,
 *   fed?: ""|"text"|"whole"|"number"|"size",
 *   choices?: {value: string, label: string}[]}} KindField
 * @typedef {{settings: Record<string, any>, files: Record<string, string>, environment: string}} Example
 * @typedef {{name: string, label: string, icon: string, summary: string, card_field: string, keeps: string[],
 *   is_work?: boolean, takes_inputs?: "any"|"one"|"none", has_job: boolean, answers: boolean, makes_runs?: boolean, is_module?: boolean,
 *   fields: KindField[], example: Example, example_that_reads: Example}} Kind
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

/** The fields of a step that are lists of names with values. */
export const valueFieldsOf = (step) =>
  kindOf(step.kind)
    .fields.filter(({ widget }) => widget === "values" || widget === "search_space")
    .map(({ name }) => name);

/** The field of a step that names one of its files to be run; undefined where it runs none. */
export const scriptFieldOf = (step) => kindOf(step.kind).fields.find(({ widget }) => widget === "script");

/** The file that a step runs; undefined where it runs none. */
export const scriptOf = (step) => step[scriptFieldOf(step)?.name];

/** What a step runs, in a few words. */
export const subtitleOf = (step) =>
  String(step[kindOf(step.kind).card_field] ?? "")
    .split("\n")
    .map((line) => line.trim())
    .find(Boolean) ?? "";
