import assert from "node:assert/strict";
import { test } from "node:test";

import { asText, readValue } from "./parameters.js";

const read = (type, text) => readValue({ name: "p", type }, text);

test("an empty text, a zero and a false are values like any other", () => {
  assert.deepEqual(read("string", ""), { value: "" });
  assert.deepEqual(read("integer", "0"), { value: 0 });
  assert.deepEqual(read("number", "0"), { value: 0 });
  assert.deepEqual(read("boolean", "false"), { value: false });
});

test("a text is taken as it is, blanks included", () => {
  assert.deepEqual(read("string", "  a "), { value: "  a " });
});

test("numbers are read as people write them", () => {
  assert.deepEqual(["7", " -3 ", "+12"].map((text) => read("integer", text).value), [7, -3, 12]);
  assert.deepEqual(["0.5", ".5", "5.", "1e-3", "-2"].map((text) => read("number", text).value), [0.5, 0.5, 5, 0.001, -2]);
});

test("what is no value of the type gets a sentence", () => {
  for (const [type, text] of [
    ["integer", ""], ["integer", "1.5"], ["integer", "9007199254740993"], ["integer", "0x10"],
    ["number", ""], ["number", "1,5"], ["number", "NaN"], ["number", "1e999"], ["boolean", ""],
  ]) {
    assert.match(read(type, text).problem, /\.$/, `${type} “${text}”`);
  }
});

test("a default is written as one would type it", () => {
  assert.deepEqual([asText(null), asText(""), asText(0), asText(false), asText("x")], ["", "", "0", "false", "x"]);
});
