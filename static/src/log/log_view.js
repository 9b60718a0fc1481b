/**
 * A log of any length, live or years old.
 *
 * Only the rows in view are in the page and only pages of lines around them in memory. `source` speaks to the server:
 * `page({attempt, start, count})`, `search({attempt, q, from, direction})`, `stream({attempt, stream, before})` and
 * `downloadUrl(attempt, stream)`. What the socket says of the log's growth goes to `grew`.
 */

import { fileSize } from "../lib/format.js";
import { icon } from "../lib/status.js";
import { h, setText } from "../run/dom.js";
import { anchorAt, anchorFromScroll, isExact, normalise, scrollFromAnchor, spacerHeight } from "./geometry.js";
import { LogPages, request } from "./pages.js";
import { renderRow } from "./row.js";
import { STREAM_NAMES, StreamList } from "./stream_list.js";

const ROW_PX = 20; // as `--log-row` in log.css
const OVERSCAN = 12;
const FETCH_EVERY_MS = 200;
const RESYNC_MS = 120;
const TAIL_LINES = 500;
const RETRY_MS = 2000;
const SEARCH_DELAY_MS = 250;
const count = (n) => n.toLocaleString("en-US");

/**
 * @typedef {object} LogSource
 * @property {(ask: {attempt: number|null, start: number, count: number, signal: AbortSignal}) => Promise<any>} page
 * @property {(ask: {attempt: number|null, q: string, from: number, direction: string, signal: AbortSignal}) => Promise<any>} search
 * @property {(ask: {attempt: number|null, stream: string, before: number|null, signal: AbortSignal}) => Promise<any>} stream
 * @property {(attempt: number|null, stream: string) => string} downloadUrl
 */

export class LogView {
  /**
   * @param {HTMLElement} root
   * @param {LogSource} source
   * @param {{onAddress?: (where: {attempt: number|null, line: number|null}) => void, waiting?: () => string, label?: string}} [options]
   */
  constructor(root, source, { onAddress = () => {}, waiting = () => "Nothing has been printed yet.", label = "Log" } = {}) {
    this.root = root;
    this.source = source;
    this.onAddress = onAddress;
    this.waiting = waiting;
    this.abort = new AbortController();
    this.pages = new LogPages();
    this.rows = new Map();
    this.attempt = null;
    this.attempts = [];
    this.total = 0;
    this.bytes = 0;
    this.complete = false;
    this.loaded = false;
    this.error = "";
    this.following = true;
    this.seen = 0;
    this.anchor = { line: 0, dy: 0 };
    this.marked = null;
    this.query = "";
    this.found = null;
    this.match = null;
    this.wrap = remembered("log-wrap") === "yes";
    this.lastScroll = 0;
    this.lastFetch = 0;
    this.fetching = false;
    this.#build(label);
  }

  /** Show an attempt's log (null: the latest one), at a line or at its end. */
  async open({ attempt = null, line = null } = {}) {
    this.attempt = attempt;
    this.pages.clear();
    this.#forgetRows();
    this.total = 0;
    this.bytes = 0;
    this.complete = false;
    this.loaded = false;
    this.error = "";
    this.following = line === null;
    this.marked = line;
    this.generation = (this.generation ?? 0) + 1;
    const generation = this.generation;
    this.#setNote();
    try {
      const start = line === null ? -TAIL_LINES : Math.max(0, line - TAIL_LINES / 2);
      const page = await this.source.page({ attempt, start, count: TAIL_LINES, signal: this.abort.signal });
      if (generation !== this.generation) {
        return;
      }
      this.#take(page);
      if (line !== null) {
        this.showLine(line);
      }
      if (this.streams.isOpen) {
        this.streams.open(this.attempt, this.streamPicker.value);
      }
    } catch (error) {
      this.#failed(error, () => generation === this.generation && this.open({ attempt, line }));
    }
  }

  /** The socket says that the log has grown, or is complete. */
  grew({ attempt, lines, bytes, complete }) {
    if (!this.loaded) {
      return;
    }
    if (!this.attempts.includes(attempt) && attempt > 0) {
      this.#setAttempts([...this.attempts, attempt]);
      if (this.following && attempt > (this.attempt ?? 0)) {
        this.open({ attempt: null });
        return;
      }
    }
    if (attempt !== this.attempt) {
      return;
    }
    if (bytes !== this.bytes && this.total > 0) {
      this.pages.markStale(this.total - 1); // it may have gone on
    }
    // A last line without its end is not counted by the socket, but the reader is to see it.
    this.tailUnknown = bytes !== this.bytes;
    this.streams.grew();
    this.total = Math.max(this.total, lines);
    this.bytes = Math.max(this.bytes, bytes);
    this.complete = complete;
    this.#resized();
  }

