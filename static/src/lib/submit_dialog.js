/**
 * The form between “Submit” and a run: typed parameters and the experiment. Builder, pipeline and run page open it.
 *
 *   const run = await openSubmitDialog({workspace: "demo", pipelineId: 3});   // {id, url, status}, or null
 */

import { h } from "../graph/dom.js";
import { api, ApiError } from "./api.js";
import { asText, mayBeAbsent, noteOf, readValue } from "./parameters.js";
import { icon } from "./status.js";

/**
 * @param {object} options
 * @param {string} options.workspace Its slug.
 * @param {number|string} options.pipelineId
 * @param {number} [options.version] The latest unless given.
 * @param {Record<string, any>} [options.values] What stands in the fields at first, in place of the defaults.
 * @param {string} [options.experiment]
 * @param {number} [options.priority]
 * @param {boolean} [options.goesOn] Whether what does not depend on a failed step goes on; as the pipeline says unless given.
 * @param {boolean} [options.regenerate] Whether every step is to run anew.
 * @param {string[]} [options.without] Steps that were edited within the run that is submitted again.
 * @param {string} [options.submitTo] Another address that takes the form, which knows the version.
 * @returns {Promise<{id: number, url: string, status: string}|null>} The new run; null where the person thought better.
 */
export async function openSubmitDialog({ workspace, pipelineId, version, values = {}, experiment = "", priority = 0, regenerate = false, goesOn, without = [], submitTo = "" }) {
  const address = `/api/workspaces/${workspace}/pipelines/${pipelineId}/`;
  const pipeline = await api.get(address);
  const chosen = version ? await api.get(`${address}versions/${version}/`) : null;
  const definition = chosen?.definition ?? pipeline.definition;
  const number = version ?? pipeline.latest_version;
  const parameters = definition?.parameters ?? [];
  const known = await suggestions(workspace, parameters);
  return new SubmitDialog(pipeline.name, number, parameters, values, { experiment, priority, regenerate, without, goesOn: goesOn ?? definition?.continue_on_step_failure ?? true }, known, (body) =>
    submitTo ? api.post(submitTo, body) : api.post(`${address}runs/`, { version: number, ...body }),
  ).result;
}

/** What exists of the types of data that are asked for, by type: names to choose from while typing. */
async function suggestions(workspace, parameters) {
  const lists = { dataset: ["datasets", ""], data_path: ["datastores", "/"] };
  const known = new Map();
  for (const type of new Set(parameters.map((parameter) => parameter.type))) {
    if (!lists[type]) continue;
    const [list, end] = lists[type];
    const { results } = await api.get(`/api/workspaces/${workspace}/${list}/`);
    known.set(type, results.map(({ name }) => `${name}${end}`));
  }
  return known;
}

/** A new run is one of the version: what somebody changed within the earlier run is no part of that. */
function withoutEdits(steps, version) {
  if (steps.length === 0) return null;
  const names = steps.slice(0, 3).map((name) => `“${name}”`).join(", ") + (steps.length > 3 ? ` and ${steps.length - 3} more` : "");
  const text = `${names} ran as edited within the run. This submits version ${version}, without that. “Clone as a new pipeline” keeps it.`;
  return h("p", { class: "muted", dataset: { without: "" }, text });
}

let opened = 0;

class SubmitDialog {
  constructor(name, version, parameters, values, { experiment, priority, regenerate, goesOn, without }, known, submit) {
    this.known = known;
    this.parameters = parameters;
    this.submit = submit;
    this.id = `submit-${(opened += 1)}`;
    /** @type {Map<string, {input: any, error: HTMLElement}>} */
    this.fields = new Map();
    this.problems = h("div", { class: "form-errors", role: "alert", hidden: true });
    this.button = h("button", { class: "btn btn-primary", type: "submit" }, icon("player-play"), "Submit");
    this.goesOn = h("input", { class: "form-check-input", type: "checkbox", id: `${this.id}-goes-on`, "aria-describedby": `${this.id}-goes-on-help`, checked: goesOn });
    const form = h(
      "form",
      { method: "dialog", novalidate: true },
      h("h2", { id: `${this.id}-title`, text: `Submit ${name}` }),
      h("p", { class: "muted", text: `Version ${version}` }),
      withoutEdits(without, version),
      this.problems,
      ...parameters.map((parameter) => this.#parameterField(parameter, values[parameter.name] ?? parameter.default)),
      this.#field("experiment", "Experiment", "optional", "Groups runs in the list. Without one, the pipeline's name.", (props) =>
        h("input", { ...props, maxlength: 100, autocomplete: "off", spellcheck: "false", value: experiment }),
      ),
      this.#field("priority", "Priority", "optional", "Higher goes first in the queue, lower waits for the others. Usually 0.", (props) =>
        h("input", { ...props, type: "text", inputmode: "numeric", autocomplete: "off", maxlength: 6, placeholder: "0", value: priority || "" }),
      ),
      h(
        "div",
        { class: "field field-check" },
        this.goesOn,
        h(
          "div",
          {},
          h("label", { for: this.goesOn.id, text: "Continue on step failure" }),
          h("div", { class: "field-help", id: `${this.goesOn.id}-help`, text: "Steps that don't depend on a failed one go on. Otherwise nothing further starts." }),
        ),
      ),
      this.#regenerateField(regenerate),
      ...[...known].map(([type, names]) => h("datalist", { id: `${this.id}-${type}` }, ...names.map((value) => h("option", { value })))),
      h(
        "div",
        { class: "dialog-actions" },
        h("button", { class: "btn", type: "button", text: "Cancel", on: { click: () => this.dialog.close() } }),
        this.button,
      ),
    );
    this.dialog = h("dialog", { class: "dialog", "aria-labelledby": `${this.id}-title` }, form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    /** @type {Promise<any>} */
    this.result = new Promise((resolve) => {
      this.dialog.addEventListener("close", () => {
        this.dialog.remove();
        resolve(this.run ?? null);
      });
    });
    document.body.append(this.dialog);
    this.dialog.showModal();
    const first = this.fields.values().next().value.input;
    if (parameters.length) first.focus();
    else this.button.focus();
  }

