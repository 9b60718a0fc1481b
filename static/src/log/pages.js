/** The lines that were fetched, by pages, the least recently seen forgotten first: memory stays bounded. */

export class LogPages {
  #pages = new Map();
  #stale = new Set();
  #chars = 0;

  constructor({ pageLines = 500, maxPages = 40, maxChars = 8_000_000 } = {}) {
    this.pageLines = pageLines;
    this.maxPages = maxPages;
    this.maxChars = maxChars;
  }

  get pageCount() {
    return this.#pages.size;
  }

  get(n) {
    return this.#pages.get(Math.floor(n / this.pageLines))?.lines[n % this.pageLines] ?? null;
  }

  put(lines) {
    for (const line of lines) {
      const page = this.#touch(Math.floor(line.n / this.pageLines), true);
      const at = line.n % this.pageLines;
      const change = line.t.length - (page.lines[at]?.t.length ?? 0);
      page.lines[at] = line;
      page.chars += change;
      this.#chars += change;
      this.#stale.delete(line.n);
    }
    this.#evict();
  }

  /** Line `n` may have grown: show what we have and fetch it again. */
  markStale(n) {
    if (this.get(n)) {
      this.#stale.add(n);
    }
  }

  /** The range `[first, last]` narrowed to what must be fetched; null where everything is here. */
  missing(first, last) {
    let from = null;
    let to = null;
    for (let n = first; n <= last; n += 1) {
      if (this.#stale.has(n) || !this.get(n)) {
        from ??= n;
        to = n;
      }
    }
    for (let page = Math.floor(first / this.pageLines); page <= Math.floor(last / this.pageLines); page += 1) {
      this.#touch(page, false);
    }
    return from === null ? null : [from, to];
  }

  clear() {
    this.#pages.clear();
    this.#stale.clear();
    this.#chars = 0;
  }

  #touch(number, make) {
    let page = this.#pages.get(number);
    if (!page && !make) {
      return null;
    }
    page ??= { lines: new Array(this.pageLines), chars: 0 };
    this.#pages.delete(number);
    this.#pages.set(number, page);
    return page;
  }

  #evict() {
    for (const [number, page] of this.#pages) {
      const tooMuch = this.#pages.size > this.maxPages || this.#chars > this.maxChars;
      if (!tooMuch || this.#pages.size <= 2) {
        return;
      }
      this.#pages.delete(number);
      this.#chars -= page.chars;
      for (const n of this.#stale) {
        if (Math.floor(n / this.pageLines) === number) {
          this.#stale.delete(n);
        }
      }
    }
  }
}

/**
 * What to ask the server for, so that `missing` is there afterwards: whole pages, so that the next scroll finds them.
 * Lines before `missing` that are here already are not asked for again; at most `most` lines at once.
 */
export function request(missing, pages, most = 2000) {
  const [from, to] = missing;
  const pageStart = Math.floor(from / pages.pageLines) * pages.pageLines;
  const start = from > pageStart && pages.get(from - 1) ? from : pageStart;
  const end = Math.ceil((to + 1) / pages.pageLines) * pages.pageLines;
  return { start, count: Math.min(end - start, most) };
}
