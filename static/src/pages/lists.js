// The lists and a pipeline's own page: filters that live in the address, rows that stay true, and the submit dialog.

import { GraphView } from "../graph/index.js";
import { ApiError } from "../lib/api.js";
import { Chosen } from "../lib/chosen.js";
import { drawFigure } from "../lib/figure.js";
import { listen, LivePart } from "../lib/live_part.js";
import { openSubmitDialog } from "../lib/submit_dialog.js";
import { TickedRuns } from "../lib/ticked_runs.js";
import { toast } from "../lib/toast.js";

const element = document.querySelector("[data-live]");
const part = element instanceof HTMLElement ? new LivePart(element, { onDrawn: () => drawAgain() }) : null;
const chosen = part?.element.id === "runs" ? new Chosen(part.element, "run") : null;

function drawAgain() {
  drawChart();
  chosen?.redraw();
}

// --- Live -----------------------------------------------------------------------------------------------------------
if (part) {
  const { live, liveUrl } = part.element.dataset;
  const note = document.querySelector("[data-live-note]");
  listen(liveUrl, live.split(" "), () => part.refresh(), note instanceof HTMLElement ? note : null);
  document.addEventListener("studio:changed", () => part.refresh());
  window.addEventListener("popstate", () => {
    fillFilters();
    part.refresh();
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-part-link]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goTo(link.href);
    part.element.scrollIntoView({ block: "nearest" });
  });
}

function goTo(address, { replace = false } = {}) {
  if (address === window.location.href) return;
  window.history[replace ? "replaceState" : "pushState"](null, "", address);
  part.refresh();
}

// --- Filters --------------------------------------------------------------------------------------------------------
const form = document.querySelector("form[data-filters]");
const TYPING_MS = 250;

if (form instanceof HTMLFormElement && part) {
  let timer;
  const apply = (options) => {
    clearTimeout(timer);
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value !== "") query.set(name, String(value).trim());
    // The order is chosen in the table's head, not here.
    const sort = new URLSearchParams(window.location.search).get("sort");
    if (sort) query.set("sort", sort);
    const text = query.toString();
    goTo(`${window.location.pathname}${text ? `?${text}` : ""}`, options);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  form.addEventListener("change", (event) => {
    if (event.target instanceof HTMLSelectElement) apply();
  });
  form.addEventListener("input", (event) => {
    if (!(event.target instanceof HTMLInputElement)) return;
    clearTimeout(timer);
    // One entry of the history for a word, not one for each letter.
    timer = setTimeout(() => apply({ replace: true }), TYPING_MS);
  });
}

function fillFilters() {
  if (!(form instanceof HTMLFormElement)) return;
  const query = new URLSearchParams(window.location.search);
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.value = query.get(field.name) ?? "";
  }
}

// --- Two runs to compare --------------------------------------------------------------------------------------------
const comparing = document.querySelector("form[data-compare-runs]");
if (comparing instanceof HTMLFormElement) {
  const ticked = new TickedRuns(comparing);
  if (chosen) {
    chosen.onChange = (values) => {
      if (part?.element.querySelector("[data-pick]")) ticked.follow(values);
    };
    chosen.redraw();
  }
}

// --- A pipeline's graph, chart and submit button --------------------------------------------------------------------
const preview = document.querySelector("#graph-preview");
if (preview instanceof HTMLElement) {
  const edit = preview.dataset.openBase;
  const view = new GraphView(preview, {
    label: "Graph of the pipeline",
    onOpen: () => window.location.assign(edit),
  });
  view.setGraph(JSON.parse(document.getElementById(preview.dataset.graph).textContent));
  view.fit();
}

let stopChart = null;
let drawn = "";

async function drawChart() {
  const chart = document.querySelector("#durations");
  const text = chart instanceof HTMLElement ? document.getElementById(chart.dataset.figure)?.textContent : "";
  if (!(chart instanceof HTMLElement) || !text || (text === drawn && chart.firstChild)) return;
  drawn = text;
  stopChart?.();
  stopChart = await drawFigure(chart, JSON.parse(text), { onClick: (url) => window.location.assign(url) });
}
drawChart();

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-submit-pipeline]") : null;
  if (!(button instanceof HTMLButtonElement) || button.disabled) return;
  button.disabled = true;
  try {
    const { submitPipeline, workspace } = button.dataset;
    const run = await openSubmitDialog({ workspace, pipelineId: submitPipeline });
    if (run) window.location.assign(run.url);
  } catch (error) {
    toast(error instanceof ApiError ? error.detail : "The form could not be opened. Reload the page.", "error");
  } finally {
    button.disabled = false;
  }
});
