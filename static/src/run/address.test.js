import assert from "node:assert/strict";
import { test } from "node:test";

import { readAddress, writeAddress } from "./address.js";

test("an address survives reading and writing", () => {
  const address = { view: "table", step: "train a&b #1", tab: "log", attempt: 2, line: 122 };
  const text = writeAddress(address);
  const [search, hash] = text.split("#L");
  assert.deepEqual(readAddress(search, `#L${hash}`), address);
  assert.equal(hash, "123");
});

test("nonsense reads as absent", () => {
  assert.deepEqual(readAddress("?view=x&tab=<script>&attempt=-1", "#L0"), {
    view: null,
    step: null,
    tab: null,
    attempt: null,
    line: null,
  });
  assert.equal(readAddress("", "#L1e9").line, null);
});

test("nothing to say is an empty address", () => {
  assert.equal(writeAddress({ view: null, step: null, tab: null, attempt: null, line: null }), "");
});
