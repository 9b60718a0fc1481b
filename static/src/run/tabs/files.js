/** What a step reads and what it left: folders opened one by one, small files shown inertly. */

import { api } from "../../lib/api.js";
import { fileSize, plural } from "../../lib/format.js";
import { icon } from "../../lib/status.js";
import { h } from "../dom.js";
import { fillFromServer, FileTree, note } from "../file_tree.js";
import { STEP_TERMINAL } from "../store.js";

const TEXT = /\.(txt|md|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|log|py|r|sql|html?|xml|svg|css|js|sh)$/i;
const NOTEBOOK = /\.ipynb$/i;
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
    if (!detail) {
      return;
    }
    const step = this.context.store.step(this.context.name);
    // Drawn anew only where it says something else: what the reader has opened stays open.
    const earlier = detail.attempts.filter(({ kept }) => kept.length > 0);
    const said = JSON.stringify([detail.inputs, detail.outputs, earlier.map(({ number, kept }) => [number, kept]), STEP_TERMINAL.has(step.status)]);
    if (said === this.drawn) {
      return;
    }
    this.drawn = said;
    this.root.replaceChildren(
      section("Inputs", detail.inputs.length > 0 ? h("ul", { class: "run-inputs" }, ...detail.inputs.map((input) => this.#input(input))) : note("This step reads nothing.")),
      section(
        "Outputs",
        ...(detail.outputs.length > 0
          ? detail.outputs.map((output) => this.#output(output, step))
          : [note(STEP_TERMINAL.has(step.status) ? "This step left no outputs." : "Outputs appear here when the step is done.")]),
      ),
      ...(earlier.length > 0 ? [section("Kept of earlier attempts", ...earlier.reverse().flatMap(({ number, kept }) => kept.map((output) => this.#kept(number, output))))] : []),
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

  /** What an attempt before the latest left. */
  #kept(attempt, { name, file, file_count: count, size_bytes: size }) {
    const body = h("div", { class: "run-folder" });
    const details = h(
      "details",
      { class: "run-output", on: { toggle: () => details.open && !body.firstChild && this.#tree({ name, attempt }).list(body, "") } },
      h("summary", {}, icon(file ? "file" : "folder"), h("strong", { text: name }), h("span", { class: "muted num", text: `attempt ${attempt} · ${plural(count, "file")} · ${fileSize(size)}` })),
      body,
    );
    return details;
  }

  #output(output, step) {
    const size = output.file_count === null || output.file_count === undefined ? "" : `${plural(output.file_count, "file")} · ${fileSize(output.size_bytes)}`;
    const place = this.#place(output);
    const body = h("div", { class: "run-folder" });
    const known = output.file_count !== null && output.file_count !== undefined;
    const details = h(
      "details",
      { class: "run-output", on: { toggle: () => details.open && !body.firstChild && this.#tree({ name: output.name, attempt: null }).list(body, "") } },
      h("summary", {}, icon(output.file ? "file" : "folder"), h("strong", { text: output.name }), h("span", { class: "muted num", text: known ? size : "" })),
      place,
      body,
    );
    if (known) {
      const isThere = step.status === "completed" || output.is_kept;
      details.open = isThere && output.file_count > 0 && output.file_count <= 50;
      return details;
    }
    return h("div", {}, h("div", { class: "run-output-pending" }, icon(output.file ? "file" : "folder"), h("strong", { text: output.name }), h("span", { class: "muted", text: STEP_TERMINAL.has(step.status) ? "nothing was kept" : "not there yet" })), place);
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
    for (const model of output.models ?? []) {
      said.push(h("span", { class: "run-became" }, icon("brain"), h("a", { href: model.url, text: model.name })));
    }
    if (this.#canRegister(output)) {
      const { name, urls } = this.context;
      said.push(h("a", { class: "run-register", href: urls.register({ step: name, output: output.name }), "aria-label": `Register ${output.name} as a model`, text: "Register as model" }));
    }
    if (output.lineage_url) said.push(h("a", { class: "run-lineage", href: output.lineage_url, text: "Lineage" }));
    return said.length > 0 && h("p", { class: "run-place" }, ...said);
  }

  /** What a completed step wrote, by those who may. */
  #canRegister(output) {
    return Boolean(this.context.may.register && this.context.store.step(this.context.name).status === "completed" && output.file_count && output.browse_url); // what several runs wrote lies in no one place
  }

  /** `output`: its name, and the attempt that left it, null for what the step has. */
  #url(output, path, more = {}) {
    return `${this.#folder(output)}?${queryOf(output, path, more)}`;
  }

  #download(output, path) {
    return `${this.#folder(output)}download/?${queryOf(output, path)}`;
  }

  #folder({ name }) {
    return `${this.context.urls.step(this.context.name)}outputs/${encodeURIComponent(name)}/`;
  }

  /** @param {{name: string, attempt: number|null}} output As of `#url`. */
  #tree(output) {
    return new FileTree({
      read: (path, after) => api.get(this.#url(output, path, after === null ? {} : { after })),
      href: (path) => this.#download(output, path),
      look: (path, entry) => this.#look(output, path, entry),
      iconOf: (name) => (IMAGE.test(name) ? "photo" : NOTEBOOK.test(name) ? "notebook" : "file"),
    });
  }

  #look(output, path, { name, size_bytes: size }) {
    if (IMAGE.test(name)) return size <= IMAGE_LIMIT ? (into) => into.replaceChildren(this.#image(into, output, path, name)) : null;
    if (NOTEBOOK.test(name)) return (into) => fillFromServer(into, `${this.context.urls.notebook(this.context.name)}?${queryOf(output, path, { output: output.name })}`);
    return TEXT.test(name) && size <= TEXT_LIMIT ? (into) => this.#text(into, output, path) : null;
  }

  #image(into, output, path, name) {
    const image = h("img", { alt: name, src: `${this.#download(output, path)}&inline=1` });
    image.addEventListener("error", () => into.replaceChildren(note("This is no image that a browser can show. Download it instead.")));
    return image;
  }

  async #text(into, output, path) {
    const response = await fetch(this.#download(output, path), { credentials: "same-origin" });
    if (!response.ok) throw new Error(`The file could not be read (${response.status}).`);
    into.replaceChildren(h("pre", { tabindex: "0" }, h("code", { text: await response.text() })));
  }
}

function section(title, ...content) {
  return h("section", { class: "run-section" }, h("h3", { text: title }), ...content);
}

function queryOf({ attempt }, path, more = {}) {
  return new URLSearchParams({ path, ...(attempt === null ? {} : { attempt: String(attempt) }), ...more });
}
