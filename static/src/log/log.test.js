import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_HEIGHT_PX, anchorAt, anchorFromScroll, isExact, normalise, scrollFromAnchor, spacerHeight } from "./geometry.js";
import { LogPages, request } from "./pages.js";
import { lastState, occurrences, plain, visible, withoutOsc } from "./text.js";

const lines = (from, to, text = "x") => Array.from({ length: to - from }, (_, i) => ({ n: from + i, s: "o", t: text }));

test("a short log scrolls px by px", () => {
  assert.equal(isExact(800_000, 20, false), true);
  assert.equal(isExact(800_001, 20, false), false);
  assert.equal(isExact(10, 20, true), false);
  const anchor = anchorFromScroll({ scrollTop: 130, maxScroll: 1600, total: 100, rowHeight: 20, viewport: 400, wrap: false });
  assert.deepEqual(anchor, { line: 6, dy: -10 });
});

test("ten million lines keep within what a browser can scroll, and both ends are reached", () => {
  const total = 10_000_000;
  const maxScroll = spacerHeight(total, 20) - 500;
  assert.equal(spacerHeight(total, 20), MAX_HEIGHT_PX);
  const here = { maxScroll, total, rowHeight: 20, viewport: 500, wrap: false };
  assert.equal(anchorFromScroll({ scrollTop: 0, ...here }).line, 0);
  assert.equal(anchorFromScroll({ scrollTop: maxScroll, ...here }).line, total - 25);
  const anchor = { line: 4_321_000, dy: -7 };
  const back = anchorFromScroll({ scrollTop: scrollFromAnchor({ anchor, ...here }), ...here });
  assert.ok(Math.abs(back.line - anchor.line) <= 1);
});

test("an anchor moves onto the first line in view, whatever the heights", () => {
  const height = (n) => (n === 5 ? 60 : 20);
  assert.deepEqual(normalise({ line: 4, dy: -50 }, 100, height), { line: 5, dy: -30 });
  assert.deepEqual(normalise({ line: 6, dy: 50 }, 100, height), { line: 5, dy: -10 });
  assert.deepEqual(normalise({ line: 1, dy: 90 }, 100, height), { line: 0, dy: 0 });
  assert.deepEqual(anchorAt(-5, 20), { line: 0, dy: 0 });
});

test("pages remember what is recent and forget the rest", () => {
  const pages = new LogPages({ pageLines: 10, maxPages: 3 });
  pages.put(lines(0, 30));
  assert.equal(pages.missing(0, 9), null); // seen again: page 1 is now the oldest
  pages.put(lines(50, 60));
  assert.equal(pages.pageCount, 3);
  assert.equal(pages.get(15), null);
  assert.equal(pages.get(5).n, 5);
});

test("very long lines count by their characters, not their number", () => {
  const pages = new LogPages({ pageLines: 10, maxPages: 100, maxChars: 5000 });
  for (let start = 0; start < 200; start += 10) {
    pages.put(lines(start, start + 10, "y".repeat(100)));
  }
  assert.ok(pages.pageCount <= 5);
});

test("missing is narrowed to what is not here, and a line that may have grown is fetched again", () => {
  const pages = new LogPages({ pageLines: 10 });
  pages.put(lines(0, 8));
  assert.deepEqual(pages.missing(5, 12), [8, 12]);
  pages.markStale(7);
  assert.deepEqual(pages.missing(5, 12), [7, 12]);
  assert.equal(pages.get(7).t, "x");
  pages.put(lines(7, 13));
  assert.equal(pages.missing(5, 12), null);
});

test("a request takes whole pages, but not what is here", () => {
  const pages = new LogPages({ pageLines: 500 });
  assert.deepEqual(request([700, 720], pages), { start: 500, count: 500 });
  assert.deepEqual(request([990, 1010], pages), { start: 500, count: 1000 });
  pages.put(lines(500, 700));
  assert.deepEqual(request([700, 720], pages), { start: 700, count: 300 });
});

test("a progress bar shows its last state", () => {
  assert.equal(lastState("10%\r50%\r100%"), "100%");
  assert.equal(lastState("10%\r50%\r"), "50%");
  assert.equal(lastState("windows\r"), "windows");
  assert.equal(lastState("plain"), "plain");
});

test("control characters are seen, tabs and colours stay", () => {
  assert.equal(visible("a\u0000b\tc\u001b[31m"), "a\u2400b\tc\u001b[31m");
  assert.equal(withoutOsc("\u001b[1mx \u001b]8;;http://x\u0007link\u001b]8;;\u001b\\!"), "\u001b[1mx link!");
  assert.equal(plain("\u001b[1;31mred\u001b[0m \u001b]0;title\u0007x"), "red x");
});

test("occurrences, whatever the case", () => {
  assert.deepEqual(occurrences("Error: no error", "ERROR"), [[0, 5], [10, 15]]);
  assert.deepEqual(occurrences("aaaa", "aa"), [[0, 2], [2, 4]]);
  assert.deepEqual(occurrences("x", ""), []);
});
