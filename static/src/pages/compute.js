// The compute pages' part that moves: fetched again when the studio says that a target changed, and for heartbeats.
import { LiveSocket } from "../lib/socket.js";

// A heartbeat publishes nothing: it comes every few seconds from every node.
const HEARTBEATS_MS = 4000;
const WORDS = { connecting: "Connecting", open: "Live", reconnecting: "Reconnecting…", closed: "Not live: reload the page" };

const part = document.querySelector("[data-live]");
const note = document.querySelector("[data-live-note]");

function refresh() {
  if (!document.hidden) part.dispatchEvent(new CustomEvent("studio:refresh"));
}

function tell(/** @type {keyof typeof WORDS} */ state) {
  if (!(note instanceof HTMLElement)) return;
  note.dataset.state = state;
  note.querySelector("[data-live-words]").textContent = WORDS[state];
}

if (part instanceof HTMLElement) {
  const socket = new LiveSocket(part.dataset.socket, {
    onOpen() {
      const what = part.dataset.watch.trim().split(/\s+/).filter(Boolean);
      socket.send({ type: "watch", what });
    },
    onMessage(message) {
      // "watching": something may have happened while nobody listened.
      if (message.type === "changed" || message.type === "watching") refresh();
    },
    onState: tell,
  });
  setInterval(refresh, HEARTBEATS_MS);
  document.addEventListener("visibilitychange", refresh);
}
