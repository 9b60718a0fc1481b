// The page that imports pipelines: a file, a folder or a text goes to the API, first to be checked, then to be made.

import { dropped } from "../builder/dropped.js";
import { api, ApiError } from "../lib/api.js";
import { isPlace, isYaml, madeWords, PASTED, placeWords, rangeOf } from "../lib/import_words.js";
import { toast } from "../lib/toast.js";

const form = document.querySelector("form[data-import]");
if (form instanceof HTMLFormElement) wire(form);

function wire(/** @type {HTMLFormElement} */ form) {
  const part = (selector) => /** @type {any} */ (form.querySelector(selector));
  const text = part("#import-text");
  const choices = JSON.parse(document.getElementById("import-choices")?.textContent ?? "{}");
  const hint = part("[data-chosen]").textContent;
  /** @type {{file: File, path: string}[]} what was chosen instead of a text */
  let files = [];

  async function take(/** @type {{file: File, path: string}[]} */ chosen) {
    if (!chosen.length) return;
    part("[data-need-rows]").replaceChildren();
    part("[data-needs]").hidden = true;
    if (chosen.length === 1 && isYaml(chosen[0].path)) {
      // One file can be mended in place.
      text.value = await chosen[0].file.text();
      show([]);
      await send("check");
      return;
    }
    show(chosen);
    await send("check");
  }

  function show(/** @type {{file: File, path: string}[]} */ chosen) {
    files = chosen;
    part("[data-text-field]").hidden = files.length > 0;
    part("[data-clear]").hidden = files.length === 0;
    part("[data-chosen]").textContent = files.length > 1 ? `${files.length} files` : (files[0]?.path ?? hint);
    part("[data-main-field]").hidden = files.length === 0;
    if (!files.length) part("#import-main").value = "";
  }

  function body(/** @type {boolean} */ isCheck) {
    const data = new FormData();
    if (files.length === 1 && /\.zip$/i.test(files[0].path)) data.set("file", files[0].file, files[0].path);
    else if (files.length) {
      for (const { file, path } of files) {
        data.append("files", file);
        data.append("paths", path);
      }
    } else data.set("text", text.value);
    for (const name of ["main", "name"]) if (part(`#import-${name}`).value) data.set(name, part(`#import-${name}`).value);
    const means = {};
    for (const select of form.querySelectorAll("select[data-need]")) {
      if (!(select instanceof HTMLSelectElement) || !select.value) continue;
      (means[select.dataset.sort] ??= {})[select.dataset.need] = select.value;
    }
    data.set("means", JSON.stringify(means));
    data.set("remember", String(!isCheck && part("#import-remember").checked));
    data.set("dry_run", String(isCheck));
    return data;
  }

  async function send(/** @type {string} */ what) {
    if (form.getAttribute("aria-busy") === "true") return;
    for (const error of form.querySelectorAll("[data-error-for]")) error.textContent = "";
    if (!files.length && !text.value.trim()) {
      toast("Drop a file, or paste the YAML.", "error");
      text.focus();
      return;
    }
    form.setAttribute("aria-busy", "true");
    setBusy(true);
    try {
      const answer = await api.post(form.getAttribute("action"), body(what === "check"));
      if (what !== "check" && answer.url) {
        window.location.assign(answer.url);
        return;
      }
      found(answer, what === "check");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused(error);
    } finally {
      form.removeAttribute("aria-busy");
      setBusy(false);
    }
  }

  function setBusy(/** @type {boolean} */ isBusy) {
    for (const button of form.querySelectorAll("button[type=submit]")) button.toggleAttribute("disabled", isBusy);
  }

  function found(answer, isCheck) {
    const made = answer.made.map((each) => ({ message: madeWords(each), loc: [] }));
    part("[data-found]").replaceChildren(
      ...listed(isCheck ? "It would make" : "It made", made, "is-good"),
      ...listed("Left to do before it can be submitted", answer.to_do, "is-bad"),
      ...listed("Good to know", answer.notes, ""),
    );
  }

  function refused(/** @type {ApiError} */ error) {
    const rest = error.problems.filter(({ loc, message }) => {
      const place = form.querySelector(`[data-error-for="${CSS.escape(String(loc[0]))}"]`);
      if (place && !isPlace(loc)) place.textContent = message;
      return isPlace(loc) || !place;
    });
    const count = `${error.problems.length} problem${error.problems.length === 1 ? "" : "s"}`;
    const shown = rest.length ? rest : error.problems.length ? [] : [{ message: error.detail, loc: [] }];
    part("[data-found]").replaceChildren(...listed(count === "0 problems" ? "This can't be imported" : count, shown, "is-bad"));
    ask(error.body?.needs ?? []);
  }

  /** Ask what names mean; what was answered stays. */
  function ask(/** @type {{sort: string, name: string}[]} */ needs) {
    const rows = part("[data-need-rows]");
    for (const { sort, name } of needs) {
      const id = `need-${sort}-${name}`;
      if (document.getElementById(id)) continue;
      const label = Object.assign(document.createElement("label"), { htmlFor: id });
      const words = { compute: "Compute target", environment: "Environment", image: "Image" }[sort] ?? sort;
      label.append(`${words} `, Object.assign(document.createElement("code"), { textContent: name }));
      const select = Object.assign(document.createElement("select"), { id, className: "form-select" });
      select.dataset.need = name;
      select.dataset.sort = sort;
      select.append(new Option("Choose", ""), ...(choices[sort] ?? []).map((each) => new Option(each, each)));
      const field = Object.assign(document.createElement("div"), { className: "field" });
      field.append(label, select);
      rows.append(field);
    }
    part("[data-needs]").hidden = !rows.children.length;
  }

  function listed(title, rows, className) {
    if (!rows.length) return [];
    const heading = Object.assign(document.createElement("h2"), { textContent: title });
    const list = Object.assign(document.createElement("ul"), { className: `import-rows ${className}` });
    for (const row of rows) {
      const item = document.createElement("li");
      item.append(Object.assign(document.createElement("div"), { textContent: row.message }));
      if (placeWords(row.loc)) item.append(placed(row.loc));
      list.append(item);
    }
    return [heading, list];
  }

  /** A place in what was pasted leads there. */
  function placed(loc) {
    const isHere = loc[0] === PASTED && !files.length;
    const place = document.createElement(isHere ? "button" : "span");
    place.className = "import-place";
    place.textContent = placeWords(loc);
    if (place instanceof HTMLButtonElement) {
      place.type = "button";
      place.addEventListener("click", () => {
        text.focus();
        text.setSelectionRange(...rangeOf(text.value, loc[1], loc[2]));
        text.scrollTop = (loc[1] - 4) * (text.scrollHeight / Math.max(1, text.value.split("\n").length));
      });
    }
    return place;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const by = /** @type {SubmitEvent} */ (event).submitter;
    send(by instanceof HTMLButtonElement ? by.value : "check");
  });
  const picker = /** @type {HTMLInputElement} */ (part("#import-file"));
  const picked = () => {
    const list = [...(picker.files ?? [])].map((file) => ({ file, path: file.name }));
    picker.value = "";
    take(list);
  };
  picker.addEventListener("change", picked);
  picked(); // what was chosen before this script had come
  part("[data-clear]").addEventListener("click", () => show([]));
  const zone = part("[data-drop]");
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("is-dropping");
  });
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(/** @type {Node|null} */ (event.relatedTarget))) zone.classList.remove("is-dropping");
  });
  form.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("is-dropping");
    if (event.dataTransfer) take(await dropped(event.dataTransfer));
  });
}
