/** The ticked rows of a folder, and what can be done with all of them at once. */
import { plural } from "../lib/format.js";

const DATASET_PATHS = 100;

/** @param {HTMLElement} browser */
export function wireSelection(browser) {
  const picked = () => /** @type {HTMLInputElement[]} */ ([...browser.querySelectorAll("[data-pick]:checked")]);

  function show() {
    const bar = browser.querySelector("[data-selection]");
    if (!(bar instanceof HTMLElement)) return;
    const count = picked().length;
    const all = browser.querySelectorAll("[data-pick]").length;
    bar.hidden = count === 0;
    bar.querySelector("[data-selection-words]").textContent = `${plural(count, "item")} selected`;
    const dataset = /** @type {HTMLButtonElement} */ (bar.querySelector("[data-selection-dataset]"));
    dataset.disabled = count > DATASET_PATHS;
    dataset.title = count > DATASET_PATHS ? `A dataset takes ${DATASET_PATHS} paths: use the folder or a pattern.` : "";
    const head = browser.querySelector("[data-pick-all]");
    if (head instanceof HTMLInputElement) {
      head.checked = count > 0 && count === all;
      head.indeterminate = count > 0 && count < all;
    }
  }

  browser.addEventListener("change", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement)) return;
    if (box.matches("[data-pick-all]")) {
      for (const other of browser.querySelectorAll("[data-pick]")) /** @type {HTMLInputElement} */ (other).checked = box.checked;
    }
    if (box.matches("[data-pick], [data-pick-all]")) show();
  });
  browser.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("[data-selection-clear]")) {
      for (const box of picked()) box.checked = false;
      show();
    } else if (target?.closest("[data-selection-dataset]")) {
      const query = new URLSearchParams([["datastore", browser.dataset.datastore], ...picked().map((box) => ["path", box.value])]);
      window.location.assign(`${browser.dataset.datasetUrl}?${query}`);
    }
  });
  browser.addEventListener("htmx:afterSwap", show);
  show(); // the browser may have kept ticks over a reload
}
