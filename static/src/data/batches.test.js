import assert from "node:assert/strict";
import { test } from "node:test";

import { batchesOf, sizeOf } from "./batches.js";

const item = (path, size) => ({ path, file: { size } });
const sizes = (batches) => batches.map((batch) => batch.map(({ file }) => file.size));

test("a batch is full by files or by bytes, and keeps the order", () => {
  const items = [1, 2, 3, 4, 90, 5].map((size, index) => item(`f${index}`, size));
  assert.deepEqual(sizes(batchesOf(items, { files: 3, bytes: 50 })), [[1, 2, 3], [4], [90], [5]]);
});

test("nothing to send is no batch", () => assert.deepEqual(batchesOf([]), []));

test("ten thousand files are many small requests", () => {
  const items = Array.from({ length: 10_000 }, (_, index) => item(`f${index}`, 10));
  const batches = batchesOf(items);
  assert.equal(batches.length, 500);
  assert.equal(batches.flat().length, 10_000);
  assert.equal(sizeOf(items), 100_000);
});
