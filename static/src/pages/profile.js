// A profile, or two side by side: the part that moves while one is computed, and the figures of columns that are opened.
import { drawFigure } from "../lib/figure.js";
import { listen } from "../lib/live_part.js";

for (const part of document.querySelectorAll("[data-profile][data-watch]")) {
  if (!(part instanceof HTMLElement)) continue;
  const refresh = () => part.dispatchEvent(new CustomEvent("studio:refresh"));
  listen(part.dataset.socket, part.dataset.watch.split(" "), refresh, null);
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
