/** Everything about one step, beside the graph: on a phone a sheet over it. */

import { api } from "../lib/api.js";
import { statusBadge } from "../lib/status.js";
import { setText } from "./dom.js";
import { shownStep } from "./store.js";
import { CodeTab } from "./tabs/code.js";
import { EnvironmentTab } from "./tabs/environment.js";
import { LogTab } from "./tabs/log.js";
import { later } from "./tabs/later.js";
import { MetricsTab } from "./tabs/metrics.js";
import { OverviewTab } from "./tabs/overview.js";
import { UsageTab } from "./tabs/usage.js";

const FilesTab = later(() => import("./tabs/files.js").then(({ FilesTab }) => FilesTab));
const ArtifactsTab = later(() => import("./tabs/artifacts.js").then(({ ArtifactsTab }) => ArtifactsTab));
const RunsTab = later(() => import("./tabs/runs.js").then(({ RunsTab }) => RunsTab));
const TrialsTab = later(() => import("./tabs/trials.js").then(({ TrialsTab }) => TrialsTab));
const BatchesTab = later(() => import("./tabs/batches.js").then(({ BatchesTab }) => BatchesTab));
const MAKERS = { overview: OverviewTab, runs: RunsTab, trials: TrialsTab, batches: BatchesTab, log: LogTab, metrics: MetricsTab, usage: UsageTab, files: FilesTab, artifacts: ArtifactsTab, code: CodeTab, environment: EnvironmentTab };
const OF_A_JOB = new Set(["log", "metrics", "usage", "artifacts", "environment"]); // tabs that mean nothing for a step without one
const OF_RUNS = new Set(["runs", "trials", "batches"]); // of what a step had made; which of them a step has, its kind says
const WIDTH_KEY = "studio-run-panel";
const WAITING_EVERY_MS = 5000;

export class StepPanel {
  /**
   * @param {HTMLElement} root
   * @param {import("./store.js").RunStore} store
   * @param {{clock: any, urls: any, may: {run: boolean, pin: boolean, editPipelines: boolean, register: boolean}, watchLog: (step: string|null) => void, onAddress: (where: any) => void, onSelect: (step: string, tab?: string) => void, onClose: () => void}} options
   */
  constructor(root, store, options) {
    this.root = root;
    this.store = store;
    this.options = options;
    this.name = null;
    this.tab = "overview";
    this.tabs = new Map();
    this.details = null;
    /** @type {any} */
    this.title = root.querySelector("[data-panel=title]");
    this.status = root.querySelector("[data-panel=status]");
    this.body = root.querySelector("[data-panel=body]");
    /** @type {any[]} */
    this.buttons = [...root.querySelectorAll("[data-tab]")];
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.open(this.name, button.dataset.tab));
      button.addEventListener("keydown", (event) => this.#arrow(event));
    }
    root.querySelector("[data-panel=close]").addEventListener("click", () => options.onClose());
    root.querySelector("[data-panel=wide]").addEventListener("click", () => document.body.classList.toggle("run-wide"));
    this.#resizable(root.querySelector("[data-panel=resize]"));
    store.subscribe(({ run, steps }) => {
      if (!this.name) return;
      if (steps.has(this.name)) this.#changed();
      else if (["batches", "overview"].includes(this.tab) && [...steps].some((name) => this.#isPart(name))) this.#draw();
      else if (run) this.#draw(); // what can be done with a step hangs on its run, too
    });
  }

  get isOpen() {
    return this.name !== null;
  }

  /** Show a step. `where` goes to the tab: `{attempt, line}` to the log, `{path}` to the code. */
  open(name, tab = this.tab, where = {}) {
    const step = this.store.step(name);
    if (!step) {
      return;
    }
    const isMeant = (key) => (OF_RUNS.has(key) ? step.runs_tab === key : step.has_job || !OF_A_JOB.has(key));
    if (OF_RUNS.has(tab) && step.runs_tab) tab = step.runs_tab;
    tab = isMeant(tab) ? tab : "overview";
    if (name !== this.name) {
      this.#clear();
      this.name = name;
      this.fetched = this.#fetch();
    } else if (tab !== this.tab) {
      this.#leave();
    }
    this.tab = tab;
    this.root.hidden = false;
    document.body.classList.add("run-panel-open");
    this.#head();
    for (const button of this.buttons) {
      const current = button.dataset.tab === tab;
      button.hidden = !isMeant(button.dataset.tab);
      button.setAttribute("aria-selected", String(current));
      button.tabIndex = current ? 0 : -1;
      if (current) button.scrollIntoView({ block: "nearest", inline: "nearest" }); // on a phone they are a row to scroll
    }
    for (const [key, { element, tab: other }] of this.tabs) {
      element.hidden = key !== tab;
      if (key !== tab) {
        other.hide?.();
      }
    }
    this.#tab(tab).show?.(where);
    this.#draw();
    this.options.onAddress({ step: name, tab, attempt: where.attempt ?? null, line: where.line ?? null });
  }

  close() {
    this.#clear();
    this.name = null;
    this.root.hidden = true;
    document.body.classList.remove("run-panel-open", "run-wide");
  }

  focus() {
    this.title.focus({ preventScroll: true });
  }

  focusLog({ search = false } = {}) {
    if (this.tab !== "log") return; // a step without a job has none
    const log = this.#tab("log");
    if (search) {
      log.focusSearch();
    } else {
      log.focus();
    }
  }

  hearLog(message) {
    if (message.step === this.name && this.tab === "log") {
      this.#tab("log").hear(message);
    }
  }

  hearMetrics(steps) {
    if (steps.includes(this.name)) this.tabs.get("metrics")?.tab.hear(steps);
    if (steps.some((name) => name === this.name || this.#isPart(name))) this.tabs.get("batches")?.tab.hear();
  }

  tick() {
    if (this.isOpen && this.tab === "overview") {
      this.#tab("overview").tick();
    }
  }

  /** Whether the step puts together what this one does on another node. */
  #isPart(name) {
    return this.store.step(name)?.part_of === this.name;
  }

  #tab(key) {
    let made = this.tabs.get(key);
    if (!made) {
      const element = document.createElement("div");
      element.className = `run-tab run-tab-${key}`;
      element.setAttribute("role", "tabpanel");
      element.setAttribute("aria-labelledby", `run-tab-${key}`);
      this.body.append(element);
      made = { element, tab: new MAKERS[key](element, this.#context()) };
      this.tabs.set(key, made);
    }
    return made.tab;
  }

  #context() {
    const { clock, urls, may, watchLog, onAddress, onSelect } = this.options;
    const name = this.name;
    return {
      store: this.store,
      clock,
      urls,
      may,
      name,
      watchLog,
      detail: () => this.details ?? this.fetched,
      reread: () => this.#fetch(),
      open: (tab, where) => this.open(name, tab, where),
      select: onSelect,
      address: (where) => onAddress({ step: name, tab: "log", ...where }),
    };
  }

  #head() {
    const step = this.store.step(this.name);
    setText(this.title, this.name);
    this.status.replaceChildren(statusBadge(shownStep(step)));
  }

  #draw() {
    const current = this.tabs.get(this.tab)?.tab;
    current?.draw?.(this.details);
  }

