import assert from "node:assert/strict";
import { test } from "node:test";

import { tagsOf, tagsText } from "./tags.js";

test("a line of tags becomes an object, and a line again", () => {
  const tags = tagsOf(" stage = trial,team=vision , , draft, url=a=b");
  assert.deepEqual(tags, { stage: "trial", team: "vision", draft: "", url: "a=b" });
  assert.equal(tagsText(tags), "stage=trial, team=vision, draft, url=a=b");
  assert.deepEqual(tagsOf(tagsText(tags)), tags);
});

test("nothing is no tag", () => {
  assert.deepEqual(tagsOf(" , "), {});
  assert.equal(tagsText({}), "");
});