  /** Whatever the log is of has changed: say anew why nothing is here, and look again where it could not be read. */
  refresh() {
    if (this.error) {
      this.open({ attempt: null });
    } else {
      this.#setNote();
    }
  }

  /** Bring a line (counting from 0) into the middle of the view. */
  showLine(line) {
    const target = Math.min(Math.max(line, 0), Math.max(this.total - 1, 0));
    this.following = false;
    const above = Math.floor(this.#viewportHeight() / 2 / ROW_PX);
    const first = Math.max(0, target - above);
    this.anchor = { line: this.wrap ? target : first, dy: this.wrap ? above * ROW_PX : 0 };
    this.#resized();
  }

  toEnd() {
    this.following = true;
    this.#resized();
  }

  focusSearch() {
    this.searchBox.focus();
    this.searchBox.select();
  }

  focus() {
    this.viewport.focus({ preventScroll: true });
  }

  destroy() {
    this.generation = -1;
    this.streams.close();
    this.abort.abort();
    this.observer.disconnect();
    clearTimeout(this.fetchTimer);
    clearTimeout(this.resyncTimer);
    clearTimeout(this.searchTimer);
    clearTimeout(this.retryTimer);
    cancelAnimationFrame(this.frame);
    this.root.replaceChildren();
  }

  // --- What is drawn ------------------------------------------------------------------------------------------

  #build(label) {
    this.attemptPicker = h("select", { class: "form-select log-attempts",
      "aria-label": "Attempt",
      hidden: true,
      on: { change: () => this.#pickAttempt() },
    });
    this.streamPicker = h(
      "select",
      { class: "form-select log-streams", "aria-label": "What to show", on: { change: () => this.#pickStream() } },
      h("option", { value: "", text: "Everything" }),
      ...Object.entries(STREAM_NAMES).map(([stream, name]) => h("option", { value: stream, text: name })),
    );
    this.streams = new StreamList({
      label: `${label}, one stream`,
      read: (ask) => this.source.stream(ask),
      onLine: (line) => this.#showWhole(line),
      onFail: (error, again) => this.#failed(error, again),
    });
    this.searchBox = h("input", { class: "form-control",
      type: "search",
      placeholder: "Search the log",
      "aria-label": "Search the log",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 200,
      on: { input: () => this.#searchSoon(), keydown: (event) => this.#searchKey(event) },
    });
    this.searchNote = h("span", { class: "log-search-note num", role: "status" });
    const tool = (name, title, onclick) =>
      h("button", { class: "icon-button", type: "button", title, "aria-label": title, on: { click: onclick } }, icon(name));
    this.previousButton = tool("chevron-up", "Previous match (Shift+Enter)", () => this.#search("backward"));
    this.nextButton = tool("chevron-down", "Next match (Enter)", () => this.#search("forward"));
    this.wrapButton = tool("text-wrap", "Wrap long lines", () => this.#setWrap(!this.wrap));
    this.download = h("a", { class: "icon-button", title: "Download the whole log", "aria-label": "Download the whole log" }, icon("download"));
    this.rowsElement = h("div", { class: "log-rows" });
    this.layer = h("div", { class: "log-layer" }, this.rowsElement);
    this.spacer = h("div", { class: "log-spacer" }, this.layer);
    this.viewport = h(
      "div",
      {
      class: "log-viewport",
        tabindex: 0,
        role: "region",
        "aria-label": label,
        on: {
          scroll: () => this.#scrolled(),
          keydown: (event) => this.#key(event),
          click: (event) => this.#clicked(event),
        },
      },
      this.spacer,
    );
    this.viewport.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.note = h("div", { class: "log-note", hidden: true });
    this.jumpButton = h("button", { class: "btn btn-sm log-jump", type: "button", hidden: true, on: { click: () => this.toEnd() } });
    this.summary = h("span", { class: "num" });
    this.root.classList.add("log");
    this.root.replaceChildren(
      h("div", { class: "log-bar" },
        this.attemptPicker,
        this.streamPicker,
        h(
          "div",
          {
          class: "log-search", role: "search" },
          icon("search"),
          this.searchBox,
          this.searchNote,
          this.previousButton,
          this.nextButton,
        ),
        h("div", { class: "log-tools" }, this.wrapButton, this.download),
      ),
      h("div", { class: "log-body" }, this.viewport, this.streams.element, this.note, this.jumpButton),
      h("div", { class: "log-foot" },
        this.summary,
        h(
          "span",
          {
          class: "log-legend", "aria-label": "Legend" },
          h("span", { class: "log-key" }, "standard output"),
          h("span", { class: "log-key log-key-err" }, "standard error"),
          h("span", { class: "log-key log-key-studio" }, "from the studio"),
        ),
      ),
    );
    this.#setWrap(this.wrap);
    this.#setSearchNote();
    this.observer = new ResizeObserver(() => this.#resized());
    this.observer.observe(this.viewport);
  }

  #forgetRows() {
    this.rowsElement.replaceChildren();
    this.rows.clear();
  }

  #viewportHeight() {
    return this.viewport.clientHeight;
  }

  #maxScroll() {
    return Math.max(0, this.viewport.scrollHeight - this.viewport.clientHeight);
  }

  #isExact() {
    return isExact(this.total, ROW_PX, this.wrap);
  }

  /** Everything after a change of the log's length, of the view's size, or of where we want to be. */
  #resized() {
    this.layer.style.height = `${this.#viewportHeight()}px`;
    this.#sizeSpacer();
    this.#draw();
    if (this.wrap) {
      this.#measure();
    }
  }

  #sizeSpacer() {
    this.spacer.style.height = `${Math.max(spacerHeight(this.total, this.rowPx), 1)}px`;
    this.#placeScrollBar();
  }

  /** With wrapped lines the rows in view say how high the others may be. */
  #measure() {
    const mean = this.rows.size > 0 ? Math.max(ROW_PX, this.rowsElement.offsetHeight / this.rows.size) : ROW_PX;
    if (Math.abs(mean - this.rowPx) > this.rowPx * 0.05) {
      this.rowPx = mean;
      this.#sizeSpacer();
    }
  }

  #placeScrollBar() {
    const maxScroll = this.#maxScroll();
    const wanted = this.following
      ? maxScroll
      : this.#isExact()
        ? this.anchor.line * ROW_PX - this.anchor.dy
        : scrollFromAnchor({ anchor: this.anchor, maxScroll, ...this.#scale() });
    if (Math.abs(this.viewport.scrollTop - wanted) >= 1) {
      this.viewport.scrollTop = wanted;
    }
    this.lastScroll = this.viewport.scrollTop;
  }

  #scale() {
    return { total: this.total, rowHeight: this.rowPx, viewport: this.#viewportHeight(), wrap: this.wrap };
  }

  #drawSoon() {
    this.frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    if (this.frame) {
      cancelAnimationFrame(this.frame);
      this.frame = undefined;
    }
    const viewport = this.#viewportHeight();
    const perView = Math.ceil(viewport / ROW_PX) + 1;
    const lastFirst = Math.max(0, this.total - perView);
    const at = this.following ? lastFirst : Math.min(this.anchor.line, Math.max(0, this.total - 1));
    const first = Math.max(0, Math.min(at - OVERSCAN, lastFirst));
    const last = Math.min(this.total - 1, at + perView + OVERSCAN);
    this.visible = [Math.max(first, at - 1), last];
    this.#drawRows(first, last);
    this.#position(at, first, last, viewport);
    if (this.following) {
      this.seen = this.total;
    }
    this.#setNote();
    this.#setJump();
    this.#fetchSoon();
  }

  #drawRows(first, last) {
    for (const [n, row] of this.rows) {
      if (n < first || n > last) {
        row.element.remove();
        this.rows.delete(n);
      }
    }
    let before = null;
    for (let n = last; n >= first; n -= 1) {
      const line = this.pages.get(n);
      const look = { query: this.query, marked: n === this.marked, current: n === this.match };
      let row = this.rows.get(n);
      if (!row || row.line !== line || row.query !== look.query || row.marked !== look.marked || row.current !== look.current) {
        const element = renderRow(n, line, look);
        if (row) {
          row.element.replaceWith(element);
        } else {
          this.rowsElement.insertBefore(element, before);
        }
        row = { element, line, ...look };
        this.rows.set(n, row);
      }
      before = row.element;
    }
    const widest = this.wrap ? 0 : this.rowsElement.scrollWidth;
    if (widest > (this.widest ?? 0)) {
      this.widest = widest;
      this.spacer.style.minWidth = `${widest}px`;
    }
    this.root.style.setProperty("--log-digits", String(Math.max(3, String(this.total).length)));
  }

