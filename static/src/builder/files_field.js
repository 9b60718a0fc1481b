/** The source folder of a step: its files, and everything that can be done to them. */

import { h } from "../graph/dom.js";
import { fileSize, plural } from "../lib/format.js";
import { gitFacts } from "../lib/git_facts.js";
import { icon } from "../lib/status.js";
import { toast } from "../lib/toast.js";
import { askText } from "./ask.js";
import { checkoutOf, isOfGit } from "./checkout.js";
import { stepOf, updateStep } from "./document.js";
import { chosen, dropped } from "./dropped.js";
import { kindOf, scriptFieldOf, scriptOf } from "./kinds.js";

const SHOWN = 200;
const ICONS = { py: "brand-python", ipynb: "notebook", md: "file-text", txt: "file-text", json: "braces", yaml: "file-code", yml: "file-code" };

/** The files of a step, those typed but not yet kept among them; null while the listing is on its way. */
export function filesOf(step, sources) {
  const kept = sources.knownFiles(step.source);
  if (kept === null) return null;
  const files = new Map(kept.map((file) => [file.path, { ...file, isEdited: false }]));
  for (const [path, text] of Object.entries(step.edits)) {
    files.set(path, { path, size_bytes: new Blob([text]).size, isEdited: true });
  }
  return [...files.values()].sort((a, b) => a.path.localeCompare(b.path));
}

