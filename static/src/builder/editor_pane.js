/** A file of a step in the code editor, over the graph. What is typed is part of the draft at once, and saved with it. */

import { h } from "../graph/dom.js";
import { icon } from "../lib/status.js";
import { dropEdit, setEdit, stepOf } from "./document.js";

export class EditorPane {
  /**
   * @param {HTMLElement} element
   * @param {import("./store.js").Store} store
   * @param {{onClose: () => void}} options
   */
  constructor(element, store, { onClose }) {
    this.element = element;
    this.store = store;
    this.onClose = onClose;
    this.opened = null;
    this.editor = null;
    this.title = h("span", { class: "builder-editor__path mono" });
    this.mark = h("span", { class: "builder-file__edited", title: "Edited, not saved yet", hidden: true });
    this.note = h("p", { class: "builder-none", role: "status" });
    this.host = h("div", { class: "builder-editor__host" });
    element.replaceChildren(
      h(
        "div",
        { class: "builder-editor__head" },
        icon("file-code"),
        this.title,
        this.mark,
        h("span", { class: "builder-editor__hint" }, "Tab indents; ", h("kbd", { text: "Esc" }), " then ", h("kbd", { text: "Tab" }), " leaves"),
        h("button", { type: "button", class: "btn btn-sm", on: { click: () => this.close() } }, icon("sitemap"), "Back to the graph"),
      ),
      this.note,
      this.host,
    );
    store.addEventListener("change", () => this.#follow());
  }

  get isOpen() {
    return this.opened !== null;
  }

  isShowing(stepKey, path) {
    return this.opened?.stepKey === stepKey && this.opened.path === path;
  }

  /** Show a file; raises nothing: what goes wrong is said in the pane. */
  async open(stepKey, path) {
    const opened = { stepKey, path, source: undefined, kept: null };
    this.opened = opened;
    this.element.hidden = false;
    this.#tell("Opening…");
    this.title.textContent = `${stepOf(this.store.draft, stepKey)?.name ?? ""} / ${path}`;
    const { CodeEditor } = await import("../editor/editor.js");
    if (this.opened !== opened) return;
    this.editor ??= new CodeEditor(this.host, { readOnly: this.store.readOnly, onChange: (text) => this.#typed(text) });
    await this.#read(opened);
    if (this.opened !== opened || opened.failed) return;
    this.#tell("");
    this.editor.open(path, this.#text(opened));
    this.editor.focus();
    this.#paint();
  }

  close() {
    this.opened = null;
    this.element.hidden = true;
    this.onClose();
  }

  /** What the source folder holds of the file. */
  async #read(opened) {
    const step = stepOf(this.store.draft, opened.stepKey);
    const { source } = step;
    opened.source = source;
    if (source === null) {
      opened.kept = null;
      return;
    }
    try {
      const files = await this.store.sources.files(source);
      if (!files.some((file) => file.path === opened.path)) {
        opened.kept = null;
        return;
      }
      const file = await this.store.sources.file(source, opened.path);
      if (opened.source !== source) return;
      opened.kept = file.text;
      opened.failed = file.text === null;
      if (opened.failed) this.#tell(file.binary ? "This file is not text, so it can't be edited here." : "This file is too large to edit here.");
    } catch (/** @type {any} */ error) {
      opened.failed = true;
      this.#tell(`Could not open the file: ${error.detail ?? error.message}`);
    }
  }

  /** As the editor takes it: every line end is one character there. */
  #text({ stepKey, path, kept }) {
    return (stepOf(this.store.draft, stepKey)?.edits[path] ?? kept ?? "").replace(/\r\n?/g, "\n");
  }

  #typed(typed) {
    const { stepKey, path, kept } = this.opened;
    // A file from Windows keeps its line ends.
    const text = kept?.includes("\r\n") ? typed.replaceAll("\n", "\r\n") : typed;
    const isBack = text === kept;
    this.store.apply((draft) => (isBack ? dropEdit(draft, stepKey, path) : setEdit(draft, stepKey, path, text)), {
      merge: `${stepKey}/${path}`,
    });
    this.#paint();
  }

  /** The draft changed: by a save, an undo, or by this pane itself. */
  async #follow() {
    const { opened } = this;
    if (!opened || !this.editor) return;
    const step = stepOf(this.store.draft, opened.stepKey);
    if (!step) {
      this.close();
      return;
    }
    this.title.textContent = `${step.name} / ${opened.path}`;
    if (opened.source === undefined) return; // still opening
    if (step.source !== opened.source) {
      await this.#read(opened);
      if (this.opened !== opened) return;
      const now = stepOf(this.store.draft, opened.stepKey);
      if (now && opened.kept === null && !opened.failed && !Object.hasOwn(now.edits, opened.path)) {
        this.close(); // the file was deleted or renamed
        return;
      }
    }
    if (!opened.failed) this.editor.replace(this.#text(opened));
    this.#paint();
  }

  #paint() {
    const step = stepOf(this.store.draft, this.opened.stepKey);
    this.mark.hidden = !step || !Object.hasOwn(step.edits, this.opened.path);
  }

  #tell(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
    this.host.hidden = Boolean(text);
  }
}
