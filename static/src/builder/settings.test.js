import assert from "node:assert/strict";
import { test } from "node:test";

import { inWords, parameterIn, settingChoices, settingOf } from "./settings.js";

test("what is typed as a setting", () => {
  assert.equal(settingOf(" "), null);
  assert.equal(settingOf("0"), 0);
  assert.equal(settingOf(" 1.5e3 "), 1500);
  assert.equal(settingOf("${{ parameters.trees }}"), "${{parameters.trees}}");
  for (const text of ["many", "1e999", "${{parameters.", "${{inputs.a}}", "1 ${{parameters.a}}"]) {
    assert.equal(settingOf(text), undefined, text);
  }
});

test("a value of its own names no parameter", () => {
  assert.equal(parameterIn("${{parameters.a}}"), "a");
  for (const value of [null, 0, "", "local", "${{inputs.a}}", "x${{parameters.a}}"]) assert.equal(parameterIn(value), null);
});

test("parameters of a fit type are offered", () => {
  const parameters = [
    { name: "t", type: "string" },
    { name: "e", type: "enum" },
    { name: "i", type: "integer" },
    { name: "n", type: "number" },
    { name: "b", type: "boolean" },
    { name: "", type: "integer" },
  ];
  const names = (kind) => settingChoices(parameters, kind).map(({ label }) => label);
  assert.deepEqual([names("text"), names("whole"), names("number")], [["t", "e"], ["i"], ["i", "n"]]);
  assert.equal(settingChoices(parameters, "whole")[0].value, "${{parameters.i}}");
});

test("a setting in words", () => {
  const words = (value) => `${value} CPUs`;
  assert.equal(inWords(2, words, "CPUs"), "2 CPUs");
  assert.equal(inWords("${{parameters.c}}", words, "CPUs"), "CPUs by c");
});
