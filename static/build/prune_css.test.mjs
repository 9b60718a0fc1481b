import assert from "node:assert/strict";
import { test } from "node:test";

import { prunedCss } from "./prune_css.mjs";

const words = new Set(["btn", "sm:btn", "card"]);

test("rules of classes that nobody names go, and the others stay as they were", () => {
  const css = '@charset "utf-8";a,.x{b:c}.btn:hover,.card .y{d:e}.btn:is(.x,.card),.card{f:"}{"}';
  assert.equal(prunedCss(css, words), '@charset "utf-8";a{b:c}.btn:hover{d:e}.card{f:"}{"}');
});

test("what is nested is pruned, an empty frame goes, and key frames and fonts stay", () => {
  const css = "/* .x{} */@media print{.x{a:b}.card{a:b}}@media (x:y){.x{a:b}}@keyframes k{from{a:b}to{c:d}}@font-face{src:url('{')}";
  const kept = "@media print{.card{a:b}}@keyframes k{from{a:b}to{c:d}}@font-face{src:url('{')}";
  assert.equal(prunedCss(css, words), kept);
});
