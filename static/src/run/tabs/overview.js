/** How a step is doing, and why. */

import { api, save } from "../../lib/api.js";
import { resourceWords } from "../../lib/resources.js";
import { absoluteTime, duration, plural, relativeTime } from "../../lib/format.js";
import { icon, statusBadge } from "../../lib/status.js";
import { toast } from "../../lib/toast.js";
import { lastState, plain, visible } from "../../log/text.js";
import { h, setText } from "../dom.js";
import { cpuWords, limitWords, memoryWords } from "../used.js";
import { drawTags, editTags } from "../tags.js";
import { PinPart } from "./pin.js";
import { WhyPart } from "./why.js";
import { exitWords, failure, shownStatus, shownStep, stepSeconds, STEP_TERMINAL } from "../store.js";

const PENDING = new Set(["waiting", "queued"]);

export class OverviewTab {
  /** @param {{store: any, clock: any, urls: any, may: any, name: string, open: (tab: string, where?: any) => void, select: (step: string, tab?: string) => void, reread: () => any}} context */
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.why = new WhyPart(context);
    this.pin = new PinPart(context);
  }

  /** @param {any} detail As the API gives it; null while it is on its way. */
  draw(detail) {
    this.detail = detail ?? this.detail ?? null;
    const step = this.context.store.step(this.context.name);
    this.cancelling = this.cancelling && !this.context.store.isOver(this.context.name);
    this.root.replaceChildren(
      ...[this.#outcome(step), this.#actions(), this.#facts(step), this.why.draw(step, this.detail), this.pin.draw(this.detail), this.#attempts(), this.#command(), this.#description()].filter(Boolean),
    );
    this.tick();
  }

  tick() {
    const step = this.context.store.step(this.context.name);
    const { waited, worked } = stepSeconds(step, this.context.clock.now());
    const live = step.started_at && !STEP_TERMINAL.has(step.status);
    setText(this.root.querySelector("[data-time=waited]"), duration(waited));
    setText(this.root.querySelector("[data-time=worked]"), duration(live ? Math.floor(worked) : worked));
  }

  #outcome(step) {
    if (step.status === "failed") {
      // The step that failed first has its last lines above everything else already.
      const tail = failure(this.context.store.state)?.step === step ? [] : (step.log_tail ?? []);
      return h(
        "div",
        { class: "run-outcome run-outcome-bad" },
        h("strong", { text: `Failed${step.exit_code === null ? "" : `: ${exitWords(step.exit_code)}`}` }),
        step.reason && h("p", { text: step.reason }),
        tail.length > 0 && h("pre", { class: "run-tail" }, h("code", { text: tail.map(textOf).join("\n") })),
        ...decisionWords(this.detail),
        step.has_job && h("button", { class: "btn btn-sm", type: "button", text: "Open the log at its end", on: { click: () => this.context.open("log") } }),
      );
    }
    if (step.reused_from) {
      const base = this.context.urls.run_of.replace("/0/", `/${step.reused_from}/`);
      return h(
        "div",
        { class: "run-outcome run-outcome-good" },
        h("strong", { text: "Reused" }),
        h("p", { text: step.reuse_note || "Nothing that makes its result has changed since." }),
        h("a", { class: "btn btn-sm", href: `${base}?step=${encodeURIComponent(step.name)}`, text: `Open the step in run ${step.reused_from}` }),
      );
    }
    if (PENDING.has(step.status) && shownStatus(this.context.store.state) === "paused") {
      return h("div", { class: "run-outcome" }, h("p", { text: "The run is paused: this step starts no earlier than somebody resumes it." }), step.reason && h("p", { class: "muted", text: step.reason }));
    }
    if (step.status === "queued" && this.detail?.waits_for) {
      return h("div", { class: "run-outcome" }, h("p", { text: this.detail.waits_for }), step.reason && h("p", { class: "muted", text: step.reason }));
    }
    const shares = step.status === "waiting" && step.reuse_note;
    const reason = step.reason || shares || (step.status === "waiting" ? "It starts as soon as the steps that it reads from, or runs after, are done." : "");
    const more = decisionWords(this.detail);
    return reason || more.length ? h("div", { class: "run-outcome" }, reason && h("p", { text: reason }), ...more) : null;
  }

  #facts(step) {
    const detail = this.detail;
    const facts = [
      ["Status", statusBadge(shownStep(step))],
      ["Started", step.started_at && !step.reused_from && timeOf(step.started_at, this.context.clock.now())],
      ["Waited for a slot", step.has_job && !step.reused_from && h("span", { class: "num", dataset: { time: "waited" } })],
      [step.has_job ? "Prepared and ran" : "Took", !step.reused_from && h("span", { class: "num", dataset: { time: "worked" } })],
      ["Exit code", step.exit_code !== null && step.exit_code !== undefined && h("span", { class: "num", text: `${step.exit_code} ${step.exit_code ? `(${exitWords(step.exit_code)})` : ""}`.replace(/ \(exit code -?\d+\)/, "") })],
      ["Peak memory", this.#used((attempt) => attempt.peak_memory_bytes && memoryWords(attempt.peak_memory_bytes, detail.limits?.memory_bytes))],
      ["CPU time", this.#used((attempt) => attempt.cpu_s !== null && attempt.cpu_s !== undefined && cpuWords(attempt.cpu_s))],
      ["Limits", step.has_job && detail && limitWords(detail)],
      [step.has_job ? "Why it ran" : "Reuse", !step.reused_from && step.status !== "waiting" && step.reuse_note],
      ["Compute", step.has_job && detail && link(this.context.urls.compute, detail.compute)],
      ["Asks for", step.has_job && detail && resourceWords(detail.resources)],
      ["Files that count for reuse", detail?.settings.hash_paths?.join(", ")],
      ["Runs after", detail?.run_after.join(", ")],
      ["Only if", detail?.only_if && `${detail.only_if.step} is ${detail.only_if.answer}`],
      ["Environment", detail?.environment_name && h("button", { class: "link-button", type: "button", text: detail.environment_name, on: { click: () => this.context.open("environment") } })],
      ["Part", detail?.part && this.#part(detail.part)],
      ["Module", detail?.module && moduleWords(detail.module)],
      ["Kind", detail?.kind.label],
      [step.runs_tab === "batches" ? "Its batches" : "Its runs", step.runs_tab && h("button", { class: "link-button", type: "button", text: "Show them", on: { click: () => this.context.open(step.runs_tab) } })],
      ["Run it elsewhere", detail && detail.command.length > 0 && STEP_TERMINAL.has(step.status) && !["skipped", "not_taken"].includes(step.status) && this.#archives()],
      ["Compare", h("a", { href: this.context.urls.compare(this.context.name), text: "with the same step of another run" })],
      ["Tags", detail && this.#tags(detail)],
      [scriptWord(detail), detail?.entry && h("button", { class: "link-button mono", type: "button", text: detail.entry, on: { click: () => this.context.open("code", { path: detail.entry }) } })],
    ];
    return h("dl", { class: "kv" }, ...facts.filter(([, value]) => value).map(([label, value]) => h("div", {}, h("dt", { text: label }), h("dd", {}, value))));
  }

  /** Of a step that works on several nodes. */
  #part({ of, number, count }) {
    if (!number) return `puts together what ${count} parts did, each on a node`;
    return h("span", {}, `${number} of ${count} of `, h("button", { class: "link-button", type: "button", text: of, on: { click: () => this.context.select(of) } }));
  }

  /** The step as an archive that runs it again on any machine. */
  #archives() {
    const url = `${this.context.urls.step(this.context.name)}reproduce/`;
    const button = (text, title, query) =>
      h("button", {
        class: "link-button",
        type: "button",
        title,
        text,
        on: { click: () => save(`${url}${query}`).catch((error) => toast(/** @type {Error} */ (error).message, "error")) },
      });
    const what = "Code, locked packages, arguments, variables and a script that runs the step on any machine";
    return h(
      "span",
      {},
      button("Download an archive", `${what}; its data is fetched from here when it runs`, ""),
      ...(this.detail.inputs.length > 0 ? [" · ", button("with its data", `${what}, and all that it reads`, "?inputs=include")] : []),
    );
  }

  #tags(detail) {
    const box = h("span", {});
    const { name, urls, may } = this.context;
    const edit = async () => {
      const now = await editTags({ url: `${urls.step(name)}tags/`, what: `step “${name}”`, tags: detail.tags.tags });
      if (now) {
        detail.tags = now;
        this.draw(detail);
      }
    };
    drawTags(box, detail.tags, { onEdit: may.run ? edit : null });
    return box.childNodes.length ? box : null;
  }

  /** What the latest attempt used, leading to its course. */
  #used(words) {
    const latest = this.detail?.attempts?.at(-1);
    const text = latest && words(latest);
    return text ? h("button", { class: "link-button num", type: "button", text, on: { click: () => this.context.open("usage") } }) : null;
  }

  /** What can be done with the step once its run is over. */
  #actions() {
    const { store, may } = this.context;
    if (!may.run) {
      return null;
    }
    if (!store.isTerminal) {
      return this.#cancelAction();
    }
    const title = "A new run in which this step and all that depends on it run anew. The other steps keep their results.";
    const button = h("button", { class: "btn btn-sm", type: "button", title, on: { click: () => this.#rerun(button) } }, icon("player-skip-forward"), "Rerun from this step");
    return h("div", { class: "run-step-actions" }, button);
  }

  #cancelAction() {
    const { store, name } = this.context;
    if (store.isOver(name) || store.state.cancel_requested_at) {
      return null;
    }
    const title = "This step ends, and what depends on it is skipped. The rest of the run goes on.";
    const button = h("button", { class: "btn btn-sm btn-danger", type: "button", title, disabled: Boolean(this.cancelling), on: { click: () => this.#cancel() } }, icon("player-stop"), this.cancelling ? "Cancelling…" : "Cancel this step");
    return h("div", { class: "run-step-actions" }, button);
  }

  async #cancel() {
    this.cancelling = true;
    this.draw(null);
    try {
      await api.post(`${this.context.urls.step(this.context.name)}cancel/`);
    } catch (error) {
      this.cancelling = false;
      toast(/** @type {Error} */ (error).message, "error");
      this.draw(null);
    }
  }

  async #rerun(button) {
    button.disabled = true;
    try {
      const run = await api.post(`${this.context.urls.step(this.context.name)}rerun/`);
      location.assign(run.url);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "error");
      button.disabled = false;
    }
  }

  #attempts() {
    const attempts = this.detail?.attempts ?? [];
    if (attempts.length === 0) {
      return null;
    }
    const now = this.context.clock.now();
    return section(
      plural(attempts.length, "attempt"),
      h(
        "ol",
        { class: "run-attempts" },
        ...[...attempts].reverse().map((attempt) =>
          h(
            "li",
            {},
            h(
              "div",
              { class: "run-attempt-head" },
              h("strong", { text: `Attempt ${attempt.number}` }),
              h("span", { class: "muted", text: `on ${attempt.node_name}` }),
              h("button", { class: "link-button", type: "button", text: "Log", on: { click: () => this.context.open("log", { attempt: attempt.number }) } }),
            ),
            h("div", { class: "muted num", text: timesOf(attempt, now) }),
            Boolean(attempt.reason || attempt.exit_code) && h("div", { class: "run-attempt-reason", text: attempt.reason || exitWords(attempt.exit_code) }),
          ),
        ),
      ),
    );
  }

  #command() {
    const detail = this.detail;
    if (!detail) {
      return null;
    }
    if (!detail.kind.has_job) {
      // A condition that was evaluated stands above, with its values.
      return detail.decision && detail.settings.expression ? null : section("Settings", settingsOf(detail));
    }
    if (detail.settings.statements) {
      return section("Statements", h("pre", { class: "run-command" }, h("code", { text: detail.settings.statements })));
    }
    if (detail.command.length === 0) {
      return null;
    }
    const text = detail.settings.command ?? detail.command.map(quoted).join(" ");
    return section("Command", h("pre", { class: "run-command" }, h("code", { text })));
  }

  #description() {
    return this.detail?.description ? section("Description", h("p", { class: "run-description", text: this.detail.description })) : null;
  }
}

