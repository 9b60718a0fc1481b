// The page of one run: the server drew it, this keeps it live.

import { api } from "../lib/api.js";
import { plural } from "../lib/format.js";
import { toast } from "../lib/toast.js";
import { Approvals } from "../run/approvals.js";
import { VIEWS, readAddress, writeAddress } from "../run/address.js";
import { Clock } from "../run/clock.js";
import { RunConnection } from "../run/connection.js";
import { GraphPane } from "../run/graph_pane.js";
import { foundNames } from "../run/found.js";
import { RunHeader, drawConnection } from "../run/header.js";
import { listenToKeys } from "../run/keys.js";
import { MetricsPane } from "../run/metrics_pane.js";
import { unpacked } from "../run/packed.js";
import { StepPanel } from "../run/panel.js";
import { StepsTable } from "../run/steps_table.js";
import { changeRunReuse } from "../run/tabs/why.js";
import { RunStore, failure, stepOfInterest } from "../run/store.js";
import { editTags, drawTags } from "../run/tags.js";
import { TimelinePane } from "../run/timeline_pane.js";
import { stepToEdit } from "../run/ways_on.js";

const FAILURES_PAUSE_MS = 50;
const FAILURES_AGAIN_MS = 2000;
const VIEW_KEY = "studio-run-view";
const $ = (selector) => /** @type {any} */ (document.querySelector(selector));
const root = $("#run");
const runApi = root.dataset.api;
const urls = {
  step: (name) => `${runApi}steps/${encodeURIComponent(name)}/`,
  usage: (name) => `${root.dataset.stepsUrl}${encodeURIComponent(name)}/usage/`,
  why: (name) => `${root.dataset.stepsUrl}${encodeURIComponent(name)}/reuse/`,
  notebook: (name) => `${root.dataset.stepsUrl}${encodeURIComponent(name)}/notebook/`,
  artifact: (name) => `${root.dataset.stepsUrl}${encodeURIComponent(name)}/artifact/`,
  trials: (name) => `${root.dataset.stepsUrl}${encodeURIComponent(name)}/trials/`,
  register: (what) => `${root.dataset.registerUrl}?${new URLSearchParams({ run: root.dataset.number, ...what })}`,
  metrics: root.dataset.metricsUrl,
  compare: (name) => `${root.dataset.compareUrl}?${new URLSearchParams({ right: root.dataset.number, step: name })}`,
  run_of: root.dataset.runUrl,
  compute: root.dataset.computeUrl,
  sources: root.dataset.sourcesUrl,
  changes: (digest) => root.dataset.changesUrl.replace("/0/", `/${digest}/`),
};

const store = new RunStore(unpacked(JSON.parse($("#run-state").textContent)));
const clock = new Clock(root.dataset.now);
const header = new RunHeader(store, clock);
const address = readAddress(location.search, location.hash);

const panes = Object.fromEntries(VIEWS.map((view) => [view, $(`[data-pane=${view}]`)]));
const table = new StepsTable(panes.table, store, { clock, onOpen: (name) => open(name) });
const graph = new GraphPane(panes.graph, store, {
  onSelect: (name) => (name ? open(name) : close()),
  onOpen: (name) => open(name, "log"),
});
const timeline = new TimelinePane(panes.timeline, store, { url: root.dataset.timelineUrl, onSelect: (name) => open(name) });
const metrics = new MetricsPane(panes.metrics, { url: urls.metrics });
store.subscribe(({ steps }) => metrics.hear([...steps]));
const panel = new StepPanel($("#step-panel"), store, {
  clock,
  urls,
  may: { run: "mayRun" in root.dataset, pin: "mayPin" in root.dataset, editPipelines: "mayEditPipelines" in root.dataset, register: "mayRegister" in root.dataset },
  watchLog: (name) => connection.watchLog(name),
  onAddress: (where) => goTo(where),
  onSelect: (name, tab) => open(name, tab),
  onClose: () => close(),
});
let link = { state: "connecting", code: null };
const showLink = () => drawConnection($("#connection"), { ...link, isOver: store.isTerminal });
store.subscribe(showLink);
const connection = new RunConnection(root.dataset.socket, store, {
  onState: (state, code) => {
    link = { state, code };
    showLink();
  },
  onLog: (message) => panel.hearLog(message),
  onMetrics: (steps) => {
    metrics.hear(steps);
    panel.hearMetrics(steps);
  },
});

