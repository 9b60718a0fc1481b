import assert from "node:assert/strict";
import { test } from "node:test";

import { joined } from "./stream_list.js";

const line = (n, t = "") => ({ n, s: "s", t });

test("what came since is put behind what is there", () => {
  const there = [line(1), line(4, "half")];
  assert.deepEqual(joined(there, { lines: [line(4, "half a line"), line(9)], earlier: 4 }), [line(1), line(4, "half a line"), line(9)]);
  assert.deepEqual(joined([], { lines: [line(2)], earlier: null }), [line(2)]);
  assert.deepEqual(joined(there, { lines: [], earlier: null }), there);
  assert.deepEqual(joined(there, { lines: [], earlier: 7 }), there);
});

test("where so much came that lines between are missing, the newest ones stand alone", () => {
  assert.equal(joined([line(1)], { lines: [line(50), line(51)], earlier: 50 }), null);
  assert.deepEqual(joined([line(1)], { lines: [line(50)], earlier: null }), [line(1), line(50)]);
});
