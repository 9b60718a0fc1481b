/** The editor of a step that came to nothing: its settings and files, and the way on from there. */

import { api, ApiError } from "../lib/api.js";
import { fileSize, plural } from "../lib/format.js";
import { icon } from "../lib/status.js";
import { toast } from "../lib/toast.js";
import { h, setText } from "./dom.js";
import { tooWords } from "./step_draft.js";
import { StepSettings } from "./step_settings.js";

export class StepEditor {
  /**
   * @param {HTMLElement} root
   * @param {import("./step_draft.js").StepDraft} draft
   * @param {{name: string, values: Record<string, any>, path: string|null, editUrl: string, sourceUrl: string|null, mayEditPipelines: boolean, onSaved: (answer: any) => void, onDiscard: () => void}} options
   */
  constructor(root, draft, options) {
    this.root = root;
    this.draft = draft;
    this.options = options;
    this.#build();
    const first = options.path && draft.files.includes(options.path) ? options.path : draft.files[0];
    if (first) this.#open(first);
  }

  destroy() {
    this.editor?.destroy();
    this.editor = null;
    this.wanted = null;
  }

  // --- What is drawn ----------------------------------------------------------------------------------------------

  #build() {
    this.settings = new StepSettings(this.draft, { values: this.options.values, onChange: () => this.#state() });
    this.problems = h("div", { class: "form-errors", role: "alert", hidden: true });
    this.list = h("div", { class: "run-code-list" });
    this.viewer = h("div", { class: "run-code-view" });
    this.fileError = h("div", { class: "field-error", role: "alert" });
    this.into = h("input", { class: "form-check-input", type: "checkbox", id: "edit-into-pipeline" });
    this.save = h("button", { class: "btn btn-primary", type: "button", on: { click: () => this.#send(true) } }, icon("player-play"), "Save and continue the run");
    this.keep = h("button", { class: "btn", type: "button", title: "For when other steps are to be edited too", text: "Save only", on: { click: () => this.#send(false) } });
    const newFile = h("button", { class: "link-button run-code-new", type: "button", on: { click: () => this.#add() } }, icon("file-plus"), h("span", { text: "New file" }));
    this.root.replaceChildren(
      h(
        "div",
        { class: "run-edit" },
        this.problems,
        tooWords(this.draft.given.changes_too) && h("p", { class: "muted", text: tooWords(this.draft.given.changes_too) }),
        this.settings.own,
        h("div", { class: "run-code" }, h("nav", { class: "run-code-files", "aria-label": "Files to edit" }, this.list, newFile, this.fileError), this.viewer),
        this.settings.more,
        h(
          "div",
          { class: "run-edit-actions" },
          this.options.mayEditPipelines && h("label", { class: "tick-line" }, this.into, h("span", { text: "Also save it in the pipeline, as its next version" })),
          h("div", { class: "run-edit-buttons" }, h("button", { class: "btn", type: "button", text: "Discard", on: { click: () => this.options.onDiscard() } }), this.keep, this.save),
        ),
      ),
    );
    this.#files();
    if (this.draft.files.length === 0) this.viewer.replaceChildren(h("p", { class: "muted", text: "The step has no files of its own." }));
  }

  #files() {
    this.list.replaceChildren(
      ...this.draft.files.map((path) =>
        h(
          "button",
          { type: "button", title: path, dataset: { path }, "aria-current": path === this.wanted ? "true" : null, on: { click: () => this.#open(path) } },
          icon(path.endsWith(".py") ? "brand-python" : "file"),
          h("span", { text: path }),
          this.draft.isFileChanged(path) && h("span", { class: "run-code-dot", title: "Changed", text: "●" }),
        ),
      ),
    );
    this.#state();
  }

  #state() {
    const changed = this.draft.isChanged;
    this.keep.disabled = !changed || this.busy;
    this.save.disabled = Boolean(this.busy);
  }

  // --- Files ------------------------------------------------------------------------------------------------------

  async #open(path) {
    this.wanted = path;
    setText(this.fileError, "");
    this.#files();
    this.editor?.destroy();
    this.editor = null;
    let size = null;
    if (this.draft.text(path) === undefined) {
      try {
        const file = await api.get(`${this.options.sourceUrl}file/?path=${encodeURIComponent(path)}`);
        size = file.size_bytes;
        if (typeof file.text !== "string") {
          if (this.wanted === path) this.#cannot(path, file);
          return;
        }
        this.draft.opened(path, file.text);
      } catch (error) {
        if (this.wanted === path) this.viewer.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
        return;
      }
    }
    const { CodeEditor } = await import("../editor/editor.js");
    if (this.wanted !== path) return;
    const body = h("div", { class: "run-code-body", role: "group", "aria-label": `Text of ${path}` });
    this.viewer.replaceChildren(this.#head(path, size), body);
    this.editor = new CodeEditor(body, {
      onChange: (text) => {
        const was = this.draft.isFileChanged(path);
        this.draft.write(path, text);
        if (was === this.draft.isFileChanged(path)) this.#state();
        else this.#files();
      },
    });
    this.editor.open(path, this.draft.text(path) ?? "");
    // Who types in a field by now goes on there: the rest of the value would land in the file.
    if (!document.activeElement?.closest(".run-edit-fields")) this.editor.focus();
  }

  #cannot(path, file) {
    const why = file.binary ? "This file is not text, and stays as it is." : "This file is too large to be edited here.";
    this.viewer.replaceChildren(this.#head(path, file.size_bytes), h("p", { class: "muted", text: why }));
  }

  #head(path, size) {
    return h(
      "div",
      { class: "run-code-head" },
      h("span", { class: "mono", text: path }),
      h("span", { class: "muted num", text: size === null ? "" : fileSize(size) }),
      h("button", { class: "link-button", type: "button", text: "Delete", "aria-label": `Delete ${path}`, on: { click: () => this.#remove(path) } }),
    );
  }

  #add() {
    const input = h("input", { type: "text", class: "mono", "aria-label": "Name of the new file", placeholder: "helper.py", autocomplete: "off", spellcheck: "false" });
    const done = () => {
      const path = input.value.trim();
      const problem = path ? this.draft.add(path) : "";
      setText(this.fileError, problem);
      if (problem) return;
      input.remove();
      if (path) this.#open(path);
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") done();
      if (event.key === "Escape") {
        event.stopPropagation();
        input.remove();
      }
    });
    this.list.append(input);
    input.focus();
  }

  #remove(path) {
    this.draft.remove(path);
    this.wanted = null;
    this.editor?.destroy();
    this.editor = null;
    this.viewer.replaceChildren(h("p", { class: "muted", text: `“${path}” goes with the next save.` }));
    this.#files();
  }

  // --- Saving -----------------------------------------------------------------------------------------------------

  async #send(continueRun) {
    this.busy = true;
    this.#state();
    this.#show([]);
    const button = continueRun ? this.save : this.keep;
    button.setAttribute("aria-busy", "true");
    try {
      const answer = await api.post(this.options.editUrl, this.draft.body({ continueRun, saveToPipeline: this.into.checked }));
      const version = answer.version ? ` It is version ${answer.version} of the pipeline.` : "";
      toast(continueRun ? `Saved. ${plural(answer.steps, "step")} of the run ${answer.steps === 1 ? "is" : "are"} tried again.${version}` : `Saved: continue the run when you are ready.${version}`, "success");
      this.options.onSaved(answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#show(error.problems.length ? error.problems : [{ loc: [], message: error.detail }]);
    } finally {
      this.busy = false;
      button.removeAttribute("aria-busy");
      this.#state();
    }
  }

  /** Each problem at the field that it names; the others above them all. */
  #show(problems) {
    const others = this.settings.show(problems);
    this.problems.replaceChildren(icon("alert-circle"), h("div", {}, ...others.map(({ message }) => h("div", { text: message }))));
    this.problems.hidden = others.length === 0;
    if (!this.problems.hidden) this.problems.scrollIntoView({ block: "nearest" });
    else this.settings.focusFirstProblem();
  }
}
