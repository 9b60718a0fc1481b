/** What can be said of an input or an output beyond its name: folded away, with one line that says what was said. */

import { h } from "../graph/dom.js";
import { icon } from "../lib/status.js";
import { datastoreGroups, isTable } from "./catalogue.js";
import { updatePort, updateRegistration } from "./document.js";
import { folded, sentence } from "./folded.js";
import { tagsOf, tagsText } from "./tags.js";

const INPUT_MODES = {
  download: ["Download", "The node copies it once and keeps it for the next step. What lies on the node's own disks is read in place."],
  mount: ["Mount", "The script's reads fetch what they need, where the node can mount. Elsewhere it is downloaded."],
  direct: ["Direct", "The script gets the address, as in s3://bucket/folder, and opens it by itself, with credentials of its own."],
};
const OUTPUT_MODES = {
  upload: ["Upload", "It is brought there when the script has ended well."],
  mount: ["Mount", "The script writes there as it runs, where the node can reach it as a folder. Elsewhere it is uploaded."],
};
const choicesOf = (modes) => [{ label: "", choices: Object.entries(modes).map(([value, [label]]) => ({ value, label })) }];

/**
 * @param {import("./fields.js").Fields} part The row's fields.
 * @param {{store: any, stepKey: string, key: string, port: () => any, catalogue: any, isWork?: boolean, isModule?: boolean}} context `port` gives the input.
 */
export function inputMore(part, { store, stepKey, key, port, catalogue, isWork = false }) {
  const set = (patch) => store.apply((draft) => updatePort(draft, "input", stepKey, key, patch));
  const mode = () => port()?.mode ?? "download";
  const words = () => [mode() !== "download" && INPUT_MODES[mode()][0], port()?.optional && "optional"].filter(Boolean).join(", ");
  const table = h("p", { class: "builder-row__table" });
  part.derived(
    table,
    () => isTable(port()?.binding, catalogue.datasets),
    () => [icon("table"), h("span", {}, "A table, as a folder of Parquet: ", h("code", { text: "pandas.read_parquet(path)" }))],
  );
  part.follow(() => {
    table.hidden = !isTable(port()?.binding, catalogue.datasets);
  });
  // What the node moves itself arrives nowhere on the way, and can't be absent.
  if (isWork) return [];
  return [
    table,
    folded(part, `inputs.${key}`, words, [
      part.select({
        path: `inputs.${key}.mode`,
        label: "How the data arrives",
        groups: () => choicesOf(INPUT_MODES),
        read: mode,
        write: (value) => set({ mode: value }),
      }),
      sentence(part, () => INPUT_MODES[mode()][1]),
      part.check({
        path: `inputs.${key}.optional`,
        label: "May stay unbound",
        help: "Arguments within $[[ … ]] that speak of it are left out then.",
        read: () => port()?.optional ?? false,
        write: (optional) => set({ optional }),
      }),
    ]),
  ];
}

