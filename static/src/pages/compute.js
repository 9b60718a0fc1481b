// The compute pages' part that moves: drawn again when the studio says that a target changed, and for heartbeats.
import { NodeCharts } from "../compute/charts.js";
import { listen, LivePart } from "../lib/live_part.js";

// A heartbeat publishes nothing: it comes every few seconds from every node.
const HEARTBEATS_MS = 4000;

const element = document.querySelector("[data-live]");
const note = document.querySelector("[data-live-note]");

if (element instanceof HTMLElement) {
  const charts = element.dataset.figures ? new NodeCharts(element, element.dataset.figures) : null;
  const part = new LivePart(element, { onDrawn: drawn });
  const refresh = () => {
    if (!document.hidden) part.refresh();
  };
  const watched = element.dataset.watch.trim().split(/\s+/).filter(Boolean);
  listen(element.dataset.socket, watched, refresh, note instanceof HTMLElement ? note : null);
  setInterval(refresh, HEARTBEATS_MS);
  document.addEventListener("visibilitychange", refresh);
  drawn();

  function drawn() {
    charts?.look();
    follow(element.querySelector("[data-tail]"));
  }
}

/** A log stays at its last line, unless its reader went up in it. */
function follow(log) {
  if (!(log instanceof HTMLElement)) return;
  if (!log.dataset.left) log.scrollTop = log.scrollHeight;
  log.onscroll = () => {
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    if (isAtEnd) delete log.dataset.left;
    else log.dataset.left = "yes";
  };
}
