/** A text with placeholders: a field to type, chips that insert what there is to speak of, and of arguments what will run. */

import { h } from "../graph/dom.js";
import { mayBeAbsent } from "../lib/parameters.js";
import { updateStep } from "./document.js";
import { scriptOf } from "./kinds.js";
import { insertPlaceholder, namesIn, piecesOf } from "./placeholders.js";

const SCOPES = { inputs: "input", outputs: "output", parameters: "parameter" };

/** @param {import("./kinds.js").KindField} own Of the step's kind; its widget is `arguments` or `shell`. */
export function argumentsField(fields, store, stepKey, step, own) {
  const isShell = own.widget === "shell";
  const read = () => step()[own.name] ?? "";
  const write = (text) =>
    store.apply((draft) => updateStep(draft, stepKey, { [own.name]: text }), { merge: `${stepKey}.${own.name}` });
  const field = fields.text({
    path: own.name,
    label: own.label,
    help: own.help,
    rows: isShell ? 8 : 3,
    mono: true,
    read,
    write,
  });
  const area = field.querySelector("textarea");
  const insert = (scope, name) => {
    const { text, caret } = insertPlaceholder(area.value, area.selectionStart, area.selectionEnd, scope, name, {
      mayBeAbsent: isOptional(scope, name),
      flags: !isShell,
    });
    area.value = text;
    write(text);
    area.focus();
    area.setSelectionRange(caret, caret);
  };
  const isOptional = (scope, name) =>
    (scope === "inputs" && step().inputs.some((input) => input.name === name && input.optional)) ||
    (scope === "parameters" && store.draft.parameters.some((parameter) => parameter.name === name && mayBeAbsent(parameter)));
  const words = () => ({
    inputs: step().inputs.map(({ name }) => name),
    outputs: step().outputs.map(({ name }) => name),
    parameters: store.draft.parameters.map(({ name }) => name),
  });
  const chips = fields.derived(
    h("div", { class: "builder-chips", role: "group", "aria-label": `Insert into the ${own.label.toLowerCase()}` }),
    () => [words(), read()],
    () =>
      Object.entries(words()).flatMap(([scope, names]) => {
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
  if (!fields.readOnly) area.before(chips);
  if (isShell) return field;
  const preview = fields.derived(
    h("div", { class: "builder-command mono", "aria-label": "The command as it will run" }),
    () => [scriptOf(step()), read(), words(), store.draft.parameters.map(({ default: value }) => value)],
    () => [`python ${scriptOf(step()) || "…"} `, ...piecesOf(read().trim()).map((piece) => shown(piece, words(), store.draft))],
  );
  field.append(preview);
  return field;
}

function shown(piece, words, draft) {
  if (!piece.scope) return piece.text.replace(/\s+/g, " ");
  const isKnown = words[piece.scope]?.includes(piece.name);
  const parameter = piece.scope === "parameters" && draft.parameters.find(({ name }) => name === piece.name);
  const value = parameter && parameter.default !== null ? String(parameter.default) || '""' : piece.name;
  const title = !isKnown
    ? `There is no ${SCOPES[piece.scope] ?? piece.scope} “${piece.name}”`
    : parameter
      ? `Parameter ${piece.name}${parameter.default === null ? ", given at submission" : ", by default"}`
      : `The path of the ${SCOPES[piece.scope]} “${piece.name}”`;
  return h("span", {
    class: `builder-value is-${isKnown ? piece.scope : "unknown"}`,
    title,
    text: piece.scope === "parameters" ? value : `…/${piece.name}`,
  });
}