// --- Where the reader is -------------------------------------------------------------------------------------------
function goTo(where) {
  Object.assign(address, where);
  history.replaceState(null, "", writeAddress(address) || location.pathname);
}

/** Show a step; by a click on another one the tab stays. */
function open(name, tab = panel.isOpen ? panel.tab : "overview", where = {}) {
  panel.open(name, tab, where);
  graph.select(name);
  table.select(name);
}

function close() {
  if (!panel.isOpen) {
    return;
  }
  panel.close();
  graph.select(null);
  table.select(null);
  goTo({ step: null, tab: null, attempt: null, line: null });
}

function showView(view, { keep = true } = {}) {
  for (const name of VIEWS) {
    panes[name].hidden = name !== view;
    $(`[data-view=${name}]`).setAttribute("aria-pressed", String(name === view));
  }
  timeline.show(view === "timeline");
  metrics.show(view === "metrics");
  if (keep) {
    try {
      localStorage.setItem(VIEW_KEY, view);
    } catch {
      // Storage is blocked: it holds for this page.
    }
    goTo({ view: view === "graph" ? null : view });
  }
}

function rememberedView() {
  try {
    const kept = localStorage.getItem(VIEW_KEY);
    return kept && VIEWS.includes(kept) ? kept : "graph";
  } catch {
    return "graph";
  }
}

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => showView(/** @type {HTMLElement} */ (button).dataset.view));
}
showView(address.view ?? rememberedView(), { keep: false });
root.classList.add("is-ready");
if (address.step && store.step(address.step)) {
  open(address.step, address.tab ?? "overview", { attempt: address.attempt, line: address.line });
}

// --- Finding a step ------------------------------------------------------------------------------------------------
const find = $("#step-find");
let found = [];
find?.addEventListener("input", () => {
  found = foundNames(store.state.steps.map((step) => step.name), find.value);
  $("#step-found").textContent = find.value.trim() ? plural(found.length, "step") : "";
  table.find(find.value);
});
find?.addEventListener("keydown", (event) => {
  if (event.key === "Escape") find.blur();
  if (event.key !== "Enter" || !found.length) return;
  event.preventDefault();
  // Again and again it leads on to the next one.
  const name = found[(found.indexOf(panel.name) + (event.shiftKey ? found.length - 1 : 1)) % found.length];
  open(name);
  graph.reveal(name);
});

// Links to a step, on this page and in what the server draws later.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-open-step]") : null;
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  event.preventDefault();
  const { step, tab, attempt, line } = readAddress(new URL(link.href).search, new URL(link.href).hash);
  open(step, tab ?? "overview", { attempt, line });
});

new Approvals($("#approvals"), store, { url: root.dataset.approvalsUrl, stepUrl: urls.step });

// --- What goes wrong stands above everything else ------------------------------------------------------------------
let shownFailure = JSON.stringify(failureKey());
let failureTimer = 0;
store.subscribe(() => {
  if (JSON.stringify(failureKey()) !== shownFailure) failureTimer ||= setTimeout(rereadFailure, FAILURES_PAUSE_MS);
});

/** Thousands of steps may fail within a minute: what the server says of them is asked for one time after the other. */
async function rereadFailure() {
  const key = JSON.stringify(failureKey());
  const response = await fetch(root.dataset.failureUrl, { credentials: "same-origin" }).catch(() => null);
  if (response?.ok) {
    shownFailure = key;
    $("#failure").innerHTML = await response.text(); // the same partial as on the first load, escaped by the server
    const state = await api.get(runApi).catch(() => null);
    if (state) {
      store.replace(state); // with the last lines of the steps that failed
    }
  }
  const isBehind = JSON.stringify(failureKey()) !== shownFailure;
  failureTimer = response?.ok && isBehind ? setTimeout(rereadFailure, FAILURES_AGAIN_MS) : 0;
}

function failureKey() {
  const wrong = failure(store.state);
  return wrong && [store.state.status, wrong.step?.name, wrong.others.length];
}

