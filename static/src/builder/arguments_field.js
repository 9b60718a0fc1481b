/** A text with placeholders: a field to type, chips that insert what there is to speak of, and of arguments what will run. */

import { h } from "../graph/dom.js";
import { namesOf, placeholderChips, SCOPES } from "./chips.js";
import { updateStep } from "./document.js";
import { scriptOf } from "./kinds.js";
import { piecesOf } from "./placeholders.js";

/** @param {import("./kinds.js").KindField} own Of the step's kind; its widget is `arguments`, `shell` or `sql`. */
export function argumentsField(fields, store, stepKey, step, own) {
  const isShell = own.widget !== "arguments";
  const isSql = own.widget === "sql"; // a database sees no files, and a value is a value wherever it stands
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
  area.addEventListener("change", () => store.countOutputs());
  const words = () => namesOf(step(), store.draft);
  const chips = placeholderChips(fields, {
    store,
    step,
    area,
    read,
    write,
    label: `the ${own.label.toLowerCase()}`,
    how: { flags: !isShell, isPlain: isSql },
    scopes: isSql ? ["parameters"] : undefined,
  });
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
