/** What a step reads and what it left: folders opened one by one, small files shown inertly. */

import { api } from "../../lib/api.js";
import { absoluteTime, fileSize, plural, relativeTime } from "../../lib/format.js";
import { icon } from "../../lib/status.js";
import { h } from "../dom.js";
import { STEP_TERMINAL } from "../store.js";

const TEXT = /\.(txt|md|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|log|py|r|sql|html?|xml|svg|css|js|sh|ipynb)$/i;
const IMAGE = /\.(png|jpe?g|gif|webp|bmp)$/i;
const TEXT_LIMIT = 200_000;
const IMAGE_LIMIT = 20_000_000;
const MODES = { mount: "mounted", direct: "as its address" };

export class FilesTab {
  constructor(root, context) {
    this.root = root;
    this.context = context;
  }

  draw(detail) {
    if (!detail || JSON.stringify([detail.inputs, detail.outputs]) === this.drawn) {
      return;
    }
    this.drawn = JSON.stringify([detail.inputs, detail.outputs]);
    const step = this.context.store.step(this.context.name);
    this.root.replaceChildren(
      section("Inputs", detail.inputs.length > 0 ? h("ul", { class: "run-inputs" }, ...detail.inputs.map((input) => this.#input(input))) : note("This step reads nothing.")),
      section(
        "Outputs",
        ...(detail.outputs.length > 0
          ? detail.outputs.map((output) => this.#output(output, step))
          : [note(STEP_TERMINAL.has(step.status) ? "This step left no outputs." : "Outputs appear here when the step is done.")]),
      ),
    );
  }

  #input(input) {
    const [step, output] = input.step ? [input.step, input.output] : [null, null];
    const source = step && this.context.store.step(step)
      ? h("button", { class: "link-button", type: "button", text: `${step} · ${output}`, on: { click: () => this.context.select(step, "files") } })
      : input.version
        ? h("a", { href: input.version.url, text: input.version.name })
        : input.url
          ? h("a", { href: input.url, rel: "noreferrer", text: input.source })
          : h("span", { text: input.source ?? "not bound" });
    const said = [
      input.columns !== null && input.columns !== undefined && `table of ${plural(input.columns, "column")}`,
      MODES[input.mode],
    ].filter(Boolean);
    return h(
      "li",
      {},
      h("strong", { text: input.name }),
      h("span", { class: "muted", text: "from" }),
      source,
      said.length > 0 && h("span", { class: "muted run-data-said", text: said.join(" · ") }),
      (input.version ?? input).lineage_url && h("a", { class: "run-lineage", href: (input.version ?? input).lineage_url, text: "Lineage" }),
    );
  }

  #output(output, step) {
    const size = output.file_count === null || output.file_count === undefined ? "" : `${plural(output.file_count, "file")} · ${fileSize(output.size_bytes)}`;
    const place = this.#place(output);
    const body = h("div", { class: "run-folder" });
    const known = output.file_count !== null && output.file_count !== undefined;
    const details = h(
      "details",
      { class: "run-output", on: { toggle: () => details.open && !body.firstChild && this.#list(body, output.name, "") } },
      h("summary", {}, icon("folder"), h("strong", { text: output.name }), h("span", { class: "muted num", text: known ? size : "" })),
      place,
      body,
    );
    if (known) {
      details.open = step.status === "completed" && output.file_count > 0 && output.file_count <= 50;
      return details;
    }
    return h("div", {}, h("div", { class: "run-output-pending" }, icon("folder"), h("strong", { text: output.name }), h("span", { class: "muted", text: STEP_TERMINAL.has(step.status) ? "nothing was kept" : "not there yet" })), place);
  }

  /** Where an output went, and what it became. */
  #place(output) {
    const said = [];
    if (output.browse_url) said.push(h("a", { href: output.browse_url, text: `${output.datastore}: ${output.path}` }));
    else if (output.destination) said.push(h("span", { text: `to ${output.datastore}: ${output.destination}` }));
    else if (output.path && output.datastore) said.push(h("span", { text: `${output.datastore} (removed): ${output.path}` }));
    if (output.version) {
      said.push(h("span", { class: "run-became" }, icon("stack-2"), h("a", { href: output.version.url, text: output.version.name })));
    } else if (output.register_as) {
      said.push(h("span", { class: "muted", text: output.path ? `was to become ${output.register_as}` : `becomes ${output.register_as}` }));
    }
    if (output.lineage_url) said.push(h("a", { class: "run-lineage", href: output.lineage_url, text: "Lineage" }));
    return said.length > 0 && h("p", { class: "run-place" }, ...said);
  }

  #url(output, path, download = false) {
    return `${this.context.urls.step(this.context.name)}outputs/${encodeURIComponent(output)}/${download ? "download/" : ""}?path=${encodeURIComponent(path)}`;
  }

  async #list(into, output, path) {
    into.replaceChildren(note("Reading the folder…"));
    try {
      const { entries, truncated } = await api.get(this.#url(output, path));
      into.replaceChildren(
        entries.length === 0 ? note("This folder is empty.") : h("ul", { class: "run-entries" }, ...entries.map((entry) => this.#entry(output, path, entry))),
        ...(truncated ? [note("There is more than can be shown here.")] : []),
      );
    } catch (error) {
      into.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
    }
  }

  #entry(output, folder, entry) {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.kind === "folder") {
      const body = h("div", { class: "run-folder" });
      const details = h(
        "details",
        { on: { toggle: () => details.open && !body.firstChild && this.#list(body, output, path) } },
        h("summary", {}, icon("folder"), h("span", { class: "run-file-name", text: entry.name })),
        body,
      );
      return h("li", {}, details);
    }
    const preview = h("div", { class: "run-preview", hidden: true });
    const canShow = (TEXT.test(entry.name) && entry.size_bytes <= TEXT_LIMIT) || (IMAGE.test(entry.name) && entry.size_bytes <= IMAGE_LIMIT);
    return h(
      "li",
      {},
      h(
        "div",
        { class: "run-file" },
        icon(IMAGE.test(entry.name) ? "photo" : "file"),
        canShow
          ? h("button", { class: "link-button run-file-name", type: "button", "aria-expanded": "false", text: entry.name, on: { click: (event) => this.#preview(event.currentTarget, preview, output, path, entry) } })
          : h("span", { class: "run-file-name", text: entry.name }),
        h("span", { class: "muted num", title: entry.modified_at ? absoluteTime(entry.modified_at) : null, text: [fileSize(entry.size_bytes), entry.modified_at && relativeTime(entry.modified_at)].filter(Boolean).join(" · ") }),
        h("a", { class: "icon-button", href: this.#url(output, path, true), download: entry.name, title: `Download ${entry.name}`, "aria-label": `Download ${entry.name}` }, icon("download")),
      ),
      preview,
    );
  }

  async #preview(button, into, output, path, entry) {
    const show = into.hidden;
    into.hidden = !show;
    button.setAttribute("aria-expanded", String(show));
    if (!show || into.firstChild) {
      return;
    }
    into.replaceChildren(note("Reading the file…"));
    try {
      if (IMAGE.test(entry.name)) {
        const image = h("img", { alt: entry.name, src: `${this.#url(output, path, true)}&inline=1` });
        image.addEventListener("error", () => into.replaceChildren(note("This is no image that a browser can show. Download it instead.")));
        into.replaceChildren(image);
        return;
      }
      const response = await fetch(this.#url(output, path, true), { credentials: "same-origin" });
      if (!response.ok) {
        throw new Error(`The file could not be read (${response.status}).`);
      }
      into.replaceChildren(h("pre", { tabindex: "0" }, h("code", { text: await response.text() })));
    } catch (error) {
      into.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
    }
  }
}

function section(title, ...content) {
  return h("section", { class: "run-section" }, h("h3", { text: title }), ...content);
}

const note = (text) => h("p", { class: "muted", text });
