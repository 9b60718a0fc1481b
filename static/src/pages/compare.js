// Two runs side by side: the choice of them, the details of a step that is opened, and series of both in one chart.

import { MetricsPane } from "../run/metrics_pane.js";

// --- Which runs -----------------------------------------------------------------------------------------------------
const choice = document.querySelector("[data-compare-choice]");
choice?.addEventListener("change", () => {
  if (choice instanceof HTMLFormElement && choice.checkValidity()) choice.submit();
});

// --- A step's details, read when it is opened ------------------------------------------------------------------------
for (const details of document.querySelectorAll("[data-compare-step]")) {
  if (!(details instanceof HTMLDetailsElement)) continue;
  details.addEventListener("toggle", () => {
    remember(details);
    load(details);
  });
  if (details.open) {
    load(details);
    details.scrollIntoView({ block: "start" });
  }
}

/** The address names the step that was opened last, so that it can be sent to somebody. */
function remember(/** @type {HTMLDetailsElement} */ details) {
  const address = new URL(location.href);
  if (details.open) address.searchParams.set("step", details.dataset.name);
  else if (address.searchParams.get("step") === details.dataset.name) address.searchParams.delete("step");
  history.replaceState(null, "", address);
}

async function load(/** @type {HTMLDetailsElement} */ details) {
  if (!details.open || details.dataset.loaded !== undefined) return;
  details.dataset.loaded = "";
  const body = details.querySelector("[data-body]");
  try {
    const response = await fetch(details.dataset.compareStep, { credentials: "same-origin" });
    if (!response.ok || response.redirected) throw new Error(String(response.status));
    body.innerHTML = await response.text(); // drawn and escaped by the server
  } catch {
    delete details.dataset.loaded; // the next time it is opened it is asked for again
    body.innerHTML = '<p class="run-error" role="alert">The step could not be compared. Close and open it to try again.</p>';
  }
}

// --- Series of both --------------------------------------------------------------------------------------------------
const charts = document.querySelector("[data-compare-charts]");
if (charts instanceof HTMLElement) {
  const { compareCharts: url, left, right } = charts.dataset;
  new MetricsPane(charts, { url, query: { left, right } }).show();
}
