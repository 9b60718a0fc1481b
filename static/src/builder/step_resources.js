/** What a step asks of its node: folded away, with one line that says what was asked for. */

import { h } from "../graph/dom.js";
import { fileSize, plural } from "../lib/format.js";
import { resourceWords } from "../lib/resources.js";
import { NO_RESOURCES, updateStep } from "./document.js";
import { folded, sentence } from "./folded.js";
import { settingNumber } from "./setting_number.js";
import { parameterIn } from "./settings.js";

const GB = 1e9;

/**
 * @param {import("./fields.js").Fields} fields
 * @param {{store: any, stepKey: string, step: () => any, computes: any[]}} context
 */
export function stepResources(fields, { store, stepKey, step, computes }) {
  const set = (name) => (value) =>
    store.apply((draft) => updateStep(draft, stepKey, { resources: { ...step().resources, [name]: value } }), {
      merge: `${stepKey}.resources.${name}`,
    });
  /** @param {any} more */
  const number = (name, label, more = {}) =>
    settingNumber(fields, {
      store,
      path: `resources.${name}`,
      label,
      placeholder: "none",
      read: () => step()?.resources[name] ?? null,
      write: set(name),
      ...more,
    });
  return folded(
    fields,
    "resources",
    () => askedWords(step()?.resources),
    [
      h(
        "div",
        { class: "builder-pair" },
        number("cpus", "CPUs"),
        number("memory_bytes", "Memory in GB", { kind: "whole", unit: GB }),
      ),
      number("gpus", "GPUs", {
        kind: "whole",
        placeholder: "0",
        read: () => step()?.resources.gpus || null,
        write: (value) => set("gpus")(value ?? 0),
      }),
      sentence(fields, () => bytesWords(step()?.resources.memory_bytes)),
      h("p", {
        class: "field-help builder-more__help",
        text: "Set aside for the step on the one node that runs it: it waits until a node has as much free. Empty: it takes a slot, and nothing is set aside. What it may use at most is said under limits. For a value given at each submission, write ${{parameters.NAME}}.",
      }),
      sentence(fields, () => nodeWords(step(), computes)),
    ],
    "Resources",
  );
}

/** What a step asks for, in a line. */
export function askedWords(resources) {
  if (!resources) return "";
  const isOwn = (value) => parameterIn(value) === null;
  const own = Object.fromEntries(Object.entries(resources).filter(([, value]) => isOwn(value)));
  const fed = Object.entries({ cpus: "CPUs", memory_bytes: "memory", gpus: "GPUs" }).filter(([name]) => !isOwn(resources[name]));
  const parts = fed.map(([name, what]) => `${what} by ${parameterIn(resources[name])}`);
  return [resourceWords({ ...NO_RESOURCES, ...own }), ...parts].filter(Boolean).join(", ");
}

/** In what a parameter gives the setting, which nobody sees at a field in GB. */
export const bytesWords = (...values) =>
  values.some((value) => parameterIn(value) !== null) ? "A parameter gives bytes, as in 2000000000 for 2 GB." : "";

/** What the nodes of the step's target have at most, each thing by itself. */
export function nodeWords(step, computes) {
  const target = computes.find(({ name }) => name === step?.compute);
  if (!target) return "";
  if (!target.nodes?.length) return `No node of “${target.name}” has been seen yet: nobody knows what it has.`;
  const most = (name) => Math.max(...target.nodes.map((node) => node[name] ?? 0));
  const gpus = most("gpus");
  const parts = [plural(most("cpus"), "CPU"), `${fileSize(most("memory_bytes"))} memory`, gpus ? plural(gpus, "GPU") : "no GPU"];
  return `Nodes of “${target.name}” have up to ${parts.join(", ")}.`;
}
