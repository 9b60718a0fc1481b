import assert from "node:assert/strict";
import { test } from "node:test";

import { textOf, valueOf } from "./values.js";

test("what is typed is a number, true, false, or text", () => {
  const typed = { 0: 0, "-0.5": -0.5, "1e-3": 0.001, " 7 ": 7, true: true, false: false, "": "", word: "word", "007": "007", "1,5": "1,5", "1e999": "1e999", "12345678901234567890": "12345678901234567890", None: "None", '"5"': "5", '"true"': "true", '""': "", '"a" and "b"': '"a" and "b"', '"': '"', "${{inputs.x}}": "${{inputs.x}}" };
  for (const [text, value] of Object.entries(typed)) assert.deepEqual(valueOf(text), value, text);
});

test("what is shown of a value is that value again", () => {
  for (const value of [0, -1.5, true, false, "", "a b", "5", "true", '"5"', '"', "1e3", 'a "b"', " 7 ", "line\nline"]) {
    assert.deepEqual(valueOf(textOf(value)), value, JSON.stringify(value));
  }
});
