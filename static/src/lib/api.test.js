import assert from "node:assert/strict";
import { test } from "node:test";

import { errorFrom } from "./api.js";

test("the studio's own problems keep their places", () => {
  const error = errorFrom(400, { detail: "Mend it.", problems: [{ loc: ["parameters", "c"], message: "Give a number." }] });
  assert.equal(error.detail, "Mend it.");
  assert.deepEqual(error.problems, [{ loc: ["parameters", "c"], message: "Give a number." }]);
});

test("a serializer's errors become problems at their fields", () => {
  const error = errorFrom(400, { name: ["Too long."], non_field_errors: ["Choose one."] });
  assert.deepEqual(error.problems, [
    { loc: ["name"], message: "Too long." },
    { loc: [], message: "Choose one." },
  ]);
  assert.equal(error.detail, "Too long. Choose one.");
});

test("an answer without a word gets a sentence that says what to do", () => {
  for (const status of [0, 401, 403, 404, 413, 500, 502, 418]) assert.match(errorFrom(status, null).detail, /\.$/);
  assert.deepEqual(errorFrom(500, ["no", "object"]).problems, []);
});
