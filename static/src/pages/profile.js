// A profile, or two side by side: the part that moves while one is computed, and the figures of columns that are opened.
import htmx from "htmx.org";

import { drawFigure } from "../lib/figure.js";
import { listen, LivePart } from "../lib/live_part.js";

for (const element of document.querySelectorAll("[data-profile][data-watch]")) {
  if (!(element instanceof HTMLElement)) continue;
  // What shows the same state already stays as it is, with the columns that are opened or searched for in it.
  const isNews = (html) => {
    const state = stateIn(new DOMParser().parseFromString(html, "text/html"));
    return state === undefined || state !== stateIn(element);
  };
  const onDrawn = () => {
    htmx.process(element);
    drawAll();
  };
  const part = new LivePart(element, { address: element.dataset.address, isNews, onDrawn });
  if (stateIn(element) === undefined) part.refresh();
  listen(element.dataset.socket, element.dataset.watch.split(" "), () => part.refresh(), null);
  // The answer to a button may come later than news that are newer.
  element.addEventListener("htmx:afterSwap", (event) => {
    if (event.target === element) part.refresh();
  });
}

/** @returns {string|undefined} How far the profiles are that are shown in it; undefined where it shows none yet. */
function stateIn(/** @type {ParentNode} */ inside) {
  const said = inside.querySelector("[data-profile-state]");
  return said instanceof HTMLElement ? said.dataset.profileState : undefined;
}

document.addEventListener("htmx:afterSettle", drawAll);
drawAll();

function drawAll() {
  for (const chart of document.querySelectorAll("[data-profile] [data-chart]:not([data-drawn])")) {
    const figure = chart.nextElementSibling;
    if (!(chart instanceof HTMLElement) || !figure?.textContent) continue;
    chart.dataset.drawn = "";
    drawFigure(chart, JSON.parse(figure.textContent));
  }
}

// A column that is open already is closed by its second click, without asking the server.
document.addEventListener("htmx:beforeRequest", (event) => {
  const opener = event.target;
  if (!(opener instanceof HTMLElement) || !("columnOpen" in opener.dataset)) return;
  const detail = opener.closest("tr")?.nextElementSibling;
  const isOpen = detail?.classList.contains("column-detail");
  opener.setAttribute("aria-expanded", String(!isOpen));
  if (!isOpen) return;
  event.preventDefault();
  detail.remove();
});

const choice = document.querySelector("[data-compare-choice]");
choice?.addEventListener("change", () => {
  if (choice instanceof HTMLFormElement && choice.checkValidity()) choice.submit();
});
