// The pipeline builder: wires the page to the store, the graph, the forms and the editor.
import { stepForm } from "../builder/step_form.js";
import { askChoice } from "../builder/ask.js";
import { addStep, duplicateStep, fromDefinition, graphOf, removeStep, stepOf } from "../builder/document.js";
import { isTable } from "../builder/catalogue.js";
import { EditorPane } from "../builder/editor_pane.js";
import { InnerPipelines } from "../builder/inner.js";
import { Modules } from "../builder/modules.js";
import { useKinds } from "../builder/kinds.js";
import { pipelineForm } from "../builder/pipeline_form.js";
import { countsByStep } from "../builder/problems.js";
import { Sources } from "../builder/sources.js";
import { Store } from "../builder/store.js";
import { h } from "../graph/dom.js";
import { GraphView } from "../graph/index.js";
import { api } from "../lib/api.js";
import { absoluteTime, plural, relativeTime } from "../lib/format.js";
import { icon } from "../lib/status.js";
import { openSubmitDialog } from "../lib/submit_dialog.js";
import { toast } from "../lib/toast.js";

const data = JSON.parse(document.getElementById("builder-data").textContent);
const root = document.getElementById("builder");
/** @returns {any} */
const part = (name) => document.querySelector(`[data-builder="${name}"]`);

useKinds(data.catalogue.kinds);
const sources = new Sources(`${data.api}/sources/`, data.urls.changes);
const store = new Store({
  draft: fromDefinition(data.definition, data.pipeline),
  sources,
  pipelinesUrl: `${data.api}/pipelines/`,
  pipelineId: data.pipeline.id,
  version: data.version,
  readOnly: data.read_only,
});

// --- The graph ----------------------------------------------------------------------------------------------------
const graph = new GraphView(part("graph"), {
  label: "Pipeline",
  emptyText: store.readOnly ? "This pipeline has no steps." : "",
  onSelect: (id) => {
    if (id !== null && !stepOf(store.draft, id)) return showDataset(id);
    choose(id);
    if (id !== null) showTab("form");
  },
  onOpen: (id) => {
    if (!stepOf(store.draft, id)) return;
    showTab("form");
    focusForm();
  },
});

function drawGraph() {
  const isATable = (binding) => isTable(binding, data.catalogue.datasets);
  graph.setGraph(graphOf(store.draft, countsByStep(store.problems), isATable));
  graph.select(store.selected);
  part("start").hidden = store.readOnly || store.draft.steps.length > 0;
}

function showDataset(id) {
  const [kind, name] = id.split(/[:@]/);
  const dataset = data.catalogue.datasets.find((candidate) => candidate.name === name);
  choose(null);
  graph.select(id);
  const model = data.catalogue.models.find((candidate) => candidate.name === name);
  const found = kind === "dataset" ? dataset : kind === "model" ? model : null;
  if (!found) return;
  const link = h("a", { href: found.url, target: "_blank", text: "Open it" });
  toast(`${kind === "model" ? "Model" : "Dataset"} ${name}. `, "info").querySelector(".toast-words").append(link);
}

// --- The forms ----------------------------------------------------------------------------------------------------
let form = null;

const stepPage = {
  catalogue: data.catalogue,
  inner: new InnerPipelines(`${data.api}/pipelines/`, () => form?.fields.sync()),
  modules: new Modules(`${data.api}/modules/`, () => form?.fields.sync()),
  publish: async (stepKey) => {
    // What is published is a step of a saved version.
    if (!(await save())) return;
    const { name } = stepOf(store.draft, stepKey);
    const query = new URLSearchParams({ pipeline: String(data.pipeline.id), version: String(store.version), step: name });
    window.location.assign(`${data.urls.publish}?${query}`);
  },
  openFile: (stepKey, path, { onlyIfOpen = null } = {}) => {
    if (onlyIfOpen !== null && !editor.isShowing(stepKey, onlyIfOpen)) return;
    showEditor(true);
    editor.open(stepKey, path);
  },
  close: () => choose(null),
  duplicate: (key) => addedStep((draft) => duplicateStep(draft, key)),
  addAfter: (key) => addedStep((draft) => addStep(draft, { after: key })),
  remove: (key) => {
    const { name } = stepOf(store.draft, key);
    let unbound = [];
    store.apply((draft) => {
      const result = removeStep(draft, key);
      ({ unbound } = result);
      return result.draft;
    });
    const loss = unbound.length ? ` What ${listed(unbound)} read from it is unbound now.` : "";
    offerUndo(`Deleted ${name || "the step"}.${loss}`);
  },
};

function buildForm() {
  form = store.selected === null ? pipelineForm(store, data.catalogue) : stepForm(store, store.selected, stepPage);
  part("form").replaceChildren(form.element);
  part("form").scrollTop = 0;
  root.querySelector('button[data-tab="form"]').textContent = store.selected === null ? "Pipeline" : "Step";
  paintProblems();
}

