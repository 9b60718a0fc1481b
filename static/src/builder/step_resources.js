/** What a step asks of its node: folded away, with one line that says what was asked for. */

import { h } from "../graph/dom.js";
import { fileSize, plural } from "../lib/format.js";
import { resourceWords } from "../lib/resources.js";
import { updateStep } from "./document.js";
import { folded, sentence } from "./folded.js";

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
  const number = (name, label, more = {}) =>
    fields.number({
      path: `resources.${name}`,
      label,
      step: "any",
      placeholder: "none",
      read: () => step()?.resources[name] ?? null,
      write: set(name),
      ...more,
    });
  return folded(
    fields,
    "resources",
    () => resourceWords(step()?.resources),
    [
      h(
        "div",
        { class: "builder-pair" },
        number("cpus", "CPUs"),
        number("memory_bytes", "Memory in GB", {
          read: () => inGb(step()?.resources.memory_bytes),
          write: (value) => set("memory_bytes")(value === null ? null : Math.round(value * GB)),
        }),
      ),
      number("gpus", "GPUs", { step: 1, placeholder: "0", read: () => step()?.resources.gpus || null, write: (value) => set("gpus")(value ?? 0) }),
      h("p", {
        class: "field-help builder-more__help",
        text: "Set aside for the step on the one node that runs it: it waits until a node has as much free. Empty: it takes a slot, and nothing is set aside. What it may use at most is said under limits.",
      }),
      sentence(fields, () => nodeWords(step(), computes)),
    ],
    "Resources",
  );
}

const inGb = (value) => (value === null || value === undefined ? null : value / GB);

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
