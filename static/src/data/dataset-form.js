/** The form of a dataset: rows of paths, and what they match, asked for while they are typed. */
import { api } from "../lib/api.js";
import { fileSize, plural } from "../lib/format.js";
import { Picker } from "./picker.js";

const TYPING_MS = 350;

/** @param {HTMLFormElement} form */
export function wireDatasetForm(form) {
  const list = form.querySelector("[data-path-rows]");
  const match = /** @type {HTMLElement} */ (form.querySelector("[data-match]"));
  const template = /** @type {HTMLTemplateElement} */ (document.querySelector("[data-path-template]"));
  const picker = new Picker(/** @type {HTMLDialogElement} */ (document.querySelector("#picker")), form.dataset.datastoresUrl);
  const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[data-path-row]")]);
  const field = (row, name) => /** @type {HTMLInputElement} */ (row.querySelector(`[name=${name}]`));
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
    const paths = rows().map((row) => ({ datastore_id: Number(field(row, "datastore").value), path: field(row, "path").value }));
    try {
      const summary = await api.post(form.dataset.previewUrl, { paths }, { signal: asked.signal });
      for (const row of rows()) tellProblems(row, []);
      show(summary);
    } catch (/** @type {any} */ error) {
      if (error.name === "AbortError") return;
      match.hidden = true;
      rows().forEach((row, number) => {
        tellProblems(row, error.problems.filter(({ loc }) => loc[0] === "paths" && loc[1] === number).map(({ message }) => message));
      });
    }
  }

  function show(summary) {
    match.hidden = false;
    match.dataset.state = summary.file_count ? "some" : "none";
    const more = summary.is_complete ? "" : "more than ";
    match.querySelector("[data-match-words]").textContent = summary.file_count
      ? `${more}${plural(summary.file_count, "file")}, ${fileSize(summary.size_bytes)}`
      : "No file yet";
    const names = summary.first.map((file) => line(file.path ?? file.name));
    if (summary.file_count > names.length) names.push(line(`and ${(summary.file_count - names.length).toLocaleString("en-US")} more`));
    if (!summary.file_count) names.push(line("A step that reads it now would fail."));
    match.querySelector("[data-match-names]").replaceChildren(...names);
  }

  form.addEventListener("input", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("[data-path-row]")) ask();
  });
  form.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const row = /** @type {HTMLElement|null} */ (target?.closest("[data-path-row]"));
    if (target?.closest("[data-add-path]")) {
      const last = rows().at(-1);
      list.append(template.content.cloneNode(true));
      const added = rows().at(-1);
      if (last) field(added, "datastore").value = field(last, "datastore").value;
      field(added, "path").focus();
    } else if (target?.closest("[data-remove-path]")) {
      const next = rows()[rows().indexOf(row) + 1] ?? rows()[rows().indexOf(row) - 1];
      row.remove();
      field(next, "path").focus();
      ask();
    } else if (target?.closest("[data-browse-path]")) {
      const store = /** @type {HTMLSelectElement} */ (row.querySelector("[name=datastore]"));
      picker.open({ id: store.value, name: store.selectedOptions[0]?.textContent ?? "" }, field(row, "path").value, (path) => {
        field(row, "path").value = path;
        ask();
      });
    }
  });
  preview();
}

function tellProblems(row, messages) {
  row.querySelector("[name=path]").classList.toggle("is-invalid", messages.length > 0);
  row.querySelector("[data-path-problem]").replaceChildren(
    ...messages.map((message) => {
      const words = document.createElement("div");
      words.textContent = message;
      return words;
    }),
  );
}

function line(text) {
  const item = document.createElement("li");
  item.textContent = item.title = text;
  return item;
}