function focusForm() {
  const first = part("form").querySelector("input:not([type=file]), textarea");
  first?.focus();
  first?.select?.();
}

function choose(key) {
  if (key === store.selected) return;
  store.select(key);
}

function addedStep(operation) {
  let key;
  store.apply((draft) => {
    const result = operation(draft);
    ({ key } = result);
    return result.draft;
  });
  choose(key);
  graph.reveal(key);
  showTab("form");
  focusForm();
  // The example becomes a source folder at once, so that the checks know its script. Without a network, with the save.
  store.keepEdits(key).catch(() => {});
}

const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]);

function offerUndo(text) {
  const note = toast(text, "info");
  note.querySelector("[data-dismiss-toast]").before(
    h("button", {
      type: "button",
      class: "btn btn-sm",
      text: "Undo",
      on: {
        click: () => {
          note.remove();
          store.undo();
        },
      },
    }),
  );
}

// --- Problems -----------------------------------------------------------------------------------------------------
function paintProblems() {
  form.fields.paint(byPath(store.problems), byPath(store.warnings));
}

/** What is said of the selected step, or of the pipeline. */
function byPath(said) {
  const found = new Map();
  for (const { stepKey, path, message } of said) {
    if (stepKey !== store.selected) continue;
    found.set(path, [...(found.get(path) ?? []), message]);
  }
  return found;
}

function listProblems() {
  const { problems } = store;
  const menu = part("problems");
  menu.hidden = problems.length === 0;
  part("problem-count").textContent = plural(problems.length, "problem");
  if (!problems.length) menu.open = false;
  part("problem-list").replaceChildren(
    ...problems.slice(0, 100).map((problem) =>
      h(
        "button",
        { type: "button", on: { click: () => jumpTo(problem) } },
        h("span", { class: "builder-problem" }, h("strong", { text: problem.where }), h("span", { text: problem.message })),
      ),
    ),
  );
}

function jumpTo({ stepKey, path }) {
  part("problems").open = false;
  choose(stepKey);
  if (stepKey !== null) graph.reveal(stepKey);
  showTab("form");
  form.fields.focus(path);
}

// --- The editor ---------------------------------------------------------------------------------------------------
const editor = new EditorPane(part("editor"), store, { onClose: () => showEditor(false) });

function showEditor(isOpen) {
  root.classList.toggle("is-editing", isOpen);
  if (isOpen) showTab("graph");
  else graph.surface.focus({ preventScroll: true });
}

// --- State, saving, submitting --------------------------------------------------------------------------------------
function stateText() {
  if (store.readOnly) return data.shown ? `Version ${data.shown.number}` : "";
  if (store.saving) return "Saving…";
  if (store.isDirty) return "Unsaved changes";
  return store.version ? `Saved as version ${store.version}` : "Not saved yet";
}

function paintState() {
  const state = part("state");
  if (state.textContent !== stateText()) state.textContent = stateText();
  state.dataset.dirty = String(store.isDirty);
  part("title").textContent = store.draft.name || "(no name)";
  if (store.readOnly) return;
  part("undo").disabled = !store.history.canUndo;
  part("redo").disabled = !store.history.canRedo;
  part("save").setAttribute("aria-busy", String(Boolean(store.saving)));
}

function showFailure(text, retry) {
  const banner = part("banner");
  banner.hidden = !text;
  banner.replaceChildren(
    ...(text
      ? [icon("alert-triangle"), h("span", { text }), h("button", { type: "button", class: "btn btn-sm", text: "Try again", on: { click: retry } })]
      : []),
  );
}

/** Save; true once everything is kept. Whatever goes wrong is said, and loses nothing. */
async function save(baseVersion = undefined) {
  if (!store.isDirty && store.version && baseVersion === undefined) return true;
  try {
    await store.save(baseVersion);
    showFailure("");
    return true;
  } catch (/** @type {any} */ error) {
    if (error.status === 409 && error.body?.current?.number) return solveConflict(error.body.current);
    if (error.status === 400 && error.problems?.length) store.showProblems(error.problems.map(withoutRoot));
    showFailure(`Could not save: ${error.detail ?? error.message} Your changes are still here.`, () => save());
    return false;
  }
}

const withoutRoot = ({ loc, message }) => ({ loc: loc[0] === "definition" ? loc.slice(1) : loc, message });

async function solveConflict(current) {
  showFailure("");
  const who = current.created_by ?? "Somebody";
  const answer = await askChoice({
    title: "Somebody else saved meanwhile",
    body: [
      `${who} saved version ${current.number} ${relativeTime(current.created_at)} (${absoluteTime(current.created_at)}), ` +
        `while you were working on ${store.version ? `version ${store.version}` : "your first one"}.`,
      "Nothing of yours is lost. Saving yours makes it the newest version; theirs stays among the versions.",
    ],
    answers: [
      { value: "keep", label: "Keep editing" },
      { value: "look", label: "Look at theirs (new tab)" },
      { value: "mine", label: "Save mine as the newest version", kind: "btn-primary" },
    ],
  });
  if (answer === "look") {
    window.open(`${data.urls.edit}?version=${current.number}`, "_blank", "noopener");
    return false;
  }
  return answer === "mine" ? save(current.number) : false;
}

