/** The source folder as it was when the run was submitted. */

import { api } from "../../lib/api.js";
import { fileSize } from "../../lib/format.js";
import { icon } from "../../lib/status.js";
import { h } from "../dom.js";

export class CodeTab {
  constructor(root, context) {
    this.root = root;
    this.context = context;
  }

  async show({ path = null } = {}) {
    if (this.files) {
      if (path) {
        this.#open(path);
      }
      return;
    }
    this.root.replaceChildren(h("p", { class: "muted", text: "Reading the source folder…" }));
    this.url = `${this.context.urls.step(this.context.name)}code/`;
    try {
      this.files = (await api.get(this.url)).files;
    } catch (error) {
      this.root.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
      return;
    }
    if (this.files.length === 0) {
      this.root.replaceChildren(h("p", { class: "muted", text: "The step has no files of its own." }));
      return;
    }
    this.list = h("nav", { class: "run-code-files", "aria-label": "Files of the source folder" }, ...this.files.map((file) => this.#file(file)));
    this.viewer = h("div", { class: "run-code-view" });
    this.root.replaceChildren(h("div", { class: "run-code" }, this.list, this.viewer));
    const entry = (await this.context.detail())?.entry;
    this.#open(path ?? (this.files.some((file) => file.path === entry) ? entry : this.files[0].path));
  }

  #file(file) {
    return h(
      "button",
      { type: "button", title: `${file.path} · ${fileSize(file.size_bytes)}`, dataset: { path: file.path }, on: { click: () => this.#open(file.path) } },
      icon(file.path.endsWith(".py") ? "brand-python" : "file"),
      h("span", { text: file.path }),
    );
  }

  async #open(path) {
    for (const button of this.list.children) {
      button.toggleAttribute("aria-current", button.dataset.path === path);
    }
    this.wanted = path;
    try {
      const file = await api.get(`${this.url}?path=${encodeURIComponent(path)}`);
      if (this.wanted !== path) {
        return;
      }
      const head = h("div", { class: "run-code-head" }, h("span", { class: "mono", text: path }), h("span", { class: "muted num", text: fileSize(file.size_bytes) }));
      if (file.text === null || file.text === undefined) {
        this.viewer.replaceChildren(head, h("p", { class: "muted", text: file.binary ? "This file is not text." : "This file is too large to be shown here." }));
        return;
      }
      const body = h("div", { class: "run-code-body" });
      this.viewer.replaceChildren(head, body);
      const { CodeEditor } = await import("../../editor/editor.js");
      if (this.wanted === path) {
        new CodeEditor(body, { readOnly: true }).open(path, file.text);
      }
    } catch (error) {
      this.viewer.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
    }
  }
}
