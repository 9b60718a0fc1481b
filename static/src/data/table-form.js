/** The form of a table: where its rows are, and how they look, drawn by the server while it is filled in. */
import { api } from "../lib/api.js";
import { matchWords } from "./dataset-form.js";
import { FormPart } from "./form_part.js";
import { PathRows } from "./path_rows.js";
import { Picker } from "./picker.js";

/** @param {HTMLFormElement} form */
export function wireTableForm(form) {
  const part = new FormPart(form);
  const picker = new Picker(/** @type {HTMLDialogElement} */ (document.querySelector("#picker")), form.dataset.datastoresUrl);
  const files = /** @type {HTMLElement} */ (form.querySelector('[data-where="files"]'));
  const matchLine = /** @type {HTMLElement} */ (form.querySelector("[data-match-line]"));
  const rows = new PathRows(files, {
    picker,
    onChange: () => {
      forgetTypes(form);
      count();
      part.soon();
    },
  });
  let counting = new AbortController();

  async function count() {
    counting.abort();
    counting = new AbortController();
    if (rows.isEmpty) return matchLine.replaceChildren();
    try {
      const summary = await api.post(form.dataset.previewUrl, { paths: rows.paths }, { signal: counting.signal });
      rows.tell([]);
      matchLine.textContent = matchWords(summary);
      matchLine.dataset.state = summary.file_count ? "some" : "none";
    } catch (/** @type {any} */ error) {
      if (error.name === "AbortError") return;
      matchLine.replaceChildren();
      rows.tell(error.problems);
    }
  }

  form.addEventListener("change", (event) => {
    const field = event.target instanceof HTMLElement ? event.target : null;
    if (field instanceof HTMLInputElement && field.name === "where") {
      for (const each of form.querySelectorAll("[data-where]")) if (each instanceof HTMLElement) each.hidden = each.dataset.where !== field.value;
      part.now();
    } else if (field?.closest("[data-form-part]")) part.now();
    else if (field?.closest('[data-where="mltable"]')) part.soon();
  });
  form.addEventListener("input", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.closest("[data-form-part], [data-where=mltable]")) part.soon();
  });
  form.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target?.closest("[data-browse-mltable]")) return;
    const store = /** @type {HTMLSelectElement} */ (form.querySelector("[name=mltable_datastore]"));
    const path = /** @type {HTMLInputElement} */ (form.querySelector("[name=mltable_path]"));
    if (!store.value) store.selectedIndex = Math.min(1, store.options.length - 1);
    picker.open({ id: store.value, name: store.selectedOptions[0]?.textContent ?? "" }, path.value, (chosen) => {
      path.value = chosen;
      part.soon();
    });
  });
  // Enter in a setting looks again; it would send the whole form otherwise.
  form.addEventListener("keydown", (event) => {
    const inPart = event.target instanceof HTMLInputElement && event.target.closest("[data-form-part], [data-where]");
    if (event.key !== "Enter" || !inPart) return;
    event.preventDefault();
    part.now();
  });
  wireQuery(form, part);
  if (!rows.isEmpty) count();
  if (!rows.isEmpty || form.querySelector('[name="where"][value="files"]:not(:checked)')) part.now();
}

/** Types were chosen for the columns of what was read before. */
function forgetTypes(form) {
  for (const select of form.querySelectorAll("[name=column_type]")) select.value = "";
}

/** The query in an editor; the field beside it is what is sent, and what is left without one. */
async function wireQuery(form, part) {
  const field = /** @type {HTMLTextAreaElement|null} */ (form.querySelector("textarea[name=query]"));
  const place = /** @type {HTMLElement|null} */ (form.querySelector("[data-query-editor]"));
  if (!field || !place) return;
  form.querySelector("[data-run-query]").addEventListener("click", () => part.now());
  place.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      event.stopPropagation();
      part.now();
    },
    true,
  );
  const { CodeEditor } = await import("../editor/editor.js");
  const editor = new CodeEditor(place, { onChange: (text) => (field.value = text) });
  editor.open("query.sql", field.value);
  field.hidden = true;
  place.classList.add("is-on");
  wireTables(form, (query) => {
    editor.replace(query);
    field.value = query;
    part.now();
  });
}

/** The tables of the chosen database; one that is chosen becomes a query. */
function wireTables(form, choose) {
  const menu = /** @type {HTMLDetailsElement} */ (form.querySelector("[data-tables]"));
  const list = /** @type {HTMLElement} */ (menu.querySelector("[data-tables-list]"));
  const store = /** @type {HTMLSelectElement} */ (form.querySelector("[name=sql_datastore]"));
  menu.addEventListener("toggle", async () => {
    if (!menu.open) return;
    list.replaceChildren(said("Looking…"));
    try {
      const answer = await api.get(`${form.dataset.datastoresUrl}${store.value}/tables/`);
      list.replaceChildren(...answer.tables.map((table) => entry(table, menu, choose)));
      if (!answer.tables.length) list.replaceChildren(said("There is no table to be seen."));
    } catch (/** @type {any} */ error) {
      list.replaceChildren(said(error.detail));
    }
  });
}

function entry(table, menu, choose) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = table.schema ? `${table.schema}.${table.name}` : table.name;
  button.addEventListener("click", () => {
    menu.open = false;
    choose(table.query);
  });
  return button;
}

function said(words) {
  const line = document.createElement("p");
  line.className = "muted small";
  line.textContent = words;
  return line;
}
