/** Chips that insert a placeholder where the caret stands in a text of a step. */

import { h } from "../graph/dom.js";
import { mayBeAbsent } from "../lib/parameters.js";
import { insertPlaceholder, namesIn } from "./placeholders.js";

export const SCOPES = { inputs: "input", outputs: "output", parameters: "parameter" };

/** What placeholders of a step can speak of, by scope. */
export const namesOf = (step, draft) => ({
  inputs: step.inputs.map(({ name }) => name),
  outputs: step.outputs.map(({ name }) => name),
  parameters: draft.parameters.map(({ name }) => name),
});

/**
 * @param {import("./fields.js").Fields} fields
 * @param {{store: any, step: () => any, area: any, read: () => string, write: (text: string) => void, label: string,
 *   how?: {flags?: boolean, isPlain?: boolean}, scopes?: string[]}} options `area` is what the text is typed into.
 */
export function placeholderChips(fields, { store, step, area, read, write, label, how = {}, scopes = Object.keys(SCOPES) }) {
  const isOptional = (scope, name) =>
    (scope === "inputs" && step().inputs.some((input) => input.name === name && input.optional)) ||
    (scope === "parameters" && store.draft.parameters.some((parameter) => parameter.name === name && mayBeAbsent(parameter)));
  const insert = (scope, name) => {
    const { text, caret } = insertPlaceholder(area.value, area.selectionStart, area.selectionEnd, scope, name, {
      mayBeAbsent: isOptional(scope, name),
      ...how,
    });
    area.value = text;
    write(text);
    area.focus();
    area.setSelectionRange(caret, caret);
  };
  const words = () => (step() ? namesOf(step(), store.draft) : {});
  return fields.derived(
    h("div", { class: "builder-chips", role: "group", "aria-label": `Insert into ${label}` }),
    () => [words(), read()],
    () =>
      Object.entries(words()).filter(([scope]) => scopes.includes(scope)).flatMap(([scope, names]) => {
        const used = namesIn(read(), scope);
        return names.filter(Boolean).map((name) =>
          h(
            "button",
            {
              type: "button",
              class: `builder-chip is-${scope}${used.has(name) ? " is-used" : ""}`,
              title: `Insert \${{${scope}.${name}}}${used.has(name) ? " (used already)" : ""}`,
              // The caret stays where it is.
              on: { mousedown: (event) => event.preventDefault(), click: () => insert(scope, name) },
            },
            h("span", { class: "builder-chip__scope", text: SCOPES[scope] }),
            name,
          ),
        );
      }),
  );
}
