/** The form of a dataset of files: rows of paths, and what they match, asked for while they are typed. */
import { api } from "../lib/api.js";
import { fileSize, plural } from "../lib/format.js";
import { PathRows } from "./path_rows.js";
import { Picker } from "./picker.js";

const TYPING_MS = 350;

/** @param {HTMLFormElement} form */
export function wireDatasetForm(form) {
  const match = /** @type {HTMLElement} */ (form.querySelector("[data-match]"));
  const picker = new Picker(/** @type {HTMLDialogElement} */ (document.querySelector("#picker")), form.dataset.datastoresUrl);
  const rows = new PathRows(form, { picker, onChange: ask });
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  let asked = new AbortController();

  function ask() {
    clearTimeout(timer);
    match.dataset.state = "waiting";
    timer = setTimeout(preview, TYPING_MS);
  }

  async function preview() {
    asked.abort();
    asked = new AbortController();
    try {
      const summary = await api.post(form.dataset.previewUrl, { paths: rows.paths }, { signal: asked.signal });
      rows.tell([]);
      show(summary);
    } catch (/** @type {any} */ error) {
      if (error.name === "AbortError") return;
      match.hidden = true;
      rows.tell(error.problems);
    }
  }

  function show(summary) {
    match.hidden = false;
    match.dataset.state = summary.file_count ? "some" : "none";
    match.querySelector("[data-match-words]").textContent = matchWords(summary);
    const names = summary.first.map((file) => line(file.url || (file.path ?? file.name)));
    if (summary.file_count > names.length) names.push(line(`and ${(summary.file_count - names.length).toLocaleString("en-US")} more`));
    if (!summary.file_count) names.push(line("A step that reads it now would fail."));
    match.querySelector("[data-match-names]").replaceChildren(...names);
  }

  preview();
}

/** As in “more than 12 files, 3.4 MB”. */
export function matchWords(summary) {
  const more = summary.is_complete ? "" : "more than ";
  return summary.file_count ? `${more}${plural(summary.file_count, "file")}, ${fileSize(summary.size_bytes)}` : "No file yet";
}

function line(text) {
  const item = document.createElement("li");
  item.textContent = item.title = text;
  return item;
}
