/** Before something is deleted, how many files that means is counted, and said in the question. */
import { api } from "../lib/api.js";
import { fileSize, plural } from "../lib/format.js";

const PATIENCE_MS = 4000;

/** @param {HTMLElement} browser */
export function wireCountedDeletes(browser) {
  // On the window, which hears of it before the page's one question about every deletion does.
  window.addEventListener("submit", async (event) => {
    const button = event.submitter;
    const form = event.target;
    if (!(button instanceof HTMLButtonElement) || !(form instanceof HTMLFormElement)) return;
    if (!button.matches("[data-counted]") || !browser.contains(button) || button.dataset.count) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    button.setAttribute("aria-busy", "true");
    button.dataset.count = "yes";
    const asked = button.matches("[data-confirm]") ? button : form;
    asked.dataset.said ??= asked.dataset.confirm;
    const paths = button.name === "path" ? [button.value] : picked(form);
    asked.dataset.confirm = `${await counted(browser.dataset.countUrl, paths)}${asked.dataset.said}`;
    button.removeAttribute("aria-busy");
    form.requestSubmit(button);
    setTimeout(() => delete button.dataset.count); // asked again next time: the folder may have grown
  }, true);
}

function picked(form) {
  return [...form.querySelectorAll("[data-pick]:checked")].map((box) => box.value);
}

/** A sentence; nothing where it could not be found out in time. */
async function counted(url, paths) {
  const query = new URLSearchParams(paths.map((path) => ["path", path]));
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const { files, size_bytes: size, is_complete: isComplete } = await api.get(`${url}?${query}`, { signal: stop.signal });
    return `${isComplete ? "" : "More than "}${plural(files, "file")}, ${fileSize(size)}. `;
  } catch {
    return "";
  } finally {
    clearTimeout(timer);
  }
}
