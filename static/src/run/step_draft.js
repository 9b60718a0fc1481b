/** What somebody has changed of a failed step and not saved yet: texts of its files, and its settings. */

/** Which other steps of the run change with this one: parts of a step that works on several nodes are one definition. */
export function tooWords(names) {
  if (!names?.length) return "";
  const more = names.length - 3;
  return `This changes ${names.slice(0, 3).map((name) => `“${name}”`).join(", ")}${more > 0 ? ` and ${more} more` : ""} as well: they are parts of one step. What has completed stays as it is.`;
}

export class StepDraft {
  /** @type {Map<string, {original: string|null, text: string}>} by path; a new file has no original */
  #texts = new Map();
  #deleted = new Set();
  /** @type {Map<string, any>} */
  #settings = new Map();

  /**
   * @param {any} given What the API says can be changed: `base_edit`, `source_digest`, `settings` and more for the form.
   * @param {string[]} paths Of the step's files.
   */
  constructor(given, paths) {
    this.given = given;
    this.source = given.source_digest;
    this.baseEdit = given.base_edit;
    this.original = given.settings;
    this.paths = [...paths];
  }

  /** The files as they would be, in order. */
  get files() {
    const there = this.paths.filter((path) => !this.#deleted.has(path));
    const fresh = [...this.#texts].filter(([, { original }]) => original === null).map(([path]) => path);
    return [...new Set([...there, ...fresh])].sort();
  }

  get isChanged() {
    const { files, settings } = this.body();
    return files.put.length + files.delete.length + Object.keys(settings).length > 0;
  }

  isFileChanged(path) {
    const file = this.#texts.get(path);
    return Boolean(file) && file?.text !== file?.original;
  }

  /** The text as it was left; undefined for a file that was not opened yet. */
  text(path) {
    return this.#texts.get(path)?.text;
  }

  /** What the server said of a file. */
  opened(path, text) {
    if (!this.#texts.has(path)) this.#texts.set(path, { original: text, text });
  }

  write(path, text) {
    const file = this.#texts.get(path);
    this.#texts.set(path, { original: file ? file.original : null, text });
  }

  /** A sentence where there can't be a new file of this name. */
  add(path) {
    if (!path) return "Give the file a name, as in “helper.py”.";
    if (this.files.includes(path)) return `There is a “${path}” already.`;
    if (this.#deleted.delete(path)) this.write(path, "");
    else this.#texts.set(path, { original: null, text: "" });
    return "";
  }

  remove(path) {
    this.#texts.delete(path);
    if (this.paths.includes(path)) this.#deleted.add(path);
  }

  /** All of them, as they would be. */
  get settings() {
    return { ...this.original, ...Object.fromEntries(this.#settings) };
  }

  set(name, value) {
    this.#settings.set(name, value);
  }

  /** What goes to the server: only what differs. */
  body({ continueRun = true, saveToPipeline = false } = {}) {
    const put = [...this.#texts].filter(([, { original, text }]) => text !== original).map(([path, { text }]) => ({ path, text }));
    const settings = Object.fromEntries([...this.#settings].filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(this.original[name])));
    return {
      base_edit: this.baseEdit,
      files: { put, delete: [...this.#deleted] },
      settings,
      continue_run: continueRun,
      save_to_pipeline: saveToPipeline,
    };
  }
}
