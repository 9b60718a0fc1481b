/** Folders of files that lie somewhere else: opened one by one, page by page, and each file looked at where it stands. */

import { absoluteTime, fileSize, relativeTime } from "../lib/format.js";
import { icon } from "../lib/status.js";
import { h } from "./dom.js";

export const note = (text) => h("p", { class: "muted", text });

export class FileTree {
  /**
   * @param {object} options
   * @param {(path: string, after: string|null) => Promise<{entries: any[], after: string|null}>} options.read A page of a folder.
   * @param {(path: string) => string} options.href Where a file is downloaded from.
   * @param {(path: string, entry: any) => ((into: HTMLElement) => Promise<void>|void)|null} options.look Shows a file; null
   *   for one that can only be downloaded.
   * @param {(name: string) => string} options.iconOf
   * @param {(path: string, entry: any) => HTMLElement|null} [options.more] What else can be done with a file or folder.
   */
  constructor(options) {
    this.options = options;
  }

  /** A page of a folder; the next one is put in the place of the button that asks for it. */
  async list(into, path, after = null) {
    const waiting = note("Reading the folder…");
    const list = into.querySelector(":scope > ul") ?? h("ul", { class: "run-entries" });
    into.replaceChildren(list, waiting);
    try {
      const { entries, after: next } = await this.options.read(path, after);
      const rows = entries.map((entry) => this.#entry(path ? `${path}/${entry.name}` : entry.name, entry));
      list.append(...rows);
      if (next !== null) {
        const count = list.children.length.toLocaleString("en-US");
        waiting.replaceWith(h("button", { class: "btn btn-sm", type: "button", text: `Show more after the first ${count}`, on: { click: () => this.list(into, path, next) } }));
      } else if (list.children.length === 0) {
        waiting.replaceWith(note("This folder is empty."));
      } else {
        waiting.remove();
      }
      if (after !== null) rows[0]?.querySelector("button, summary, a")?.focus();
    } catch (error) {
      waiting.replaceWith(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
    }
  }

  #entry(path, entry) {
    return h("li", {}, ...(entry.kind === "folder" ? [this.#folder(path, entry)] : this.#file(path, entry)));
  }

  #folder(path, entry) {
    const body = h("div", { class: "run-folder" });
    const details = h(
      "details",
      { on: { toggle: () => details.open && !body.firstChild && this.list(body, path) } },
      h("summary", {}, icon("folder"), h("span", { class: "run-file-name", text: entry.name })),
      this.options.more?.(path, entry),
      body,
    );
    return details;
  }

  #file(path, entry) {
    const preview = h("div", { class: "run-preview", hidden: true });
    const look = this.options.look(path, entry);
    const times = entry.modified_at ? [relativeTime(entry.modified_at)] : [];
    return [
      h(
        "div",
        { class: "run-file" },
        icon(this.options.iconOf(entry.name)),
        look
          ? h("button", { class: "link-button run-file-name", type: "button", "aria-expanded": "false", text: entry.name, on: { click: (event) => toggle(event.currentTarget, preview, look) } })
          : h("span", { class: "run-file-name", text: entry.name }),
        h("span", { class: "muted num", title: entry.modified_at ? absoluteTime(entry.modified_at) : null, text: [fileSize(entry.size_bytes), ...times].join(" · ") }),
        h("a", { class: "icon-button", href: this.options.href(path), download: entry.name, title: `Download ${entry.name}`, "aria-label": `Download ${entry.name}` }, icon("download")),
        this.options.more?.(path, entry),
      ),
      preview,
    ];
  }
}

/** Shown once, it stays as it is while it is folded. */
async function toggle(button, into, look) {
  const show = into.hidden;
  into.hidden = !show;
  button.setAttribute("aria-expanded", String(show));
  if (!show || into.firstChild) return;
  into.replaceChildren(note("Reading the file…"));
  try {
    await look(into);
  } catch (error) {
    into.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
  }
}

/** What the server drew, escaped and cleaned of whatever could run. */
export async function fillFromServer(into, address) {
  const response = await fetch(address, { credentials: "same-origin" });
  const html = await response.text();
  if (!response.ok && !html.startsWith("<p")) throw new Error(`The file could not be shown (${response.status}). Close it and open it again.`);
  into.innerHTML = html;
}