// --- What can be done ----------------------------------------------------------------------------------------------
const cancelDialog = $("#cancel-dialog");
header.parts.cancel?.addEventListener("click", () => cancelDialog.showModal());
cancelDialog?.addEventListener("close", async () => {
  if (cancelDialog.returnValue !== "yes") {
    return;
  }
  cancelDialog.returnValue = "";
  header.parts.cancel.disabled = true;
  try {
    await api.post(`${runApi}cancel/`);
    store.state.cancel_requested_at ??= new Date(clock.now()).toISOString();
  } catch (error) {
    toast(/** @type {Error} */ (error).message, "error");
  }
  header.draw();
});
header.parts.continue?.addEventListener("click", async () => {
  const button = header.parts.continue;
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  try {
    await api.post(`${runApi}continue/`);
  } catch (error) {
    toast(/** @type {Error} */ (error).message, "error");
  }
  button.removeAttribute("aria-busy");
});
for (const [verb, said] of [["pause", "was paused already"], ["resume", "goes on already"]]) {
  const button = header.parts[verb];
  button?.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      const { changed } = await api.post(`${runApi}${verb}/`);
      if (!changed) toast(`The run ${said}.`, "info");
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "error");
    }
    button.removeAttribute("aria-busy");
  });
}
header.parts.edit?.addEventListener("click", () => {
  const step = stepToEdit(store);
  if (step) open(step.name, "code", { edit: true });
});
header.parts.again?.addEventListener("click", async () => {
  const { version, parameters, experiment, priority, regenerate_outputs: regenerate, continue_on_step_failure: goesOn } = store.state;
  const { workspace, pipeline } = root.dataset;
  const without = store.state.edited ?? [];
  try {
    const { openSubmitDialog } = await import("../lib/submit_dialog.js"); // most readers submit nothing
    const run = await openSubmitDialog({ without, workspace, pipelineId: pipeline, version, values: parameters, experiment, priority, regenerate, goesOn, submitTo: `${runApi}resubmit/` });
    if (run) location.assign(run.url);
  } catch (error) {
    toast(/** @type {Error} */ (error).message, "error");
  }
});

const tags = $("[data-run=tags]");
let known = JSON.parse($("#run-tags").textContent);
const showTags = () => drawTags(tags, known, { onEdit: "mayRun" in root.dataset ? editRunTags : null });
async function editRunTags() {
  known = (await editTags({ url: `${runApi}tags/`, what: `run ${root.dataset.number}`, tags: known.tags })) ?? known;
  showTags();
}
showTags();

const clone = $("[data-clone-run]");
clone?.addEventListener("click", async () => {
  clone.disabled = true;
  try {
    location.assign((await api.post(`${runApi}clone/`)).url);
  } catch (error) {
    toast(/** @type {Error} */ (error).message, "error");
    clone.disabled = false;
  }
});

for (const button of document.querySelectorAll("[data-run-reuse]")) {
  button.addEventListener("click", () => changeRunReuse(runApi, /** @type {HTMLElement} */ (button).dataset.runReuse === "exclude"));
}

// --- Keys ----------------------------------------------------------------------------------------------------------
function neighbour(by) {
  const names = store.state.steps.map((step) => step.name);
  const at = names.indexOf(panel.name);
  const next = at === -1 ? stepOfInterest(store.state)?.name : names[Math.min(Math.max(at + by, 0), names.length - 1)];
  if (next && next !== panel.name) {
    open(next);
  }
}

function openLog(options) {
  const name = panel.name ?? stepOfInterest(store.state)?.name;
  if (name) {
    open(name, "log");
    panel.focusLog(options);
  }
}

listenToKeys({
  j: () => neighbour(1),
  k: () => neighbour(-1),
  l: () => openLog(),
  g: () => {
    showView("graph");
    graph.focus();
  },
  c: () => header.parts.cancel && !header.parts.cancel.hidden && !header.parts.cancel.disabled && cancelDialog.showModal(),
  "/": () => openLog({ search: true }),
  "?": () => $("#keys-dialog").showModal(),
  Escape: () => close(),
});

// --- Time passes ---------------------------------------------------------------------------------------------------
setInterval(() => {
  if (!document.hidden && !store.isTerminal) {
    header.tick();
    table.tick();
    panel.tick();
  }
}, 1000);
