import assert from "node:assert/strict";
import { test } from "node:test";

import { asText, mayBeAbsent, noteOf, readValue } from "./parameters.js";

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

test("data is named, without the blanks around it", () => {
  assert.deepEqual(read("dataset", " orders:3 "), { value: "orders:3" });
  assert.deepEqual(read("data_path", "store/a b/c.csv"), { value: "store/a b/c.csv" });
  assert.match(read("dataset", "").problem, /Name a dataset/);
  assert.match(read("data_path", " ").problem, /Name a datastore/);
  assert.equal(noteOf({ name: "p", type: "data_path", default: null }), "data path, must be given");
});

test("a default is written as one would type it", () => {
  assert.deepEqual([asText(null), asText(""), asText(0), asText(false), asText("x")], ["", "", "0", "false", "x"]);
});

test("a choice is one of the choices, an empty one too", () => {
  const size = { name: "p", type: "enum", choices: ["small", ""] };
  assert.deepEqual(["small", ""].map((text) => readValue(size, text).value), ["small", ""]);
  assert.match(readValue(size, "Small").problem, /Choose/);
});

test("bounds hold, and are said beside the name", () => {
  const folds = { name: "p", type: "integer", default: null, minimum: 0, maximum: 9 };
  assert.deepEqual(["0", "9"].map((text) => readValue(folds, text).value), [0, 9]);
  assert.match(readValue(folds, "-1").problem, /0 or more/);
  assert.match(readValue(folds, "10").problem, /9 or less/);
  assert.equal(noteOf(folds), "integer, 0 to 9, must be given");
  assert.equal(noteOf({ ...folds, maximum: null, default: 1 }), "integer, from 0");
  assert.equal(noteOf({ ...folds, type: "string" }), "string, must be given");
});

test("an optional one without a default may be absent", () => {
  for (const type of ["string", "integer", "number", "boolean", "enum"]) {
    const parameter = { name: "p", type, optional: true, default: null, choices: ["a"] };
    assert.deepEqual(readValue(parameter, " "), { value: null }, type);
  }
  assert.ok(!mayBeAbsent({ name: "p", type: "string", optional: true, default: "" }));
});