export function filesField(fields, store, stepKey, step, { onOpen }) {
  const { sources } = store;
  let isBusy = false;
  let showAll = false;
  let failure = "";

  // Whatever changes the folder first keeps what was typed, then puts the new folder into the step.
  async function change(words, act) {
    if (isBusy) return;
    isBusy = true;
    sync();
    try {
      await store.keepEdits(stepKey);
      const { patch, said } = await act(stepOf(store.draft, stepKey));
      store.apply((draft) => (stepOf(draft, stepKey) ? updateStep(draft, stepKey, patch) : draft));
      if (said) toast(said, "success");
    } catch (/** @type {any} */ error) {
      const why = error.problems?.length ? error.problems.map(({ message }) => message).join(" ") : error.detail;
      toast(`Could not ${words}: ${why ?? error.message}`, "error");
    } finally {
      isBusy = false;
      sync();
    }
  }

  const upload = ({ files: chosenFiles = [], zip = null }) => {
    const files = chosenFiles.filter(({ path }) => !isOfGit(path));
    if (!zip && !files.length) return;
    if (!zip && files.length === 1 && /\.zip$/i.test(files[0].path)) [zip] = [files[0].file];
    change("upload", async (now) => {
      // An untouched example makes room for what the person brings.
      const isExample = await holdsOnlyTheExample(now);
      const base = isExample ? null : now.source;
      const git = zip ? null : await checkoutOf(chosenFiles);
      const answer = await sources.upload(base, { files, zip, git });
      const paths = answer.files.map(({ path }) => path);
      const scripts = paths.filter((path) => path.endsWith(scriptFieldOf(now)?.suffix ?? ".py"));
      const before = scriptOf(now);
      const entry = before === undefined || paths.includes(before) ? before : guessEntry(scripts);
      const said = zip ? `Unpacked ${zip.name}.` : `Uploaded ${plural(files.length, "file")}.`;
      return {
        patch: { source: answer.digest, git: gitOf(answer, files, base === null ? null : now.git), ...withScript(now, entry) },
        said: entry && entry !== before ? `${said} The ${scriptFieldOf(now).label.toLowerCase()} is ${entry}.` : said,
      };
    });
  };

  async function holdsOnlyTheExample(now) {
    const example = Object.entries(kindOf(now.kind).example.files);
    const files = await sources.files(now.source);
    if (!example.length || files.length !== example.length) return false;
    for (const [path, text] of example) {
      if (!files.some((file) => file.path === path) || (await sources.file(now.source, path)).text !== text) return false;
    }
    return true;
  }

  async function newFile() {
    const taken = new Set((filesOf(step(), sources) ?? []).map(({ path }) => path));
    const { suffix } = scriptFieldOf(step()) ?? {};
    // What a file of this sort begins with: an empty notebook is none.
    const firstScripts = new Map(Object.entries(kindOf(step().kind).example.files).map(([name, text]) => [name, suffix === ".py" ? "" : text]));
    const path = await askText({
      title: "New file",
      label: "Name, with its folders, as in “lib/features.py”",
      value: [...firstScripts.keys()].find((name) => !taken.has(name)) ?? "",
      verb: "Create",
      check: (text) => (!text ? "Give the file a name." : taken.has(text) ? `There is a “${text}” already.` : ""),
    });
    if (path === null) return;
    await change("create the file", async (now) => {
      const isScript = suffix && path.endsWith(suffix);
      const text = (isScript && [...firstScripts.values()][0]) || "";
      const { digest } = await sources.edit(now.source, { put: { [path]: text } });
      return { patch: { source: digest, ...withScript(now, scriptOf(now) || (isScript ? path : "")) } };
    });
    if (stepOf(store.draft, stepKey)) onOpen(stepKey, path);
  }

  async function rename(path) {
    const taken = new Set((filesOf(step(), sources) ?? []).map((file) => file.path));
    const to = await askText({
      title: `Rename ${path}`,
      label: "New name, with its folders",
      value: path,
      verb: "Rename",
      check: (text) => (!text ? "Give the file a name." : text !== path && taken.has(text) ? `There is a “${text}” already.` : ""),
    });
    if (to === null || to === path) return;
    await change("rename the file", async (now) => {
      const { digest } = await sources.edit(now.source, { move: [{ from: path, to }] });
      return { patch: { source: digest, ...withScript(now, scriptOf(now) === path ? to : scriptOf(now)) } };
    });
    onOpen(stepKey, to, { onlyIfOpen: path });
  }

  const remove = (path) =>
    change("delete the file", async (now) => {
      const { digest } = await sources.edit(now.source, { remove: [path] });
      return { patch: { source: digest }, said: `Deleted ${path}. Undo brings it back.` };
    });

  // The page

  const picker = (props, pick) => {
    const input = h("input", {
      type: "file",
      hidden: true,
      ...props,
      on: {
        change: () => {
          pick(input.files);
          input.value = "";
        },
      },
    });
    return input;
  };
  const filesInput = picker({ multiple: true, "data-upload": "files" }, (list) => upload({ files: chosen(list) }));
  const folderInput = picker({ webkitdirectory: true, "data-upload": "folder" }, (list) => upload({ files: chosen(list) }));
  const zipInput = picker({ accept: ".zip,application/zip", "data-upload": "zip" }, (list) => upload({ zip: list[0] }));
  const menu = h(
    "details",
    { class: "menu menu-end", "data-menu": true },
    h("summary", { class: "btn btn-sm btn-ghost" }, icon("upload"), "Upload"),
    h(
      "div",
      { class: "menu-list" },
      ...[
        ["files", "Files…", filesInput],
        ["folder", "A folder…", folderInput],
        ["file-zip", "A zip archive…", zipInput],
      ].map(([name, text, input]) =>
        h(
          "button",
          {
            type: "button",
            on: {
              click: () => {
                menu.open = false;
                input.click();
              },
            },
          },
          icon(name),
          text,
        ),
      ),
    ),
  );

  const list = h("div", { class: "builder-files__list", tabindex: "-1" });
  const row = (file) => {
    const name = h(
      "button",
      {
        type: "button",
        class: "builder-file__open",
        title: `Open ${file.path}`,
        "aria-label": [`Open ${file.path}`, file.path === scriptOf(step()) && "entry script", file.isEdited && "edited"].filter(Boolean).join(", "),
        on: { click: () => onOpen(stepKey, file.path) },
      },
      icon(ICONS[/\.([^.]+)$/.exec(file.path)?.[1]] ?? "file"),
      h("span", { class: "builder-file__path" }, ...pathParts(file.path)),
      file.path === scriptOf(step()) && h("span", { class: "tag", text: "entry" }),
      file.isEdited && h("span", { class: "builder-file__edited", title: "Edited, not saved yet" }),
    );
    const act = (label, iconName, run, className = "") =>
      h(
        "button",
        { type: "button", class: `icon-button ${className}`, title: label, "aria-label": `${label} ${file.path}`, on: { click: run } },
        icon(iconName),
      );
    return h(
      "li",
      { class: "builder-file" },
      name,
      h("span", { class: "builder-file__size num", text: fileSize(file.size_bytes) }),
      !fields.readOnly && act("Rename", "pencil", () => rename(file.path)),
      !fields.readOnly && act("Delete", "trash", () => remove(file.path), "danger"),
    );
  };
  const render = (files) => {
    if (failure) {
      return [
        h("p", { class: "builder-none" }, `Could not read the files: ${failure} `),
        h("button", { type: "button", class: "btn btn-sm", text: "Try again", on: { click: () => load() } }),
      ];
    }
    if (files === null) return [h("p", { class: "builder-none", text: "Reading the files…" })];
    if (!files.length) return [h("p", { class: "builder-none", text: scriptFieldOf(step())
            ? "No files yet. Write one, upload some, or drop them here."
            : "None, and it needs none. Write some, upload them, or drop them here; they lie where the command runs." })];
    const shown = showAll ? files : files.slice(0, SHOWN);
    return [
      h("ul", {}, ...shown.map(row)),
      files.length > shown.length &&
        h("button", {
          type: "button",
          class: "btn btn-sm btn-ghost",
          text: `Show all ${files.length.toLocaleString("en-US")} files`,
          on: {
            click: () => {
              showAll = true;
              sync();
            },
          },
        }),
    ].filter(Boolean);
  };

  async function load() {
    failure = "";
    try {
      await sources.files(step()?.source ?? null);
    } catch (/** @type {any} */ error) {
      failure = error.detail ?? String(error);
    }
    if (step()) fields.sync();
  }

  const origin = h("div");
  fields.derived(
    origin,
    () => [step().git, step().git?.source === step().source && !Object.keys(step().edits).length],
    () => {
      const { git, source, edits } = step();
      if (!git) return [];
      const editedSince = git.source !== source || Object.keys(edits).length > 0;
      return [gitFacts(git, { editedSince, changesUrl: (digest) => sources.changesUrl(digest) })];
    },
  );

  let wanted;
  fields.derived(
    list,
    () => {
      const { source } = step();
      if (source !== wanted) {
        wanted = source;
        if (sources.knownFiles(source) === null) load();
      }
      return [filesOf(step(), sources), scriptOf(step()), isBusy, showAll, failure];
    },
    () => render(filesOf(step(), sources)),
  );
  const section = h(
    "section",
    { class: "builder-section builder-files", "aria-label": "Source files" },
    h(
      "div",
      { class: "builder-section__head" },
      h("h3", { text: "Source files" }),
      !fields.readOnly && h("div", { class: "btn-row" }, h("button", { type: "button", class: "btn btn-sm btn-ghost", on: { click: newFile } }, icon("file-plus"), "New file"), menu),
    ),
    origin,
    fields.field({ path: "source", label: "Files of the step", control: list, hideLabel: true }),
    filesInput,
    folderInput,
    zipInput,
  );
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Files of the step");
  section.querySelector("label").remove(); // a group has its own name; a label would point at nothing
  const sync = () => {
    section.setAttribute("aria-busy", String(isBusy));
    if (step()) fields.sync();
  };

  if (!fields.readOnly) {
    let depth = 0;
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    const mark = (by) => {
      depth = Math.max(0, depth + by);
      section.classList.toggle("is-dropping", depth > 0);
    };
    section.addEventListener("dragenter", (event) => hasFiles(event) && mark(1));
    section.addEventListener("dragleave", (event) => hasFiles(event) && mark(-1));
    section.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    section.addEventListener("drop", async (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      mark(-depth);
      try {
        upload({ files: await dropped(event.dataTransfer) });
      } catch (/** @type {any} */ error) {
        toast(`Could not read what was dropped: ${error.message}`, "error");
      }
    });
  }
  return section;
}

/** What was said of these files, unless others lie among them; `before` is what is known of the folder until now. */
function gitOf(answer, files, before) {
  const sent = new Set(files.map(({ path }) => path));
  const isWhole = answer.git && answer.files.every(({ path }) => sent.has(path));
  return (isWhole ? answer.git : before) ?? null;
}

/** @param {any} step @param {string|undefined} path Nothing for a step that runs no script. */
function withScript(step, path) {
  const field = scriptFieldOf(step);
  return field ? { [field.name]: path ?? "" } : {};
}

function guessEntry(scripts) {
  return ["main.py", "train.py", "run.py"].find((name) => scripts.includes(name)) ?? scripts.sort((a, b) => a.split("/").length - b.split("/").length)[0] ?? "";
}

function pathParts(path) {
  const cut = path.lastIndexOf("/") + 1;
  return [cut > 0 && h("span", { class: "muted", text: path.slice(0, cut) }), path.slice(cut)];
}
