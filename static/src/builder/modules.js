/** The modules that steps use: which there are, and the ports and versions of each. Asked for when somebody wants to know. */

import { api } from "../lib/api.js";

const ASK_AGAIN_MS = 10_000; // for one that is not there: somebody may publish it meanwhile
const FRESH_MS = 60_000; // of one that is there: it may have a newer version by then

/**
 * @typedef {{name: string, type: string, optional: boolean, description: string}} ModuleInput
 * @typedef {{name: string, file: string|null, required: boolean, description: string}} ModuleOutput
 * @typedef {{name: string, version: number, disabled: boolean, default_version: number|null, versions: number[], url: string,
 *   kind: {name: string, label: string}, compute: string, environment: string, inputs: ModuleInput[], outputs: ModuleOutput[],
 *   parameters: import("./document.js").Parameter[]}} Module `versions` are those that are not disabled, the newest first.
 */

export class Modules {
  /**
   * @param {string} root As in `/api/workspaces/demo/modules/`.
   * @param {() => void} onNews Something is known that was asked for.
   */
  constructor(root, onNews) {
    this.root = root;
    this.onNews = onNews;
    /** @type {Map<string, {value: Module|null, at: number}>} */
    this.known = new Map();
    /** @type {Map<string, Promise<Module>>} */
    this.asked = new Map();
    /** @type {Map<string, Promise<string[]>>} */
    this.searches = new Map();
  }

  /** The module of a step; null as long as it isn't known, and where there is no such one. @returns {Module|null} */
  of(step) {
    const { module: name, module_version: version } = step ?? {};
    if (!name) return null;
    const key = keyOf(name, version);
    const known = this.known.get(key);
    if (known && Date.now() - known.at < (known.value ? FRESH_MS : ASK_AGAIN_MS)) return known.value;
    this.known.set(key, { value: known?.value ?? null, at: Date.now() });
    this.#read(step).then(
      () => this.onNews(),
      () => {}, // the checks say that it is not there
    );
    return known?.value ?? null;
  }

  /** The same, once it is known. Fails where there is no such one. @returns {Promise<Module>} */
  ask(step) {
    const known = this.known.get(keyOf(step.module, step.module_version))?.value;
    return known ? Promise.resolve(known) : this.#read(step);
  }

  #read({ module: name, module_version: version }) {
    const key = keyOf(name, version);
    const query = new URLSearchParams({ name, ...(version ? { version: String(version) } : {}) });
    const asked = this.asked.get(key) ?? api.get(`${this.root}interface/?${query}`);
    this.asked.set(key, asked);
    return asked.then((value) => {
      this.known.set(key, { value, at: Date.now() });
      return value;
    }).finally(() => this.asked.delete(key));
  }

  /** Names of modules that hold a text. @returns {Promise<string[]>} */
  find(text) {
    const found = this.searches.get(text) ?? api.get(`${this.root}?q=${encodeURIComponent(text)}`).then(({ results }) => results.map(({ name }) => name));
    this.searches.set(text, found);
    const forget = () => this.searches.delete(text);
    found.then(() => setTimeout(forget, ASK_AGAIN_MS), forget);
    return found;
  }
}

const keyOf = (name, version) => JSON.stringify([name, version ?? null]);
