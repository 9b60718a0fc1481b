// The pages of datasets: their forms, and the versions to compare.
import { wireDatasetForm } from "../data/dataset-form.js";
import { wireDeriveForm } from "../data/derive-form.js";
import { wireTableForm } from "../data/table-form.js";

const wires = { "[data-dataset-form]": wireDatasetForm, "[data-table-form]": wireTableForm, "[data-derive-form]": wireDeriveForm };
for (const [selector, wire] of Object.entries(wires)) {
  const form = document.querySelector(selector);
  if (form instanceof HTMLFormElement) wire(form);
}

for (const select of document.querySelectorAll("[data-submit-with]")) {
  if (select instanceof HTMLSelectElement) select.addEventListener("change", () => select.form.requestSubmit());
}

const compare = document.querySelector("form[data-compare]");
if (compare instanceof HTMLFormElement) wireCompare(compare);

/** Two versions at most; the third that is ticked takes the place of the first. */
function wireCompare(/** @type {HTMLFormElement} */ form) {
  const button = /** @type {HTMLButtonElement|null} */ (form.querySelector("[data-compare-button]"));
  if (!button) return;
  /** @type {HTMLInputElement[]} */
  let chosen = [];
  form.addEventListener("change", (event) => {
    if (!(event.target instanceof HTMLInputElement)) return;
    chosen = event.target.checked ? [...chosen, event.target] : chosen.filter((box) => box !== event.target);
    if (chosen.length > 2) chosen.shift().checked = false;
    button.disabled = chosen.length < 2;
    form.querySelector("[data-compare-words]").textContent = chosen.length < 2 ? "Choose two to compare" : "Compare the two";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [a, b] = chosen.map((box) => Number(box.value)).sort((one, other) => one - other);
    window.location.assign(`${form.action}?${new URLSearchParams({ a: String(a), b: String(b) })}`);
  });
}
