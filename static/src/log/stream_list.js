/**
 * One stream of a log apart from the others: its last lines, earlier ones when somebody asks, later ones as they come.
 *
 * `read({attempt, stream, before, signal})` gives `{lines, earlier, complete}`. A line's number leads to where it stands
 * in the whole log.
 */

import { h } from "../run/dom.js";
import { renderRow } from "./row.js";

const LOOK = { query: "", marked: false, current: false };
const KEPT = 5000; // lines
const GROW_MS = 1000;
const AT_END_PX = 8;

export const STREAM_NAMES = { o: "Standard output", e: "Standard error", s: "From the studio" };
const NOTHING = { o: "Nothing was printed to standard output.", e: "Nothing was printed to standard error.", s: "The studio has said nothing." };

/** `lines` and what came of a newer look at the end of the stream, as one list; null where lines between are missing. */
export function joined(lines, newer) {
  if (newer.lines.length === 0) return lines; // nothing, or nothing within the time of one look
  const last = lines.at(-1)?.n ?? -1;
  const later = newer.lines.filter(({ n }) => n > last);
  if (later.length === newer.lines.length && newer.earlier !== null && lines.length > 0) return null;
  // The last line may have gone on since.
  const again = newer.lines.find(({ n }) => n === last);
  return [...(again ? [...lines.slice(0, -1), again] : lines), ...later];
}

export class StreamList {
  /** @param {{read: (ask: any) => Promise<any>, label: string, onLine: (n: number) => void, onFail: (error: any, again: () => void) => void}} options */
  constructor(options) {
    this.options = options;
    this.lines = [];
    this.earlierButton = h("button", { class: "btn btn-sm log-earlier", type: "button", hidden: true, text: "Show earlier lines", on: { click: () => this.#earlier() } });
    this.rows = h("div", { class: "log-stream-rows" });
    this.note = h("p", { class: "log-stream-note", role: "status" });
    this.element = h("div", { class: "log-stream", hidden: true, tabindex: 0, role: "region", "aria-label": options.label, on: { click: (event) => this.#clicked(event) } }, this.earlierButton, this.rows, this.note);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  async open(attempt, stream) {
    this.close();
    this.abort = new AbortController();
    this.attempt = attempt;
    this.stream = stream;
    this.element.hidden = false;
    this.note.textContent = "Reading the log…";
    const page = await this.#read(null, () => this.open(attempt, stream));
    if (!page) return;
    this.lines = page.lines;
    this.earlier = page.earlier;
    this.#draw();
    this.element.scrollTop = this.element.scrollHeight;
  }

  close() {
    this.abort?.abort();
    clearTimeout(this.timer);
    this.timer = undefined;
    this.lines = [];
    this.earlier = null;
    this.rows.replaceChildren();
    this.note.textContent = "";
    this.earlierButton.hidden = true;
    this.element.hidden = true;
  }

  /** The log has grown, by whatever stream. */
  grew() {
    if (!this.isOpen) return;
    this.hasGrown = true;
    if (this.timer) return;
    this.timer = setTimeout(async () => {
      this.hasGrown = false;
      const page = await this.#read(null, () => this.grew());
      this.timer = undefined;
      if (!page) return;
      if (this.hasGrown) this.grew(); // while it was read
      const atEnd = this.element.scrollTop + this.element.clientHeight >= this.element.scrollHeight - AT_END_PX;
      const all = joined(this.lines, page);
      if (all === null || this.lines.length === 0) this.earlier = page.earlier;
      this.lines = all ?? page.lines;
      if (atEnd && this.lines.length > KEPT) {
        this.lines = this.lines.slice(-KEPT); // of one that goes on for hours; the rest is there to be asked for
        this.earlier = this.lines[0].n;
      }
      this.#draw();
      if (atEnd) this.element.scrollTop = this.element.scrollHeight;
    }, GROW_MS);
  }

  async #earlier() {
    const { earlier } = this;
    const page = await this.#read(earlier, () => this.#earlier());
    if (!page || this.earlier !== earlier) return; // asked twice
    const fromEnd = this.element.scrollHeight - this.element.scrollTop;
    this.lines = [...page.lines, ...this.lines];
    this.earlier = page.earlier;
    this.#draw();
    this.element.scrollTop = this.element.scrollHeight - fromEnd; // what was in view stays there
  }

  async #read(before, again) {
    const { attempt, stream } = this;
    const signal = this.abort.signal;
    try {
      const page = await this.options.read({ attempt, stream, before, signal });
      return signal.aborted ? null : page;
    } catch (error) {
      if (!signal.aborted) this.options.onFail(error, () => !signal.aborted && again());
      return null;
    }
  }

  #draw() {
    this.rows.replaceChildren(...this.lines.map((line) => renderRow(line.n, line, LOOK)));
    this.earlierButton.hidden = this.earlier === null;
    this.note.textContent = this.lines.length > 0 ? "" : this.earlier === null ? NOTHING[this.stream] : "None in the lines looked at so far.";
  }

  #clicked(event) {
    const number = event.target.closest(".log-n");
    if (!number) return;
    event.preventDefault();
    this.options.onLine(Number(number.dataset.n) - 1);
  }
}
