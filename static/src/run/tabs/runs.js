/** The runs that a step had made: a table, a page at a time. What happens to them says no event of this run, but what they come to. */

import { api } from "../../lib/api.js";
import { absoluteTime, duration, plural, relativeTime, secondsBetween } from "../../lib/format.js";
import { icon, statusBadge, statusOf } from "../../lib/status.js";
import { h } from "../dom.js";
import { shownStatus, STEP_TERMINAL } from "../store.js";

const AFTER_MS = 400; // changes come in bursts
const REFRESH_MS = 5000; // for what no event tells: that one of them started
const PAGE = 50;

export class RunsTab {
  /** @param {HTMLElement} root @param {any} context As the panel makes it. */
  constructor(root, context) {
    this.context = context;
    this.url = `${context.urls.step(context.name)}runs/`;
    this.page = 1;
    this.status = "";
    this.shown = false;
    this.choice = h("select", {
      class: "form-select",
      "aria-label": "Show runs of one status",
      on: { change: () => ((this.status = this.choice.value), (this.page = 1), this.#refresh()) },
    });
    this.words = h("span", { class: "muted", role: "status" });
    this.head = h("div", { class: "run-children-head", hidden: true }, this.words, this.choice);
    this.note = h("p", { class: "muted", role: "status", text: "Reading its runs…" });
    this.rows = h("tbody");
    this.table = h(
      "table",
      { class: "data-table stack run-children", hidden: true },
      h(
        "thead",
        {},
        h("tr", {}, ...["Run", "Status", "Steps", "Took"].map((text, at) => h("th", { scope: "col", class: at > 1 ? "end" : null, text }))),
      ),
      this.rows,
    );
    this.before = this.#turner("Previous", -1);
    this.after = this.#turner("Next", 1);
    this.place = h("span", { class: "muted" });
    this.pages = h("nav", { class: "pagination-bar", "aria-label": "Pages of runs", hidden: true }, this.place, h("span", { class: "btn-row" }, this.before, this.after));
    root.append(this.head, this.note, this.table, this.pages);
  }

  show() {
    if (this.shown) return;
    this.shown = true;
    this.#refresh();
  }

  /** The step moved: one of its runs is over, or another one was made. */
  draw() {
    if (this.shown) this.#refreshIn(AFTER_MS);
  }

  hide() {
    this.shown = false;
    clearTimeout(this.timer);
  }

  destroy() {
    this.hide();
  }

  #refreshIn(delay_ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#refresh(), delay_ms);
  }

  async #refresh() {
    clearTimeout(this.timer);
    if (!this.shown) return;
    if (document.hidden) return this.#refreshIn(REFRESH_MS);
    const asked = `${this.url}?page=${this.page}&page_size=${PAGE}${this.status ? `&status=${this.status}` : ""}`;
    this.asked = asked;
    try {
      const found = await api.get(asked);
      if (!this.shown || this.asked !== asked) return; // another page was asked for meanwhile
      this.#paint(found);
    } catch (error) {
      if (this.asked !== asked) return;
      if (/** @type {any} */ (error).status === 404 && this.page > 1) {
        this.page = 1; // fewer have this status by now
        return this.#refreshIn(0);
      }
      this.note.textContent = `Its runs could not be read: ${/** @type {Error} */ (error).message}`;
      this.note.hidden = false;
    }
    if (!STEP_TERMINAL.has(this.#step().status)) this.#refreshIn(REFRESH_MS);
  }

  #step() {
    return this.context.store.step(this.context.name);
  }

  #paint({ count, counts, results }) {
    const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
    this.note.hidden = results.length > 0;
    if (!results.length) {
      this.note.textContent = total
        ? `None of its runs is ${statusOf(this.status).word.toLowerCase()}.`
        : STEP_TERMINAL.has(this.#step().status)
          ? "It had no run made."
          : "It has had no run made yet: they come when the steps before it are done.";
    }
    this.head.hidden = total < 2;
    this.words.textContent = [plural(total, "run"), ...Object.entries(counts).map(([status, each]) => `${each} ${statusOf(status).word.toLowerCase()}`)].join(" · ");
    this.#choices(counts);
    this.table.hidden = !results.length;
    const focused = this.rows.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
    this.rows.replaceChildren(...results.map((run) => this.#row(run)));
    if (focused) /** @type {HTMLElement|null} */ (this.rows.querySelector(`a[href="${CSS.escape(focused)}"]`))?.focus();
    this.pages.hidden = count <= PAGE;
    this.place.textContent = `${(this.page - 1) * PAGE + 1}–${(this.page - 1) * PAGE + results.length} of ${count}`;
    this.before.disabled = this.page <= 1;
    this.after.disabled = this.page * PAGE >= count;
  }

  #row(run) {
    const now = this.context.clock.now();
    const taken = secondsBetween(run.started_at, run.finished_at, now);
    return h(
      "tr",
      { dataset: { number: run.number } },
      h(
        "td",
        { class: "cell-lead grow" },
        h("a", { class: "row-title", href: this.context.urls.run_of.replace("/0/", `/${run.id}/`), title: `Run ${run.id}`, text: run.label || `Run ${run.id}` }),
        run.reason && h("span", { class: "row-note", title: run.reason, text: run.reason }),
      ),
      h("td", { "data-label": "Status" }, statusBadge(shownStatus(run))),
      h("td", { "data-label": "Steps", class: "end num", text: `${run.steps_done} of ${run.steps_total}` }),
      h("td", {
        "data-label": "Took",
        class: "end num",
        title: run.started_at ? `Started ${relativeTime(run.started_at, now)}, ${absoluteTime(run.started_at)}` : "",
        text: duration(run.finished_at || taken === null ? taken : Math.floor(taken)),
      }),
    );
  }

  #choices(counts) {
    const statuses = [...new Set([...Object.keys(counts), ...(this.status ? [this.status] : [])])];
    const shown = JSON.stringify([statuses, counts]);
    if (this.choice.dataset.shown === shown) return;
    this.choice.dataset.shown = shown;
    this.choice.replaceChildren(
      h("option", { value: "", text: "All" }),
      ...statuses.map((status) => h("option", { value: status, text: `${statusOf(status).word} (${counts[status] ?? 0})` })),
    );
    this.choice.value = this.status;
  }

  #turner(words, by) {
    const mark = icon(by < 0 ? "chevron-left" : "chevron-right");
    const turn = () => {
      this.page += by;
      this.#refresh();
    };
    return h("button", { class: "btn btn-sm", type: "button", on: { click: turn } }, ...(by < 0 ? [mark, words] : [words, mark]));
  }
}