  /** Put the drawn rows where the anchor wants them, but never beyond either end. */
  #position(at, first, last, viewport) {
    const above = this.wrap && this.rows.has(at) ? this.rows.get(at).element.offsetTop : (at - first) * ROW_PX;
    const height = this.wrap ? this.rowsElement.offsetHeight : (last - first + 1) * ROW_PX;
    let y = this.following ? viewport - height : this.anchor.dy - above;
    if (last === this.total - 1 && y + height < viewport) {
      y = viewport - height;
    }
    if (first === 0 && y > 0) {
      y = 0;
    }
    this.rowsElement.style.transform = `translateY(${Math.round(y)}px)`;
    if (!this.#isExact() || this.following) {
      this.anchor = normalise({ line: first, dy: y }, this.total, (n) => this.#heightOf(n));
    }
    this.atEnd = this.total === 0 || (last === this.total - 1 && y + height <= viewport + 2);
  }

  #heightOf(n) {
    return this.wrap ? (this.rows.get(n)?.element.offsetHeight ?? this.rowPx) : ROW_PX;
  }

  #setNote() {
    const words = this.error || (this.loaded && this.total === 0 ? this.#emptyWords() : this.loaded ? "" : "Reading the log…");
    this.note.hidden = words === "" || (this.streams.isOpen && this.error === "");
    setText(this.note, words);
    this.note.classList.toggle("log-note-error", this.error !== "");
    this.root.classList.toggle("log-live", this.loaded && !this.complete);
    const size = this.bytes > 0 ? ` · ${fileSize(this.bytes)}` : "";
    const lines = `${count(this.total)} ${this.total === 1 ? "line" : "lines"}`;
    setText(this.summary, this.loaded ? `${lines}${size}${this.complete ? "" : " · live"}` : "");
    this.download.href = this.source.downloadUrl(this.attempt, this.streamPicker.value);
  }

  #emptyWords() {
    return this.complete && this.attempts.length > 0 ? "Nothing was printed." : this.waiting();
  }

  #setJump() {
    const fresh = this.total - this.seen;
    const away = !this.streams.isOpen && !this.following && !this.atEnd && this.total > 0;
    this.jumpButton.hidden = !away;
    if (away) {
      setText(this.jumpButton, fresh > 0 ? `Jump to end · ${count(fresh)} new ${fresh === 1 ? "line" : "lines"}` : "Jump to end");
    }
  }

  #pickAttempt() {
    const attempt = Number(this.attemptPicker.value);
    this.onAddress({ attempt: attempt === Math.max(...this.attempts) ? null : attempt, line: null });
    this.open({ attempt });
  }

  /** One stream alone, or all as they came. The search goes over all of them. */
  #pickStream() {
    const stream = this.streamPicker.value;
    this.root.classList.toggle("log-one-stream", stream !== "");
    if (stream) {
      this.streams.open(this.attempt, stream);
    } else {
      this.streams.close();
      this.#resized();
    }
    this.#setNote();
    this.#setJump();
    const what = stream ? STREAM_NAMES[stream].toLowerCase() : "the whole log";
    this.download.title = `Download ${what}`;
    this.download.setAttribute("aria-label", `Download ${what}`);
  }

  /** A line of one stream where it stands among the others. */
  #showWhole(line) {
    this.streamPicker.value = "";
    this.#pickStream();
    this.marked = line;
    this.onAddress({ attempt: this.attempts.length > 1 ? this.attempt : null, line });
    this.showLine(line);
    this.focus();
  }

  #setAttempts(attempts) {
    this.attempts = attempts;
    this.attemptPicker.hidden = attempts.length < 2;
    this.attemptPicker.replaceChildren(...attempts.map((n) => h("option", { value: n }, `Attempt ${n}`)));
    this.attemptPicker.value = String(this.attempt ?? "");
  }

  #setWrap(wrap) {
    this.wrap = wrap;
    remember("log-wrap", wrap ? "yes" : "no");
    this.root.classList.toggle("log-wrapped", wrap);
    this.wrapButton.setAttribute("aria-pressed", String(wrap));
    this.widest = 0;
    this.rowPx = ROW_PX;
    this.spacer.style.minWidth = "";
    if (this.loaded) {
      this.viewport.scrollLeft = 0;
      this.#resized();
    }
  }

  // --- Where the reader goes ----------------------------------------------------------------------------------

  #scrolled() {
    const scrollTop = this.viewport.scrollTop;
    const moved = scrollTop - this.lastScroll;
    if (Math.abs(moved) < 0.5) {
      return;
    }
    this.lastScroll = scrollTop;
    const maxScroll = this.#maxScroll();
    if (scrollTop >= maxScroll - 2) {
      this.following = true;
    } else {
      this.following = false;
      if (this.#isExact()) {
        this.anchor = anchorAt(scrollTop, ROW_PX);
      } else if (scrollTop <= 0) {
        this.anchor = { line: 0, dy: 0 };
      } else if (Math.abs(moved) < this.#viewportHeight() * 1.5) {
        this.#shift(moved);
      } else {
        this.anchor = anchorFromScroll({ scrollTop, maxScroll, ...this.#scale() });
      }
    }
    this.#resyncSoon();
    this.#drawSoon();
  }

  /** Where the scroll bar only estimates, a turn of the wheel still moves the text by that many px. */
  #wheel(event) {
    if (this.#isExact() || event.ctrlKey || event.deltaY === 0 || event.shiftKey) {
      return;
    }
    event.preventDefault();
    const unit = event.deltaMode === 1 ? ROW_PX : event.deltaMode === 2 ? this.#viewportHeight() : 1;
    this.#moveBy(event.deltaY * unit);
  }

  #moveBy(px) {
    if (px < 0) {
      this.following = false;
    }
    if (this.following) {
      return;
    }
    if (this.#isExact()) {
      this.viewport.scrollTop += px;
      return;
    }
    this.#shift(px);
    this.#draw();
    this.following = px > 0 && this.atEnd;
    this.#placeScrollBar();
  }

  #shift(px) {
    this.anchor = normalise({ line: this.anchor.line, dy: this.anchor.dy - px }, this.total, (n) => this.#heightOf(n));
  }

  #resyncSoon() {
    if (this.#isExact()) {
      return;
    }
    clearTimeout(this.resyncTimer);
    this.resyncTimer = setTimeout(() => {
      this.following ||= Boolean(this.atEnd);
      this.#resized();
    }, RESYNC_MS);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const page = this.#viewportHeight() - ROW_PX;
    const moves = { ArrowUp: -ROW_PX, ArrowDown: ROW_PX, PageUp: -page, PageDown: page };
    if (event.key === "Home") {
      this.following = false;
      this.anchor = { line: 0, dy: 0 };
      this.#resized();
    } else if (event.key === "End") {
      this.toEnd();
    } else if (moves[event.key]) {
      this.#moveBy(moves[event.key]);
    } else {
      return;
    }
    event.preventDefault();
  }

  #clicked(event) {
    const number = event.target.closest(".log-n");
    if (!number) {
      const selection = getSelection();
      if (selection && !selection.isCollapsed && this.viewport.contains(selection.anchorNode)) {
        this.following = false; // what is selected stays in view
        this.#setJump();
      }
      return;
    }
    event.preventDefault();
    this.marked = Number(number.dataset.n) - 1;
    this.onAddress({ attempt: this.attempts.length > 1 ? this.attempt : null, line: this.marked });
    this.#draw();
  }

  // --- What is fetched ----------------------------------------------------------------------------------------

  #take(page) {
    this.loaded = true;
    this.error = "";
    this.attempt = page.attempt;
    this.#setAttempts(page.attempts);
    this.total = Math.max(page.total_lines, this.total);
    this.bytes = Math.max(page.total_bytes, this.bytes);
    this.complete = page.complete;
    this.pages.put(page.lines);
    this.#resized();
  }

  #fetchSoon() {
    if (this.fetching || this.fetchTimer || !this.loaded) {
      return;
    }
    const delay = Math.max(0, this.lastFetch + FETCH_EVERY_MS - performance.now());
    if (!this.#wanted()) {
      return;
    }
    this.fetchTimer = setTimeout(() => {
      this.fetchTimer = undefined;
      this.#fetch();
    }, delay);
  }

  #wanted() {
    const [first, last] = this.visible ?? [0, -1];
    const missing = last >= first ? this.pages.missing(first, last) : null;
    if (missing) {
      return request(missing, this.pages);
    }
    // Bytes came, but no line ended: ask for what stands at the end.
    return this.tailUnknown && this.following ? { start: Math.max(0, this.total - 1), count: TAIL_LINES } : null;
  }

  async #fetch() {
    const wanted = this.#wanted();
    if (!wanted) {
      return;
    }
    const generation = this.generation;
    this.fetching = true;
    this.lastFetch = performance.now();
    this.tailUnknown = false;
    try {
      const page = await this.source.page({ attempt: this.attempt, ...wanted, signal: this.abort.signal });
      this.fetching = false;
      if (generation !== this.generation) {
        return;
      }
      if (page.lines.length === 0 && page.total_lines <= wanted.start) {
        this.total = page.total_lines; // fewer lines than we were told
      }
      this.#take(page);
    } catch (error) {
      this.fetching = false;
      this.#failed(error, () => generation === this.generation && this.#draw());
    }
  }

  #failed(error, again) {
    if (error.name === "AbortError") {
      return;
    }
    if (error.status >= 400 && error.status < 500) {
      this.error = error.detail ?? String(error);
      this.#setNote();
      return;
    }
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(again, RETRY_MS); // the page says that it reconnects
  }

  // --- Search -------------------------------------------------------------------------------------------------

  #searchSoon() {
    clearTimeout(this.searchTimer);
    this.searchTimer = setTimeout(() => this.#search("forward", true), SEARCH_DELAY_MS);
  }

  #searchKey(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.#search(event.shiftKey ? "backward" : "forward");
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.searchBox.value = "";
      this.#search("forward", true);
      this.focus();
    }
  }

  /** Go to the next match in `direction`; `afresh` only where the words have changed. */
  async #search(direction, afresh = false) {
    clearTimeout(this.searchTimer);
    const q = this.searchBox.value;
    const isNew = q !== this.query;
    if (afresh && !isNew) {
      return;
    }
    this.searchAbort?.abort();
    this.query = q;
    if (isNew) {
      this.match = null;
      this.found = null;
    }
    if (!q) {
      this.#setSearchNote();
      this.#draw();
      return;
    }
    const abort = new AbortController();
    this.searchAbort = abort;
    // At the end of the log, what happened last is what is looked for.
    const way = this.match === null && this.following ? "backward" : direction;
    const from = this.match === null ? (this.following ? this.total : this.anchor.line) : this.match + (way === "forward" ? 1 : -1);
    setText(this.searchNote, "Searching…");
    try {
      const found = (await this.#find(q, from, way, abort.signal)) ?? (await this.#find(q, way === "forward" ? 0 : this.total, way, abort.signal));
      this.found ??= found === null ? { lines: [], more: false } : null;
      this.match = found;
      if (found === null) {
        this.#draw();
      } else {
        this.showLine(found);
      }
      this.#setSearchNote();
      this.found ??= await this.source.search({ attempt: this.attempt, q, from: 0, direction: "forward", signal: abort.signal });
      this.#setSearchNote();
    } catch (caught) {
      const error = /** @type {any} */ (caught);
      if (error.name !== "AbortError") {
        setText(this.searchNote, error.detail ?? "The search failed. Try again.");
      }
    }
  }

  /** The first match from line `from` on, or null. The server looks for two seconds at a time. */
  async #find(q, from, direction, signal) {
    let start = Math.max(0, from);
    while (from >= 0) {
      const found = await this.source.search({ attempt: this.attempt, q, from: start, direction, signal });
      if (found.line !== null || !found.more || found.next_line === null) {
        return found.line;
      }
      start = found.next_line;
      setText(this.searchNote, `Searching… line ${count(start)}`);
    }
    return null;
  }

  #setSearchNote() {
    const any = this.match !== null;
    this.previousButton.disabled = this.nextButton.disabled = !any;
    if (!this.query) {
      setText(this.searchNote, "");
    } else if (!any) {
      setText(this.searchNote, this.found ? "No line matches" : "");
    } else if (this.found) {
      const { lines, more } = this.found;
      const place = lines.indexOf(this.match);
      const all = `${count(lines.length)}${more ? "+" : ""}`;
      setText(this.searchNote, place === -1 ? `${all} lines` : `${count(place + 1)} of ${all}`);
    } else {
      setText(this.searchNote, "");
    }
  }
}

function remembered(key) {
  try {
    return localStorage.getItem(`studio-${key}`);
  } catch {
    return null; // storage is blocked
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(`studio-${key}`, value);
  } catch {
    // Storage is blocked: it holds for this page.
  }
}