/** What a step without a job came to, and by which values. */
function decisionWords(detail) {
  const { values = {} } = detail?.decision ?? {};
  const rows = Object.entries(values).map(([name, value]) => h("div", {}, h("dt", { class: "mono", text: name }), h("dd", { class: "mono", text: value })));
  const expression = detail?.settings.expression;
  return [
    expression && h("pre", { class: "run-command" }, h("code", { text: expression })),
    rows.length > 0 && h("dl", { class: "kv" }, ...rows),
  ].filter(Boolean);
}

/** A row of a list: a name with its value. */
const rowWords = (row) => (typeof row === "object" ? `${row.name} = ${row.value}` : String(row));

/** The settings of a step's kind, in words. */
function settingsOf(detail) {
  const rows = detail.kind.fields
    .map((field) => [field.label, settingWords(field, detail.settings[field.name])])
    .filter(([, value]) => value)
    .map(([label, value]) => h("div", {}, h("dt", { text: label }), h("dd", {}, value)));
  return h("dl", { class: "kv" }, ...rows);
}

/** A list has a line for each of its rows; nothing stands for an empty one. */
function settingWords(field, value) {
  if (Array.isArray(value)) return value.length ? h("span", {}, ...value.map((row) => h("code", { class: "run-value", text: rowWords(row) }))) : null;
  const chosen = field.choices?.find((choice) => choice.value === value);
  return chosen?.label ?? (value === true ? "yes" : value === false ? "no" : String(value ?? ""));
}

