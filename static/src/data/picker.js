/** A dialog that walks through a datastore and gives back a folder or a file. */
import { api } from "../lib/api.js";
import { icon } from "../lib/status.js";

export class Picker {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {string} datastoresUrl
   */
  constructor(dialog, datastoresUrl) {
    this.dialog = dialog;
    this.datastoresUrl = datastoresUrl;
    this.part = (name) => /** @type {HTMLElement} */ (dialog.querySelector(`[data-picker-${name}]`));
    this.part("take").addEventListener("click", () => {
      this.taken(this.file ?? this.folder);
      dialog.close();
    });
    this.taken = (_path) => {};
    this.file = null;
    this.folder = "";
    this.turn = 0;
  }

  /**
   * @param {{id: string, name: string}} datastore
   * @param {string} path Where to begin.
   * @param {(path: string) => void} taken
   */
  open(datastore, path, taken) {
    this.datastore = datastore;
    this.taken = taken;
    this.part("store").textContent = datastore.name;
    this.dialog.showModal();
    const fixed = path.split("/").filter(Boolean);
    const wild = fixed.findIndex((part) => /[*?]/.test(part));
    this.#enter((wild === -1 ? fixed : fixed.slice(0, wild)).join("/"), true);
  }

  async #enter(folder, orParent = false) {
    this.turn += 1;
    this.folder = folder;
    this.#choose(null);
    this.#crumbs();
    const list = this.part("list");
    list.replaceChildren(words("Looking…"));
    await this.#load(folder, null, this.turn, orParent);
  }

  async #load(folder, after, turn, orParent = false) {
    const list = this.part("list");
    const query = new URLSearchParams({ path: folder, limit: "200", ...(after ? { after } : {}) });
    let answer;
    try {
      answer = await api.get(`${this.datastoresUrl}${this.datastore.id}/files/?${query}`);
    } catch (/** @type {any} */ error) {
      if (turn !== this.turn) return;
      // What was typed so far may be a file, or nothing yet: begin at the nearest folder.
      if (orParent && folder) return this.#enter(folder.split("/").slice(0, -1).join("/"), true);
      list.replaceChildren(words(error.detail));
      return;
    }
    if (turn !== this.turn) return;
    if (!after) list.replaceChildren();
    for (const entry of answer.entries) if (entry.path !== null && entry.kind !== "other") list.append(this.#row(entry));
    if (!list.children.length) list.append(words("This folder is empty."));
    if (answer.after) {
      const more = document.createElement("button");
      more.type = "button";
      more.textContent = "Show more";
      more.addEventListener("click", () => {
        more.remove();
        this.#load(folder, answer.after, turn);
      });
      list.append(more);
    }
  }

  #row(entry) {
    const row = document.createElement("button");
    row.type = "button";
    const name = document.createElement("span");
    name.textContent = entry.name;
    row.append(icon(entry.kind === "folder" ? "folder" : "file", entry.kind === "folder" ? "folder-icon" : ""), name);
    if (entry.kind === "folder") row.addEventListener("click", () => this.#enter(entry.path));
    else {
      row.setAttribute("aria-pressed", "false");
      row.addEventListener("click", () => this.#choose(row.getAttribute("aria-pressed") === "true" ? null : entry.path, row));
    }
    return row;
  }

  #choose(file, row = null) {
    for (const other of this.part("list").querySelectorAll("[aria-pressed]")) other.setAttribute("aria-pressed", String(other === row && file !== null));
    this.file = file;
    this.part("take").textContent = file === null ? "Use this folder" : "Use this file";
    this.part("choice").textContent = file ?? (this.folder || "the whole datastore");
  }

  #crumbs() {
    const parts = this.folder ? this.folder.split("/") : [];
    const links = [["", this.datastore.name], ...parts.map((name, depth) => [parts.slice(0, depth + 1).join("/"), name])];
    this.part("crumbs").replaceChildren(
      ...links.map(([path, name]) => {
        const link = document.createElement("button");
        link.type = "button";
        link.className = "link";
        link.textContent = name;
        link.addEventListener("click", () => this.#enter(path));
        return link;
      }),
    );
  }
}

function words(text) {
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  return paragraph;
}
