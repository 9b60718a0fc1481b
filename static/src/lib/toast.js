/** Short words about what just happened, in the page's toast area. */
import { icon } from "./status.js";

const ICONS = { success: "circle-check", error: "alert-circle", warning: "alert-triangle", info: "info-circle" };
const STAY_MS = 6000;

/**
 * @param {string} text
 * @param {"success"|"error"|"warning"|"info"} [kind] An error stays until it is dismissed.
 * @returns {HTMLElement}
 */
export function toast(text, kind = "info") {
  const note = document.createElement("div");
  note.className = `toast-note toast-${kind}`;
  note.setAttribute("role", kind === "error" ? "alert" : "status");
  const words = document.createElement("span");
  words.className = "toast-words";
  words.textContent = text;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.className = "icon-button";
  dismiss.dataset.dismissToast = "";
  dismiss.setAttribute("aria-label", "Dismiss");
  dismiss.append(icon("x"));
  note.append(icon(ICONS[kind]), words, dismiss);
  document.querySelector("#toasts")?.append(note);
  settle(note);
  return note;
}

/** Let a toast go after a while, unless it is an error or somebody is reading it. */
export function settle(note) {
  if (note.classList.contains("toast-error")) return;
  let timer;
  const start = () => {
    timer = setTimeout(() => note.remove(), STAY_MS);
  };
  note.addEventListener("pointerenter", () => clearTimeout(timer));
  note.addEventListener("pointerleave", start);
  note.addEventListener("focusin", () => clearTimeout(timer));
  note.addEventListener("focusout", start);
  start();
}
