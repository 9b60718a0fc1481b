import assert from "node:assert/strict";
import { test } from "node:test";

import { History } from "./history.js";

test("undo and redo walk through what was done; a new change ends the redo", () => {
  const history = new History(1);
  history.commit(2);
  history.commit(3);
  history.undo();
  assert.equal(history.present, 2);
  history.redo();
  assert.equal(history.present, 3);
  history.undo();
  history.commit(4);
  assert.equal(history.canRedo, false);
  history.undo();
  history.undo();
  history.undo();
  assert.equal(history.present, 1);
});

test("typing into one field is one step back", () => {
  const history = new History("");
  history.commit("a", { merge: "name", now: 0 });
  history.commit("ab", { merge: "name", now: 300 });
  history.commit("abc", { merge: "other", now: 400 });
  history.undo();
  assert.equal(history.present, "ab");
  history.undo();
  assert.equal(history.present, "");
});

test("what is learned is true of the past as well", () => {
  const history = new History(1);
  history.commit(2);
  history.amend((value) => value * 10);
  history.undo();
  assert.equal(history.present, 10);
});