function section(title, ...content) {
  return h("section", { class: "run-section" }, h("h3", { text: title }), ...content);
}

/** Which version of which module it is; a module that was deleted has no page. */
function moduleWords({ name, version, url }) {
  const words = `${name}, version ${version}`;
  return url ? h("a", { href: url, text: words }) : words;
}

function link(pattern, compute) {
  return h("a", { href: pattern.replace("/0/", `/${compute.id}/`), text: compute.name });
}

function timeOf(instant, now) {
  return h("time", { datetime: instant, title: absoluteTime(instant), dataset: { relative: "" }, text: relativeTime(instant, now) });
}

/** `prepared 1.2 s, ran 40 s, 1,204 lines`, as far as it is known. */
export function timesOf(attempt, now) {
  const span = (from, to) => Math.max(0, ((to ? Date.parse(to) : now) - Date.parse(from)) / 1000);
  const prepared = attempt.started_at ?? attempt.finished_at;
  const parts = [
    attempt.claimed_at && `prepared ${duration(span(attempt.claimed_at, prepared))}`,
    attempt.started_at && `${attempt.finished_at ? "ran" : "running for"} ${duration(span(attempt.started_at, attempt.finished_at))}`,
    attempt.log_lines > 0 && plural(attempt.log_lines, "line"),
  ];
  return parts.filter(Boolean).join(", ");
}

/** What the step's kind calls the file that it runs. */
export function scriptWord(detail) {
  return detail?.kind.fields.find(({ widget }) => widget === "script")?.label ?? "Script";
}

/** An argument as a shell would want it. */
export function quoted(argument) {
  return /^[\w@%+=:,./${}-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

const textOf = (line) => visible(plain(lastState(typeof line === "string" ? line : line.t)));
