/** The files that an attempt ran; of a step that came to nothing, the editor of what its next attempt runs. */

import { api } from "../../lib/api.js";
import { fileSize } from "../../lib/format.js";
import { icon } from "../../lib/status.js";
import { h } from "../dom.js";
import { StepDraft } from "../step_draft.js";
import { canBeEdited } from "../ways_on.js";

/** By step: what was typed and not saved stays while the reader looks at other steps. */
const drafts = new Map();
window.addEventListener("beforeunload", (event) => {
  if ([...drafts.values()].some((draft) => draft.isChanged)) event.preventDefault();
});

const NOTEBOOK = /\.ipynb$/i;

export class CodeTab {
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.attempt = null;
    this.bar = h("div", { class: "run-code-bar", hidden: true });
    this.origin = h("div", { class: "run-code-origin" });
    this.body = h("div", { class: "run-code-main" });
    root.replaceChildren(this.bar, this.origin, this.body);
  }

  async show({ path = null, edit = false } = {}) {
    if (edit || drafts.has(this.context.name)) {
      await this.#edit(path);
    } else if (this.files && path) {
      this.#open(path);
    } else if (!this.files) {
      await this.#read(path);
    }
  }

  /** The step moved, or more is known of it. */
  draw(detail) {
    this.detail = detail ?? this.detail;
    this.#bar();
    if (this.files && !this.editor && this.attempt === null && this.detail?.snapshot !== this.shown) {
      this.#read(this.wanted); // somebody else edited it
    }
  }

  destroy() {
    this.editor?.destroy();
  }

  #bar() {
    const parts = this.editor ? [] : [this.#attempts(), this.#editButton()].filter((part) => part);
    this.bar.replaceChildren(...parts);
    this.bar.hidden = parts.length === 0;
  }

  #editButton() {
    if (!this.detail || !canBeEdited(this.context.store, this.context.name, this.context.may)) return null;
    return h("button", { class: "btn btn-sm btn-primary", type: "button", on: { click: () => this.#edit(this.wanted) } }, icon("pencil"), "Edit and continue");
  }

  /** Which attempt's code is shown, where that is not the same for all. */
  #attempts() {
    const { edits = [], attempts = [] } = this.detail ?? {};
    if (edits.length === 0) return null;
    const last = attempts.at(-1)?.number ?? 0;
    const isNew = edits.at(-1).last_attempt >= last;
    const options = attempts.map(({ number }) => h("option", { value: String(number), text: `Attempt ${number}` }));
    if (isNew) options.push(h("option", { value: "", text: "The next attempt" }));
    const select = h("select", { class: "form-select", "aria-label": "Code of which attempt" }, ...options);
    select.value = this.attempt === null ? (isNew ? "" : String(last)) : String(this.attempt);
    select.addEventListener("change", () => {
      this.attempt = select.value ? Number(select.value) : null;
      this.#read(this.wanted);
    });
    const edit = edits.find(({ last_attempt: until }) => this.attempt !== null && this.attempt <= until);
    const said = edit ?? edits.at(-1);
    const words = `${edit ? "Until" : "Since"} ${said.edited_by ?? "somebody"} changed ${said.changes.join(", ")}`;
    return h("div", { class: "run-code-attempt" }, select, h("span", { class: "muted", text: words }));
  }

  async #read(path) {
    this.editor?.destroy();
    this.editor = null;
    this.body.replaceChildren(h("p", { class: "muted", text: "Reading the source folder…" }));
    this.url = `${this.context.urls.step(this.context.name)}code/`;
    this.query = this.attempt === null ? "" : `attempt=${this.attempt}`;
    let git;
    try {
      const read = await api.get(`${this.url}?${this.query}`);
      this.files = read.files;
      git = read.git;
    } catch (error) {
      this.body.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
      return;
    }
    this.shown = (await this.context.detail())?.snapshot;
    this.#bar();
    await this.#origin(git);
    if (this.files.length === 0) {
      this.body.replaceChildren(h("p", { class: "muted", text: "The step has no files of its own." }));
      return;
    }
    this.list = h("nav", { class: "run-code-files", "aria-label": "Files of the source folder" }, ...this.files.map((file) => this.#file(file)));
    this.viewer = h("div", { class: "run-code-view" });
    this.body.replaceChildren(h("div", { class: "run-code" }, this.list, this.viewer));
    const entry = (await this.context.detail())?.entry;
    const there = (wanted) => this.files.some((file) => file.path === wanted);
    this.#open([path, entry].find(there) ?? this.files[0].path);
  }

  /** Which commit the files are of, where somebody said so. Drawn anew only where that is another: it may be open. */
  async #origin(git) {
    const said = JSON.stringify(git ?? null);
    if (said === this.said) return;
    this.said = said;
    const { gitFacts } = git ? await import("../../lib/git_facts.js") : {};
    if (said !== this.said) return;
    this.origin.replaceChildren(...(gitFacts ? [gitFacts(git, { editedSince: git.edited_since, changesUrl: this.context.urls.changes })] : []));
  }

  #file(file) {
    return h(
      "button",
      { type: "button", title: `${file.path} · ${fileSize(file.size_bytes)}`, dataset: { path: file.path }, on: { click: () => this.#open(file.path) } },
      icon(file.path.endsWith(".py") ? "brand-python" : NOTEBOOK.test(file.path) ? "notebook" : "file"),
      h("span", { text: file.path }),
    );
  }

  async #open(path) {
    for (const button of this.list.children) {
      button.toggleAttribute("aria-current", button.dataset.path === path);
    }
    this.wanted = path;
    const { viewer, query } = this;
    const isWanted = () => this.wanted === path && this.viewer === viewer;
    try {
      const file = await api.get(`${this.url}?path=${encodeURIComponent(path)}&${query}`);
      if (!isWanted()) {
        return;
      }
      const head = h("div", { class: "run-code-head" }, h("span", { class: "mono", text: path }), h("span", { class: "muted num", text: fileSize(file.size_bytes) }));
      if (file.text === null || file.text === undefined) {
        viewer.replaceChildren(head, h("p", { class: "muted", text: file.binary ? "This file is not text." : "This file is too large to be shown here." }));
        return;
      }
      const body = h("div", { class: "run-code-body" });
      viewer.replaceChildren(head, body);
      const { CodeEditor } = await import("../../editor/editor.js");
      if (isWanted()) {
        new CodeEditor(body, { readOnly: true }).open(path, file.text);
      }
    } catch (error) {
      viewer.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
    }
  }

  // --- Editing ----------------------------------------------------------------------------------------------------

  async #edit(path) {
    if (this.editor) return;
    const { context } = this;
    const detail = await context.detail();
    if (!detail || this.editor) return;
    this.detail = detail;
    const editUrl = `${context.urls.step(context.name)}edit/`;
    let draft = drafts.get(context.name);
    if (!draft) {
      try {
        const given = await api.get(editUrl);
        const files = given.source_digest ? (await api.get(`${context.urls.sources}${given.source_digest}/`)).files : [];
        draft = new StepDraft(given, files.map((file) => file.path));
      } catch (error) {
        this.body.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
        return;
      }
      drafts.set(context.name, draft);
    }
    const { StepEditor } = await import("../step_editor.js"); // most readers edit nothing
    if (this.editor) return;
    this.#origin(null);
    this.editor = new StepEditor(this.body, draft, {
      name: context.name,
      values: detail.module?.values ?? context.store.state.parameters, // what its texts call parameters is a module's then
      path: path ?? (detail.entry || null),
      editUrl,
      sourceUrl: draft.source ? `${context.urls.sources}${draft.source}/` : null,
      mayEditPipelines: context.may.editPipelines && !detail.module, // the pipeline has nothing of it but the module's name
      onSaved: (answer) => this.#leave(answer),
      onDiscard: () => this.#leave(null),
    });
    this.#bar();
  }

  async #leave(answer) {
    drafts.delete(this.context.name);
    this.attempt = null;
    if (answer) {
      this.detail = (await this.context.reread()) ?? this.detail;
    }
    if (answer?.steps) this.context.open("log");
    await this.#read(this.wanted);
  }
}