  #changed() {
    this.#head();
    this.#draw();
    clearTimeout(this.fetchTimer);
    this.fetchTimer = setTimeout(() => this.#fetch(), 150); // a step's changes come in bursts
  }

  async #fetch() {
    const name = this.name;
    if (!name) {
      return null;
    }
    try {
      const details = await api.get(this.options.urls.step(name));
      if (name === this.name) {
        this.details = details;
        this.#draw();
        this.#askAgainWhileQueued();
      }
      return details;
    } catch (error) {
      if (name === this.name && /** @type {any} */ (error).status === 0) {
        this.fetchTimer = setTimeout(() => this.#fetch(), 2000);
      }
      return null;
    }
  }

  /** Why a step waits changes with what others do, and no event of its run tells of it. */
  #askAgainWhileQueued() {
    if (this.store.step(this.name)?.status === "queued") {
      clearTimeout(this.fetchTimer);
      this.fetchTimer = setTimeout(() => this.#fetch(), WAITING_EVERY_MS);
    }
  }

  /** The log is the one tab that costs something while nobody looks. */
  #leave() {
    const log = this.tabs.get("log");
    if (log && this.tab === "log") {
      log.tab.destroy();
      log.element.remove();
      this.tabs.delete("log");
    }
  }

  #clear() {
    clearTimeout(this.fetchTimer);
    for (const { tab } of this.tabs.values()) {
      tab.destroy?.();
    }
    this.tabs.clear();
    this.body.replaceChildren();
    this.details = null;
  }

  #arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) {
      return;
    }
    event.preventDefault();
    const shown = this.buttons.filter((button) => !button.hidden);
    const next = shown.at((shown.indexOf(event.currentTarget) + step) % shown.length);
    next.focus();
    this.open(this.name, next.dataset.tab);
  }

  #resizable(handle) {
    const set = (width) => {
      document.body.style.setProperty("--run-panel", `${Math.round(width)}px`);
      handle.setAttribute("aria-valuenow", String(Math.round((width / window.innerWidth) * 100)));
    };
    const bounds = () => [340, Math.max(340, this.root.parentElement.clientWidth - 280)];
    const clamp = (width) => Math.min(Math.max(width, bounds()[0]), bounds()[1]);
    try {
      const kept = Number(localStorage.getItem(WIDTH_KEY));
      if (kept > 0) {
        set(kept);
      }
    } catch {
      // Storage is blocked: the width is the default one.
    }
    const keep = () => {
      try {
        localStorage.setItem(WIDTH_KEY, String(this.root.offsetWidth));
      } catch {
        // It holds for this page.
      }
    };
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
      const right = this.root.getBoundingClientRect().right;
      const move = (moved) => set(clamp(right - moved.clientX));
      handle.addEventListener("pointermove", move);
      handle.addEventListener("pointerup", () => (handle.removeEventListener("pointermove", move), keep()), { once: true });
    });
    handle.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: 40, ArrowRight: -40 }[event.key];
      if (by) {
        event.preventDefault();
        set(clamp(this.root.offsetWidth + by));
        keep();
      }
    });
  }
}