  #parameterField(parameter, value) {
    return this.#field(`parameter:${parameter.name}`, parameter.name, noteOf(parameter), parameter.description ?? "", (props) => {
      if (parameter.type === "boolean" || parameter.type === "enum") {
        const texts = parameter.type === "enum" ? parameter.choices : ["true", "false"];
        const options = texts.map((text) => h("option", { value: text, text: text || "(empty)" }));
        const isOpen = value === null || value === undefined || mayBeAbsent(parameter);
        if (isOpen && !texts.includes("")) options.unshift(h("option", { value: "", text: mayBeAbsent(parameter) ? "None" : "Choose" }));
        const select = h("select", props, ...options);
        select.value = asText(value);
        return select;
      }
      if (this.known.has(parameter.type)) {
        const list = `${this.id}-${parameter.type}`;
        return h("input", { ...props, list, type: "text", class: "mono", autocomplete: "off", spellcheck: "false", value: asText(value) });
      }
      const numeric = parameter.type === "string" ? {} : { inputmode: parameter.type === "integer" ? "numeric" : "decimal" };
      return h("input", { ...props, ...numeric, type: "text", autocomplete: "off", spellcheck: "false", value: asText(value) });
    });
  }

  #regenerateField(checked) {
    const id = `${this.id}-regenerate`;
    this.regenerate = h("input", { type: "checkbox", class: "form-check-input", id, "aria-describedby": `${id}-help` });
    this.regenerate.checked = checked;
    return h(
      "div",
      { class: "field field-check" },
      this.regenerate,
      h(
        "div",
        {},
        h("label", { for: id, text: "Run every step anew" }),
        h("div", { class: "field-help", id: `${id}-help`, text: "No step takes an earlier result, whatever is the same." }),
      ),
    );
  }

  #field(key, label, note, help, make) {
    const id = `${this.id}-${this.fields.size}`;
    const error = h("div", { class: "field-error", id: `${id}-error` });
    const described = help ? `${id}-help ${id}-error` : `${id}-error`;
    const input = make({ id, "aria-describedby": described });
    input.addEventListener("input", () => this.#say(key, ""));
    this.fields.set(key, { input, error });
    return h(
      "div",
      { class: "field" },
      h("label", { for: id }, label, " ", h("span", { class: "muted", text: note })),
      input,
      help && h("div", { class: "field-help", id: `${id}-help`, text: help }),
      error,
    );
  }

  #say(key, message) {
    const field = this.fields.get(key);
    if (!field) return false;
    field.error.textContent = message;
    if (message) field.input.setAttribute("aria-invalid", "true");
    else field.input.removeAttribute("aria-invalid");
    return true;
  }

  async #send() {
    if (this.button.disabled) return;
    const values = {};
    this.#show([]);
    const wrong = [];
    for (const parameter of this.parameters) {
      const read = readValue(parameter, this.fields.get(`parameter:${parameter.name}`).input.value);
      if (read.problem) wrong.push({ loc: ["parameters", parameter.name], message: read.problem });
      else if (read.value !== null) values[parameter.name] = read.value;
    }
    const priority = this.fields.get("priority").input.value.trim() || "0";
    if (!/^[-+]?\d+$/.test(priority)) wrong.push({ loc: ["priority"], message: "Give a whole number, as in 5 or -5." });
    if (wrong.length) {
      this.#show(wrong);
      return;
    }
    this.button.disabled = true;
    this.button.setAttribute("aria-busy", "true");
    try {
      this.run = await this.submit({
        parameters: values,
        experiment: this.fields.get("experiment").input.value.trim(),
        priority: Number(priority),
        regenerate_outputs: this.regenerate.checked,
        continue_on_step_failure: this.goesOn.checked,
      });
      this.dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#show(error.problems.length ? error.problems : [{ loc: [], message: error.detail }]);
    } finally {
      this.button.disabled = false;
      this.button.removeAttribute("aria-busy");
    }
  }

  /** Each problem at the field it names; those of the pipeline itself above them all. */
  #show(problems) {
    for (const key of this.fields.keys()) this.#say(key, "");
    const others = problems.filter(({ loc, message }) => {
      const key = loc[0] === "parameters" && typeof loc[1] === "string" ? `parameter:${loc[1]}` : String(loc[0]);
      return !this.#say(key, message);
    });
    const list = others.map(({ message }) => h("div", { text: message }));
    const advice = others.some(({ loc }) => loc[0] === "steps" || typeof loc[1] === "number");
    if (advice) list.push(h("div", { text: "Edit the pipeline to mend this, save it, and submit again." }));
    this.problems.replaceChildren(icon("alert-circle"), h("div", {}, ...list));
    this.problems.hidden = others.length === 0;
    const first = [...this.fields.values()].find(({ error }) => error.textContent);
    first?.input.focus();
  }
}
