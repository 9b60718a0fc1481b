/** How a step is doing, and why. */

import { resourceWords } from "../../lib/resources.js";
import { absoluteTime, duration, plural, relativeTime } from "../../lib/format.js";
import { statusBadge } from "../../lib/status.js";
import { lastState, plain, visible } from "../../log/text.js";
import { h, setText } from "../dom.js";
import { cpuWords, limitWords, memoryWords } from "../used.js";
import { exitWords, failure, stepSeconds, STEP_TERMINAL } from "../store.js";

export class OverviewTab {
  /** @param {{store: any, clock: any, urls: any, name: string, open: (tab: string, where?: any) => void}} context */
  constructor(root, context) {
    this.root = root;
    this.context = context;
  }

  /** @param {any} detail As the API gives it; null while it is on its way. */
  draw(detail) {
    this.detail = detail ?? this.detail ?? null;
    const step = this.context.store.step(this.context.name);
    this.root.replaceChildren(
      ...[this.#outcome(step), this.#facts(step), this.#attempts(), this.#command(), this.#description()].filter(Boolean),
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
        h("button", { class: "btn btn-sm", type: "button", text: "Open the log at its end", on: { click: () => this.context.open("log") } }),
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
    if (step.status === "queued" && this.detail?.waits_for) {
      return h("div", { class: "run-outcome" }, h("p", { text: this.detail.waits_for }), step.reason && h("p", { class: "muted", text: step.reason }));
    }
    const reason = step.reason || (step.status === "waiting" ? "It starts as soon as the steps that it reads from, or runs after, are done." : "");
    return reason ? h("div", { class: "run-outcome" }, h("p", { text: reason })) : null;
  }

  #facts(step) {
    const detail = this.detail;
    const facts = [
      ["Status", statusBadge(step.reused_from ? "reused" : step.status)],
      ["Started", step.started_at && !step.reused_from && timeOf(step.started_at, this.context.clock.now())],
      ["Waited for a slot", !step.reused_from && h("span", { class: "num", dataset: { time: "waited" } })],
      ["Prepared and ran", !step.reused_from && h("span", { class: "num", dataset: { time: "worked" } })],
      ["Exit code", step.exit_code !== null && step.exit_code !== undefined && h("span", { class: "num", text: `${step.exit_code} ${step.exit_code ? `(${exitWords(step.exit_code)})` : ""}`.replace(/ \(exit code -?\d+\)/, "") })],
      ["Peak memory", this.#used((attempt) => attempt.peak_memory_bytes && memoryWords(attempt.peak_memory_bytes, detail.limits?.memory_bytes))],
      ["CPU time", this.#used((attempt) => attempt.cpu_s !== null && attempt.cpu_s !== undefined && cpuWords(attempt.cpu_s))],
      ["Limits", detail && limitWords(detail)],
      ["Why it ran", !step.reused_from && step.reuse_note],
      ["Compute", detail && link(this.context.urls.compute, detail.compute)],
      ["Asks for", detail && resourceWords(detail.resources)],
      ["Runs after", detail?.run_after.join(", ")],
      ["Environment", detail && h("button", { class: "link-button", type: "button", text: detail.environment_name, on: { click: () => this.context.open("environment") } })],
      ["Kind", detail?.kind.label],
      ["Script", detail?.entry && h("button", { class: "link-button mono", type: "button", text: detail.entry, on: { click: () => this.context.open("code", { path: detail.entry }) } })],
    ];
    return h("dl", { class: "kv" }, ...facts.filter(([, value]) => value).map(([label, value]) => h("div", {}, h("dt", { text: label }), h("dd", {}, value))));
  }

  /** What the latest attempt used, leading to its course. */
  #used(words) {
    const latest = this.detail?.attempts?.at(-1);
    const text = latest && words(latest);
    return text ? h("button", { class: "link-button num", type: "button", text, on: { click: () => this.context.open("usage") } }) : null;
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
    const text = detail.settings.command ?? detail.command.map(quoted).join(" ");
    return section("Command", h("pre", { class: "run-command" }, h("code", { text })));
  }

  #description() {
    return this.detail?.description ? section("Description", h("p", { class: "run-description", text: this.detail.description })) : null;
  }
}

function section(title, ...content) {
  return h("section", { class: "run-section" }, h("h3", { text: title }), ...content);
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

/** An argument as a shell would want it. */
export function quoted(argument) {
  return /^[\w@%+=:,./${}-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

const textOf = (line) => visible(plain(lastState(typeof line === "string" ? line : line.t)));
