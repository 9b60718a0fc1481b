import assert from "node:assert/strict";
import { test } from "node:test";

import { StepDraft, tooWords } from "./step_draft.js";

const draft = (edit = 0) =>
  new StepDraft({ settings: { entry: "main.py", arguments: "", retry: { max_attempts: 1 } }, base_edit: edit, source_digest: "d" }, ["main.py", "lib/a.py"]);

test("what was only looked at is not sent", () => {
  const one = draft(2);
  one.opened("main.py", "print(1)\n");
  one.set("arguments", "");
  assert.equal(one.isChanged, false);
  assert.deepEqual(one.body(), {
    base_edit: 2,
    files: { put: [], delete: [] },
    settings: {},
    continue_run: true,
    save_to_pipeline: false,
  });
});

test("what differs is sent, and what was changed back is not", () => {
  const one = draft();
  one.opened("main.py", "print(1)\n");
  one.write("main.py", "print(2)\n");
  one.set("arguments", "--fast");
  assert.equal(one.isFileChanged("main.py"), true);
  assert.deepEqual(one.body({ continueRun: false, saveToPipeline: true }), {
    base_edit: 0,
    files: { put: [{ path: "main.py", text: "print(2)\n" }], delete: [] },
    settings: { arguments: "--fast" },
    continue_run: false,
    save_to_pipeline: true,
  });
  one.write("main.py", "print(1)\n");
  one.set("arguments", "");
  one.set("retry", { max_attempts: 1 });
  assert.equal(one.isChanged, false);
  one.set("retry", { max_attempts: 2 });
  assert.deepEqual(one.body().settings, { retry: { max_attempts: 2 } });
  assert.deepEqual(one.settings, { entry: "main.py", arguments: "", retry: { max_attempts: 2 } });
});

test("files come and go", () => {
  const one = draft();
  assert.match(one.add(""), /Give the file a name/);
  assert.match(one.add("main.py"), /already/);
  assert.equal(one.add("new.py"), "");
  assert.deepEqual(one.files, ["lib/a.py", "main.py", "new.py"]);
  assert.deepEqual(one.body().files.put, [{ path: "new.py", text: "" }]);
  one.remove("new.py");
  one.remove("lib/a.py");
  assert.deepEqual(one.files, ["main.py"]);
  assert.deepEqual(one.body().files, { put: [], delete: ["lib/a.py"] });
});

test("a file that was deleted and made anew is written, not deleted", () => {
  const one = draft();
  one.opened("main.py", "old");
  one.remove("main.py");
  assert.equal(one.add("main.py"), "");
  assert.deepEqual(one.files, ["lib/a.py", "main.py"]);
  assert.deepEqual(one.body().files, { put: [{ path: "main.py", text: "" }], delete: [] });
});

test("text that a file had is told apart from no text yet", () => {
  const one = draft();
  assert.equal(one.text("main.py"), undefined);
  one.opened("main.py", "");
  assert.equal(one.text("main.py"), "");
  one.write("main.py", "x");
  one.opened("main.py", "what the server says later");
  assert.equal(one.text("main.py"), "x");
});

test("who changes a part of a step is told what else changes", () => {
  assert.equal(tooWords([]), "");
  assert.equal(tooWords(undefined), "");
  assert.match(tooWords(["a", "b"]), /^This changes “a”, “b” as well/);
  assert.match(tooWords(["a", "b", "c", "d", "e"]), /“c” and 2 more as well/);
});
