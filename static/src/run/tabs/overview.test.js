import assert from "node:assert/strict";
import { test } from "node:test";

import { scriptWord } from "./overview.js";

test("a notebook is not called a script", () => {
  const fields = [
    { name: "notebook", label: "Notebook", widget: "script" },
    { name: "kernel", label: "Kernel", widget: "text" },
  ];
  assert.equal(scriptWord({ kind: { fields } }), "Notebook");
  assert.equal(scriptWord(null), "Script"); // not read yet
});
