/** Why a step ran or was reused, read when somebody opens it; and whether its result may be taken again. */

import { api } from "../../lib/api.js";
import { absoluteTime, plural } from "../../lib/format.js";
import { icon } from "../../lib/status.js";
import { toast } from "../../lib/toast.js";
import { h, setText } from "../dom.js";
import { STEP_TERMINAL } from "../store.js";

/** What the closed panel asks. */
export function question(step) {
  if (step.reused_from) return "Why was it reused?";
  return step.status === "waiting" ? "Why does it wait?" : "Why did it run?";
}

/** Whether there is an answer: of a step that was over before its turn came there is none, nor of one without a job. */
export function hasAnswer(step) {
  if (!step.has_job) return false; // it is never reused, as its facts say
  return Boolean(step.reuse_note) || Boolean(step.reused_from);
}

/** What is said of a result that somebody excluded, as the API gives it. */
export function endWords(ends, run, now) {
  const where = ends.run === run ? "Its result" : `Its result, made in run ${ends.run},`;
  const by = ends.by ?? "somebody who is gone";
  if (Date.parse(ends.at) > now) return `${where} expires ${absoluteTime(ends.at)}: ${by} said so. From then on it is not reused.`;
  return `${where} is excluded from reuse since ${absoluteTime(ends.at)}, by ${by}.`;
}

export class WhyPart {
  /** @param {{store: any, clock: any, urls: any, may: any, name: string, reread: () => any}} context */
  constructor(context) {
    this.context = context;
    this.summary = h("span", { text: "" });
    this.body = h("div", { "aria-live": "polite" });
    this.details = h("details", { class: "run-why", on: { toggle: () => this.#load() } }, h("summary", {}, icon("chevron-right"), this.summary), this.body);
    this.end = h("div", { class: "run-reuse-end" });
    this.element = h("section", { class: "run-section", "aria-label": "Reuse" }, this.details, this.end);
  }

  draw(step, detail) {
    this.element.hidden = !hasAnswer(step);
    setText(this.summary, question(step));
    const key = JSON.stringify([step.status === "waiting", step.reused_from, step.reuse_note]);
    if (key !== this.key) {
      this.key = key;
      this.loaded = null;
      this.#load();
    }
    this.#drawEnd(step, detail);
    return this.element;
  }

  async #load() {
    if (!this.details.open || this.loaded === this.key) return;
    const key = (this.loaded = this.key);
    this.body.replaceChildren(h("p", { class: "muted", text: "Comparing with earlier runs…" }));
    try {
      const response = await fetch(this.context.urls.why(this.context.name), { credentials: "same-origin" });
      if (!response.ok) throw new Error(`The comparison could not be read (${response.status}). Close and open it to try again.`);
      const html = await response.text();
      if (key === this.loaded) this.body.innerHTML = html; // drawn and escaped by the server
    } catch (error) {
      this.loaded = null;
      this.body.replaceChildren(h("p", { class: "run-error", text: /** @type {Error} */ (error).message }));
    }
  }

  #drawEnd(step, detail) {
    const ends = detail?.reuse_ends;
    const key = JSON.stringify([ends, step.status, Boolean(detail)]);
    if (key === this.endKey) return; // who stands on the button stays there
    this.endKey = key;
    const may = this.context.may.run && detail;
    const button = (text, title, name, act) => h("button", { class: "btn btn-sm", type: "button", title, on: { click: act } }, icon(name), text);
    this.end.replaceChildren(
      ...[
        ends && h("p", { class: "muted", text: endWords(ends, this.context.store.state.id, this.context.clock.now()) }),
        may && ends && button("Allow reuse again", "Later steps that do the same may take its result again", "refresh", () => this.#post("allow-reuse/")),
        may && !ends && step.status === "completed" && STEP_TERMINAL.has(step.status) && button("Exclude from reuse", "No later step takes its result again", "ban", () => this.#ask(step)),
      ].filter(Boolean),
    );
  }

  async #ask(step) {
    const ends_at = await askWhen(step);
    if (ends_at !== undefined) await this.#post("exclude-from-reuse/", { ends_at });
  }

  async #post(verb, body = {}) {
    try {
      await api.post(`${this.context.urls.step(this.context.name)}${verb}`, body);
      await this.context.reread();
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "error");
    }
  }
}

/** From when on a result is not to be taken: an instant, null for now, undefined where the person thought better. */
function askWhen(step) {
  const field = h("input", { type: "datetime-local", id: "reuse-ends-at", "aria-describedby": "reuse-ends-help" });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "reuse-title", text: `Exclude the result of ${step.name} from reuse?` }),
    h("p", {
      text: step.reused_from
        ? `It was made in run ${step.reused_from}, and no later step will take it again. Steps that took it already keep it.`
        : "No later step will take it again. Steps that took it already keep it.",
    }),
    h("div", { class: "field" }, h("label", { for: "reuse-ends-at" }, "From ", h("span", { class: "muted", text: "optional" })), field, h("div", { class: "field-help", id: "reuse-ends-help", text: "When the result expires. Without a time, at once." })),
    h("div", { class: "dialog-actions" }, h("button", { class: "btn", type: "submit", value: "", text: "Cancel" }), h("button", { class: "btn btn-primary", type: "submit", value: "yes", text: "Exclude from reuse" })),
  );
  const dialog = h("dialog", { class: "dialog dialog-small", "aria-labelledby": "reuse-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue !== "yes") resolve(undefined);
      else resolve(field.value ? new Date(field.value).toISOString() : null);
    });
  });
}

/** For all results of a run. */
export async function changeRunReuse(address, exclude) {
  try {
    const { steps } = await api.post(`${address}${exclude ? "exclude-from-reuse/" : "allow-reuse/"}`, {});
    if (exclude) toast(`${plural(steps, "result")} of this run will not be reused.`);
    else toast(steps ? `${plural(steps, "result")} of this run may be reused again.` : "No result of this run was excluded from reuse.");
  } catch (error) {
    toast(/** @type {Error} */ (error).message, "error");
  }
}
