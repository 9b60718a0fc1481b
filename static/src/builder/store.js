/** The page's state: the draft with its history, what is saved, what is wrong, and what is selected. No DOM. */

import { api } from "../lib/api.js";
import { fingerprint, keepEdits, stepOf, toDefinition, withNamedOutputs } from "./document.js";
import { History } from "./history.js";
import { placed, withoutPending } from "./problems.js";

const VALIDATE_AFTER_MS = 250;

export class Store extends EventTarget {
  /**
   * @param {object} options
   * @param {import("./document.js").Draft} options.draft
   * @param {import("./sources.js").Sources} options.sources
   * @param {string} options.pipelinesUrl As in `/api/workspaces/demo/pipelines/`.
   * @param {number} options.pipelineId
   * @param {number} options.version What the draft came from, 0 for none.
   * @param {boolean} options.readOnly
   */
  constructor({ draft, sources, pipelinesUrl, pipelineId, version, readOnly }) {
    super();
    this.history = new History(draft);
    this.sources = sources;
    this.pipelinesUrl = pipelinesUrl;
    this.pipelineId = pipelineId;
    this.version = version;
    this.readOnly = readOnly;
    this.savedAs = fingerprint(draft);
    this.savedNames = { name: draft.name, description: draft.description };
    this.problems = [];
    this.warnings = [];
    this.selected = null;
    this.saving = null;
    this.checks = 0;
  }

  get draft() {
    return this.history.present;
  }

  get step() {
    return this.selected === null ? undefined : stepOf(this.draft, this.selected);
  }

  get isDirty() {
    return !this.readOnly && fingerprint(this.draft) !== this.savedAs;
  }

  /** Change the draft. Changes with one `merge` key in quick succession are one step back. */
  apply(change, { merge = null } = {}) {
    if (this.readOnly) return;
    this.history.commit(change(this.draft), { merge });
    this.#changed();
  }

  /** Once somebody is done with a text: what it names as an output is one. */
  countOutputs() {
    if (withNamedOutputs(this.draft) !== this.draft) this.apply(withNamedOutputs);
  }

  undo() {
    if (this.readOnly) return;
    this.history.undo();
    this.#changed();
  }

  redo() {
    if (this.readOnly) return;
    this.history.redo();
    this.#changed();
  }

  select(key) {
    this.selected = key !== null && stepOf(this.draft, key) ? key : null;
    this.#emit("select");
  }

  #changed() {
    if (this.selected !== null && !this.step) {
      this.selected = null;
      this.#emit("select");
    }
    this.#emit("change");
    this.validateSoon();
  }

  #emit(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // Checking

  validateSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.validate(), VALIDATE_AFTER_MS);
  }

  /** Ask the studio what is wrong with the draft as it stands. An answer that came too late is thrown away. */
  async validate() {
    clearTimeout(this.timer);
    const draft = this.draft;
    const check = (this.checks += 1);
    /** @type {any[]} */
    let problems;
    let warnings = [];
    try {
      ({ problems, warnings } = await api.post(`${this.pipelinesUrl}validate/`, {
        definition: toDefinition(draft),
        pipeline_id: this.pipelineId,
      }));
    } catch (/** @type {any} */ error) {
      if (error.status !== 400) return; // saving says what is wrong with the network
      ({ problems } = error);
      problems = problems.map(({ loc, message }) => ({ loc: loc[0] === "definition" ? loc.slice(1) : loc, message }));
    }
    if (check !== this.checks) return;
    this.warnings = withoutPending(placed(warnings, draft), draft);
    this.showProblems(problems, draft);
  }

  /** @param {{loc: (string|number)[], message: string}[]} problems */
  showProblems(problems, draft = this.draft) {
    this.problems = withoutPending(placed(problems, draft), draft);
    this.#emit("problems");
  }

  // Saving

  /** Put what was typed into source folders; the draft then names the new ones. */
  async keepEdits(stepKey = null) {
    const pending = new Map();
    for (const step of this.draft.steps) {
      if (stepKey !== null && step.key !== stepKey) continue;
      if (Object.keys(step.edits).length) pending.set(step.edits, step.source);
    }
    for (const [edits, source] of pending) {
      const { digest } = await this.sources.edit(source, { put: edits });
      this.history.amend((draft) => keepEdits(draft, { source, edits, digest }));
    }
    if (pending.size) this.#changed();
  }

  /**
   * Save everything as the next version. Raises ApiError; nothing of the draft is touched by a failure.
   * @param {number} [baseVersion] The version that this one is to replace as the latest.
   */
  save(baseVersion = this.version) {
    this.saving ??= this.#save(baseVersion).finally(() => {
      this.saving = null;
      this.#emit("saving");
    });
    this.#emit("saving");
    return this.saving;
  }

  /** Name and description have no versions: only what was changed here is sent, or a rename elsewhere would be undone. */
  #newNames({ name, description }) {
    const names = {};
    if (name !== this.savedNames.name) names.name = name;
    if (description !== this.savedNames.description) names.description = description;
    return names;
  }

  async #save(baseVersion) {
    await this.keepEdits();
    this.countOutputs();
    const { draft } = this;
    const answer = await api.post(`${this.pipelinesUrl}${this.pipelineId}/versions/`, {
      definition: toDefinition(draft),
      base_version: baseVersion,
      ...this.#newNames(draft),
    });
    this.version = answer.number;
    this.savedAs = fingerprint(draft);
    this.savedNames = { name: draft.name, description: draft.description };
    if (draft === this.draft && answer.problems) this.showProblems(answer.problems, draft);
    this.#emit("saved");
    return answer;
  }
}
