/** What a step wrote beside its outputs: a tree that is read folder by folder, each file shown by the server, inertly. */

import { api } from "../../lib/api.js";
import { fileSize, plural } from "../../lib/format.js";
import { icon } from "../../lib/status.js";
import { h } from "../dom.js";
import { fillFromServer, FileTree } from "../file_tree.js";
import { STEP_TERMINAL } from "../store.js";

const HINT = "What a step writes to the folders “outputs” and “logs” of its working folder is kept here, also when it fails or is cancelled, and so is what it uploads by run.upload_file().";
const OPEN_AT_ONCE = 4; // folders at the top
const ICONS = {
  photo: /\.(png|jpe?g|gif|webp|bmp|svg|tiff?)$/i,
  notebook: /\.ipynb$/i,
  table: /\.(csv|tsv|parquet|pq|xlsx?|arrow|feather)$/i,
};

/** The attempt to show: the one that was chosen as long as it is there, else the latest. */
export function shownOf(artifacts, chosen) {
  return artifacts.find(({ attempt }) => attempt === chosen) ?? artifacts[0] ?? null;
}

export function iconOf(name) {
  return Object.keys(ICONS).find((icon) => ICONS[icon].test(name)) ?? "file";
}

export class ArtifactsTab {
  /** @param {HTMLElement} root @param {any} context As the panel makes it. */
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.attempt = null;
  }

  draw(detail) {
    if (!detail) return;
    const isOver = STEP_TERMINAL.has(this.context.store.step(this.context.name).status);
    // Drawn anew only where it says something else: what the reader has opened stays open.
    const said = JSON.stringify([detail.artifacts, isOver, this.attempt]);
    if (said === this.drawn) return;
    this.drawn = said;
    this.detail = detail;
    const shown = shownOf(detail.artifacts, this.attempt);
    if (!shown) {
      const words = isOver ? "This step left no artifacts." : "They appear when the step has ended.";
      this.root.replaceChildren(h("div", { class: "run-section" }, h("p", { text: words }), h("p", { class: "muted", text: HINT })));
      return;
    }
    const tree = h("div", { class: "run-artifacts" });
    this.root.replaceChildren(this.#bar(detail.artifacts, shown), shown.note && h("p", { class: "run-artifacts-note" }, icon("alert-triangle"), h("span", { text: shown.note })), tree);
    if (shown.file_count > 0) this.#list(tree, shown.attempt);
  }

  #bar(artifacts, shown) {
    const step = this.context.store.step(this.context.name);
    const picker = h(
      "select",
      { class: "form-select", "aria-label": "Attempt", on: { change: () => this.#pick(picker.value === "" ? null : Number(picker.value)) } },
      ...artifacts.map(({ attempt }) => h("option", { value: attempt ?? "", text: attempt === null ? "The result it took" : `Attempt ${attempt}` })),
    );
    picker.value = String(shown.attempt ?? "");
    const from = shown.attempt === null && step.reused_from ? ` · of run ${step.reused_from}, whose result this step took` : "";
    return h(
      "div",
      { class: "run-artifacts-bar" },
      artifacts.length > 1 && picker,
      h("span", { class: "muted num", text: `${plural(shown.file_count, "file")} · ${fileSize(shown.size_bytes)}${from}` }),
      shown.file_count > 0 && this.#register(shown.attempt, "") && h("a", { class: "btn btn-sm", href: this.#register(shown.attempt, ""), title: "Give all of it a name and a version" }, icon("brain"), "Register as model"),
      shown.file_count > 0 && h("a", { class: "btn btn-sm", href: this.#url("zip/", shown.attempt, ""), download: "" }, icon("download"), "Download all"),
    );
  }

  /** Where what a completed step left becomes a model; null for whoever may not. */
  #register(attempt, path) {
    const { name, store, urls, may } = this.context;
    if (!may.register || store.step(name).status !== "completed") return null;
    return urls.register({ step: name, artifact: path, ...(attempt === null ? {} : { attempt }) });
  }

  #pick(attempt) {
    this.attempt = attempt;
    this.draw(this.detail);
    this.root.querySelector("select")?.focus();
  }

  #query(attempt, path, more = {}) {
    return new URLSearchParams({ path, ...(attempt === null ? {} : { attempt }), ...more });
  }

  #url(verb, attempt, path, more = {}) {
    return `${this.context.urls.step(this.context.name)}artifacts/${verb}?${this.#query(attempt, path, more)}`;
  }

  async #list(into, attempt) {
    const tree = new FileTree({
      read: (path, after) => api.get(this.#url("", attempt, path, after === null ? {} : { after })),
      href: (path) => this.#url("download/", attempt, path),
      look: (path) => (preview) => fillFromServer(preview, `${this.context.urls.artifact(this.context.name)}?${this.#query(attempt, path)}`),
      iconOf,
      more: (path, { name, kind }) => {
        const href = this.#register(attempt, path);
        if (href && kind === "folder") return h("a", { class: "run-register", href, text: `Register ${name} as a model` });
        return href && h("a", { class: "icon-button", href, title: `Register ${name} as a model`, "aria-label": `Register ${name} as a model` }, icon("brain"));
      },
    });
    await tree.list(into, "");
    const folders = into.querySelectorAll("details");
    if (folders.length <= OPEN_AT_ONCE) for (const folder of folders) folder.open = true;
  }
}