/** @param {import("./fields.js").Fields} part @param {any} context As of `inputMore`. */
export function outputMore(part, { store, stepKey, key, port, catalogue, isWork = false, isModule = false }) {
  const set = (patch, field) =>
    store.apply((draft) => updatePort(draft, "output", stepKey, key, patch), { merge: `${key}.${field}` });
  const register = (patch, field) =>
    store.apply((draft) => updateRegistration(draft, stepKey, key, patch), { merge: `${key}.register_as.${field}` });
  const path = `outputs.${key}`;
  const registration = () => port()?.register_as ?? null;

  const names = h("datalist", { id: `datasets-${stepKey}-${key}` });
  names.replaceChildren(
    ...catalogue.datasets.filter(({ tables }) => !tables?.length).map(({ name }) => h("option", { value: name })),
  );
  const dataset = part.text({
    path: `${path}.register_as.dataset`,
    label: "Dataset",
    placeholder: "a new name, or one that is there",
    read: () => registration()?.dataset ?? "",
    write: (value) => register({ dataset: value.trim() }, "dataset"),
  });
  dataset.querySelector("input").setAttribute("list", names.id);
  const details = h(
    "div",
    { class: "builder-more__inner" },
    dataset,
    names,
    part.text({
      path: `${path}.register_as.description`,
      label: "About the version",
      read: () => registration()?.description ?? "",
      write: (value) => register({ description: value }, "description"),
    }),
    part.text({
      path: `${path}.register_as.tags`,
      label: "Tags",
      placeholder: "stage=trial, team=vision",
      read: () => tagsText(registration()?.tags ?? {}),
      write: (value) => register({ tags: tagsOf(value) }, "tags"),
    }),
  );
  part.follow(() => {
    details.hidden = registration() === null;
  });

  const destination = part.text({
    path: `${path}.path`,
    label: "Destination",
    mono: true,
    placeholder: "a folder of this run's own",
    read: () => port()?.path ?? "",
    write: (value) => set({ path: value.trim() === "" ? null : value.trim() }, "path"),
  });
  return [
    folded(part, path, () => outputWords(port()), [
      // Which file it is, a module says.
      !isModule && part.text({
        path: `${path}.file`,
        label: "A single file",
        mono: true,
        placeholder: "a folder, unless a file is named",
        help: "As in model.pkl: the script gets the path of that file, and so does who reads it.",
        read: () => port()?.file ?? "",
        write: (value) => set({ file: value.trim() === "" ? null : value.trim() }, "file"),
      }),
      part.select({
        path: `${path}.datastore`,
        label: "Datastore",
        groups: () => datastoreGroups(catalogue.datastores, port()?.datastore ?? ""),
        read: () => port()?.datastore ?? "",
        write: (value) => set({ datastore: value || null }, "datastore"),
      }),
      destination,
      placeholders(part, destination.querySelector("input"), (value) => set({ path: value }, "path")),
      !isWork && part.select({
        path: `${path}.mode`,
        label: "How it gets there",
        groups: () => choicesOf(OUTPUT_MODES),
        read: () => port()?.mode ?? "upload",
        write: (value) => set({ mode: value }, "mode"),
      }),
      !isWork && sentence(part, () => OUTPUT_MODES[port()?.mode ?? "upload"][1]),
      part.check({
        path: `${path}.required`,
        label: "Must be written",
        help: "A script that leaves it empty has failed. Otherwise an empty one is a warning in the log.",
        read: () => port()?.required ?? false,
        write: (required) => set({ required }, "required"),
      }),
      part.check({
        path: `${path}.register_as`,
        label: "Register as a dataset",
        help: "It becomes a new version when the step completes.",
        read: () => registration() !== null,
        write: (isOn) => register(isOn ? {} : null, "on"),
      }),
      details,
    ]),
  ];
}

/** What an output says of itself, in a line; empty where everything is as usual. */
export function outputWords(output) {
  if (!output) return "";
  const place = [output.datastore, output.path].filter(Boolean).join(": ");
  return [output.file && `file ${output.file}`, place && `to ${place}`, output.required && "required", output.register_as && `becomes ${output.register_as.dataset || "a dataset"}`]
    .filter(Boolean)
    .join(", ");
}

/** Buttons that write a placeholder where the caret was last. */
function placeholders(part, input, write) {
  const insert = (name) => {
    const [start, end] = [input.selectionStart ?? input.value.length, input.selectionEnd ?? input.value.length];
    const text = `${input.value.slice(0, start)}{${name}}${input.value.slice(end)}`;
    input.value = text;
    write(text);
    input.focus();
    input.setSelectionRange(start + name.length + 2, start + name.length + 2);
  };
  const chip = (name, title) =>
    h("button", { type: "button", class: "builder-chip is-outputs", title, on: { click: () => insert(name) } }, `{${name}}`);
  return (
    !part.readOnly &&
    h(
      "div",
      { class: "builder-more__chips", role: "group", "aria-label": "Insert into the destination" },
      chip("run-id", "The run's number"),
      chip("output-name", "The output's name"),
    )
  );
}
