/** The parts of the form of a step that uses a module: which one, in which version, and the ports that it has. */

import { h } from "../graph/dom.js";
import { icon } from "../lib/status.js";
import { takePorts, updateStep } from "./document.js";
import { missingPorts, newerVersion, portWords, versionGroups } from "./module_choices.js";

const SEARCH_AFTER_MS = 150;

/** A field for the name of a module: what is typed is looked for, and what is chosen gives the step its ports. */
export function moduleField(fields, { store, stepKey, step, modules, ...options }) {
  const list = h("datalist", { id: `modules-${stepKey}` });
  const element = fields.text(options);
  const input = element.querySelector("input");
  input.setAttribute("list", list.id);
  input.setAttribute("placeholder", "Search by name");
  let timer;
  const search = async () => {
    const names = await modules.find(input.value.trim()).catch(() => []);
    list.replaceChildren(...names.map((name) => h("option", { value: name })));
  };
  input.addEventListener("focus", search);
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, SEARCH_AFTER_MS);
  });
  input.addEventListener("change", async () => {
    const name = input.value.trim();
    if (!name || store.readOnly) return;
    const ask = (version) => modules.ask({ module: name, module_version: version }).catch(() => null);
    const pinned = step()?.module_version ?? null;
    // A version that was chosen of another module need not be one of this.
    const found = (await ask(pinned)) ?? (pinned === null ? null : await ask(null));
    if (!found || step()?.module !== name) return;
    const isThere = pinned === null || found.version === pinned;
    store.apply((draft) => takePorts(isThere ? draft : updateStep(draft, stepKey, { module_version: null }), stepKey, found));
  });
  const link = fields.derived(
    h("div", { class: "field-help" }),
    () => modules.of(step()),
    () => {
      const found = modules.of(step());
      if (!found) return [];
      const runs = [found.kind.label, found.environment && `environment ${found.environment}`, `compute ${found.compute}`].filter(Boolean).join(", ");
      return [h("a", { href: found.url, target: "_blank", rel: "noopener", text: `Open it, version ${found.version}` }), ` in a new tab. ${runs}.`];
    },
  );
  element.append(list, link);
  return element;
}

/** The version of it, and a notice where there is a newer one. */
export function moduleVersionField(fields, { store, stepKey, step, modules, write, path, label, help }) {
  const now = () => step()?.module_version ?? null;
  const element = fields.select({
    path,
    label,
    help,
    groups: () => versionGroups(modules.of(step()), now()),
    read: () => String(now() ?? ""),
    write: (value) => write(value === "" ? null : Number(value)),
  });
  const newer = () => newerVersion(modules.of(step()), now());
  const upgrade = fields.derived(
    h("div", { class: "builder-upgrade", role: "status" }),
    () => [newer(), now()],
    () => {
      if (newer() === null) return [];
      const move = () => store.apply((draft) => updateStep(draft, stepKey, { module_version: newer() }));
      return [
        icon("arrow-up"),
        h("span", { text: `Version ${newer()} is there; this step uses ${now()}.` }),
        !store.readOnly && h("button", { type: "button", class: "btn btn-sm", text: `Move to version ${newer()}`, on: { click: move } }),
      ].filter(Boolean);
    },
  );
  element.append(upgrade);
  return element;
}

/** The ports that the step does not have yet, with a button that adds them. */
export function wantedPorts(fields, { store, stepKey, step, modules }) {
  const missing = () => missingPorts(modules.of(step()), step());
  return fields.derived(
    h("div", { class: "builder-wanted" }),
    missing,
    () => {
      const { inputs, outputs } = missing();
      if (store.readOnly || !(inputs.length + outputs.length)) return [];
      const said = [inputs.length && `takes ${inputs.join(", ")}`, outputs.length && `gives ${outputs.join(", ")}`].filter(Boolean).join(" and ");
      const add = () => store.apply((draft) => takePorts(draft, stepKey, modules.of(step())));
      return [
        h("p", { class: "builder-none", text: `“${step().module}” ${said}.` }),
        h("button", { type: "button", class: "btn btn-sm", text: inputs.length + outputs.length > 1 ? "Add these ports" : "Add this port", on: { click: add } }),
      ];
    },
  );
}

/** What a port is, in a line below its row. */
export function portLine(part, { modules, step, list, name }) {
  const words = () => portWords(modules.of(step()), list, name());
  return part.derived(h("p", { class: "field-help builder-port-words" }), words, () => (words() ? [words()] : []));
}
