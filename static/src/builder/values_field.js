/** Names with values, as a list of rows: where a value is taken for something else than text, that stands in its field. */

import { h } from "../graph/dom.js";
import { addValue, removeValue, updateValue } from "./document.js";
import { listField } from "./list_field.js";
import { kindOf } from "./kinds.js";
import { suggest, valueNames } from "./pipeline_field.js";
import { piecesOf, placeholder } from "./placeholders.js";
import { textOf, valueOf } from "./values.js";

const WORDS = { number: "number", integer: "number", boolean: "boolean" };

/**
 * How values of one sort are shown and read.
 * @typedef {{emptyText: (runsPipeline: boolean) => string, read: (value: any) => string, write: (text: string) => any,
 *   words: (step: any, draft: any) => string[], typeWord: (value: any, draft: any) => string, hasUsual: boolean}} How
 */

/** Of a notebook, or of a pipeline that is run. @type {How} */
const GIVEN = {
  emptyText: (runsPipeline) => (runsPipeline ? "None. Each of its parameters has its default." : "None. The notebook runs with its own values."),
  read: textOf,
  write: valueOf,
  words: wordsOf,
  typeWord,
  hasUsual: true,
};
/** Of a sweep: what is tried for a parameter, an expression and no value. @type {How} */
export const SEARCHED = {
  emptyText: () => "None. A sweep tries values for at least one parameter.",
  read: String,
  write: String,
  words: () => ["choice(16, 32)", "randint(8)", "uniform(0, 1)", "quniform(0, 10, 2)", "loguniform(log(0.0001), log(0.1))", "qloguniform(log(8), log(512), 8)", "normal(0, 1)", "lognormal(0, 1)"],
  typeWord: () => "",
  hasUsual: false, // what is tried takes its place
};

/** @param {import("./kinds.js").KindField} own @param {any} inner The pipelines that steps run. */
export function valuesField(fields, store, stepKey, step, own, inner, how = GIVEN) {
  // What has parameters of its own: a pipeline that is run, or a module.
  const runsPipeline = hasParameters(kindOf(step().kind));
  const rows = () => step()?.[own.name] ?? [];
  const row = (key) => rows().find((each) => each.key === key);
  const set = (key, patch, merge) =>
    store.apply((draft) => updateValue(draft, stepKey, own.name, key, patch), { merge: `${key}.${merge}` });
  const placeholders = fields.derived(
    h("datalist", { id: `values-${stepKey}-${own.name}` }),
    () => how.words(step(), store.draft),
    () => how.words(step(), store.draft).map((text) => h("option", { value: text })),
  );
  /** What stands for a value that isn't given, as a hint. */
  const usual = (name) => {
    const found = inner.of(step())?.parameters.find((parameter) => parameter.name === name);
    return found?.default === null || found?.default === undefined ? "" : `${found.default} unless given`;
  };
  const nameField = (part, key) => {
    const path = `${own.name}.${key}.name`;
    const element = part.text({ path, label: "Name", hideLabel: true, mono: true, read: () => row(key)?.name ?? "", write: (name) => set(key, { name }, "name") });
    if (runsPipeline) suggest(part, element, `values-${stepKey}-${own.name}-${key}`, () => valueNames(inner, step()));
    return element;
  };
  const valueField = (part, key) => {
    const read = () => how.read(row(key)?.value ?? "");
    const element = part.text({
      path: `${own.name}.${key}.value`,
      label: `Value of ${row(key)?.name ?? ""}`,
      hideLabel: true,
      mono: true,
      read,
      write: (text) => set(key, { value: how.write(text) }, "value"),
    });
    element.querySelector("input").setAttribute("list", placeholders.id);
    if (runsPipeline && how.hasUsual) part.follow(() => element.querySelector("input").setAttribute("placeholder", usual(row(key)?.name)));
    const type = h("span", { class: "builder-value-type" });
    part.derived(type, () => how.typeWord(row(key)?.value, store.draft), () => [how.typeWord(row(key)?.value, store.draft)]);
    element.querySelector("input").after(type);
    return element;
  };
  const section = listField(fields, {
    title: own.label,
    addLabel: "Add parameter",
    emptyText: how.emptyText(runsPipeline),
    className: "is-values",
    items: rows,
    add: () => {
      let key;
      store.apply((draft) => {
        const added = addValue(draft, stepKey, own.name);
        ({ key } = added);
        return added.draft;
      });
      return key;
    },
    remove: (key) => store.apply((draft) => removeValue(draft, stepKey, own.name, key)),
    removeLabel: (key) => `Remove parameter ${row(key)?.name ?? ""}`,
    row: (part, key) => [nameField(part, key), valueField(part, key)],
  });
  const error = h("div", { class: "field-error", id: `values-${stepKey}-${own.name}-error` });
  fields.controls.set(own.name, { control: section, error, described: [] });
  section.append(error, placeholders, h("p", { class: "field-help", text: own.help }));
  return section;
}

const hasParameters = (kind) => Boolean(kind.makes_runs || kind.is_module);

function wordsOf(step, draft) {
  const ofData = step && !hasParameters(kindOf(step.kind)); // data goes to a pipeline, or a module, by inputs
  return [
    ...(ofData ? step.inputs.map(({ name }) => placeholder("inputs", name)) : []),
    ...(ofData ? step.outputs.map(({ name }) => placeholder("outputs", name)) : []),
    ...draft.parameters.map(({ name }) => placeholder("parameters", name)),
  ];
}

/** What the notebook gets: a placeholder of a parameter alone keeps the parameter's type. */
function typeWord(value, draft) {
  const pieces = typeof value === "string" ? piecesOf(value) : [];
  const [only] = pieces;
  if (pieces.length !== 1 || only.scope !== "parameters") return WORDS[typeof value] ?? "";
  return WORDS[draft.parameters.find(({ name }) => name === only.name)?.type] ?? "";
}
