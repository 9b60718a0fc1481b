/** The form of the pipeline itself: shown while no step is selected. */

import { h } from "../graph/dom.js";
import { datasetGroups } from "./catalogue.js";
import { addParameter, isOfData, parameterValue, remember, removeParameter, renameParameter, updateParameter } from "./document.js";
import { Fields } from "./fields.js";
import { listField } from "./list_field.js";

const TYPES = [
  { value: "string", label: "Text" },
  { value: "integer", label: "Whole number" },
  { value: "number", label: "Number" },
  { value: "boolean", label: "True or false" },
  { value: "enum", label: "One of several" },
  { value: "dataset", label: "Dataset" },
  { value: "data_path", label: "Data path" },
];

/** @param {import("./store.js").Store} store @param {{datasets: any[]}} catalogue */
export function pipelineForm(store, catalogue) {
  const fields = new Fields({ readOnly: store.readOnly });
  const set = (name) => (value) => store.apply((draft) => ({ ...draft, [name]: value }), { merge: name });
  const find = (key) => store.draft.parameters.find((parameter) => parameter.key === key);
  const change = (key, name) => (value) =>
    store.apply((draft) => updateParameter(draft, key, { [name]: value }), { merge: `${key}.${name}` });

  const parameters = listField(fields, {
    title: "Parameters",
    addLabel: "Add parameter",
    emptyText: "None. A parameter is a value that is asked for at each submission, and that arguments can speak of.",
    className: "is-cards",
    items: () => store.draft.parameters,
    add: () => {
      let key;
      store.apply((draft) => {
        const result = addParameter(draft);
        ({ key } = result);
        return result.draft;
      });
      return key;
    },
    remove: (key) => store.apply((draft) => removeParameter(draft, key)),
    removeLabel: (key) => `Remove parameter ${find(key)?.name ?? ""}`,
    row: (part, key) => {
      let before = null;
      /** Fields that only some parameters have. */
      const where = (isNeeded, ...content) => {
        const place = h("div", { class: "builder-where" }, ...content);
        part.follow(() => {
          place.hidden = !find(key) || !isNeeded(find(key));
        });
        return place;
      };
      const bound = (name, label) =>
        part.number({
          path: `parameters.${key}.${name}`,
          label,
          min: null,
          step: "any",
          read: () => find(key)?.[name] ?? null,
          write: change(key, name),
        });
      const isDataset = () => find(key)?.type === "dataset";
      const typed = () =>
        part.text({
          path: `parameters.${key}.default`,
          label: "Default",
          mono: true,
          read: () => String(find(key)?.default ?? ""),
          write: (text) => change(key, "default")(parameterValue(find(key).type, text)),
        });
      const chosen = () =>
        part.select({
          path: `parameters.${key}.default`,
          label: "Default",
          groups: () => datasetGroups(catalogue.datasets, find(key)?.default ?? ""),
          read: () => find(key)?.default ?? "",
          write: change(key, "default"),
        });
      return [
        part.text({
          path: `parameters.${key}.name`,
          label: "Name",
          mono: true,
          read: () => find(key)?.name ?? "",
          onFocus: () => {
            before = remember(store.draft, "parameters", null, key);
          },
          write: (name) => {
            before ??= remember(store.draft, "parameters", null, key);
            store.apply((draft) => renameParameter(draft, key, name, before), { merge: `${key}.name` });
          },
        }),
        part.select({
          path: `parameters.${key}.type`,
          label: "Type",
          groups: () => [{ label: "", choices: TYPES }],
          read: () => find(key)?.type ?? "string",
          write: (type) =>
            store.apply((draft) => {
              const { default: value } = draft.parameters.find((parameter) => parameter.key === key);
              if (value === null || isOfData({ type })) return updateParameter(draft, key, { type, default: value === null ? null : "" });
              return updateParameter(draft, key, { type, default: parameterValue(type, String(value)) });
            }),
        }),
        where(
          ({ type }) => type === "enum",
          part.text({
            path: `parameters.${key}.choices`,
            label: "Choices, one a line",
            rows: 3,
            mono: true,
            read: () => (find(key)?.choices ?? []).join("\n"),
            write: (text) => change(key, "choices")(text.split("\n").map((line) => line.trim()).filter(Boolean)),
          }),
        ),
        where(({ type }) => type === "integer" || type === "number", bound("minimum", "Minimum"), bound("maximum", "Maximum")),
        part.derived(h("div", {}), isDataset, () => [isDataset() ? chosen() : typed()]),
        where(
          ({ type }) => type === "data_path",
          h("p", { class: "field-help" }, "A datastore and a path in it, as in ", h("code", { text: "workspaceblobstore/sales/2026" }), ", or a web address."),
        ),
        where(isOfData, h("p", { class: "field-help", text: "Inputs of steps can be fed by it." })),
        part.check({
          path: `parameters.${key}.required`,
          label: "Ask each time, without a default",
          read: () => find(key)?.default === null,
          write: (isRequired) => change(key, "default")(isRequired ? null : startValue(find(key))),
        }),
        where(
          (parameter) => parameter.default === null,
          part.check({
            path: `parameters.${key}.optional`,
            label: "May be left out",
            help: "Arguments within $[[ … ]] that speak of it are left out as well.",
            read: () => find(key)?.optional ?? false,
            write: change(key, "optional"),
          }),
        ),
        part.text({
          path: `parameters.${key}.description`,
          label: "Description",
          read: () => find(key)?.description ?? "",
          write: change(key, "description"),
        }),
      ];
    },
  });
  const element = h(
    "div",
    { class: "builder-form__inner" },
    h("div", { class: "builder-form__head" }, h("h2", { text: "Pipeline" })),
    fields.text({ path: "name", label: "Name", read: () => store.draft.name, write: set("name") }),
    fields.text({
      path: "description",
      label: "Description",
      rows: 3,
      placeholder: "What it is for",
      read: () => store.draft.description,
      write: set("description"),
    }),
    parameters,
    fields.check({
      path: "continue_on_step_failure",
      label: "Continue on step failure",
      help: "Steps that don't depend on a failed one go on. Otherwise nothing further starts once a step has failed. Each submission may say otherwise.",
      read: () => store.draft.continue_on_step_failure ?? true,
      write: set("continue_on_step_failure"),
    }),
  );
  return { element, fields };
}

function startValue({ type, choices = [], minimum = null }) {
  return { string: "", integer: minimum ?? 0, number: minimum ?? 0, boolean: false, enum: choices[0] ?? "", dataset: "", data_path: "" }[type];
}
