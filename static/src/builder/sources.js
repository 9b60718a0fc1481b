/** Source folders at the studio. Content-addressed, so whatever was once read of a digest stays true. */

import { api } from "../lib/api.js";

export class Sources {
  /**
   * @param {string} root As in `/api/workspaces/demo/sources/`.
   * @param {string} changes Of the page's part that shows uncommitted changes, with `0` for their digest.
   */
  constructor(root, changes) {
    this.root = root;
    this.changes = changes;
    this.listings = new Map();
    this.texts = new Map();
  }

  /** The files of a source: `[{path, size_bytes, sha256}]`. */
  files(digest) {
    if (digest === null) return Promise.resolve([]);
    return cached(this.listings, digest, async () => (await api.get(`${this.root}${digest}/`)).files);
  }

  /** The files if they are known already, else null. */
  knownFiles(digest) {
    if (digest === null) return [];
    return this.listings.get(digest)?.value ?? null;
  }

  /** One file: `{path, text, size_bytes, binary}`; `text` is null where it can't be edited. */
  file(digest, path) {
    return cached(this.texts, `${digest}/${path}`, () =>
      api.get(`${this.root}${digest}/file/?path=${encodeURIComponent(path)}`),
    );
  }

  /** A new source made of `base` with changes. */
  async edit(base, { put = {}, remove = [], move = [] }) {
    const answer = await api.post(`${this.root}edit/`, {
      base,
      put: Object.entries(put).map(([path, text]) => ({ path, text })),
      delete: remove,
      move,
    });
    for (const [path, text] of Object.entries(put)) {
      remember(this.texts, `${answer.digest}/${path}`, { path, text, binary: false, size_bytes: text.length });
    }
    remember(this.listings, answer.digest, answer.files);
    return answer;
  }

  changesUrl(digest) {
    return this.changes.replace("/0/", `/${digest}/`);
  }

  /** A new source made of `base` with uploaded files, each `{file, path}`, or one zip; and what git says of them. */
  async upload(base, { files = [], zip = null, git = null }) {
    const form = new FormData();
    if (base !== null) form.append("base", base);
    if (git) form.append("git", JSON.stringify(git));
    if (zip) form.append("zip", zip);
    for (const { file, path } of files) {
      form.append("files", file);
      form.append("paths", path);
    }
    const answer = await api.post(this.root, form);
    remember(this.listings, answer.digest, answer.files);
    return answer;
  }
}

function cached(map, key, load) {
  const known = map.get(key);
  if (known) return known.promise;
  const entry = { promise: load(), value: null };
  map.set(key, entry);
  entry.promise.then(
    (value) => {
      entry.value = value;
    },
    () => map.delete(key),
  );
  return entry.promise;
}

function remember(map, key, value) {
  map.set(key, { promise: Promise.resolve(value), value });
}
