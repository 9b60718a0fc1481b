/** The parts of the form of a step that runs another pipeline: which one, what feeds it, and what is taken from it. */

import { h } from "../graph/dom.js";
import { addInnerInputs, updatePort } from "./document.js";
import { dataParameters, missingInputs, takenFromGroups, valueParameters } from "./inner.js";
import { namesIn } from "./placeholders.js";

const SEARCH_AFTER_MS = 150;

/** A field for the name of a pipeline: what is typed is looked for. */
export function pipelineField(fields, { step, inner, ...options }) {
  const list = h("datalist", { id: `pipelines-${step().key}` });
  const element = fields.text(options);
  const input = element.querySelector("input");
  input.setAttribute("list", list.id);
  input.setAttribute("placeholder", "Search by name");
  let timer;
  const search = async () => {
    const names = await inner.find(input.value.trim()).catch(() => []);
    list.replaceChildren(...names.map((name) => h("option", { value: name })));
  };
  input.addEventListener("focus", search);
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, SEARCH_AFTER_MS);
  });
  const link = fields.derived(
    h("div", { class: "field-help" }),
    () => inner.of(step()),
    () => {
      const found = inner.of(step());
      return found ? [h("a", { href: `${found.url}?version=${found.version}`, target: "_blank", rel: "noopener", text: `Open it, version ${found.version}` }), " in a new tab."] : [];
    },
  );
  element.append(list, link);
  return element;
}

/** A field for names of the inner pipeline's parameters, with those that there are. */
export function innerParametersField(fields, { step, inner, ...options }) {
  const element = fields.text({ ...options, mono: true });
  suggest(fields, element, `item-parameters-${step().key}`, () => valueNames(inner, step()));
  return element;
}

/** Offer names in a field. @param {() => string[]} names */
export function suggest(fields, element, id, names) {
  const list = fields.derived(h("datalist", { id }), names, () => names().map((value) => h("option", { value })));
  element.querySelector("input").setAttribute("list", id);
  element.append(list);
}

export const dataNames = (inner, step) => dataParameters(inner.of(step)).map(({ name }) => name);
export const valueNames = (inner, step) => valueParameters(inner.of(step)).map(({ name }) => name);

/** The inputs that a step reads itself: those that its texts speak of. */
const ownInputs = (step) => [...namesIn(step?.items ?? "", "inputs")];

/** What the pipeline wants and no input feeds yet, with a button that adds it. */
export function wantedInputs(fields, { store, stepKey, step, inner }) {
  const missing = () => missingInputs(inner.of(step()), step(), ownInputs(step()));
  return fields.derived(
    h("div", { class: "builder-wanted" }),
    missing,
    () => {
      const found = missing();
      if (!found.length || store.readOnly) return [];
      const names = found.map(({ name, isNeeded }) => (isNeeded ? name : `${name} (can be left out)`)).join(", ");
      const add = () => store.apply((draft) => addInnerInputs(draft, stepKey, found.map(({ name }) => name), ownInputs(step())));
      return [
        h("p", { class: "builder-none", text: `“${step().pipeline}” takes ${names}.` }),
        h("button", { type: "button", class: "btn btn-sm", text: found.length > 1 ? "Add these inputs" : "Add this input", on: { click: add } }),
      ];
    },
  );
}

/** Of which step's output an output is. */
export function takenFrom(part, { store, stepKey, key, port, step, inner }) {
  return part.select({
    path: `outputs.${key}.taken_from`,
    label: "Taken from",
    hideLabel: true,
    groups: () => takenFromGroups(inner.of(step()), port()?.taken_from ?? ""),
    read: () => port()?.taken_from ?? "",
    write: (value) => store.apply((draft) => updatePort(draft, "output", stepKey, key, { taken_from: value || null })),
  });
}