async function submit() {
  if (!store.draft.steps.length) {
    toast("The pipeline has no step. Add one first.", "warning");
    return;
  }
  if (!(await save())) return;
  // A save that was under way already may not have had the last that was typed.
  if (store.isDirty && !(await save())) return;
  await store.validate();
  if (store.problems.length) {
    toast(`Mend ${plural(store.problems.length, "problem")} before you submit.`, "warning");
    jumpTo(store.problems[0]);
    return;
  }
  const run = await openSubmitDialog({ workspace: data.workspace, pipelineId: data.pipeline.id, version: store.version });
  if (run) window.location.assign(run.url);
}

async function restore() {
  try {
    await api.post(`${data.api}/pipelines/${data.pipeline.id}/versions/`, {
      definition: data.definition,
      base_version: data.pipeline.latest_version,
    });
    window.location.assign(data.urls.edit);
  } catch (/** @type {any} */ error) {
    toast(`Could not restore: ${error.detail ?? error.message}`, "error");
  }
}

// --- The page -----------------------------------------------------------------------------------------------------
function showTab(name) {
  root.dataset.tab = name;
  for (const tab of root.querySelectorAll("button[data-tab]")) tab.setAttribute("aria-selected", String(tab.getAttribute("data-tab") === name));
}

function tellAddress() {
  const address = new URL(window.location.href);
  if (store.step) address.searchParams.set("step", store.step.name);
  else address.searchParams.delete("step");
  window.history.replaceState(null, "", address);
}

const preferred = (things, name) => (things.find((thing) => thing.name === name) ?? things[0])?.name;

const isTyping = () => document.activeElement?.closest("input:not([type=checkbox]), textarea, .cm-editor");

function goThroughHistory(act) {
  // A field that holds the caret keeps what is typed; it lets go first, so that it shows what was undone.
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  act();
}

const acts = {
  "add-step": (button) =>
    addedStep((draft) =>
      addStep(draft, {
        kind: button.dataset.kind,
        environment: preferred(data.catalogue.environments, "python"),
        compute: preferred(data.catalogue.computes, "local"),
      }),
    ),
  undo: () => goThroughHistory(() => store.undo()),
  redo: () => goThroughHistory(() => store.redo()),
  save: async () => {
    if (await save()) toast(`Saved as version ${store.version}.`, "success");
  },
  submit,
  restore,
};

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const act = target?.closest("[data-act]");
  if (act instanceof HTMLButtonElement && Object.hasOwn(acts, act.dataset.act)) {
    act.disabled = act.dataset.act === "submit";
    const menu = act.closest("details");
    if (menu) menu.open = false;
    Promise.resolve(acts[act.dataset.act](act)).finally(() => {
      if (act.dataset.act === "submit") act.disabled = false;
    });
  }
  const tab = target?.closest("button[data-tab]");
  if (tab instanceof HTMLElement) showTab(tab.dataset.tab);
});

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || store.readOnly) return;
  const key = event.key.toLowerCase();
  if (key === "s") {
    event.preventDefault();
    acts.save();
  } else if (key === "z" && !isTyping()) {
    event.preventDefault();
    if (event.shiftKey) acts.redo();
    else acts.undo();
  } else if (key === "y" && !isTyping()) {
    event.preventDefault();
    acts.redo();
  }
});

// A file dropped beside the place for files would take the whole page away.
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    if (event instanceof DragEvent && event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
}

window.addEventListener("beforeunload", (event) => {
  if (store.isDirty) event.preventDefault();
});

store.addEventListener("change", () => {
  form.fields.sync();
  drawGraph();
  paintState();
  tellAddress();
});
store.addEventListener("select", () => {
  graph.select(store.selected);
  buildForm();
  tellAddress();
});
store.addEventListener("problems", () => {
  listProblems();
  paintProblems();
  for (const step of store.draft.steps) {
    graph.update(step.key, { problems: countsByStep(store.problems).get(step.key) ?? 0 });
  }
});
store.addEventListener("saved", () => {
  // From here on the newest is what is being edited, whatever the address asked for.
  const address = new URL(window.location.href);
  address.searchParams.delete("version");
  window.history.replaceState(null, "", address);
  paintState();
});
store.addEventListener("saving", paintState);

drawGraph();
buildForm();
paintState();
const asked = new URLSearchParams(window.location.search).get("step");
const askedStep = store.draft.steps.find((step) => step.name === asked);
if (askedStep) {
  choose(askedStep.key);
  graph.reveal(askedStep.key);
}
if (store.draft.steps.length && !store.readOnly) store.validate();
root.dataset.ready = "true";
