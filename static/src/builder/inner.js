/** The pipelines that steps run: which there are, and what each takes and gives. Asked for when somebody wants to know. */

import { api } from "../lib/api.js";
import { isOfData } from "./document.js";

const ASK_AGAIN_MS = 10_000; // for one that is not there: somebody may make it meanwhile

/** @typedef {{id: number, version: number, url: string, parameters: any[], outputs: {step: string, output: string}[]}} Inner */

export class InnerPipelines {
  /**
   * @param {string} root As in `/api/workspaces/demo/pipelines/`.
   * @param {() => void} onNews Something is known that was asked for.
   */
  constructor(root, onNews) {
    this.root = root;
    this.onNews = onNews;
    /** @type {Map<string, {value: Inner|null, at: number}>} */
    this.known = new Map();
    /** @type {Map<string, Promise<string[]>>} */
    this.searches = new Map();
  }

  /** What the pipeline of a step takes and gives; null as long as that isn't known, and where there is no such one. @returns {Inner|null} */
  of(step) {
    const { pipeline: name, pipeline_version: version } = step ?? {};
    if (!name) return null;
    const key = JSON.stringify([name, version ?? null]);
    const known = this.known.get(key);
    if (known && (known.value || Date.now() - known.at < ASK_AGAIN_MS)) return known.value;
    this.known.set(key, { value: null, at: Date.now() });
    const query = new URLSearchParams({ name, ...(version ? { version: String(version) } : {}) });
    api.get(`${this.root}interface/?${query}`).then(
      (value) => {
        this.known.set(key, { value, at: Date.now() });
        this.onNews();
      },
      () => {}, // the checks say that it is not there
    );
    return null;
  }

  /** Names of pipelines that hold a text, those that were changed last first. @returns {Promise<string[]>} */
  find(text) {
    const found = this.searches.get(text) ?? api.get(`${this.root}?q=${encodeURIComponent(text)}`).then(({ results }) => results.map(({ name }) => name));
    this.searches.set(text, found);
    found.catch(() => this.searches.delete(text));
    return found;
  }
}

/** Where nothing is known of them, and none can be chosen. */
export const NO_INNER = { of: (_step) => null, find: async (_text) => [] };

/** The parameters of data of a pipeline, which inputs feed. @param {Inner|null} inner */
export const dataParameters = (inner) => (inner?.parameters ?? []).filter(isOfData);

/** The others, which have values. @param {Inner|null} inner */
export const valueParameters = (inner) => (inner?.parameters ?? []).filter((parameter) => !isOfData(parameter));

/** What the outputs of a pipeline's steps are called where one of them is chosen. @param {Inner|null} inner */
export const outputNames = (inner) => (inner?.outputs ?? []).map(({ step, output }) => `${step}.${output}`);

/** What a step could take an output from, as groups of a select; what it says now is always among them. */
export function takenFromGroups(inner, current) {
  const names = outputNames(inner);
  const choices = [{ value: "", label: "The output of that name" }, ...names.map((name) => ({ value: name, label: name.replace(".", " → ") }))];
  const gone = current && !names.includes(current) ? [{ label: inner ? "Not there any more" : "", choices: [{ value: current, label: current }] }] : [];
  return [{ label: "", choices }, ...gone];
}

/** The names of inputs that a pipeline wants and a step does not have yet: those that must be fed first. */
export function missingInputs(inner, step, ownInputs = []) {
  const there = new Set((step?.inputs ?? []).map(({ name }) => name).filter((name) => !ownInputs.includes(name)));
  const must = (parameter) => parameter.default === null && !parameter.optional;
  const missing = dataParameters(inner).filter(({ name }) => !there.has(name));
  return [...missing.filter(must), ...missing.filter((parameter) => !must(parameter))].map(({ name, ...rest }) => ({ name, isNeeded: must(rest) }));
}
