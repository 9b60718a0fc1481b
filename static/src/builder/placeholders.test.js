import assert from "node:assert/strict";
import { test } from "node:test";

import { insertPlaceholder, namesIn, piecesOf, renamePlaceholder } from "./placeholders.js";

test("only the placeholder that is meant is renamed", () => {
  const text = "--a ${{inputs.a}} ${{ outputs.a }} ${{inputs.ab}} inputs.a";
  assert.equal(renamePlaceholder(text, "inputs", "a", "b"), "--a ${{inputs.b}} ${{ outputs.a }} ${{inputs.ab}} inputs.a");
  assert.deepEqual([...namesIn(text, "inputs")], ["a", "ab"]);
});

test("text is cut into words and placeholders", () => {
  assert.deepEqual(piecesOf("--c=${{parameters.c}} x"), [
    { text: "--c=" },
    { scope: "parameters", name: "c" },
    { text: " x" },
  ]);
});

test("a chip of what may be absent writes a piece that can be left out", () => {
  const insert = (text) => insertPlaceholder(text, text.length, text.length, "inputs", "a", { mayBeAbsent: true }).text;
  assert.equal(insert("--x 1"), "--x 1 $[[--a ${{inputs.a}}]]");
  assert.equal(insert("$[[--x "), "$[[--x ${{inputs.a}}");
  assert.equal(insert("$[["), "$[[--a ${{inputs.a}}");
  assert.equal(insert("$[[--x 1 "), "$[[--x 1 --a ${{inputs.a}}");
  assert.equal(insert("--in="), "--in=${{inputs.a}}");
});

test("a chip for a shell's command writes no flag", () => {
  const insert = (text, more) => insertPlaceholder(text, text.length, text.length, "inputs", "a", { flags: false, ...more }).text;
  assert.equal(insert("cat "), "cat ${{inputs.a}}");
  assert.equal(insert('cat "'), 'cat "${{inputs.a}}');
  assert.equal(insert("cat ", { mayBeAbsent: true }), "cat $[[${{inputs.a}}]]");
});

test("a chip writes its flag too, unless one stands there", () => {
  const insert = (text, scope, name) => insertPlaceholder(text, text.length, text.length, scope, name).text;
  assert.equal(insert("", "inputs", "train_data"), "--train-data ${{inputs.train_data}}");
  assert.equal(insert("--x 1", "outputs", "model"), "--x 1 --model ${{outputs.model}}");
  assert.equal(insert("--in ", "inputs", "a"), "--in ${{inputs.a}}");
  assert.equal(insert("--in", "inputs", "a"), "--in ${{inputs.a}}");
  assert.equal(insert("--in=", "inputs", "a"), "--in=${{inputs.a}}");
});

test("a plain text gets the placeholder and nothing beside it", () => {
  const put = (text, start, end) => insertPlaceholder(text, start, end, "parameters", "c", { isPlain: true, mayBeAbsent: true });
  assert.deepEqual(put("a-b", 2, 3), { text: "a-${{parameters.c}}", caret: 19 });
  assert.deepEqual(put("", 0, 0), { text: "${{parameters.c}}", caret: 17 });
});
