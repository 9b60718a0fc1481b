import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { isTerminal, STATUS_NAMES, statusOf } from "./status.js";

test("every status has a word, and an icon of the sprite", async () => {
  const icons = new Set((await readFile(new URL("../icons.txt", import.meta.url), "utf8")).split("\n"));
  for (const name of STATUS_NAMES) {
    const status = statusOf(name);
    assert.ok(status.word.length > 0);
    assert.ok(icons.has(status.icon), `${name}: ${status.icon} is not in icons.txt`);
    assert.match(status.className, new RegExp(`^status status-${name} tone-`));
  }
});

test("no two statuses share shape and colour", () => {
  const looks = STATUS_NAMES.map((name) => statusOf(name).icon);
  assert.equal(new Set(looks).size, looks.length);
});

test("an unknown status is shown by its own name, whatever the name", () => {
  assert.equal(statusOf("pondering").word, "pondering");
  assert.equal(statusOf("toString").className, "status status-unknown tone-idle");
});

test("what is over is over", () => {
  assert.deepEqual(["completed", "failed", "skipped", "cancelled"].map(isTerminal), [true, true, true, true]);
  assert.deepEqual(["waiting", "queued", "preparing", "running"].map(isTerminal), [false, false, false, false]);
});
