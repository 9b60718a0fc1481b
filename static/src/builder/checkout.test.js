import assert from "node:assert/strict";
import { test } from "node:test";

import { checkoutOf, factsFrom, isOfGit, originIn, packed, tells, withoutUser } from "./checkout.js";

const COMMIT = "a".repeat(40);
const CONFIG = '[core]\n\tbare = false\n[remote "other"]\n\turl = wrong\n[remote "origin"]\n\turl = https://ada:secret@example.org/code.git\n\tfetch = x\n[branch "main"]\n\turl = no\n';
const reading = (files) => async (path) => files[path] ?? "";

test("a branch whose reference lies in a file of its own", async () => {
  const facts = await factsFrom(reading({ HEAD: "ref: refs/heads/a/b\n", "refs/heads/a/b": `${COMMIT}\n`, config: CONFIG }));
  assert.deepEqual(facts, { repository: "https://example.org/code.git", branch: "a/b", commit: COMMIT, dirty: null });
});

test("a branch among the packed references", async () => {
  const text = `# pack-refs with: peeled\n${"b".repeat(40)} refs/heads/xmain\n${COMMIT} refs/heads/main\n^${"c".repeat(40)}\n`;
  assert.equal(packed(text, "refs/heads/main"), COMMIT);
  assert.equal(packed(text, "refs/heads/gone"), "");
  assert.equal((await factsFrom(reading({ HEAD: "ref: refs/heads/main", "packed-refs": text }))).commit, COMMIT);
});

test("on no branch, before the first commit, and what is no checkout", async () => {
  assert.deepEqual(await factsFrom(reading({ HEAD: COMMIT })), { repository: "", branch: "", commit: COMMIT, dirty: null });
  assert.equal((await factsFrom(reading({ HEAD: "ref: refs/heads/main" }))).commit, "");
  for (const files of [{}, { HEAD: "nonsense" }, { HEAD: "ref: refs/heads/.invalid" }, { HEAD: "ref: refs/heads/a", "refs/heads/a": "<b>" }]) {
    assert.equal(await factsFrom(reading(files)), null);
  }
});

test("of the files that were chosen only those at the top of the folder tell", async () => {
  const file = (text) => new Blob([text]);
  const files = [
    { path: ".git/HEAD", file: file(COMMIT) },
    { path: "sub/.git/HEAD", file: file("b".repeat(40)) },
    { path: "train.py", file: file("1") },
  ];
  assert.equal((await checkoutOf(files)).commit, COMMIT);
  assert.equal(await checkoutOf(files.slice(1)), null);
  const broken = { size: 1, text: () => Promise.reject(new Error("gone")) };
  assert.equal(await checkoutOf([{ path: ".git/HEAD", file: /** @type {any} */ (broken) }]), null);
});

test("what is git's own", () => {
  assert.deepEqual([".git", ".git/x", "a/.git/b", ".gitignore", "git/a"].map(isOfGit), [true, true, true, false, false]);
  assert.deepEqual([".git", ".git/refs/heads/a", ".git/objects", ".git/objects/aa", "a/.git"].map(tells), [true, true, false, false, false]);
});

test("the address of origin, and without whose it is", () => {
  assert.equal(originIn('[remote "origin"]\n\tURL="git@example.org:a/b"\n'), "git@example.org:a/b");
  assert.equal(originIn("[remote]\nurl = x"), "");
  assert.equal(withoutUser("https://u:p@ss@example.org/a?token=x#y"), "https://example.org/a");
  assert.equal(withoutUser("git@example.org:a/b"), "git@example.org:a/b");
});
