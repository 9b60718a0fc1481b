/** One line of a log as an element. Nothing that a step printed becomes markup. */

import { AnsiUp } from "ansi_up";

import { fileSize } from "../lib/format.js";
import { lastState, occurrences, visible, withoutOsc } from "./text.js";

const STREAMS = { o: "", e: "log-err", s: "log-studio" };
const TITLES = { e: "Standard error", s: "From the studio" };

/**
 * @param {number} n Counts from 0.
 * @param {{n: number, s: string, t: string, cut?: number} | null} line Null while it is being fetched.
 * @param {{query: string, marked: boolean, current: boolean}} look
 * @returns {HTMLElement}
 */
export function renderRow(n, line, look) {
  const row = document.createElement("div");
  row.className = "log-row";
  row.dataset.n = String(n);
  const number = document.createElement("a");
  number.className = "log-n";
  number.href = `#L${n + 1}`;
  number.dataset.n = String(n + 1); // drawn by the style sheet, so that copying the text leaves the numbers out
  number.tabIndex = -1;
  number.setAttribute("aria-label", `Line ${n + 1}`);
  const text = document.createElement("span");
  text.className = "log-t";
  row.append(number, text);
  row.classList.toggle("log-marked", look.marked);
  row.classList.toggle("log-current", look.current);
  if (!line) {
    row.classList.add("log-missing");
    return row;
  }
  if (STREAMS[line.s]) {
    row.classList.add(STREAMS[line.s]);
    row.title = TITLES[line.s];
  }
  fill(text, visible(lastState(withoutOsc(line.t))));
  if (look.query) {
    highlight(text, look.query);
  }
  if (line.cut) {
    const cut = document.createElement("span");
    cut.className = "log-cut";
    cut.textContent = ` … ${fileSize(line.cut)} more in the download`;
    text.append(cut);
  }
  return row;
}

function fill(element, text) {
  if (!text.includes("\u001b")) {
    element.textContent = text;
    return;
  }
  const ansi = new AnsiUp();
  ansi.escape_html = true;
  ansi.use_classes = true;
  ansi.url_allowlist = {}; // a step's output is no place to click away from
  const template = document.createElement("template");
  // The closing reset flushes a sequence that the line left unfinished.
  template.innerHTML = ansi.ansi_to_html(`${text}\u001b[0m`);
  element.replaceChildren(template.content);
}

function highlight(element, query) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) {
    nodes.push(/** @type {Text} */ (walker.currentNode));
  }
  for (const node of nodes) {
    for (const [start, end] of occurrences(node.data, query).reverse()) {
      const range = document.createRange();
      range.setStart(node, start);
      range.setEnd(node, end);
      range.surroundContents(document.createElement("mark"));
    }
  }
}
